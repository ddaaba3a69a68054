//! What can be wrong with a person's folder.

use std::io;
use std::path::PathBuf;

use identity::Identifier;
use identity::trust::Fingerprint;
use key_store::{KeyringError, TokenError, sealed::SealError};

use crate::keys::KeyError;

/// Why the folder could not be read or written. Messages name the path and what was expected and found.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No environment variable says where the folder is.
    #[error("no folder for keys and certificates: none of INPERSON_HOME, XDG_DATA_HOME and HOME is set")]
    NoFolder,
    /// The folder or file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed for another reason, for instance a full disk. The old file is still there.
    #[error("writing {} failed: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any file of its kind.
    #[error("{} is larger than {limit} bytes, which no file of this kind is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What the largest has.
        limit: usize,
    },
    /// The file is not what it should be.
    #[error("{} is damaged: expected {expected}, found {found}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A file with a secret can be read by other people.
    #[error("{} holds a secret but others may read it: expected mode 600, found {found:o}", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// A key is sealed with a passphrase and does not open, or cannot be sealed.
    #[error("{}: {source}", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<SealError>,
    },
    /// A key is kept in the keyring, and cannot be had.
    #[error("{}: {source}", path.display())]
    Keyring {
        /// The file that says so.
        path: PathBuf,
        /// Why not.
        source: Box<KeyringError>,
    },
    /// A key lies in a token, and cannot be used.
    #[error("{}: {source}", path.display())]
    Token {
        /// The file that says so.
        path: PathBuf,
        /// Why not.
        source: Box<TokenError>,
    },
    /// The same key would be taken once more.
    #[error("the key of {identifier} lies in a token, where a new one needs a name of its own")]
    NeedsPlace {
        /// Whose.
        identifier: Identifier,
    },
    /// A key could not be made, or is of another kind.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no enrolled device for this person.
    #[error("no certificate for {identifier} here; found: {have}")]
    NoDevice {
        /// Who was asked for.
        identifier: Identifier,
        /// Who is there, or "none".
        have: String,
    },
    /// There is no certificate for mail of this person.
    #[error("no certificate for mail of {identifier} here; found: {have}")]
    NoMailbox {
        /// Who was asked for.
        identifier: Identifier,
        /// Who is there, or "none".
        have: String,
    },
    /// What was renewed is no longer what the folder holds.
    #[error(
        "{identifier} was enrolled anew meanwhile, with another key: the renewed certificate of the one before is not kept"
    )]
    EnrolledAnew {
        /// Whose certificate.
        identifier: Identifier,
    },
    /// The policy is not the one whose fingerprint was given.
    #[error("the policy is not the expected one: expected fingerprint {expected}, found {found}")]
    Fingerprint {
        /// The fingerprint that was given.
        expected: Fingerprint,
        /// The fingerprint of the bytes.
        found: Fingerprint,
    },
    /// The bytes are no trust policy.
    #[error("this is no trust policy: {0}")]
    Policy(String),
}
