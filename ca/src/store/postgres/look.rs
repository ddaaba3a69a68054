//! A look into the shared database, for an operator's commands: they wait for one answer after another, and change nothing.

use deadpool_postgres::Pool;
use tokio::runtime::Runtime;

use super::{connection, numbered, places, pool, unavailable};
use crate::store::StoreError;
use crate::store::columns::Statement;
use crate::store::questions::Question;
use crate::store::record::Record;
use crate::store::value::Value;

/// Whatever is asked, nothing is written.
const OPTIONS: &str = "-c default_transaction_read_only=on -c statement_timeout=60s";

/// A database opened for reading. Must not be used within an asynchronous runtime.
pub(in crate::store) struct Look {
    runtime: Runtime,
    pool: Pool,
}

impl Look {
    /// Opens the database at `url`, as [`PostgresStore::open`](super::PostgresStore::open) takes it.
    pub(in crate::store) fn open(url: &str) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let pool = runtime.block_on(async { pool(url, OPTIONS, 1) })?;
        let look = Self { runtime, pool };
        if look.number("SELECT count(*) FROM pg_class WHERE oid = to_regclass('ca_schema')", Vec::new())? == 0 {
            return Err(StoreError::Unfounded);
        }
        let found = look.number("SELECT version FROM ca_schema", Vec::new())?;
        match i64::try_from(found).unwrap_or(i64::MAX) {
            super::VERSION => Ok(look),
            found if found > super::VERSION => Err(StoreError::Newer { expected: super::VERSION, found }),
            found => Err(StoreError::Unavailable(format!(
                "expected a database of version {}, found version {found}: starting the authority brings it up to date",
                super::VERSION
            ))),
        }
    }

    /// The records that answer a question.
    pub(in crate::store) fn ask(&self, question: &Question<'_>) -> Result<Vec<Record>, StoreError> {
        self.rows(&question.statement)?.iter().map(|row| question.record(row)).collect()
    }

    /// A count; nothing counts as zero.
    pub(in crate::store) fn number(&self, sql: &str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        let rows = self.rows(&Statement { sql: sql.to_owned(), values })?;
        let found =
            rows.first().map(|row| row.try_get::<_, Option<i64>>(0)).transpose().map_err(|e| unavailable(&e))?;
        Ok(found.flatten().and_then(|found| u64::try_from(found).ok()).unwrap_or_default())
    }

    fn rows(&self, statement: &Statement<'_>) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        self.runtime.block_on(async {
            let client = connection(&self.pool).await?;
            let prepared = client.prepare(&numbered(&statement.sql)).await.map_err(|e| unavailable(&e))?;
            client.query(&prepared, &places(&statement.values)).await.map_err(|e| unavailable(&e))
        })
    }
}
