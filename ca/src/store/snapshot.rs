//! A consistent copy of a database that is being written meanwhile (SQLite's online backup).

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::rows::unavailable;

/// How long a database that somebody else holds whole is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Copies the database at `from` to the new file `to` (mode 0600): what was committed before the copy began, and nothing
/// half. It is on disk when this returns.
///
/// # Errors
/// `to` is there already, one of the files cannot be used, or the copy does not read back.
pub fn snapshot(from: &Path, to: &Path) -> Result<(), StoreError> {
    let io = |path: &Path, e: std::io::Error| StoreError::Unavailable(format!("{}: {e}", path.display()));
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(to).map_err(|e| io(to, e))?;
    copy(from, to).map_err(|e| unavailable(&e))?;
    file.sync_all().map_err(|e| io(to, e))
}

fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(PATIENCE)?;
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(&source, &mut target)?;
        let until = Instant::now() + PATIENCE;
        // All pages in one step: the journal lets others write meanwhile, and none of it gets into the copy.
        while !matches!(backup.step(-1)?, StepResult::Done) && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
    }
    // One file, without a journal beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    let found: String = target.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let empty: i64 = target.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if found == "ok" && empty > 0 { Ok(()) } else { Err(rusqlite::Error::InvalidQuery) }
}
