//! What a folder needs of a file system: the seam below which a power cut can be played.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The calls that [`FolderStorage`](super::FolderStorage) makes. Each is one step: what it did may be lost
/// in a power cut unless its doc says otherwise.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// The contents of a file.
    ///
    /// # Errors
    /// `NotFound` or `NotADirectory` where there is none; whatever else keeps it from being read.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Whether there is a folder of this name.
    fn is_folder(&self, path: &Path) -> bool;

    /// Makes one folder; it is no error if it is there.
    ///
    /// # Errors
    /// When it cannot be made.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Creates or truncates a file, writes it and syncs its contents. The contents are durable, the name
    /// is not until [`Disk::sync_folder`].
    ///
    /// # Errors
    /// When it cannot be written; a part may have been.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file another name in the same folder, replacing what had it, atomically.
    ///
    /// # Errors
    /// When it cannot.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When it cannot.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a file, or a folder and all below it; it is no error if there is none.
    ///
    /// # Errors
    /// When it is still there.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
