//! A folder of the local file system as storage.

use std::collections::BTreeSet;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, LocalDisk};
use super::{File, Storage};

/// Files that are synced at the same time: a journaling file system takes them into one commit.
const SYNCED_AT_ONCE: usize = 16;

/// A folder. Every file is written beside its place, fsynced, renamed into it, and its folder fsynced.
#[derive(Debug)]
pub struct FolderStorage {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    /// Folders that this process knows to be durable. One that is merely there may have been made by a
    /// process that died, or a write that failed, before its name was synced.
    durable: Mutex<BTreeSet<PathBuf>>,
    /// Held as long as this value lives; the kernel gives it back even after SIGKILL.
    lock: Option<fs::File>,
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

impl Drop for FolderStorage {
    /// Closing would not be enough: a process that begins at this moment has the open file too, until it is the program that
    /// it will be.
    fn drop(&mut self) {
        let _ = self.lock.as_ref().map(fs::File::unlock);
    }
}

impl FolderStorage {
    /// A folder to read from. It need not exist yet.
    pub fn open(root: &Path) -> Self {
        Self::on(Arc::new(LocalDisk), root)
    }

    /// A folder on any disk, without a lock.
    pub fn on(disk: Arc<dyn Disk>, root: &Path) -> Self {
        Self { root: root.to_owned(), disk, durable: Mutex::default(), lock: None }
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
        let mut opened = Self::open(root);
        opened.make_root().map_err(at(root))?;
        let path = root.join("lock");
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => opened.lock = Some(lock),
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse { folder: root.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }),
        }
        Ok(opened)
    }

    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let plain = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
        if path.split('/').all(plain) && !path.contains(['\\', '\0']) {
            return Ok(self.root.join(path));
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("not a path within the storage: {path:?}")))
    }

    /// Makes the root and what is missing above it, durably.
    fn make_root(&self) -> io::Result<()> {
        let missing: Vec<&Path> = self.root.ancestors().take_while(|above| !self.is_there(above)).collect();
        for made in missing.into_iter().rev() {
            self.disk.make_folder(made)?;
            let above = made.parent().filter(|above| !above.as_os_str().is_empty());
            self.disk.sync_folder(above.unwrap_or(Path::new(".")))?;
        }
        Ok(())
    }

    fn is_there(&self, folder: &Path) -> bool {
        folder.as_os_str().is_empty() || self.disk.is_folder(folder)
    }

    /// Makes the folder and those above it up to the root. Those that are not known to be durable go to
    /// `fresh`.
    fn make_folder(&self, folder: &Path, fresh: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        let unknown: Vec<&Path> = {
            let durable = self.durable();
            let below_root = folder.ancestors().take_while(|above| *above != self.root);
            below_root.take_while(|above| !durable.contains(*above)).collect()
        };
        for made in unknown.into_iter().rev() {
            if fresh.insert(made.to_owned()) && !self.disk.is_folder(made) {
                self.disk.make_folder(made)?;
            }
        }
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        // Whoever panicked while holding it has at worst left out a folder, which is then synced again.
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file on its way: written under the first name, to be renamed to the second.
struct Beside<'a> {
    beside: PathBuf,
    path: PathBuf,
    bytes: &'a [u8],
}

impl Storage for FolderStorage {
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match self.disk.read(&self.resolve(path)?) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn put_all(&self, files: &[File]) -> io::Result<()> {
        self.make_root()?;
        let (mut folders, mut fresh) = (BTreeSet::new(), BTreeSet::new());
        let mut staged = Vec::with_capacity(files.len());
        for file in files {
            let path = self.resolve(&file.path)?;
            let folder = path.parent().unwrap_or(&self.root).to_owned();
            if folders.insert(folder.clone()) {
                self.make_folder(&folder, &mut fresh)?;
            }
            // No served path ends in this, so that a half-written file is never shown.
            staged.push(Beside { beside: path.with_added_extension("new"), path, bytes: &file.bytes });
        }
        side_by_side(&staged, |file| self.disk.write_synced(&file.beside, file.bytes))?;
        staged.iter().try_for_each(|file| self.disk.rename(&file.beside, &file.path))?;
        folders.extend(fresh.iter().filter_map(|made| made.parent()).map(Path::to_owned));
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        side_by_side(&folders, |folder| self.disk.sync_folder(folder))?;
        self.durable().extend(fresh);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.resolve(path)?;
        self.durable().retain(|folder| !folder.starts_with(&path));
        self.disk.remove(&path)
    }
}

/// Does the work for each item on a few threads; the first error of any.
fn side_by_side<T: Sync>(items: &[T], work: impl Fn(&T) -> io::Result<()> + Sync) -> io::Result<()> {
    if items.len() < 2 {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..items.len().min(SYNCED_AT_ONCE)).map(|_| scope.spawn(worker)).collect();
        let abnormal = || Err(io::Error::other("a thread that writes files ended abnormally"));
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| abnormal()))
    })
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
