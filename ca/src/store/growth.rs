//! What the database holds of what, and whether what lapses is really forgotten.

use serde::Serialize;

use super::book::Pages;
use super::shared::SKEW;
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
        let unshared = now.saturating_sub(SKEW.as_secs() + LATE_SECONDS);
        let shared: [Ending; 2] = [
            ("nonce", "an hour after its ten minutes", Some(("ends < ?1", unshared))),
            ("bucket", "an hour after it is full again", Some(("full_again / 1000 < ?1", unshared))),
        ];
        let shared = shared.into_iter().filter(|_| matches!(self.0, Pages::Postgres(_)));
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
        let kept = endings.into_iter().chain(shared).map(|(table, until, ending)| {
            let overdue = ending.map(|(which, before)| {
                let sql = format!("SELECT count(*) FROM \"{table}\" WHERE {which}");
                self.count(&sql, vec![before.into()])
            });
            Ok(Kept {
                table,
                until,
                rows: self.count(&format!("SELECT count(*) FROM \"{table}\""), vec![])?,
                bytes: self.table_bytes(table)?,
                overdue: overdue.transpose()?,
            })
        });
        Ok(Growth {
            version: self.version(),
            kept: kept.collect::<Result<_, StoreError>>()?,
            bytes: self.bytes()?,
            free_bytes: self.free_bytes()?,
        })
    }

    /// Opened, it is of the version that this program writes.
    const fn version(&self) -> i64 {
        match &self.0 {
            Pages::Sqlite(_) => super::migrate::VERSION,
            Pages::Postgres(_) => super::postgres::VERSION,
        }
    }

    /// PostgreSQL does not tell.
    fn free_bytes(&self) -> Result<u64, StoreError> {
        match &self.0 {
            Pages::Sqlite(_) => {
                let sql = "SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()";
                self.count(sql, vec![])
            }
            Pages::Postgres(_) => Ok(0),
        }
    }

    /// The pages of a table and of its indexes.
    fn table_bytes(&self, table: &str) -> Result<u64, StoreError> {
        let sql = match &self.0 {
            Pages::Sqlite(_) => {
                "SELECT sum(pgsize) FROM dbstat('main', 1)
                WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?1)"
            }
            Pages::Postgres(_) => "SELECT pg_total_relation_size(to_regclass(quote_ident(?1)))",
        };
        self.count(sql, vec![table.into()])
    }
}
