//! What the authority remembers, behind a contract of two methods.
//!
//! **Durability.** When [`Store::commit`] answers `Ok`, the changes survive a power cut. When it answers an error,
//! nothing of them was written, except after [`StoreError::Unavailable`]: then they may or may not have been, and who
//! asked reads before going on.
//!
//! **Concurrency.** Changes given together are written together or not at all. Every record carries a revision; an
//! update names the one it was read at and is refused ([`StoreError::Conflict`]) if somebody was faster. No lock is
//! held between a read and the commit after it, so that several front ends can share one store.
//!
//! **Trust.** Who controls this store can forget or delay enrolments, learn who enrolled, and mark an authorization as
//! valid and so obtain a certificate. She cannot make the authority sign anything that is not linted and in the public
//! log, where its owner finds it.

mod book;
mod columns;
mod fields;
mod growth;
mod memory;
mod migrate;
mod postgres;
mod questions;
mod record;
mod rows;
mod shared;
mod snapshot;
mod sqlite;
mod value;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use identity::Identifier;
use thiserror::Error;

pub use book::{Book, Stats};
pub use growth::{Growth, Kept};
pub use memory::{Fault, MemoryStore};
pub use migrate::{DownError, Loss, down as migrate_down};
pub use postgres::PostgresStore;
pub(crate) use record::KEY_COMPROMISE;
pub use record::{
    Account, AccountStatus, Authority, Authorization, AuthorizationStatus, CertificateRecord, CertificateState,
    ChallengeType, Handover, IssuedCode, IssuedReply, KeyDigest, Order, OrderState, Record, ReplyState, Revocation,
    Serial, Spending, Subject,
};
pub use shared::{Draw, Shared, SharedClaim};
pub use snapshot::snapshot;
pub use sqlite::SqliteStore;

/// How often who lost a race ([`StoreError::Conflict`]) reads the record anew before giving up.
pub(crate) const RACES: usize = 8;

/// A place for records. The module's text is the contract.
pub trait Store: Send + Sync + 'static {
    /// Reads what `select` asks for, as of the last commit that was answered.
    fn read(&self, select: Select) -> BoxFuture<'_, Result<Vec<Record>, StoreError>>;
    /// Writes all changes or none. Answers how many certificates' openings were erased ([`Change::Erase`]).
    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<usize, StoreError>>;
    /// What front ends share beside records, where several can have this store; `None` for one that is alone.
    fn shared(&self) -> Option<Arc<dyn Shared>> {
        None
    }
}

/// A question to the store.
#[derive(Clone, Debug)]
pub enum Select {
    /// The account with this id.
    Account(String),
    /// The account with this key thumbprint (RFC 7638, base64url).
    AccountByThumbprint(String),
    /// The order with this id.
    Order(String),
    /// An account's orders, newest first.
    OrdersOf {
        /// The account's id.
        account: String,
        /// Only those after this one in that order: its time of making and its id.
        after: Option<(u64, String)>,
        /// At most so many.
        limit: u32,
    },
    /// Orders that are to replace this certificate, and have not come to nothing.
    Replacing(Serial),
    /// The authorization with this id.
    Authorization(String),
    /// The account's authorizations for this identifier that are valid at `at`, the one that lasts longest first.
    ValidAuthorizations {
        /// The account's id.
        account: String,
        /// Whose control was proven.
        identifier: Identifier,
        /// Seconds since the epoch.
        at: u64,
    },
    /// Every account's authorizations for this identifier that are valid at `at`, or could become so by a message that was
    /// sent.
    Standing {
        /// Whose control was proven, or is being.
        identifier: Identifier,
        /// Seconds since the epoch.
        at: u64,
    },
    /// Authorizations that are valid, whoever's, in the order of their ids.
    AllValid {
        /// Only those after this id.
        after: String,
        /// At most so many.
        limit: u32,
    },
    /// The certificate with this serial number.
    Certificate(Serial),
    /// An identifier's certificates, issued or on the way, of these periods (both included).
    CertificatesOf {
        /// The identifier.
        identifier: Identifier,
        /// First period.
        from: u32,
        /// Last period.
        to: u32,
    },
    /// What speaks for this key at `at`, or soon would: certificates that have not ended and are on their way, or issued and
    /// not revoked for its compromise. The oldest first.
    SpeakingBy {
        /// The key.
        key: KeyDigest,
        /// Seconds since the epoch.
        at: u64,
        /// At most so many.
        limit: u32,
    },
    /// Certificates that are planned or logged but neither issued nor abandoned, oldest first.
    Unfinished {
        /// At most so many.
        limit: u32,
    },
    /// Issued certificates whose owners are still to be told of them, oldest first.
    Unannounced {
        /// At most so many.
        limit: u32,
    },
    /// An authority's revoked certificates that have not expired at `at`, in the order of their ends and serial numbers.
    Revoked {
        /// Whose.
        authority: Authority,
        /// Seconds since the epoch.
        at: u64,
        /// Only those after this one in that order: its end and its serial number.
        after: Option<(u64, Serial)>,
        /// At most so many.
        limit: u32,
    },
    /// What was spent on text messages on this day (since the epoch).
    Spending(u64),
    /// The key with this digest, if it is known to be compromised.
    CompromisedKey(KeyDigest),
}

/// A change to the store.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new record. [`StoreError::Taken`] if its id, or what else must be unique, is taken: an account's key or the
    /// name it is bound to elsewhere, a certificate's serial number, an identifier's slot in a period. A compromised key may be written often: it stays
    /// the one record.
    Insert(Record),
    /// The record as it is to be, carrying the revision it was read at. [`StoreError::Conflict`] if it has another by
    /// now, or if an account's new key is another account's.
    Update(Record),
    /// Forgets orders, and authorizations of any status, that expired before this time (seconds since the epoch), and what
    /// was spent on days that were over.
    /// Certificates stay.
    Forget {
        /// Seconds since the epoch.
        expired_before: u64,
    },
    /// Erases what opens the entries of people's certificates that were issued or abandoned and ended before this time:
    /// opening, contents, label proof, and who ordered them. Nothing of it can be read afterwards, here or in the store's
    /// files (as far as the database lets us: see [`PostgresStore`]); copies that somebody made before are somebody's to erase.
    Erase {
        /// Seconds since the epoch.
        ended_before: u64,
        /// Of this identifier alone.
        of: Option<Identifier>,
    },
}

/// Why the store refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Something unique is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// Somebody changed the record first.
    #[error("{0} was changed in the meantime")]
    Conflict(&'static str),
    /// The store is in use by another process.
    #[error("{path} is in use by another process")]
    Locked {
        /// The lock file.
        path: String,
    },
    /// The database was written by a newer program.
    #[error(
        "expected a database of version {expected} or older, found version {found}: it was written by a newer program; with that one, `ca db migrate --to {expected}` makes it fit for this"
    )]
    Newer {
        /// The version this program writes.
        expected: i64,
        /// The version found.
        found: i64,
    },
    /// The database belongs to no authority yet.
    #[error(
        "expected this authority's database, found one that is empty; if this is the authority's first front end, `ca db found` makes the tables"
    )]
    Unfounded,
    /// The database belongs to another authority.
    #[error(
        "expected the database of the authority whose genesis trust policy has the fingerprint {expected}, found that of {found}"
    )]
    Foreign {
        /// This authority's.
        expected: String,
        /// The one it was made for.
        found: String,
    },
    /// A stored row does not read back.
    #[error("the stored {table} does not read back: {reason}")]
    Damaged {
        /// The kind of record.
        table: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// The database's file is none, or is broken.
    #[error("{} is damaged: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Anything else: disk full, input/output error. The changes may or may not have been written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Reads in the shape of one kind of record.
impl dyn Store {
    pub(crate) async fn account(&self, select: Select) -> Result<Option<Account>, StoreError> {
        Ok(self.read(select).await?.into_iter().find_map(Record::account))
    }

    pub(crate) async fn order(&self, id: &str) -> Result<Option<Order>, StoreError> {
        Ok(self.read(Select::Order(id.into())).await?.into_iter().find_map(Record::order))
    }

    /// Of a [`Select`] that asks for several.
    pub(crate) async fn orders(&self, select: Select) -> Result<Vec<Order>, StoreError> {
        Ok(self.read(select).await?.into_iter().filter_map(Record::order).collect())
    }

    pub(crate) async fn authorization(&self, select: Select) -> Result<Option<Authorization>, StoreError> {
        Ok(self.read(select).await?.into_iter().find_map(Record::authorization))
    }

    /// Of a [`Select`] that asks for several.
    pub(crate) async fn authorizations(&self, select: Select) -> Result<Vec<Authorization>, StoreError> {
        Ok(self.read(select).await?.into_iter().filter_map(Record::authorization).collect())
    }

    pub(crate) async fn spending(&self, day: u64) -> Result<Option<Spending>, StoreError> {
        Ok(self.read(Select::Spending(day)).await?.into_iter().find_map(Record::spending))
    }

    pub(crate) async fn is_compromised(&self, key: KeyDigest) -> Result<bool, StoreError> {
        Ok(!self.read(Select::CompromisedKey(key)).await?.is_empty())
    }

    pub(crate) async fn certificate(&self, serial: Serial) -> Result<Option<CertificateRecord>, StoreError> {
        Ok(self.read(Select::Certificate(serial)).await?.into_iter().find_map(Record::certificate))
    }

    pub(crate) async fn certificates(&self, select: Select) -> Result<Vec<CertificateRecord>, StoreError> {
        Ok(self.read(select).await?.into_iter().filter_map(Record::certificate).collect())
    }
}

#[cfg(test)]
mod tests;
