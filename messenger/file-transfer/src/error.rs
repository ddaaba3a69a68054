//! What went wrong, in words for the person whose disk it is.

use std::io;
use std::path::PathBuf;

use crate::{MAX_DEPTH, MAX_ENTRIES, MAX_FOLDERS, MAX_MANIFEST_BYTES, MAX_PATH_BYTES, MAX_SIZE};

/// Why something cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GiveError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a device, a pipe or a socket.
    #[error("expected a file or a folder at {0}, found something else")]
    Kind(PathBuf),
    /// A path without a last part, such as `/`.
    #[error("{0} has no name; give a folder in it")]
    Nameless(PathBuf),
    /// Too many files.
    #[error("expected at most {MAX_ENTRIES} files in {0}, found more; pack them into one file first")]
    Entries(PathBuf),
    /// Too many folders.
    #[error("expected at most {MAX_FOLDERS} folders in {0}, found more; pack them into one file first")]
    Folders(PathBuf),
    /// Their paths are too many or too long together.
    #[error(
        "expected paths of at most {MAX_MANIFEST_BYTES} bytes together in {0}, found more; pack them into one file first"
    )]
    Paths(PathBuf),
    /// Too deep, or a path that is too long.
    #[error("expected a path of at most {MAX_PATH_BYTES} bytes and {MAX_DEPTH} folders, found {0}")]
    Path(PathBuf),
    /// More bytes than a size can say.
    #[error("expected at most {MAX_SIZE} bytes in {0}, found more")]
    Size(PathBuf),
    /// It is not as it was when it was offered.
    #[error("{0} was changed since it was offered; offer it once more")]
    Changed(PathBuf),
    /// It is not wanted any more.
    #[error("the reading was broken off")]
    Halted,
    /// There is no such file in what was offered, or no such place in it.
    #[error("expected a place in what was offered, found byte {offset} of file {entry}")]
    Place {
        /// The file's number.
        entry: u64,
        /// The byte.
        offset: u64,
    },
}

/// Why something cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The folder cannot be written, or a file in it.
    #[error("{path} cannot be written: {source}")]
    Write {
        /// What.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not fit. What has come is kept.
    #[error(
        "the disk is full: {needed} bytes more are needed at {path}, {free} are free; make room, and let it be offered once more: what has come is kept"
    )]
    Full {
        /// Where.
        path: PathBuf,
        /// How many bytes are missing, and what is left free.
        needed: u64,
        /// How many there are.
        free: u64,
    },
    /// The system found no room for more, of the disk or of a quota: how much is missing it does not say. What has come is kept.
    #[error(
        "the disk is full: nothing more can be written at {0}; make room, and let it be offered once more: what has come is kept"
    )]
    NoRoom(PathBuf),
    /// The offer or a file of it is larger than anything may be.
    #[error("expected {what} of at most {limit}, found {found}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
        /// How much there was.
        found: u64,
    },
    /// The files are not those of the offer.
    #[error("the other side offered {expected} and sends {found}")]
    Announced {
        /// What was offered.
        expected: String,
        /// What came.
        found: String,
    },
    /// What came is not what was sent. It was deleted.
    #[error(
        "what came of {0} is not what was sent: its hash is another one; it was deleted, let it be offered once more"
    )]
    Hash(String),
    /// The other side went out of turn.
    #[error("expected {expected}, found {found}")]
    Order {
        /// What was due.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
}
