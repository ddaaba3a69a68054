//! Under which label a person's certificate is logged: a slot of the current period that her identifier has not used.

use std::ops::RangeInclusive;
use std::sync::Arc;

use identity::transparency::{LabelInput, SLOTS, VrfProof, period_of, periods_back_of};
use identity::{Identifier, IdentifierKind, UnixTime};

use super::{Issuer, StartError, was_issued};
use crate::proven::Proven;
use crate::random;
use crate::shards::{LabelKey, LabelKeyError, Shard};
use crate::spent::Work;
use crate::store::{CertificateRecord, Select, StoreError, Subject};

/// The proof of one label.
pub(crate) struct Labelled {
    pub(crate) period: u32,
    pub(crate) slot: u8,
    pub(crate) proof: VrfProof,
}

impl Issuer {
    /// The identifier's certificates of all periods that can matter still.
    pub(super) async fn certificates_before(
        &self,
        proven: &Proven,
        now: UnixTime,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        let to = period_of(now);
        let from = to.saturating_sub(periods_back_of(proven.identifier().kind()));
        self.store.certificates(Select::CertificatesOf { identifier: proven.identifier().clone(), from, to }).await
    }

    /// By what it is decided whether an owner is told of a device: her certificates of the periods that can matter still, or,
    /// where she was away for all of them, those that she ever had. Of a number that rests with the former: by then it may be
    /// somebody else's, who is not to learn of whoever had it.
    pub(super) async fn known_before(
        &self,
        proven: &Proven,
        now: UnixTime,
        before: Vec<CertificateRecord>,
    ) -> Result<Vec<CertificateRecord>, StoreError> {
        let identifier = proven.identifier().clone();
        if identifier.kind() == IdentifierKind::Phone || before.iter().any(was_issued) {
            return Ok(before);
        }
        self.store.certificates(Select::CertificatesOf { identifier, from: 0, to: period_of(now) }).await
    }

    /// A slot drawn evenly among those that the identifier has not used in the current period.
    pub(super) async fn free_slot(
        &self,
        proven: &Proven,
        now: UnixTime,
        before: &[CertificateRecord],
    ) -> Result<u8, StartError> {
        let period = period_of(now);
        let mut free: Vec<u8> = (0..SLOTS).collect();
        for used in before.iter().filter(|used| used.period == period) {
            if let Subject::Person { slot, .. } = used.subject {
                free.retain(|s| *s != slot);
            }
        }
        let free = self.leave_taken(proven, now, free).await?;
        random::one_of(&free).ok_or(StartError::NoSlot)
    }

    /// After a backup was restored: slots whose labels stand in the log, though the store knows nothing of them, are used.
    async fn leave_taken(&self, proven: &Proven, now: UnixTime, free: Vec<u8>) -> Result<Vec<u8>, StartError> {
        let shard = self.logs.at(now);
        let Some(key) = shard.key().filter(|_| self.taken.matter(now)) else { return Ok(free) };
        let mut left = Vec::new();
        for slot in free {
            let (label, _) = label(&key, shard.origin(), proven.identifier(), period_of(now), slot).await?;
            if !self.taken.contain(&label) {
                left.push(slot);
            }
        }
        Ok(left)
    }

    /// The proofs of all labels of an identifier in this log in these periods; none once its label key is destroyed. Takes
    /// a tenth of a millisecond of computing for each of them.
    pub(crate) fn label_proofs(
        shard: &Shard,
        proven: &Proven,
        periods: RangeInclusive<u32>,
    ) -> Result<Vec<Labelled>, LabelKeyError> {
        let Some(key) = shard.key() else { return Ok(Vec::new()) };
        let mut proofs = Vec::new();
        for period in periods {
            for slot in 0..SLOTS {
                let input = LabelInput { origin: shard.origin(), identifier: proven.identifier(), period, slot };
                proofs.push(Labelled { period, slot, proof: key.evaluate(&input)?.1 });
            }
        }
        Ok(proofs)
    }
}

/// The label of a slot and its proof; asked of a signer on a thread that may wait for it.
pub(super) async fn label(
    key: &Arc<LabelKey>,
    origin: &str,
    identifier: &Identifier,
    period: u32,
    slot: u8,
) -> Result<([u8; 32], VrfProof), LabelKeyError> {
    let _at = Work::Labels.begin();
    if key.is_here() {
        return key.evaluate(&LabelInput { origin, identifier, period, slot });
    }
    let (key, origin, identifier) = (Arc::clone(key), origin.to_owned(), identifier.clone());
    let asked = tokio::task::spawn_blocking(move || {
        key.evaluate(&LabelInput { origin: &origin, identifier: &identifier, period, slot })
    });
    asked.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
}
