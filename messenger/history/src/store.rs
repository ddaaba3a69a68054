//! The open database.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::key::Key;
use crate::{HistoryError, schema};

/// How long another program's write is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A history that is open. Several programs may have the same one open.
pub struct History {
    pub(crate) connection: Connection,
    /// The run that writes; 0 before [`History::begin_run`].
    pub(crate) run: i64,
    pub(crate) path: PathBuf,
    /// What expired stands in the journal still.
    pub(crate) journal_remains: bool,
    /// Held as long as the connection.
    _lock: File,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("History(…)")
    }
}

impl History {
    pub(crate) fn open(path: &Path, key: &Key, lock: File) -> Result<Self, HistoryError> {
        let mut connection = connect(path, key)?;
        // The first page is read here: a wrong key, another's file and a damaged one are the same to it.
        let opened = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        if let Err(error) = opened {
            return Err(match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => HistoryError::Foreign(path.to_owned()),
                _ => at(path, error),
            });
        }
        set_up(&connection).map_err(|error| placed(path, error))?;
        schema::migrate(&mut connection).map_err(|error| placed(path, error))?;
        Ok(Self { connection, run: 0, path: path.to_owned(), journal_remains: false, _lock: lock })
    }

    /// From now on new numbers of texts count, whatever earlier runs of the program have used.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin_run(&mut self) -> Result<(), HistoryError> {
        let next = self.connection.query_row("UPDATE runs SET last = last + 1 RETURNING last", [], |row| row.get(0));
        self.run = next.map_err(|error| at(&self.path, error))?;
        Ok(())
    }

    /// A number that changes whenever another program has written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn version(&self) -> Result<i64, HistoryError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Reads all of it, and says what is not as it was written.
    ///
    /// # Errors
    /// [`HistoryError::Damaged`], with what was found.
    pub fn check(&self) -> Result<(), HistoryError> {
        let damaged = |found: String| Err(HistoryError::Damaged(found));
        // Pages that the HMAC refuses first, then what SQLite's own structure says.
        for pragma in ["PRAGMA cipher_integrity_check", "PRAGMA integrity_check(1)"] {
            let mut statement = self.connection.prepare(pragma)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let found: String = row.get(0)?;
                if found != "ok" {
                    return damaged(found);
                }
            }
        }
        Ok(())
    }
}

/// A connection with its key; nothing has been read yet.
pub(crate) fn connect(path: &Path, key: &Key) -> Result<Connection, HistoryError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
    // It would write to standard error, which is a terminal that somebody looks at; errors say as much.
    connection.execute_batch("PRAGMA cipher_log_level = NONE")?;
    // An error of SQLite's would quote the statement, and so the key.
    let opened = connection.execute_batch(&key.pragma());
    opened.map_err(|_| HistoryError::Database("the database took no key".to_owned()))?;
    Ok(connection)
}

/// How the database is to behave; none of it is kept in the file but the journal's kind.
pub(crate) fn set_up(connection: &Connection) -> Result<(), HistoryError> {
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased is overwritten. Journals and sorting never leave memory but encrypted.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Pages that searches come back to are decrypted once (KiB; SQLite's own 2 MiB hold no index of a large history).
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "recursive_triggers", true)?;
    let journal: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        return Err(HistoryError::Database(format!("expected the journal wal, found {journal}")));
    }
    // A program that is killed loses nothing; a computer that loses its power may lose the last texts, and nothing else.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(())
}

/// SQLite's error about this file.
pub(crate) fn at(path: &Path, error: rusqlite::Error) -> HistoryError {
    let code = error.sqlite_error_code();
    match code {
        // It could not make or lock what lies beside the database.
        Some(ErrorCode::CannotOpen) => HistoryError::ReadOnly(path.to_owned()),
        _ => placed(path, error.into()),
    }
}

/// The same error, naming the file.
pub(crate) fn placed(path: &Path, error: HistoryError) -> HistoryError {
    match error {
        HistoryError::ReadOnly(_) => HistoryError::ReadOnly(path.to_owned()),
        HistoryError::InUse(_) => HistoryError::InUse(path.to_owned()),
        error => error,
    }
}
