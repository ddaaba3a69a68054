//! The embedded store: SQLite with a write-ahead log and `synchronous=FULL`.
//!
//! One thread writes, one reads. The writer takes whatever commits are waiting into one transaction (group commit),
//! each in its own savepoint, so that a refused one does not take its neighbours along: one `fsync` then pays for all
//! of them.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::oneshot;

use super::{Change, Record, Select, Store, StoreError, migrate, rows};
use crate::spent::Work;

/// How long another process's lock on the database is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// At most so many commits share a transaction.
const MAX_GROUP: usize = 256;
/// Statements kept prepared per connection; there are fewer.
const STATEMENTS: usize = 64;

/// A [`Store`] in one SQLite file.
pub struct SqliteStore {
    writer: Option<mpsc::Sender<Write>>,
    reader: Option<mpsc::Sender<Read>>,
    /// In the order in which they end.
    threads: Vec<JoinHandle<()>>,
    /// Held as long as the store is open.
    lock: File,
}

struct Write {
    changes: Vec<Change>,
    answer: oneshot::Sender<Result<usize, StoreError>>,
}

struct Read {
    select: Select,
    answer: oneshot::Sender<Result<Vec<Record>, StoreError>>,
}

impl SqliteStore {
    /// Opens or makes the database at `path` (mode 0600). `path` with `.lock` appended is locked as long as the store
    /// is open: a second process is refused with [`StoreError::Locked`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, PATIENCE)
    }

    /// The same, waiting so long for another process's lock on the database itself.
    pub(crate) fn open_with(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        private(path).map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
        let mut write = connect(path)?;
        migrate::up(&mut write).map_err(|error| match error {
            StoreError::Unavailable(reason) => StoreError::Unavailable(format!("{}: {reason}", path.display())),
            other => other,
        })?;
        let read = connect(path)?;
        for connection in [&write, &read] {
            connection.busy_timeout(patience).map_err(|e| rows::unavailable(&e))?;
            merge_journal_at_close(connection)?;
        }
        let (writer, writes) = mpsc::channel();
        let (reader, reads) = mpsc::channel();
        let threads = vec![
            spawn("ca-store-read", move || read_loop(&read, &reads))?,
            spawn("ca-store-write", move || write_loop(&mut write, &writes))?,
        ];
        Ok(Self { writer: Some(writer), reader: Some(reader), threads, lock })
    }
}

/// A database that is there, opened by nobody else as long as the file beside the connection is held.
pub(super) fn exclusive(path: &Path) -> Result<(Connection, File), StoreError> {
    if !path.is_file() {
        return Err(StoreError::Unavailable(format!("{}: there is no such file", path.display())));
    }
    let lock = lock(path)?;
    let connection = connect(path)?;
    merge_journal_at_close(&connection)?;
    Ok((connection, lock))
}

impl Store for SqliteStore {
    fn read(&self, select: Select) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        let (answer, result) = oneshot::channel();
        let sent = self.reader.as_ref().is_some_and(|reader| reader.send(Read { select, answer }).is_ok());
        Box::pin(async move { if sent { result.await.map_err(|_| stopped())? } else { Err(stopped()) } })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<usize, StoreError>> {
        let (answer, result) = oneshot::channel();
        let sent = self.writer.as_ref().is_some_and(|writer| writer.send(Write { changes, answer }).is_ok());
        Box::pin(async move { if sent { result.await.map_err(|_| stopped())? } else { Err(stopped()) } })
    }
}

impl Drop for SqliteStore {
    /// Lets both threads finish what they were given: one after the other, for of two connections that close at the same
    /// moment neither is the last, and the journal stays beside the database.
    fn drop(&mut self) {
        let mut threads = self.threads.drain(..);
        drop(self.reader.take());
        threads.next().map(JoinHandle::join);
        drop(self.writer.take());
        threads.next().map(JoinHandle::join);
        // A process that begins at this moment has the open file too, until it is the program that it will be; closing it here
        // would leave it locked.
        let _ = self.lock.unlock();
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store's thread has stopped".into())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|e| StoreError::Unavailable(format!("no thread for the store: {e}")))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let unavailable = |e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", name.display()));
    let file = private(&name).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: name.display().to_string() }),
        Err(TryLockError::Error(e)) => Err(unavailable(e)),
    }
}

/// Makes the file with mode 0600 before anything is in it; SQLite gives its journal the same mode.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A connection that leaves the files as they are when it is closed: a database that turns out to be damaged is evidence, and
/// a journal from before a crash may be all that there is of it.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| unopened(path, &e))?;
    let set_up = || -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        // What is overwritten or deleted is gone from the file, not only unreachable in it.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(())
    };
    set_up().map_err(|e| unopened(path, &e))?;
    Ok(connection)
}

/// From now on, as the database can be read, the last connection that is closed merges the journal into it.
fn merge_journal_at_close(connection: &Connection) -> Result<(), StoreError> {
    let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
    set.map(drop).map_err(|e| rows::unavailable(&e))
}

fn unopened(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Broken { path: path.into(), reason: format!("expected a database of SQLite's, found: {error}") }
        }
        _ => StoreError::Unavailable(format!("{}: {error}", path.display())),
    }
}

fn read_loop(connection: &Connection, reads: &mpsc::Receiver<Read>) {
    while let Ok(read) = reads.recv() {
        let _ = read.answer.send(Work::Sql.time(|| rows::read(connection, &read.select)));
    }
}

fn write_loop(connection: &mut Connection, writes: &mpsc::Receiver<Write>) {
    // A crash may have left what was erased in the journal.
    let mut to_empty = true;
    while let Ok(first) = writes.recv() {
        let mut group = vec![first];
        while group.len() < MAX_GROUP
            && let Ok(next) = writes.try_recv()
        {
            group.push(next);
        }
        to_empty |= commit_group(connection, group);
        to_empty = to_empty && !empty_journal(connection);
    }
}

/// The journal (WAL) keeps pages as they were before the last change. A reader in the middle of a question holds it for a
/// moment longer; then the next commit empties it. Answers whether it is empty.
fn empty_journal(connection: &Connection) -> bool {
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    if emptied != Ok(0) {
        tracing::debug!("the journal still holds what was erased; the next commit empties it");
    }
    emptied == Ok(0)
}

/// One transaction for the whole group. If it as a whole fails, everybody in it is told so. Answers whether anything was
/// erased.
fn commit_group(connection: &mut Connection, group: Vec<Write>) -> bool {
    let mut results = Vec::with_capacity(group.len());
    let whole = (|| -> rusqlite::Result<()> {
        let statements = Work::Sql.begin();
        let mut transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for write in &group {
            let mut savepoint = transaction.savepoint()?;
            let result =
                write.changes.iter().try_fold(0, |erased, change| Ok(erased + rows::apply(&savepoint, change)?));
            if result.is_err() {
                savepoint.rollback()?;
            }
            savepoint.commit()?;
            results.push(result);
        }
        drop(statements);
        Work::DatabaseSync.time(|| transaction.commit())
    })();
    if let Err(error) = whole.map_err(|e| rows::unavailable(&e)) {
        results = vec![Err(error); group.len()];
    }
    let erased = results.iter().any(|result| matches!(result, Ok(1..)));
    for (write, result) in group.into_iter().zip(results) {
        let _ = write.answer.send(result);
    }
    erased
}
