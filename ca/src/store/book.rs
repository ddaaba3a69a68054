//! A look into an authority's database for its operator, also while the authority runs. Nothing is ever written.

use std::path::Path;
use std::time::Duration;

use identity::Identifier;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde::Serialize;

use super::migrate::VERSION;
use super::postgres::Look;
use super::questions::{self, Question};
use super::rows::{self, unavailable};
use super::value::Value;
use super::{CertificateRecord, Record, Select, Serial, StoreError};

/// A database opened for reading.
pub struct Book(pub(super) Pages);

/// Which one it is.
pub(super) enum Pages {
    Sqlite(Connection),
    Postgres(Box<Look>),
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Accounts, closed ones included.
    pub accounts: u64,
    /// Orders that are not forgotten yet.
    pub orders: u64,
    /// Authorizations that are not forgotten yet.
    pub authorizations: u64,
    /// Certificates that were issued and are not erased yet, expired and revoked ones included.
    pub issued: u64,
    /// Certificates that count now: issued, not revoked, not expired.
    pub current: u64,
    /// Certificates that were revoked, erased ones included.
    pub revoked: u64,
    /// Certificates on their way through the log.
    pub unfinished: u64,
    /// Certificates that came to nothing and are not erased yet.
    pub abandoned: u64,
    /// Certificates that were issued or came to nothing, and whose openings are erased.
    pub erased: u64,
    /// Bytes of the database.
    pub bytes: u64,
}

impl Book {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// There is none, or it was written by another version of this program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| unavailable(&e))?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(|e| unavailable(&e))?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
        match found.map_err(|e| unavailable(&e))? {
            VERSION => Ok(Self(Pages::Sqlite(connection))),
            found if found > VERSION => Err(StoreError::Newer { expected: VERSION, found }),
            found => Err(StoreError::Unavailable(format!(
                "expected a database of version {VERSION}, found version {found}: starting the authority brings it up to date"
            ))),
        }
    }

    /// Opens the shared database at `url`. Must not be called, nor the book be asked, within an asynchronous runtime.
    ///
    /// # Errors
    /// Nobody answers there, or it was written by another version of this program.
    pub fn open_shared(url: &str) -> Result<Self, StoreError> {
        Ok(Self(Pages::Postgres(Box::new(Look::open(url)?))))
    }

    /// The newest certificates, the newest first.
    pub fn newest(&self, limit: u32) -> Result<Vec<CertificateRecord>, StoreError> {
        self.certificates("SELECT * FROM certificate ORDER BY number DESC LIMIT ?1", [limit.into()])
    }

    /// A person's certificates, the newest first.
    pub fn of(&self, identifier: &Identifier, limit: u32) -> Result<Vec<CertificateRecord>, StoreError> {
        let sql = "SELECT * FROM certificate WHERE identifier = ?1 ORDER BY number DESC LIMIT ?2";
        self.certificates(sql, [identifier.as_str().into(), limit.into()])
    }

    /// Certificates whose serial number begins with these hexadecimal digits, the newest first.
    pub fn beginning_with(&self, digits: &str, limit: u32) -> Result<Vec<CertificateRecord>, StoreError> {
        let digits: String = digits.chars().filter(char::is_ascii_hexdigit).collect();
        let end = |fill: char| format!("{digits}{}", fill.to_string().repeat(32_usize.saturating_sub(digits.len())));
        let (Ok(first), Ok(last)) = (end('0').parse::<Serial>(), end('f').parse::<Serial>()) else {
            return Ok(Vec::new());
        };
        // With SQLite the numbers stand in the index of serial numbers: only what is shown is read.
        let sql = "SELECT * FROM certificate WHERE number IN
            (SELECT number FROM certificate WHERE serial BETWEEN ?1 AND ?2 ORDER BY number DESC LIMIT ?3)
            ORDER BY number DESC";
        self.certificates(sql, [first.0.into(), last.0.into(), limit.into()])
    }

    /// The certificate with this serial number.
    pub fn certificate(&self, serial: Serial) -> Result<Option<CertificateRecord>, StoreError> {
        let found = self.ask(&questions::question(&Select::Certificate(serial)))?;
        Ok(found.into_iter().find_map(Record::certificate))
    }

    /// Counts, as of `now` (seconds since the epoch).
    pub fn stats(&self, now: u64) -> Result<Stats, StoreError> {
        let count = |sql: &str| self.count(sql, vec![]);
        let certificates = |which: &str| self.count(&format!("SELECT count(*) FROM certificate WHERE {which}"), vec![]);
        Ok(Stats {
            accounts: count("SELECT count(*) FROM account")?,
            orders: count("SELECT count(*) FROM acme_order")?,
            authorizations: count("SELECT count(*) FROM \"authorization\"")?,
            issued: certificates("state = 'issued'")?,
            current: self.count(
                "SELECT count(*) FROM certificate WHERE state = 'issued' AND revoked_at IS NULL AND not_after >= ?1",
                vec![Value::from(now)],
            )?,
            revoked: certificates("revoked_at IS NOT NULL")?,
            unfinished: certificates("state IN ('planned', 'logged')")?,
            abandoned: certificates("state = 'abandoned'")?,
            erased: certificates("state = 'erased'")?,
            bytes: self.bytes()?,
        })
    }

    /// Bytes of the whole database, free pages included.
    pub(super) fn bytes(&self) -> Result<u64, StoreError> {
        let sql = match &self.0 {
            Pages::Sqlite(_) => "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            Pages::Postgres(_) => "SELECT pg_database_size(current_database())",
        };
        self.count(sql, vec![])
    }

    pub(super) fn count(&self, sql: &str, values: Vec<Value<'_>>) -> Result<u64, StoreError> {
        let connection = match &self.0 {
            Pages::Sqlite(connection) => connection,
            Pages::Postgres(look) => return look.number(sql, values),
        };
        let count = connection.query_row(sql, params_from_iter(&values), |row| row.get::<_, Option<i64>>(0));
        Ok(u64::try_from(count.map_err(|e| unavailable(&e))?.unwrap_or_default()).unwrap_or(0))
    }

    fn ask(&self, question: &Question<'_>) -> Result<Vec<Record>, StoreError> {
        match &self.0 {
            Pages::Sqlite(connection) => rows::ask(connection, question),
            Pages::Postgres(look) => look.ask(question),
        }
    }

    fn certificates<'a>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value<'a>>,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        let found = self.ask(&questions::certificates(sql, values))?;
        Ok(found.into_iter().filter_map(Record::certificate).collect())
    }
}
