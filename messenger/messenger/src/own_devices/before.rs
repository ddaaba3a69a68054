//! What was before another device's decisions were taken in: laid aside as a whole, and put back.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use device::Home;
use identity::trust::Bindings;

use super::error::MovingError;
use crate::contacts::ContactBook;
use crate::kept::{self, KeptError};

/// Where the files lie as they were before another device's were taken in, and where they are gathered until all are there.
const BEFORE: &str = "messenger/before";
const GATHERING: &str = "messenger/before.new";

/// The files that taking in changes, but for that of the bindings.
const FILES: [&str; 3] = ["messenger/contacts.toml", "messenger/presence.toml", "messenger/settings.toml"];

/// Of the bindings those alone that taking in adds: what changes in the others meanwhile is nothing to be undone.
const BOUND: &str = "bound.json";

/// Held by whoever keeps in memory what the files say.
const RUNNING: &str = ".devices.lock";

/// As long as this is held nothing is put back: a program that runs would write what it knows over it.
pub(super) fn run(home: &Home) -> Result<File, MovingError> {
    Ok(kept::lock_by(home, RUNNING, File::lock_shared)?)
}

/// Keeps the files as they are, and whom `after` binds that is not bound yet, in place of what was kept an earlier time; all of it
/// or nothing.
pub(super) fn lay_aside(home: &Home, after: &Bindings) -> Result<(), MovingError> {
    let bound = home.bindings()?;
    let mut added = Bindings::default();
    for (who, binding) in after.iter().filter(|(who, _)| bound.get(who).is_none()) {
        added.take_over(who, binding);
    }
    let (before, gathering) = (home.folder().join(BEFORE), home.folder().join(GATHERING));
    remove(&gathering, |path| fs::remove_dir_all(path))?;
    home.private_folder(GATHERING)?;
    for file in FILES {
        // One that is not there is empty there: so it can be told from one that was not laid aside.
        home.write_text(format!("{GATHERING}/{}", name(file)), &home.read_text(file)?.unwrap_or_default())?;
    }
    home.write_text(format!("{GATHERING}/{BOUND}"), &added.to_json())?;
    remove(&before, |path| fs::remove_dir_all(path))?;
    let folder = home.messenger_folder()?;
    let moved = fs::rename(&gathering, &before).and_then(|()| File::open(folder)?.sync_all());
    moved.map_err(|source| MovingError::file(&before, source))
}

/// Puts the files back as they were before another device's were taken in last, and lets go of whom that bound; whatever was changed
/// in the files since is lost.
pub(crate) fn put_back(book: &ContactBook) -> Result<(), MovingError> {
    let home = book.home();
    let _alone = kept::lock_by(home, RUNNING, File::try_lock).map_err(|error| match error {
        KeptError::Lock { source, .. } if source.kind() == ErrorKind::WouldBlock => MovingError::Running,
        error => error.into(),
    })?;
    let aside = |file: &str| home.read_text(format!("{BEFORE}/{}", name(file)));
    let before: Option<Vec<String>> = FILES.iter().map(|file| aside(file)).collect::<Result<_, _>>()?;
    let (Some(before), Some(bound)) = (before, aside(BOUND)?) else { return Err(MovingError::NothingBefore) };
    let bound = Bindings::from_json(&bound).map_err(|error| MovingError::Damaged {
        path: home.folder().join(BEFORE).join(BOUND).display().to_string(),
        found: error.to_string(),
    })?;
    home.change_bindings(|bindings| {
        for (who, binding) in bound.iter() {
            // Who was bound anew since stays so.
            if bindings.get(who) == Some(binding) {
                bindings.release(who);
            }
        }
    })?;
    let _lock = book.lock()?;
    for (file, text) in FILES.iter().zip(before) {
        match text.is_empty() {
            false => home.write_text(file, &text)?,
            true => remove(&home.folder().join(file), |path| fs::remove_file(path))?,
        }
    }
    // Once: a second time would undo what was decided since.
    remove(&home.folder().join(BEFORE), |path| fs::remove_dir_all(path))
}

fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Removes what may not be there.
fn remove(path: &Path, by: fn(&Path) -> std::io::Result<()>) -> Result<(), MovingError> {
    match by(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(MovingError::file(path, source)),
        _ => Ok(()),
    }
}
