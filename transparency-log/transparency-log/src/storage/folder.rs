//! A folder of the local file system as storage.

use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{File, Storage};

/// A folder. Every file is written beside its place, fsynced, renamed into it, and its folder fsynced.
#[derive(Debug)]
pub struct FolderStorage {
    root: PathBuf,
    /// Held as long as this value lives; the kernel gives it back even after SIGKILL.
    _lock: Option<fs::File>,
}

/// Why a folder could not be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another part of this one, writes to it.
    #[error("{} is in use by another process: expected to be its only writer", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder or its lock file could not be made.
    #[error("{}: {source}", path.display())]
    Io {
        /// What could not be made.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FolderStorage {
    /// A folder to read from. It need not exist yet.
    pub fn open(root: &Path) -> Self {
        Self { root: root.to_owned(), _lock: None }
    }

    /// A folder to write to, made if need be, as its only writer until the value is dropped.
    ///
    /// # Errors
    /// When another writer holds its lock, or the folder cannot be made or written.
    pub fn open_exclusive(root: &Path) -> Result<Self, LockError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Io { path, source }
        };
        fs::create_dir_all(root).map_err(at(root))?;
        let path = root.join("lock");
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(LockError::InUse { folder: root.to_owned() }),
            Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
        }
    }

    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
        if path.split('/').all(plain) && !path.contains(['\\', '\0']) {
            return Ok(self.root.join(path));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not a path within the storage: {path:?}")))
    }

    /// Makes the folder and those above it; the parents of new ones go to `dirty`.
    fn make_folder(&self, folder: &Path, dirty: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.is_dir()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        dirty.extend(missing.iter().filter_map(|made| made.parent()).map(Path::to_owned));
        Ok(())
    }
}

impl Storage for FolderStorage {
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.resolve(path)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_all(&self, files: &[File]) -> io::Result<()> {
        let mut dirty = BTreeSet::new();
        let mut staged = Vec::with_capacity(files.len());
        for file in files {
            let path = self.resolve(&file.path)?;
            let folder = path.parent().unwrap_or(&self.root).to_owned();
            self.make_folder(&folder, &mut dirty)?;
            dirty.insert(folder);
            // No served path ends in this, so that a half-written file is never shown.
            let beside = path.with_added_extension("new");
            let mut out = fs::File::create(&beside)?;
            out.write_all(&file.bytes)?;
            staged.push((out, beside, path));
        }
        // Written first and synced after: the kernel may write them all at once.
        for (out, beside, path) in staged {
            out.sync_all()?;
            fs::rename(beside, path)?;
        }
        dirty.iter().try_for_each(|folder| fs::File::open(folder)?.sync_all())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.resolve(path)?;
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_replaces_and_removes() {
        let folder = tempfile::tempdir().unwrap();
        let storage = FolderStorage::open_exclusive(folder.path()).unwrap();
        storage.put("a/b/c", b"one".to_vec()).unwrap();
        storage.put("a/b/c", b"two".to_vec()).unwrap();
        storage.put("a/b/d", b"three".to_vec()).unwrap();
        assert_eq!(storage.get("a/b/c").unwrap().unwrap(), b"two");
        assert_eq!(storage.get("a/b").ok().flatten(), None, "a folder is no file");
        assert_eq!(storage.get("a/b/c/d").unwrap(), None, "nothing lies below a file");
        storage.remove("a/b/c").unwrap();
        storage.remove("a/b/c").unwrap();
        storage.remove("a").unwrap();
        assert_eq!(storage.get("a/b/d").unwrap(), None);
    }

    #[test]
    fn refuses_a_second_writer_and_paths_that_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = FolderStorage::open_exclusive(folder.path()).unwrap();
        let second = FolderStorage::open_exclusive(folder.path());
        assert!(matches!(second, Err(LockError::InUse { .. })));
        drop(first);
        let storage = FolderStorage::open_exclusive(folder.path()).unwrap();
        for path in ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b"] {
            assert!(storage.get(path).is_err(), "{path:?}");
            assert!(storage.put(path, vec![]).is_err(), "{path:?}");
        }
    }
}
