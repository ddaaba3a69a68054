//! What a person has decided, in her folder: read, changed by what another device gives, and put back as it was before.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use device::endorsement::{self, EndorseError};
use device::{Home, HomeError};
use identity::endorsement::{Endorsement, EndorsementError};
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use messenger_engine::Command;

use super::merge::{Summary, merged, to_tell};
use super::package::{Decided, MAX_BYTES, Package, PackageError};
use crate::appearance::{self, AppearanceError};
use crate::contacts::{ContactBook, ContactsError};
use crate::settings::{self, SettingsError};

/// Where what goes and what comes lies for a moment.
const MOVING: &str = "messenger/moving";

/// Where the files lie as they were before another device's were taken in.
const BEFORE: &str = "messenger/before";

/// The files that taking in changes.
const FILES: [&str; 4] =
    ["messenger/contacts.toml", "messenger/presence.toml", "messenger/settings.toml", "bindings.json"];

/// Why what another device gives is not given, taken, or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MovingError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    #[error(transparent)]
    Appearance(#[from] AppearanceError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("nothing was taken in from another device, or it was put back already")]
    NothingBefore,
}

/// What is decided here.
pub(super) fn decided(book: &ContactBook) -> Result<Decided, MovingError> {
    let home = book.home();
    Ok(Decided {
        contacts: book.load()?,
        bindings: home.bindings()?,
        presence: appearance::load(home)?,
        settings: settings::load(home)?,
    })
}

/// Writes what is given into a file of its own (0600).
pub(super) fn write(home: &Home, name: &str, package: &Package) -> Result<PathBuf, MovingError> {
    let path = moving(home)?.join(name);
    device::keep_file(&path, package.to_json().as_bytes())?;
    Ok(path)
}

/// The folder (0700) in which it lies, made if missing.
pub(super) fn moving(home: &Home) -> Result<PathBuf, MovingError> {
    make(home, MOVING)
}

/// Nothing of what was under way when the program ended is left.
pub(super) fn tidy(home: &Home) {
    // There may be none.
    let _ = std::fs::remove_dir_all(home.folder().join(MOVING));
}

/// Reads what came, and removes the file, whatever is in it.
pub(super) fn read(path: &Path) -> Result<Package, MovingError> {
    let failed = |source| MovingError::File { path: path.display().to_string(), source };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    std::fs::remove_file(path).map_err(failed)?;
    read.map_err(failed)?;
    Ok(Package::read(&bytes)?)
}

/// What taking it in would change.
pub(super) fn preview(book: &ContactBook, package: &Package, me: &Identifier) -> Result<Summary, MovingError> {
    Ok(merged(decided(book)?, package, me).1)
}

/// What came of taking it in.
pub(super) struct Taken {
    pub(super) summary: Summary,
    /// What a running engine has to be told.
    pub(super) commands: Vec<Command>,
    /// Why the other device's word does not count, if it does not.
    pub(super) unendorsed: Option<String>,
}

/// Takes it in, after the files as they are were laid aside. How one appears is for the engine to take over: it says what is kept.
pub(super) fn take(book: &ContactBook, trust: &Trust, package: Package, me: &Identifier) -> Result<Taken, MovingError> {
    let home = book.home();
    let (after, mut summary) = merged(decided(book)?, &package, me);
    lay_aside(home)?;
    let unendorsed = package.endorsement.as_deref().and_then(|pem| accept(home, trust, pem).err());
    summary.endorsed &= unendorsed.is_none();
    let commands = to_tell(&after, &summary);
    // What is bound first: whoever comes in a moment later is judged by it.
    home.change_bindings(|bindings| {
        for (who, binding) in after.bindings.iter() {
            bindings.take_over(who, binding);
        }
    })?;
    let theirs = package.contacts.into_iter().filter(|(who, _)| who != me);
    book.join(theirs.collect())?;
    settings::keep(home, &after.settings)?;
    Ok(Taken { summary, commands, unendorsed })
}

fn accept(home: &Home, trust: &Trust, pem: &str) -> Result<(), String> {
    let told = |error: EndorsementError| error.to_string();
    let endorsement = Endorsement::from_pem(pem.as_bytes()).map_err(told)?;
    let accepted = endorsement::accept(home, trust, &endorsement, UnixTime::now());
    accepted.map(drop).map_err(|error: EndorseError| error.to_string())
}

/// Keeps the files as they are, in place of those of an earlier time.
fn lay_aside(home: &Home) -> Result<(), MovingError> {
    make(home, BEFORE)?;
    for file in FILES {
        // One that is not there is empty there: so it can be told from one that was not laid aside.
        home.write_text(aside(file), &home.read_text(file)?.unwrap_or_default())?;
    }
    Ok(())
}

/// Puts the files back as they were before another device's were taken in last; whatever was changed since is lost. To be done
/// while no messenger runs: one that does keeps what it knows.
pub(crate) fn put_back(home: &Home) -> Result<(), MovingError> {
    let before: Vec<Option<String>> = FILES.iter().map(|file| home.read_text(aside(file))).collect::<Result<_, _>>()?;
    let before: Option<Vec<String>> = before.into_iter().collect();
    for (file, text) in FILES.iter().zip(before.ok_or(MovingError::NothingBefore)?) {
        let path = home.folder().join(file);
        match text.is_empty() {
            false => home.write_text(file, &text)?,
            true => std::fs::remove_file(&path)
                .or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .map_err(|source| MovingError::File { path: path.display().to_string(), source })?,
        }
    }
    // Once: a second time would undo what was decided since.
    let folder = home.folder().join(BEFORE);
    std::fs::remove_dir_all(&folder).map_err(|source| MovingError::File { path: folder.display().to_string(), source })
}

fn aside(file: &str) -> String {
    format!("{BEFORE}/{}", file.rsplit('/').next().unwrap_or(file))
}

fn make(home: &Home, folder: &str) -> Result<PathBuf, MovingError> {
    home.messenger_folder()?;
    let path = home.folder().join(folder);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|source| MovingError::File { path: path.display().to_string(), source })?;
    Ok(path)
}
