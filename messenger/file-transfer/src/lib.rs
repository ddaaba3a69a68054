//! Files and folders on the disk: what goes to another device, and what comes from one.
//!
//! ```text
//! Outgoing::look ─► entries ─► Reading (bytes, SHA-256)  ═══►  Incoming::write ─► finish ─► complete
//! ```
//! Nothing here knows a network or a clock, and nothing grows with the size of a file. What comes is hostile until it is
//! shown not to be: its names are made harmless ([`SafeName`]), its sizes are held to what was announced, its hash is
//! compared, and until then it lies in a hidden partial file that nobody but its owner reads and nobody executes.
//!
//! Everything may block: call it where that is allowed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod beneath;
mod error;
mod incoming;
mod marks;
mod name;
mod outgoing;
mod partial;
mod paths;
mod place;
#[cfg(test)]
mod tests;

pub use error::{GiveError, TakeError};
pub use incoming::{Incoming, Position};
pub use name::{MAX_SAFE_NAME_BYTES, SafeName, misleads};
pub use outgoing::{Outgoing, Reading};

/// The most files in a folder.
pub const MAX_ENTRIES: u64 = 100_000;
/// The most folders in a folder, those with files in them and those above these.
pub const MAX_FOLDERS: u64 = 10_000;
/// The longest path of a file in a folder (bytes of UTF-8).
pub const MAX_PATH_BYTES: usize = 1024;
/// How many folders deep a file may lie, itself counted.
pub const MAX_DEPTH: usize = 32;
/// What all paths of a folder may take together (bytes): they are held in memory.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;
/// The largest size (bytes): JSON numbers are exact up to here in every language.
pub const MAX_SIZE: u64 = (1 << 53) - 1;
/// So much of a disk is left free (bytes): a full one stops other programs.
pub const RESERVE: u64 = 64 * 1024 * 1024;

/// SHA-256 of a file.
pub type Hash = [u8; 32];

/// What is offered, as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name, as its giver has it.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// How many files; 1 if it is no folder.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A file of a folder, or the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the folder, with `/` between the parts; of a single file its name.
    pub path: String,
    /// Its size (bytes).
    pub size: u64,
}
