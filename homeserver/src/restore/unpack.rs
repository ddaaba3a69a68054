//! The files of a backup, verified, in an empty folder.

use std::path::{Path, PathBuf};

use identity::UnixTime;

use super::{MARK, PARTIAL, RestoreError};
use crate::backup::{self, MANIFEST, Manifest, OwnLog, Verified, own_logs};
use crate::error::StartError;
use crate::files;
use crate::folder::Folder;
use crate::neighbours::{Neighbour, Neighbours};
use crate::policies;
use crate::settings::{self, Settings};

pub(super) fn unpack(from: &Path, to: &Path, now: UnixTime) -> Result<Manifest, RestoreError> {
    let wrong = |reason: String| RestoreError::Backup { backup: from.to_path_buf(), reason };
    let Verified { files: all, damaged } = backup::verified(from).map_err(wrong)?;
    let aside = struck_in(from, damaged.keys());
    // Nobody signs a struck log any more: what is left of it is put aside, and a mirror may have the whole.
    if let Some((_, account)) = damaged.iter().find(|(path, _)| !aside.iter().any(|log| path.starts_with(log))) {
        return Err(wrong(account.clone()));
    }
    let mark = std::fs::read(from.join(MANIFEST)).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest = serde_json::from_slice(&mark).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    if manifest.version != 1 || !all.iter().any(|file| file == Path::new(MANIFEST)) {
        return Err(wrong(format!("expected a backup of version 1, found version {}", manifest.version)));
    }
    if std::fs::read_dir(to).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(RestoreError::NotEmpty { folder: to.to_path_buf() });
    }
    let folder = Folder::open(to)?;
    // First of all: whatever happens from here on, nothing starts in this folder, nor goes on from a part of the backup.
    folder.write(PARTIAL, b"")?;
    folder.write(MARK, &mark)?;
    for file in all.iter().filter(|file| *file != Path::new(MANIFEST)) {
        let to = match aside.iter().find(|log| file.starts_with(log)) {
            Some(log) => set_aside(log).join(file.strip_prefix(log).unwrap_or(file)),
            None => file.clone(),
        };
        match copy(&from.join(file), &folder.path().join(to)) {
            Err(StartError::Folder { path, .. }) if damaged.contains_key(file) && path == from.join(file) => {}
            copied => copied?,
        }
    }
    drop_destroyed_keys(&folder, now)?;
    let partial = folder.join(PARTIAL);
    let whole = std::fs::remove_file(&partial).and_then(|()| std::fs::File::open(folder.path())?.sync_all());
    whole.map_err(|source| StartError::folder(&partial, source))?;
    Ok(manifest)
}

/// The folders of struck logs in a backup to which one of these files belongs. None if the backup does not say.
fn struck_in<'a>(backup: &Path, files: impl Iterator<Item = &'a PathBuf> + Clone) -> Vec<PathBuf> {
    let settings = settings::read(&backup.join(settings::FILE)).ok().and_then(|text| Settings::parse(&text).ok());
    let versions = policies::history(backup).ok();
    let logs = settings.zip(versions).and_then(|(settings, versions)| own_logs(&settings, &versions).ok());
    let struck = logs.unwrap_or_default().into_iter().filter(|log| log.is_struck).map(|log| PathBuf::from(log.folder));
    struck.filter(|log| files.clone().any(|file| file.starts_with(log))).collect()
}

/// Where a damaged copy of the log in this folder comes to lie.
pub(super) fn set_aside(log: &Path) -> PathBuf {
    log.with_added_extension("damaged")
}

fn copy(from: &Path, to: &Path) -> Result<(), StartError> {
    let bytes = std::fs::read(from).map(zeroize::Zeroizing::new).map_err(|source| StartError::folder(from, source))?;
    let written = files::private_folder(to.parent().unwrap_or(to)).and_then(|()| files::write(to, &bytes));
    written.map_err(|source| StartError::folder(to, source))
}

/// A label key whose time was over since the backup was destroyed, and does not come back.
fn drop_destroyed_keys(folder: &Folder, now: UnixTime) -> Result<(), RestoreError> {
    let text = settings::read(&folder.join(settings::FILE))?;
    let settings =
        Settings::parse(&text).map_err(|reason| StartError::Settings { path: folder.join(settings::FILE), reason })?;
    let versions = policies::history(folder.path())?;
    for OwnLog { shard, folder: log, .. } in own_logs(&settings, &versions)? {
        if shard.window.retires().is_some_and(|at| at <= now) {
            let beside = Path::new(&log).parent().filter(|parent| !parent.as_os_str().is_empty());
            let keys = beside.map_or_else(|| folder.join("keys"), |shard| folder.path().join(shard));
            let key = keys.join(ca::keys::LABEL_KEY);
            if key.exists() {
                std::fs::remove_file(&key).map_err(|source| StartError::folder(&key, source))?;
            }
        }
    }
    Ok(())
}

/// A witness promises that it never forgets. This one may have: so it cosigns no log of somebody else any more, until its
/// operator adds it anew. The logs that it cosigned.
pub(super) fn stop_cosigning(folder: &Path) -> Result<Vec<String>, StartError> {
    let before = Neighbours::read(folder)?;
    let mut after = Neighbours::default();
    for neighbour in before.all() {
        after.add(Neighbour { log: None, ..neighbour.clone() })?;
    }
    if after != before {
        after.write(folder)?;
    }
    let logs = before.all().iter().filter_map(|neighbour| neighbour.log.as_ref());
    Ok(logs.map(|log| log.split('+').next().unwrap_or(log).to_owned()).collect())
}
