//! The tables: made once, for one authority; brought up to date by newer programs.

use deadpool_postgres::{Object, Transaction};

use super::unavailable;
use crate::store::migrate::ENDED_BEFORE;
use crate::store::{KeyDigest, StoreError};

/// The schema's version, kept in the table `ca_schema`.
pub(in crate::store) const VERSION: i64 = 4;
/// What leads from each version to the next, from an empty database on.
const STEPS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
];
/// Two front ends that start at once bring the schema up to date one after the other.
const SCHEMA_LOCK: i64 = 0x494e_5065;
/// From this version on a database says whose it is.
const OWNED: i64 = 3;
/// From this version on a certificate's key stands beside its contents.
const KEYS_FOUND: i64 = 4;
/// So many certificates are read at a time.
const PAGE: i64 = 256;

/// What becomes of an empty database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// It stays as it is.
    Refused,
    /// It becomes this authority's.
    Founded,
}

/// Brings the schema of this authority's database up to date. One that is refused is as it was.
pub(super) async fn migrate(client: &mut Object, authority: &str, empty: Empty) -> Result<(), StoreError> {
    let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
    let found = version(&transaction).await.map_err(|e| unavailable(&e))?;
    if found > VERSION {
        return Err(StoreError::Newer { expected: VERSION, found });
    }
    if found == 0 && empty == Empty::Refused {
        return Err(StoreError::Unfounded);
    }
    let owner = step_up(&transaction, found, authority).await.map_err(|e| unavailable(&e))?;
    if owner != authority {
        return Err(StoreError::Foreign { expected: authority.to_owned(), found: owner });
    }
    transaction.commit().await.map_err(|e| unavailable(&e))
}

/// The version that it has, while nobody else changes it; zero if there are no tables.
async fn version(transaction: &Transaction<'_>) -> Result<i64, tokio_postgres::Error> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK]).await?;
    let made = transaction.query_one("SELECT to_regclass('ca_schema') IS NOT NULL", &[]).await?;
    if !made.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let found = transaction.query_opt("SELECT version FROM ca_schema", &[]).await?;
    found.map_or(Ok(0), |row| row.try_get(0))
}

/// Whose database it is once it is of the newest version.
async fn step_up(transaction: &Transaction<'_>, found: i64, authority: &str) -> Result<String, tokio_postgres::Error> {
    for (version, step) in (1..).zip(STEPS) {
        if found < version {
            transaction.batch_execute(step).await?;
        }
    }
    if found < OWNED {
        transaction.execute("INSERT INTO authority (fingerprint) VALUES ($1)", &[&authority]).await?;
    }
    if found < KEYS_FOUND {
        note_keys(transaction).await?;
    }
    if found < VERSION {
        transaction.batch_execute("CREATE TABLE IF NOT EXISTS ca_schema (version BIGINT NOT NULL)").await?;
        transaction.execute("DELETE FROM ca_schema", &[]).await?;
        transaction.execute("INSERT INTO ca_schema (version) VALUES ($1)", &[&VERSION]).await?;
    }
    transaction.query_one("SELECT fingerprint FROM authority", &[]).await?.try_get(0)
}

/// Notes the keys of certificates from before that. One that has ended needs none, as it speaks no more; one whose contents
/// were erased, or do not read back, has none. A page at a time: the other front ends wait for it.
async fn note_keys(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let ended_before: i64 = transaction.query_one(ENDED_BEFORE, &[]).await?.try_get(0)?;
    let read = "SELECT number, tbs FROM certificate WHERE number > $1 AND not_after >= $3 AND state <> 'erased'
        ORDER BY number LIMIT $2";
    let write =
        "UPDATE certificate SET key_digest = noted.key FROM unnest($1::bigint[], $2::bytea[]) AS noted (number, key)
        WHERE certificate.number = noted.number";
    let (read, write) = (transaction.prepare(read).await?, transaction.prepare(write).await?);
    let mut last = 0_i64;
    loop {
        let page = transaction.query(&read, &[&last, &PAGE, &ended_before]).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.try_get(0)?;
        let (mut numbers, mut keys) = (Vec::new(), Vec::new());
        for row in &page {
            if let Some(key) = KeyDigest::of_tbs(row.try_get(1)?) {
                numbers.push(row.try_get::<_, i64>(0)?);
                keys.push(key.0.to_vec());
            }
        }
        transaction.execute(&write, &[&numbers, &keys]).await?;
    }
}
