//! What can go wrong with a history, in words for people, and what to try.

use std::path::{Path, PathBuf};

use key_store::sealed::SealError;
use key_store::{KeyringError, PassphraseError};
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use thiserror::Error;

use crate::search::MAX_NEEDLE_BYTES;

/// Why something was not done. Whatever it is, the history is as it was before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is none.
    #[error("no history is kept in {0}")]
    None(PathBuf),
    /// There is one, and it was not opened.
    #[error("the history did not open when the program started")]
    NotOpen,
    /// There is one already.
    #[error("expected no history in {0}, found one")]
    Exists(PathBuf),
    /// Another program has it open, and this needs it alone.
    #[error("another program uses the history in {0}")]
    InUse(PathBuf),
    /// The database is there and its key's file is not.
    #[error("the history's key is gone: {0} is not there")]
    KeyGone(PathBuf),
    /// The key's file holds something else.
    #[error("{path}: expected a sealed key, or where it lies in the keyring, found something else")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why, if there is more to say.
        #[source]
        source: Option<Box<SealError>>,
    },
    /// It does not open the key.
    #[error("that is not the passphrase of the history")]
    WrongPassphrase,
    /// There is no passphrase to be had.
    #[error("the passphrase of the history: {0}")]
    Passphrase(#[from] PassphraseError),
    /// The keyring does not give or take the key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The file is no history that this key opens: another's, or damaged at its beginning.
    #[error("{0}: expected a history that its key opens, found a file of somebody else's, or a damaged one")]
    Foreign(PathBuf),
    /// Something in it is not what was written (HMAC), or not in order.
    #[error("the history is damaged: {0}")]
    Damaged(String),
    /// A later version of this program has written it.
    #[error("expected a history of version {known} at most, found {found}: a later program wrote it")]
    Newer {
        /// The newest that is known here.
        known: i32,
        /// Its own.
        found: i32,
    },
    /// No room on the disk.
    #[error("the disk is full: nothing was written")]
    Full,
    /// What was erased is gone from the history, and not yet from the file.
    #[error("it is erased, but old pages with it may still be in {0}")]
    Remains(PathBuf),
    /// It may not be written.
    #[error("{0} cannot be written: the folder or the disk is read-only")]
    ReadOnly(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing in what was looked for is a word.
    #[error("expected words to look for, at most {MAX_NEEDLE_BYTES} bytes, found none or more")]
    Needle,
    /// There is no such conversation.
    #[error("no history is kept of {0}")]
    NoConversation(String),
    /// A name or a text is too long, or a number beyond what is kept.
    #[error("expected {expected}, found {found}")]
    Limit {
        /// What would be right.
        expected: &'static str,
        /// What there was; never a text.
        found: usize,
    },
    /// Whatever else SQLite says.
    #[error("the history: {0}")]
    Database(String),
}

impl HistoryError {
    /// What to try, for people.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::None(_) => "in the messenger: /history on",
            Self::NotOpen => "start again: it says what is wrong with it",
            Self::Exists(_) => "use it as it is, or `messenger history forget` first",
            Self::InUse(_) => "end the other messenger, and try again",
            Self::KeyGone(_) | Self::KeyFile { .. } => {
                "put the key's file back from a backup; without it nobody can read this history: `messenger history forget` makes room for a new one"
            }
            Self::WrongPassphrase => "try again; nobody can open it without the passphrase",
            Self::Passphrase(_) => {
                "`--history-passphrase` ask, file:PATH, fd:NUMBER or credential:NAME says where it comes from"
            }
            Self::Keyring(_) => "start the keyring of your session and open it, as it was when the history was begun",
            Self::Foreign(_) | Self::Damaged(_) => {
                "put the folder back from a backup; `messenger history export` saves what can still be read, `messenger history forget` makes room for a new one"
            }
            Self::Newer { .. } => "use the newer messenger",
            Self::Full => "make room on the disk",
            Self::Remains(_) => "make room on the disk, end other programs that read the history, and erase once more",
            Self::ReadOnly(_) => "make the folder writable for you",
            Self::Io { .. } | Self::Database(_) => "look whether the folder can be read and written",
            Self::Needle => "look for a word, or its beginning",
            Self::NoConversation(_) => "`messenger history list` shows of whom there is one",
            Self::Limit { .. } => "make it shorter",
        }
    }

    /// What an input or output error of a file means.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly(path.to_owned()),
            _ => Self::Io { path: path.to_owned(), source },
        }
    }
}

/// SQLite's codes. Its message may quote a statement, and ours hold no text of anybody's.
impl From<rusqlite::Error> for HistoryError {
    fn from(error: rusqlite::Error) -> Self {
        // The journal's index finds no room: a failure of input and output to SQLite, and to people a full disk.
        if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) {
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged("its bytes are not those that were written".to_owned()),
            Some(ErrorCode::NotADatabase) => Self::Damaged("a page is not what was written (HMAC)".to_owned()),
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly("the history".into()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse("the history".into()),
            _ => Self::Database(error.to_string()),
        }
    }
}
