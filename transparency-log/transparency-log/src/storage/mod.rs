//! Where a log or a witness keeps its files: a small contract, a folder, and a memory for tests.

mod folder;
mod memory;

use std::io;

pub use folder::{FolderStorage, LockError};
pub use memory::{Fault, MemoryStorage};

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
/// **Concurrency.** Any number of readers beside one writer. Keeping a second writer away is the work of
/// whoever opens the storage ([`FolderStorage::open_exclusive`]).
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

    /// Writes or replaces one file, durably.
    ///
    /// # Errors
    /// As [`Storage::put_all`].
    fn put(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.put_all(&[File { path: path.to_owned(), bytes }])
    }
}
