//! What the streams of files need of the disk. Everything here may block: it is called on threads that may.

use crate::wire::{Entry, HASH_BYTES, Outline, Wanted};

/// What can be given. Reasons are for people.
pub(in crate::driver) trait Source: Send + Sync {
    fn outline(&self) -> Outline;

    /// How many parts of a folder are not offered.
    fn left_out(&self) -> u64;

    /// The path and the size of a file, by its place in the manifest.
    fn entry(&self, entry: u64) -> Option<Entry>;

    /// Reads a file from an offset on. What is before it may have to be read for its hash, unless it is `enough`.
    fn open(&self, entry: u64, offset: u64, enough: &dyn Fn() -> bool) -> Result<Box<dyn Reading>, String>;
}

/// A file that is read.
pub(in crate::driver) trait Reading: Send {
    /// Zero at the end of what was offered, where the file has to end, too.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, String>;

    /// The hash of the whole file, once it is read to the end.
    fn hash(self: Box<Self>) -> Result<[u8; HASH_BYTES], String>;
}

/// What is taken.
pub(in crate::driver) trait Sink: Send {
    /// The manifest comes from its beginning.
    fn list_anew(&mut self);

    /// Takes a page of the manifest; the one after the last is empty.
    fn page(&mut self, entries: Vec<Entry>) -> Result<(), String>;

    /// What is missing; nothing if all is there.
    fn left(&self) -> Option<Wanted>;

    /// How many bytes of the file at which it is are missing.
    fn expects(&self) -> u64;

    /// Appends to that file, no more than it expects.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// That file is whole, and should have this hash.
    fn finish(&mut self, hash: [u8; HASH_BYTES]) -> Result<(), String>;

    /// Everything is there: gives it its name, and says where it is.
    fn complete(&mut self) -> Result<String, String>;

    /// How many bytes are there.
    fn done(&self) -> u64;

    /// Nothing more comes; what has come stays to be gone on with, or not.
    fn forget(self: Box<Self>, keep: bool);
}

/// How files are reached.
pub(in crate::driver) trait Disk: Send + Sync {
    fn look(&self, path: &str) -> Result<Box<dyn Source>, String>;

    /// Makes ready for what somebody offers; what has come of it before, from the same person, is gone on with.
    fn begin(&self, into: &str, what: &Outline, from: &str) -> Result<Box<dyn Sink>, String>;
}
