//! Erasing for good: rows, what stood there before, and their words; what is freed is overwritten, the journal is emptied,
//! and the file is written anew.
//!
//! A disk that writes elsewhere than it is told (flash, snapshots, backups) may keep old blocks; they are encrypted with the
//! same key, so only [`crate::Folder::forget`] is proof against whoever has both the disk and the key.

use rusqlite::{OptionalExtension as _, ToSql, params_from_iter};

use crate::{Conversation, History, HistoryError};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erase<'a> {
    /// Of one conversation, or of all.
    pub of: Option<&'a Conversation>,
    /// What came before (milliseconds since 1970), or everything.
    pub before: Option<i64>,
}

impl History {
    /// Erases; how many texts are gone. That a conversation is kept stays, if it is.
    ///
    /// # Errors
    /// No such conversation, or it cannot be written: nothing was erased. [`HistoryError::Remains`]: it was, and old pages stay.
    pub fn erase(&mut self, what: Erase<'_>) -> Result<u64, HistoryError> {
        let place = what.of.map(|of| self.known(of)).transpose()?;
        let gone =
            self.delete("(?1 IS NULL OR conversation = ?1) AND (?2 IS NULL OR at < ?2)", &[&place, &what.before])?;
        self.leave_nothing()?;
        Ok(gone)
    }

    /// Erases what is older than its conversation allows; how many texts are gone. Old pages stay in the journal while another
    /// program reads, and go with the next call in which none does.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn expire(&mut self, now: i64) -> Result<u64, HistoryError> {
        let old = "id IN (SELECT e.id FROM conversations c JOIN entries e ON e.conversation = c.id AND e.at < ?1 - c.days * ?2
            WHERE c.days IS NOT NULL)";
        // Most of the time nothing is due, and nobody is to wait for a lock then.
        let any = format!("SELECT 1 FROM entries WHERE {old} LIMIT 1");
        let due = self.connection.query_row(&any, [now, DAY_MS], |_| Ok(())).optional()?;
        let gone = match due {
            Some(()) => self.delete(old, &[&now, &DAY_MS])?,
            None => 0,
        };
        // What another program kept from being emptied is tried again next time.
        if gone > 0 || self.journal_remains {
            self.journal_remains = !self.empty_journal()?;
        }
        Ok(gone)
    }

    fn delete(&mut self, which: &str, values: &[&dyn ToSql]) -> Result<u64, HistoryError> {
        let path = self.path.clone();
        let mut deleted = || -> Result<u64, HistoryError> {
            let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let highest = "UPDATE runs SET erased = max(erased, coalesce((SELECT max(id) FROM entries), 0))";
            transaction.execute(highest, [])?;
            let gone =
                transaction.execute(&format!("DELETE FROM entries WHERE {which}"), params_from_iter(values.iter()))?;
            // Conversations of which nothing is left and nothing is to come.
            transaction.execute(
                "DELETE FROM conversations WHERE NOT keeps AND NOT EXISTS (SELECT 1 FROM entries WHERE conversation = conversations.id)",
                [],
            )?;
            // Its segments are written anew, without what was deleted.
            transaction.execute("INSERT INTO words (words) VALUES ('optimize')", [])?;
            transaction.commit()?;
            Ok(gone as u64)
        };
        deleted().map_err(|error| crate::store::placed(&path, error))
    }

    /// Nothing of what was erased is left in the files.
    fn leave_nothing(&self) -> Result<(), HistoryError> {
        let emptied = self.connection.execute_batch("VACUUM").is_ok() && matches!(self.empty_journal(), Ok(true));
        if emptied { Ok(()) } else { Err(HistoryError::Remains(self.path.clone())) }
    }

    /// Whether it could be: another program that reads at this moment keeps it.
    fn empty_journal(&self) -> Result<bool, HistoryError> {
        let busy: bool = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(!busy)
    }
}
