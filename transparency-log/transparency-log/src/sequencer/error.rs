//! Why a log could not be opened, and why an entry was not logged.

use std::io;

use tlog_proof::EntryError;

use super::{PATIENCE, QUEUE};
use crate::storage::LockError;

/// Why an entry was not logged, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Not an entry.
    #[error("not an entry of this log: {0}")]
    Entry(#[from] EntryError),
    /// Too large.
    #[error("expected at most {expected} bytes, found {found}")]
    TooLarge {
        /// The limit for an entry or an object.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// Too many submissions are waiting.
    #[error("the log is busy: {QUEUE} entries are waiting; try again")]
    Busy,
    /// No proof in time, because storage or witnesses fail; the log goes on trying.
    #[error("no proof within {} seconds: {reason}", PATIENCE.as_secs())]
    Delayed {
        /// What the log last failed at.
        reason: String,
    },
    /// The log was stopped.
    #[error("the log was stopped")]
    Stopped,
    /// The log has stopped by itself, because to go on would be wrong. It says what it met.
    #[error("the log has stopped: {reason}. Start it again once that is cleared up; it then checks itself")]
    Halted {
        /// Another writer, or a witness that knows another or a longer history.
        reason: String,
    },
    /// An object could not be stored.
    #[error("object: {0}")]
    Object(io::Error),
    /// A log elsewhere refuses the entry, or refuses whoever submits it. It is not logged.
    #[error("the log refuses it with status {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The log's own words, cut to 200 characters.
        reason: String,
    },
    /// The entry is in the log, but its proof could not be read back.
    #[error("proof: {0}")]
    Proof(String),
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is in use or cannot be written.
    #[error(transparent)]
    Folder(#[from] LockError),
    /// The signer or the policy is another log's.
    #[error("expected {expected}, found {found}")]
    Configuration {
        /// What the origin demands.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Storage failed.
    #[error("{doing}: {source}")]
    Storage {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// What is stored contradicts itself. The log must not run: restore its folder from a copy, and
    /// restart; if no copy is consistent, close this log and open one of another origin.
    #[error(
        "the stored log is inconsistent: {account}; nothing was changed. Restore the folder from a copy, or close this log and open one under another origin"
    )]
    Inconsistent {
        /// What contradicts what.
        account: String,
    },
    /// A witness has cosigned more than is stored: the folder is an old copy.
    #[error(
        "witness {witness} has cosigned {witnessed} entries, the folder holds {stored}: it is an old copy, and the log must not run on it"
    )]
    Behind {
        /// The witness.
        witness: String,
        /// The size it cosigned.
        witnessed: u64,
        /// The size stored.
        stored: u64,
    },
    /// A new log could not get its first checkpoint cosigned.
    #[error("the first checkpoint was not cosigned: {reason}")]
    Unwitnessed {
        /// What the witnesses said.
        reason: String,
    },
}
