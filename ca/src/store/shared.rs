//! What the front ends of one authority share beside its records: what each of them would otherwise keep in its own memory.
//!
//! Nothing here is needed for what must not happen twice: that rests on the records' unique columns and revisions
//! ([`Store`](super::Store)). A claim that is lost, because the database was away, costs work that is done for nothing.

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::StoreError;

/// What front ends share is kept so much longer than one of them needs it. Their clocks are to agree within minutes: a
/// nonce that were forgotten by the clock that is ahead could be used again by the one that is behind.
pub(super) const SKEW: Duration = Duration::from_secs(3600);

/// What several front ends agree on.
pub trait Shared: Send + Sync + 'static {
    /// Spends a nonce that ends at this time (seconds since the epoch): `false` if it was spent before. A crash of the
    /// database may forget what was spent in the last second.
    fn spend(&self, nonce: [u8; 16], ends: u64) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Takes one out of a bucket: how long to wait until there is one (milliseconds), zero if it was taken.
    fn take(&self, bucket: [u8; 16], draw: Draw) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The right to do something that no two front ends should do at a time; `None` if another has it, or this one has it
    /// already. It ends when it is dropped, or with this process, however that ends.
    fn claim(&self, what: &str) -> BoxFuture<'_, Result<Option<SharedClaim>, StoreError>>;

    /// The numbers of the newest revocation lists, by name.
    fn list_numbers(&self) -> BoxFuture<'_, Result<Vec<(String, u64)>, StoreError>>;

    /// DER of the newest list of this name.
    fn list(&self, name: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// A number for a new list of this name: higher than any that was given before, and at least this one. It is given to
    /// nobody else, whatever becomes of the list.
    fn number_list(&self, name: &str, at_least: u64) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Keeps a list, unless a newer one is kept: `false` then.
    fn keep_list(&self, name: &str, number: u64, der: Vec<u8>) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Forgets nonces that ended, and buckets that were full again, `SKEW` before `now` (seconds since the epoch): by the
    /// clock of whoever takes them they may not have yet.
    fn forget(&self, now: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// One cell of a GCRA, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Since the epoch.
    pub now: u64,
    /// In which one more is there.
    pub step: u64,
    /// In which a spent burst comes back whole.
    pub period: u64,
}

/// A right that ends when it is dropped.
pub struct SharedClaim(Option<Box<dyn FnOnce() + Send + Sync>>);

impl SharedClaim {
    /// `release` is called once.
    pub(super) fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(release)))
    }
}

impl Drop for SharedClaim {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

impl fmt::Debug for SharedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedClaim")
    }
}
