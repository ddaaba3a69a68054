//! What a monitor remembers of one log, in a folder of its own.
//!
//! ```text
//! lock              held by the one monitor
//! cursor.json       what was audited; replaced atomically, after the labels and duplicates are on disk
//! checkpoint        the newest checkpoint that was audited whole, as it was signed
//! labels            eight bytes an entry: the beginning of its label, zeros where it has none
//! duplicates.json   labels that stand in the log twice, until somebody was told (see `untold`)
//! objects.json      how far the objects that entries name were looked at, and which of them were missing
//! seen.json         the latest cosignature of each witness, in seconds since the epoch
//! ```

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tlog_proof::{Cosigned, Entry};

use super::{Cursor, ObjectCursor};
use crate::storage::{FolderStorage, LockError, Storage as _};

/// Bytes of a label that are kept: enough that a chance hit is rare, and every hit is checked anyway.
const PREFIX: usize = 8;

/// Why the monitor's own folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// Another monitor has it, or it cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was written. Nothing is skipped silently: the operator decides.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
}

/// The memory of one monitor for one log. Calls block.
#[derive(Debug)]
pub struct Book {
    folder: PathBuf,
    origin: String,
    storage: FolderStorage,
    cursor: Option<Cursor>,
}

/// The beginning of a label; zeros where an entry has none.
pub(super) fn prefix(entry: &Entry) -> u64 {
    entry.label().and_then(|label| label.first_chunk()).map_or(0, |first| u64::from_be_bytes(*first))
}

impl Book {
    /// Opens the book of the log `origin`, as its only writer.
    ///
    /// # Errors
    /// When another monitor has it, or it is damaged or another log's. A book whose labels are shorter than its
    /// cursor says is damaged, too: a monitor that lost its memory must not go on as if it had seen everything.
    pub fn open(folder: &Path, origin: &str) -> Result<Self, BookError> {
        let storage = FolderStorage::open_exclusive(folder)?;
        let mut book = Self { folder: folder.to_owned(), origin: origin.to_owned(), storage, cursor: None };
        if let Some(bytes) = book.read("cursor.json")? {
            let cursor: Cursor =
                serde_json::from_slice(&bytes).map_err(|error| book.damaged("cursor.json", error.to_string()))?;
            if cursor.origin() != origin {
                let reason = format!("expected the cursor of the log {origin:?}, found that of {:?}", cursor.origin());
                return Err(book.damaged("cursor.json", reason));
            }
            let (expected, found) = (cursor.size(), book.labelled()?);
            if found < expected {
                let reason = format!("expected the labels of {expected} entries, found {found}");
                return Err(book.damaged("labels", reason));
            }
            book.cursor = Some(cursor);
        }
        Ok(book)
    }

    /// The log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How far it was followed.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// The newest checkpoint that was audited whole, as it was signed.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn checkpoint(&self) -> Result<Option<String>, BookError> {
        let bytes = self.read("checkpoint")?;
        bytes
            .map(|bytes| String::from_utf8(bytes).map_err(|_| self.damaged("checkpoint", "expected text".into())))
            .transpose()
    }

    /// How far the objects that entries name were looked at.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn objects(&self) -> Result<ObjectCursor, BookError> {
        let Some(bytes) = self.read("objects.json")? else { return Ok(ObjectCursor::default()) };
        serde_json::from_slice(&bytes).map_err(|error| self.damaged("objects.json", error.to_string()))
    }

    /// Keeps how far they were looked at.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_objects(&self, cursor: &ObjectCursor) -> Result<(), BookError> {
        self.write("objects.json", serde_json::to_vec(cursor).expect("numbers can be written as JSON"))
    }

    /// Which of these prefixes stand among the labels before `end`: position and prefix.
    pub(super) fn find(&self, prefixes: &HashSet<u64>, end: u64) -> Result<Vec<(u64, u64)>, BookError> {
        if end == 0 || prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| self.io("labels", source);
        let mut labels = BufReader::with_capacity(1 << 16, File::open(self.path("labels")).map_err(failed)?);
        let (mut found, mut bytes) = (Vec::new(), [0; PREFIX]);
        for position in 0..end {
            labels.read_exact(&mut bytes).map_err(failed)?;
            let label = u64::from_be_bytes(bytes);
            if label != 0 && prefixes.contains(&label) {
                found.push((position, label));
            }
        }
        Ok(found)
    }

    /// Keeps the labels of the entries that follow the cursor, durably, and then the new cursor.
    pub(super) fn advance(&mut self, labels: &[u64], cursor: Cursor) -> Result<(), BookError> {
        let kept = self.cursor.as_ref().map_or(0, Cursor::size);
        let failed = |source| self.io("labels", source);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path("labels"))
            .map_err(failed)?;
        // What an interrupted round left behind the cursor is written again.
        file.seek(SeekFrom::Start(kept * PREFIX as u64)).map_err(failed)?;
        let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_be_bytes()).collect();
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)?;
        let text = serde_json::to_vec(&cursor).expect("a cursor is plain numbers and text");
        self.write("cursor.json", text)?;
        self.cursor = Some(cursor);
        Ok(())
    }

    /// Keeps the checkpoint that was audited whole.
    pub(super) fn keep_checkpoint(&self, text: &str) -> Result<(), BookError> {
        self.write("checkpoint", text.as_bytes().to_vec())
    }

    /// The latest cosignature of each witness that was seen before.
    pub(super) fn seen(&self) -> Result<BTreeMap<String, u64>, BookError> {
        let Some(bytes) = self.read("seen.json")? else { return Ok(BTreeMap::new()) };
        serde_json::from_slice(&bytes).map_err(|error| self.damaged("seen.json", error.to_string()))
    }

    /// Keeps the later of what was seen before and now.
    pub(super) fn see(&self, cosigned: &[Cosigned]) -> Result<(), BookError> {
        let mut seen = self.seen()?;
        for by in cosigned {
            let latest = seen.entry(by.name.clone()).or_default();
            *latest = (*latest).max(by.time);
        }
        self.write("seen.json", serde_json::to_vec(&seen).expect("names and numbers can be written as JSON"))
    }

    /// Of how many entries the labels are kept.
    fn labelled(&self) -> Result<u64, BookError> {
        match std::fs::metadata(self.path("labels")) {
            Ok(metadata) => Ok(metadata.len() / PREFIX as u64),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(self.io("labels", source)),
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BookError> {
        self.storage.get(name).map_err(|source| self.io(name, source))
    }

    pub(super) fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), BookError> {
        self.storage.put(name, bytes).map_err(|source| self.io(name, source))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), BookError> {
        self.storage.remove(name).map_err(|source| self.io(name, source))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn io(&self, name: &str, source: io::Error) -> BookError {
        BookError::Io { path: self.path(name), source }
    }

    pub(super) fn damaged(&self, name: &str, reason: String) -> BookError {
        BookError::Damaged { path: self.path(name), reason }
    }
}
