//! What front ends share, in PostgreSQL.

use std::sync::Arc;

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::claims::Claims;
use super::{connection, unavailable};
use crate::store::StoreError;
use crate::store::shared::{Draw, SKEW, Shared, SharedClaim};

pub(super) struct Together {
    /// Durable.
    pool: Pool,
    /// Answers before it is on disk: for what a power cut may take back.
    quick: Pool,
    claims: Arc<Claims>,
}

impl Together {
    pub(super) fn new(pool: Pool, quick: Pool) -> Self {
        Self { claims: Claims::new(quick.clone()), pool, quick }
    }
}

async fn query(pool: &Pool, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
    let client = connection(pool).await?;
    let statement = client.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
    client.query(&statement, values).await.map_err(|e| unavailable(&e))
}

async fn execute(pool: &Pool, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
    let client = connection(pool).await?;
    let statement = client.prepare_cached(sql).await.map_err(|e| unavailable(&e))?;
    client.execute(&statement, values).await.map_err(|e| unavailable(&e))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    let found: i64 = row.try_get(column).map_err(|e| unavailable(&e))?;
    Ok(u64::try_from(found).unwrap_or_default())
}

/// One more is taken if the bucket is not beyond its burst then; otherwise no row is written.
const TAKE: &str = "INSERT INTO bucket AS b (key, full_again) VALUES ($1, $2::BIGINT + $3::BIGINT)
    ON CONFLICT (key) DO UPDATE SET full_again = greatest(b.full_again, $2::BIGINT) + $3::BIGINT
    WHERE greatest(b.full_again, $2::BIGINT) + $3::BIGINT <= $2::BIGINT + $4::BIGINT";

impl Shared for Together {
    fn spend(&self, nonce: [u8; 16], ends: u64) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let sql = "INSERT INTO nonce (id, ends) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            Ok(execute(&self.quick, sql, &[&&nonce[..], &signed(ends)]).await? == 1)
        })
    }

    fn take(&self, bucket: [u8; 16], draw: Draw) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let Draw { now, step, period } = draw;
            let key = &bucket[..];
            let values: [&(dyn ToSql + Sync); 4] = [&key, &signed(now), &signed(step), &signed(period)];
            if execute(&self.quick, TAKE, &values).await? == 1 {
                return Ok(0);
            }
            let found = query(&self.quick, "SELECT full_again FROM bucket WHERE key = $1", &[&key]).await?;
            let full_again = found.first().map(|row| number(row, 0)).transpose()?.unwrap_or_default();
            Ok((full_again.max(now) + step).saturating_sub(now + period).max(1))
        })
    }

    fn claim(&self, what: &str) -> BoxFuture<'_, Result<Option<SharedClaim>, StoreError>> {
        let what = what.to_owned();
        Box::pin(async move { self.claims.take(&what).await })
    }

    fn list_numbers(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>, StoreError>> {
        Box::pin(async move {
            let found =
                query(&self.pool, "SELECT name, number FROM revocation_list WHERE number IS NOT NULL", &[]).await?;
            let read = |row: &Row| -> Result<_, StoreError> {
                Ok((row.try_get(0).map_err(|e| unavailable(&e))?, number(row, 1)?))
            };
            found.iter().map(read).collect()
        })
    }

    fn list(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let sql = "SELECT der FROM revocation_list WHERE name = $1 AND der IS NOT NULL";
            let found = query(&self.pool, sql, &[&name]).await?;
            found.first().map(|row| row.try_get(0).map_err(|e| unavailable(&e))).transpose()
        })
    }

    fn number_list(&self, name: &str, at_least: u64) -> BoxFuture<'_, Result<u64, StoreError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let sql = "INSERT INTO revocation_list AS l (name, reserved) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET reserved = greatest(l.reserved + 1, $2) RETURNING reserved";
            let found = query(&self.pool, sql, &[&name, &signed(at_least)]).await?;
            let row = found.first().ok_or_else(|| StoreError::Unavailable("the database gave no number".into()))?;
            number(row, 0)
        })
    }

    fn keep_list(&self, name: &str, number: u64, der: Vec<u8>) -> BoxFuture<'_, Result<bool, StoreError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let sql = "UPDATE revocation_list SET number = $2, der = $3
                WHERE name = $1 AND (number IS NULL OR number < $2)";
            Ok(execute(&self.pool, sql, &[&name, &signed(number), &der]).await? == 1)
        })
    }

    fn forget(&self, now: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let before = now.saturating_sub(SKEW.as_secs());
            execute(&self.quick, "DELETE FROM nonce WHERE ends < $1", &[&signed(before)]).await?;
            let full = signed(before.saturating_mul(1000));
            execute(&self.quick, "DELETE FROM bucket WHERE full_again < $1", &[&full]).await.map(drop)
        })
    }
}
