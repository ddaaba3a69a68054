//! Where a log or a witness keeps its files: a small contract, a folder, and a memory for tests.

pub mod disk;
mod folder;
mod memory;
#[cfg(feature = "object-store")]
mod object;
mod simulated;

use std::io;

pub use folder::{FolderStorage, LockError};
pub use memory::{Fault, MemoryStorage};
#[cfg(feature = "object-store")]
pub use object::{ObjectStorage, ProbeError, S3_KEYS_FILE, S3Keys, S3KeysError, S3Place};
pub use simulated::SimulatedDisk;

/// A file to be written: its path relative to the storage, with `/`, and its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path below the storage's root; never empty, absolute, or with `.` or `..` segments.
    pub path: String,
    /// The contents.
    pub bytes: Vec<u8>,
}

/// Files by path. Calls block: run them on a thread that may.
///
/// **Durability.** What `put` and `put_all` wrote is durable when they return `Ok`. When they return an
/// error, or the process dies within, each single file is either wholly the old or wholly the new one;
/// which of them is unknown.
///
/// **Concurrency.** Any number of readers beside one writer. A second writer is kept away either by whoever
/// opens the storage ([`FolderStorage::open_exclusive`]), or by [`Storage::replace`], which fails with
/// [`Superseded`] for every writer but the one that claimed the file last.
///
/// **Trust.** Somebody who controls this store can make the log stop, can delete what it holds, and can
/// show different people different files; she cannot make a verifier accept an entry, a tile or a
/// history that the log did not sign and the witnesses did not cosign. A log that is restarted on an old
/// copy is caught by its witnesses, and refuses to run.
pub trait Storage: Send + Sync + 'static {
    /// The contents of a file, or `None` if there is no such file.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>>;

    /// Writes or replaces every file, durably. Their order and atomicity as a whole are not promised.
    ///
    /// # Errors
    /// When any of them could not be made durable.
    fn put_all(&self, files: &[File]) -> io::Result<()>;

    /// Removes a file, or a folder with all that it holds; it is no error if there is none.
    ///
    /// The removal need not be durable: after a crash the file may be back.
    ///
    /// # Errors
    /// When it is still there.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Reads a file that from now on is written with [`Storage::replace`] alone.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn claim(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.get(path)
    }

    /// Writes or replaces a claimed file, durably, if it still is what this writer last claimed or wrote.
    /// Where the storage has one writer by its lock, that is always so.
    ///
    /// # Errors
    /// As [`Storage::put_all`]; and [`Superseded`], within the error, when somebody else has written it since:
    /// then nothing was written.
    fn replace(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put(path, bytes)
    }

    /// Writes or replaces one file, durably.
    ///
    /// # Errors
    /// As [`Storage::put_all`].
    fn put(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put_all(&[File { path: path.to_owned(), bytes }])
    }
}

/// Another writer has taken this storage over: whoever meets this must write no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} was written by another process: this one is no longer the only writer")]
pub struct Superseded {
    /// The claimed file.
    pub path: String,
}

impl Superseded {
    /// Whether a write failed because of another writer.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl From<Superseded> for io::Error {
    fn from(superseded: Superseded) -> Self {
        Self::new(io::ErrorKind::AlreadyExists, superseded)
    }
}
