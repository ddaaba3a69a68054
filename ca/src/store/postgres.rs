//! The shared store: PostgreSQL, for several front ends of one authority.
//!
//! A commit is one transaction at `READ COMMITTED`: what must not happen twice is kept from it by unique columns and by the
//! revision in every update, not by what was read before. The database gathers the `fsync`s of concurrent commits by itself.
//!
//! **Erasing.** PostgreSQL leaves what was overwritten in its files until it is vacuumed and its write-ahead log is recycled.
//! A commit that erased something asks for the vacuum; what the disk keeps beyond that is the operator's to encrypt.

mod claims;
mod look;
mod schema;
mod shared;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Timeouts, Transaction};
use futures_util::future::BoxFuture;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};

use super::columns::{self, Statement};
use super::fields::Fields;
use super::questions::question;
use super::shared::Shared;
use super::value::Value;
use super::{Change, Record, Select, Store, StoreError};
pub(super) use look::Look;
use schema::Empty;
pub(super) use schema::VERSION;
use shared::Together;

/// Connections of one front end.
const CONNECTIONS: usize = 16;
/// How long one is waited for, and how long the server may take to answer at first.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any statement may take.
const PATIENCE_WITH_STATEMENTS: Duration = Duration::from_secs(35);
/// Durable before acknowledged, whatever the server's own setting is; and no statement goes on for ever.
const OPTIONS: &str = "-c synchronous_commit=on -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s";

/// What a power cut may take back is not waited for. Whoever vanished with its machine is given up within half a minute, and
/// its claims with it.
const QUICK: &str = "-c synchronous_commit=off -c statement_timeout=5s -c idle_in_transaction_session_timeout=30s \
                     -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3";

/// A [`Store`] in a PostgreSQL database (version 12 or later).
pub struct PostgresStore {
    pool: Pool,
    together: Arc<Together>,
}

impl PostgresStore {
    /// Opens the database at `url`: `postgres://ca:PASSWORD@db.example.org/ca`, or with a socket
    /// `postgres:///ca?host=/run/postgresql`. Over the network (and to a `hostaddr`) it speaks TLS or not at all; `sslrootcert=FILE` names the
    /// authority of the server's certificate (otherwise the web's).
    ///
    /// It must be that of this authority, which is known by the fingerprint of its genesis trust policy.
    ///
    /// # Errors
    /// The URL is none, nobody answers, or the database is empty, another authority's, or was written by a newer program.
    pub async fn open(url: &str, authority: &str) -> Result<Self, StoreError> {
        Self::made(url, authority, Empty::Refused).await
    }

    /// The same, but an empty database becomes this authority's.
    ///
    /// # Errors
    /// The same.
    pub async fn found(url: &str, authority: &str) -> Result<Self, StoreError> {
        Self::made(url, authority, Empty::Founded).await
    }

    async fn made(url: &str, authority: &str, empty: Empty) -> Result<Self, StoreError> {
        let (pool, quick) = (pool(url, OPTIONS, CONNECTIONS)?, pool(url, QUICK, CONNECTIONS)?);
        schema::migrate(&mut connection(&pool).await?, authority, empty).await?;
        let together = Arc::new(Together::new(pool.clone(), quick));
        Ok(Self { pool, together })
    }

    /// Whether `url` can be one. Nobody is asked, and no file is read.
    ///
    /// # Errors
    /// It is none.
    pub fn check(url: &str) -> Result<(), StoreError> {
        tls::root_in(url).0.parse::<Config>().map(drop).map_err(|error| wrong_url(&error))
    }
}

/// Connections to the database at `url`, with these options of the server's. None is opened yet.
fn pool(url: &str, options: &str, connections: usize) -> Result<Pool, StoreError> {
    let (url, root) = tls::root_in(url);
    let mut config: Config = url.parse().map_err(|error| wrong_url(&error))?;
    let options = config.get_options().map_or_else(|| options.to_owned(), |given| format!("{given} {options}"));
    config.options(options).application_name("inperson-ca").connect_timeout(PATIENCE);
    config.ssl_mode(encryption(&config));
    // Whoever vanishes without a word is given up: statements end by the server's own clock, and then this.
    config.tcp_user_timeout(PATIENCE_WITH_STATEMENTS).keepalives_idle(PATIENCE_WITH_STATEMENTS);
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, tls::Connector::new(root.as_deref())?, recycling);
    let timeouts = Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
    let pool = Pool::builder(manager).max_size(connections).timeouts(timeouts);
    let pool = pool.runtime(deadpool_postgres::Runtime::Tokio1).build();
    pool.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Sockets of this machine need none; what leaves the machine is encrypted or not sent.
fn encryption(config: &Config) -> SslMode {
    if !config.get_hostaddrs().is_empty() {
        return SslMode::Require;
    }
    let hosts = config.get_hosts();
    let socket = |host: &Host| matches!(host, Host::Unix(_));
    let here =
        |host: &Host| matches!(host, Host::Tcp(name) if ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()));
    if hosts.iter().all(socket) {
        SslMode::Disable
    } else if hosts.iter().all(here) {
        SslMode::Prefer
    } else {
        SslMode::Require
    }
}

/// The parser's words name the option that it does not know; the URL itself has a password in it.
fn wrong_url(error: &tokio_postgres::Error) -> StoreError {
    let expected = "expected a database address such as postgres://ca@db.example.org/ca";
    StoreError::Unavailable(format!("{expected}, found one that is none: {}", causes(error)))
}

impl Store for PostgresStore {
    fn shared(&self) -> Option<Arc<dyn Shared>> {
        Some(Arc::clone(&self.together) as Arc<dyn Shared>)
    }

    fn read(&self, select: Select) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let client = connection(&self.pool).await?;
            let question = question(&select);
            let sql = numbered(&question.statement.sql);
            let statement = client.prepare_cached(&sql).await.map_err(|e| unavailable(&e))?;
            let found = client.query(&statement, &places(&question.statement.values)).await;
            found.map_err(|e| unavailable(&e))?.iter().map(|row| question.record(row)).collect()
        })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<usize, StoreError>> {
        let pool = self.pool.clone();
        // In a task of its own: who asked may go away in the middle, and half a conversation with the database would cost
        // the connection.
        let committing = tokio::spawn(async move { commit(&pool, &changes).await });
        Box::pin(async move {
            committing.await.unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the commit ended: {error}"))))
        })
    }
}

async fn connection(pool: &Pool) -> Result<Object, StoreError> {
    let refused = |error: deadpool_postgres::PoolError| match &error {
        deadpool_postgres::PoolError::Backend(error) => unavailable(error),
        _ => StoreError::Unavailable(format!("no connection to the database: {error}")),
    };
    pool.get().await.map_err(refused)
}

async fn commit(pool: &Pool, changes: &[Change]) -> Result<usize, StoreError> {
    let mut client = connection(pool).await?;
    let transaction = client.transaction().await.map_err(|e| unavailable(&e))?;
    let mut erased = 0;
    for change in changes {
        // Whatever was done before is undone when the transaction is dropped.
        erased += apply(&transaction, change).await?;
    }
    transaction.commit().await.map_err(|e| unavailable(&e))?;
    if erased > 0
        && let Err(error) = client.batch_execute("VACUUM certificate").await
    {
        tracing::warn!(%error, "what was erased is still to be vacuumed; the database does it by itself in time");
    }
    Ok(erased)
}

/// Applies one change. Answers how many certificates' openings it erased.
async fn apply(transaction: &Transaction<'_>, change: &Change) -> Result<usize, StoreError> {
    match change {
        Change::Insert(record) => {
            let kind = columns::kind(record);
            match (execute(transaction, &columns::row(record).insert()).await, record) {
                // Written often, it stays the one record.
                (Ok(_), Record::CompromisedKey(_)) | (Ok(1..), _) => Ok(0),
                (Ok(0), _) => Err(StoreError::Taken(kind)),
                (Err(error), _) => Err(told(&error, kind)),
            }
        }
        Change::Update(record) => {
            let kind = columns::kind(record);
            match execute(transaction, &columns::row(record).update("UPDATE")).await {
                Ok(1..) => Ok(0),
                Ok(0) => Err(StoreError::Conflict(kind)),
                Err(error) => Err(told(&error, kind)),
            }
        }
        Change::Forget { expired_before } => {
            for statement in columns::forget(*expired_before) {
                execute(transaction, &statement).await.map_err(|e| unavailable(&e))?;
            }
            Ok(0)
        }
        Change::Erase { ended_before, of } => {
            let statement = columns::erase(*ended_before, of.as_ref().map(|of| of.as_str()));
            execute(transaction, &statement).await.map_err(|e| unavailable(&e))
        }
    }
}

/// Rows changed.
async fn execute(transaction: &Transaction<'_>, statement: &Statement<'_>) -> Result<usize, tokio_postgres::Error> {
    let sql = numbered(&statement.sql);
    let prepared = transaction.prepare_cached(&sql).await?;
    let changed = transaction.execute(&prepared, &places(&statement.values)).await?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

/// Somebody was faster: what is unique is taken by now, or two commits waited for each other and this one had to give way.
fn told(error: &tokio_postgres::Error, kind: &'static str) -> StoreError {
    const FASTER: [SqlState; 3] =
        [SqlState::UNIQUE_VIOLATION, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
    match error.code() {
        Some(code) if FASTER.contains(code) => StoreError::Conflict(kind),
        _ => unavailable(error),
    }
}

/// PostgreSQL writes the places of values as `$1`.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn places<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn unavailable(error: &tokio_postgres::Error) -> StoreError {
    StoreError::Unavailable(format!("the database: {}", causes(error)))
}

/// The error and what it came from: alone it says "db error". Of what the database says, the code and the sentence: its
/// details may show a whole row.
fn causes(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Fields for Row {
    fn value(&self, column: &str) -> Result<Value<'static>, String> {
        self.try_get(column).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        for (url, expected) in [
            ("postgres:///ca?host=/run/postgresql", SslMode::Disable),
            ("postgres://ca@localhost/ca", SslMode::Prefer),
            ("postgres://ca@localhost,127.0.0.1/ca", SslMode::Prefer),
            ("postgres://ca@db.example.org/ca", SslMode::Require),
            ("postgres://ca@localhost,db.example.org/ca", SslMode::Require),
            ("postgres://ca@db.example.org/ca?sslmode=disable", SslMode::Require),
            ("postgres:///ca?hostaddr=10.0.0.5&user=ca", SslMode::Require),
            ("postgres://ca@localhost/ca?hostaddr=10.0.0.5", SslMode::Require),
        ] {
            assert_eq!(encryption(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
