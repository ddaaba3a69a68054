//! The authority's logs, one after the other (docs/spec/log.md, "Shards"): each with a label key of its own, which is
//! destroyed when the last owner's proofs of its labels are out.
//!
//! A certificate goes into the log whose time it is when it is planned. It stays with that log, however long logging
//! takes: the proof of its label names the log, as it verifies under one label key alone.

mod label_key;
mod retire;
pub mod signer;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use identity::UnixTime;
use identity::transparency::{LabelInput, VrfProof, VrfPublicKey};
use identity::trust::LogWindow;
use thiserror::Error;
use tlog_proof::{LogPolicy, Proof, UnverifiedCheckpoint};

use crate::log::Log;
use crate::store::{CertificateRecord, CertificateState, Subject};

pub use label_key::{LabelKey, LabelKeyError};
pub(crate) use label_key::{SIGNER_END, signer_file};
pub(crate) use retire::retire_due;

/// One log of the authority.
pub struct Shard {
    origin: String,
    policy: LogPolicy,
    log: Arc<dyn Log>,
    labels: VrfPublicKey,
    key: RwLock<Option<Arc<LabelKey>>>,
    window: RwLock<LogWindow>,
    struck: AtomicBool,
}

impl Shard {
    /// A log by its origin, the policy that its proofs are held to, and the public half of its label key; `key` is the
    /// secret half, until it is destroyed.
    #[must_use]
    pub fn new(
        origin: &str,
        policy: LogPolicy,
        log: Arc<dyn Log>,
        window: LogWindow,
        labels: VrfPublicKey,
        key: Option<LabelKey>,
    ) -> Self {
        let key = RwLock::new(key.map(Arc::new));
        let (window, struck) = (RwLock::new(window), AtomicBool::new(false));
        Self { origin: origin.to_owned(), policy, log, labels, key, window, struck }
    }

    /// A log with a label key, in use from the beginning.
    #[must_use]
    pub fn first(origin: &str, policy: LogPolicy, log: Arc<dyn Log>, key: LabelKey) -> Self {
        let labels = key.public().clone();
        Self::new(origin, policy, log, LogWindow::default(), labels, Some(key))
    }

    /// Its origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// When it counts.
    #[must_use]
    pub fn window(&self) -> LogWindow {
        *self.window.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest trust policy names it no longer, as its key is known to others: what stands in it alone counts no more.
    pub fn strike(&self) {
        self.struck.store(true, Ordering::Relaxed);
    }

    fn is_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    /// Whether its label key has been destroyed.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.key().is_none()
    }

    pub(crate) fn policy(&self) -> &LogPolicy {
        &self.policy
    }

    /// Where its entries go.
    #[must_use]
    pub fn log(&self) -> &dyn Log {
        self.log.as_ref()
    }

    pub(crate) fn labels(&self) -> &VrfPublicKey {
        &self.labels
    }

    pub(crate) fn key(&self) -> Option<Arc<LabelKey>> {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of the key: it is zeroized when whoever computes with it just now has ended.
    fn forget_key(&self) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether this certificate's label stands under this log's key.
    fn holds(&self, record: &CertificateRecord) -> bool {
        match (&record.subject, &record.state) {
            (Subject::Person { identifier, slot, vrf_proof }, _) => {
                let (origin, period, slot) = (self.origin(), record.period, *slot);
                let input = LabelInput { origin, identifier, period, slot };
                self.labels.verify(&input, &VrfProof::from_bytes(*vrf_proof)).is_ok()
            }
            // A service's entry names no log; one that is logged already has a proof that does.
            (Subject::Service { .. }, CertificateState::Logged { proof, .. }) => self.has_proven(proof),
            (Subject::Service { .. }, _) => false,
        }
    }

    fn has_proven(&self, proof: &str) -> bool {
        let Ok(proof) = Proof::parse(proof) else { return false };
        UnverifiedCheckpoint::parse(&proof.checkpoint).is_ok_and(|text| text.claimed().origin == self.origin)
    }
}

/// Why a log cannot be the next one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a log that takes certificates after {last}, and another than it; found {found}")]
pub struct ShardError {
    /// The last log's origin.
    pub last: String,
    /// The new one's.
    pub found: String,
}

/// All logs of an authority. Cheap to clone: all see the same.
#[derive(Clone)]
pub struct Shards(Arc<RwLock<Vec<Arc<Shard>>>>);

impl Shards {
    /// One log, so far.
    #[must_use]
    pub fn new(first: Shard) -> Self {
        Self(Arc::new(RwLock::new(vec![Arc::new(first)])))
    }

    /// Adds the log that takes certificates after those so far.
    ///
    /// # Errors
    /// [`ShardError`] if it is there already, or does not come after them.
    pub fn add(&self, shard: Shard) -> Result<(), ShardError> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let wrong = all.iter().any(|one| one.origin == shard.origin)
            || all.last().is_some_and(|last| last.window().takes_from() >= shard.window().takes_from());
        if wrong {
            let last = all.last().map(|last| last.origin.clone()).unwrap_or_default();
            return Err(ShardError { last, found: shard.origin });
        }
        all.push(Arc::new(shard));
        Ok(())
    }

    /// A newer version of the trust policy says since when and until when this log counts.
    pub fn set_window(&self, origin: &str, window: LogWindow) {
        if let Some(shard) = self.all().iter().find(|shard| shard.origin == origin) {
            *shard.window.write().unwrap_or_else(PoisonError::into_inner) = window;
        }
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Shard>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what stands in the log of this origin counts by the newest trust policy.
    pub(crate) fn counts(&self, origin: &str) -> bool {
        self.all().iter().any(|shard| shard.origin == origin && !shard.is_struck())
    }

    /// The log into which goes what is made at this time: none that was struck, unless all are.
    #[must_use]
    pub fn at(&self, time: UnixTime) -> Arc<Shard> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut kept = all.iter().filter(|shard| !shard.is_struck());
        let begun = kept.clone().rev().find(|shard| shard.window().takes_from() <= time);
        Arc::clone(begun.or_else(|| kept.next()).unwrap_or(&all[0]))
    }

    /// The log into which went what was made at this time, whether or not it was struck since.
    pub(crate) fn took_at(&self, time: UnixTime) -> Arc<Shard> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let begun = all.iter().rev().find(|shard| shard.window().takes_from() <= time);
        Arc::clone(begun.unwrap_or(&all[0]))
    }

    /// The log of a certificate that was planned.
    pub(crate) fn of(&self, record: &CertificateRecord) -> Arc<Shard> {
        let likely = self.at(UnixTime::since_unix_epoch(std::time::Duration::from_secs(record.not_before)));
        let all = self.all();
        // Of one there is nothing to find out.
        if all.len() == 1 || likely.holds(record) {
            return likely;
        }
        all.into_iter().find(|shard| shard.holds(record)).unwrap_or(likely)
    }

    /// The logs that can hold certificates of these periods, with those of the periods for each; the newest last.
    pub(crate) fn covering(&self, from: u32, to: u32) -> Vec<(Arc<Shard>, RangeInclusive<u32>)> {
        let with_periods = |shard: Arc<Shard>| {
            let (first, last) = shard.window().periods();
            let periods = from.max(first)..=to.min(last);
            (!periods.is_empty()).then_some((shard, periods))
        };
        self.all().into_iter().filter_map(with_periods).collect()
    }
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("origin", &self.origin).field("window", &self.window()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(test)]
mod tests;
