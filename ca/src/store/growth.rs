//! What the database holds of what, and whether what lapses is really forgotten.

use rusqlite::OptionalExtension as _;
use serde::Serialize;

use super::rows::{seconds, unavailable};
use super::{Book, StoreError};
use crate::resume::{ERASE, KEEP};

/// House cleanings are hourly; what is later than this is not being cleaned.
const LATE_SECONDS: u64 = 2 * 3600;

/// One kind of record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The table.
    pub table: &'static str,
    /// How many.
    pub rows: u64,
    /// Bytes, indexes included.
    pub bytes: u64,
    /// Until when one is kept, for people.
    pub until: &'static str,
    /// How many should be gone by now: none, while an authority runs. `None` where nothing lapses.
    pub overdue: Option<u64>,
}

/// A table, until when its records are kept, and which of them should be gone: a condition on a time.
type Ending = (&'static str, &'static str, Option<(&'static str, u64)>);

/// The whole database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// The version of its tables.
    pub version: i64,
    /// Each kind of record.
    pub kept: Vec<Kept>,
    /// Bytes of the file, free pages included, the journal not.
    pub bytes: u64,
    /// Bytes of pages that are free, and used before the file grows.
    pub free_bytes: u64,
}

impl Growth {
    /// How many records should be gone by now.
    #[must_use]
    pub fn overdue(&self) -> u64 {
        self.kept.iter().filter_map(|kept| kept.overdue).sum()
    }
}

impl Book {
    /// What there is of what, as of `now` (seconds since the epoch). Looks at every page of the database.
    pub fn growth(&self, now: u64) -> Result<Growth, StoreError> {
        let forgotten = now.saturating_sub(KEEP.as_secs() + LATE_SECONDS);
        let erased = now.saturating_sub(ERASE.as_secs() + LATE_SECONDS);
        let lapsed = "expires < ?1";
        let endings: [Ending; 6] = [
            ("account", "for good", None),
            ("acme_order", "30 days after it expires", Some((lapsed, forgotten))),
            ("authorization", "30 days after it expires", Some((lapsed, forgotten))),
            (
                "certificate",
                "for good; what opens its entry, 90 days after its end",
                Some(("service IS NULL AND state IN ('issued', 'abandoned') AND not_after < ?1", erased)),
            ),
            ("compromised_key", "for good", None),
            ("spending", "30 days after its day", Some(("(day + 1) * 86400 < ?1", forgotten))),
        ];
        let kept = endings.into_iter().map(|(table, until, ending)| {
            let overdue = ending.map(|(which, before)| {
                let sql = format!("SELECT count(*) FROM {table} WHERE {which}");
                self.count(&sql, [seconds(before)])
            });
            Ok(Kept {
                table,
                until,
                rows: self.count(&format!("SELECT count(*) FROM {table}"), [])?,
                bytes: self.table_bytes(table)?,
                overdue: overdue.transpose()?,
            })
        });
        Ok(Growth {
            version: super::migrate::VERSION,
            kept: kept.collect::<Result<_, StoreError>>()?,
            bytes: self.count("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", [])?,
            free_bytes: self
                .count("SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()", [])?,
        })
    }

    /// The pages of a table and of its indexes.
    fn table_bytes(&self, table: &str) -> Result<u64, StoreError> {
        let sql = "SELECT sum(pgsize) FROM dbstat('main', 1)
            WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)";
        let bytes = self.0.query_row(sql, [table], |row| row.get::<_, Option<i64>>(0)).optional();
        let bytes = bytes.map_err(|e| unavailable(&e))?.flatten().unwrap_or_default();
        Ok(u64::try_from(bytes).unwrap_or_default())
    }
}
