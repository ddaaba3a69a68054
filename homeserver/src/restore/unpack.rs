//! The files of a backup, verified, in an empty folder.

use std::path::Path;

use identity::UnixTime;

use super::{MARK, PARTIAL, RestoreError, files};
use crate::backup::{self, MANIFEST, Manifest, OwnLog, own_logs};
use crate::error::StartError;
use crate::folder::Folder;
use crate::neighbours::{Neighbour, Neighbours};
use crate::policies;
use crate::settings::{self, Settings};

pub(super) fn unpack(from: &Path, to: &Path, now: UnixTime) -> Result<Manifest, RestoreError> {
    let wrong = |reason: String| RestoreError::Backup { backup: from.to_path_buf(), reason };
    let sums = backup::verified(from).map_err(wrong)?;
    let mark = std::fs::read(from.join(MANIFEST)).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    let manifest: Manifest = serde_json::from_slice(&mark).map_err(|error| wrong(format!("{MANIFEST}: {error}")))?;
    if manifest.version != 1 || !sums.contains_key(Path::new(MANIFEST)) {
        return Err(wrong(format!("expected a backup of version 1, found version {}", manifest.version)));
    }
    if std::fs::read_dir(to).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(RestoreError::NotEmpty { folder: to.to_path_buf() });
    }
    let folder = Folder::open(to)?;
    // First of all: whatever happens from here on, nothing starts in this folder, nor goes on from a part of the backup.
    folder.write(PARTIAL, b"")?;
    folder.write(MARK, &mark)?;
    for file in sums.keys().filter(|file| *file != Path::new(MANIFEST)) {
        copy(&from.join(file), &folder.join(&file.display().to_string()))?;
    }
    drop_destroyed_keys(&folder, now)?;
    let partial = folder.join(PARTIAL);
    let whole = std::fs::remove_file(&partial).and_then(|()| std::fs::File::open(folder.path())?.sync_all());
    whole.map_err(|source| StartError::folder(&partial, source))?;
    Ok(manifest)
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
    let versions = policies::versions(folder.path())?;
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
