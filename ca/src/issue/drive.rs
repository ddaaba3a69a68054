//! From a persisted plan to the end, however often a step fails, and from whatever state a crash left.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::{Proof, ProofError};
use tokio::task::JoinHandle;
use transparency_log::SubmitError;

use super::Issuer;
use super::give_up::given_up;
use crate::issuance::{LintError, Linted, LogError, Logged, Planned, RestoreError, SignError, is_too_late};
use crate::random;
use crate::shards::Shard;
use crate::spent::Work;
use crate::store::{CertificateRecord, CertificateState, Change, OrderState, Record, Serial, SharedClaim, StoreError};
use crate::trail::TrailError;

/// First and longest pause before a step that failed is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Why a certificate did not get further. It is resumed, unless it is too late for it.
#[derive(Debug, Error)]
pub(crate) enum DriveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the log: {0}")]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the stored proof: {0}")]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error("the audit trail: {0}")]
    Trail(#[from] TrailError),
    #[error("the store does not hold the certificate")]
    Missing,
    #[error("the certificate was not logged within a day of its notBefore")]
    TooLate,
}

/// The right to drive one certificate, until it is dropped: in this process, and among the front ends where there are
/// several. What it spares is work, and a second signature that nobody gets; that nothing is issued twice rests on the
/// store's revisions.
pub(crate) struct Claim {
    pub(super) serial: Serial,
    active: Arc<Mutex<HashSet<Serial>>>,
    shared: Option<SharedClaim>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.serial);
    }
}

impl Issuer {
    /// Claims a new serial number before its plan is persisted: else whoever looks for half-done certificates would
    /// take it for one.
    pub(super) async fn claim_new(&self) -> Result<Option<Claim>, StoreError> {
        self.claim(random::serial()).await
    }

    /// Claims a certificate for one driver; `None` if it has one.
    async fn claim(&self, serial: Serial) -> Result<Option<Claim>, StoreError> {
        if !self.active.lock().unwrap_or_else(PoisonError::into_inner).insert(serial) {
            return Ok(None);
        }
        let mut claim = Claim { serial, active: Arc::clone(&self.active), shared: None };
        if let Some(shared) = &self.shared {
            claim.shared = shared.claim(&format!("certificate/{serial}")).await?;
            if claim.shared.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(claim))
    }

    pub(super) fn spawn(self: &Arc<Self>, record: CertificateRecord, linted: Linted, claim: Claim) -> JoinHandle<()> {
        let issuer = Arc::clone(self);
        self.tasks.spawn(async move {
            let first = issuer.drive(record, Some(linted)).await;
            issuer.complete(claim, first).await;
        })
    }

    /// Takes up a half-done certificate, unless it is on its way already.
    pub(crate) fn resume(self: &Arc<Self>, serial: Serial) {
        let issuer = Arc::clone(self);
        self.tasks.spawn(async move {
            // What cannot be claimed now is looked at again within a minute.
            let Ok(Some(claim)) = issuer.claim(serial).await else { return };
            let first = issuer.drive_stored(serial).await;
            issuer.complete(claim, first).await;
        });
    }

    /// Drives a certificate until it is issued or abandoned, however often the log or the store fails. None if that is not
    /// to be: it is not in the store, or this process ends.
    pub(crate) async fn complete(
        &self,
        claim: Claim,
        mut result: Result<CertificateRecord, DriveError>,
    ) -> Option<CertificateRecord> {
        let (mut pause, longest) = PAUSE;
        loop {
            let error = match result {
                Ok(done) => return Some(done),
                Err(DriveError::Missing) => return None,
                Err(error) => error,
            };
            tracing::warn!(serial = %claim.serial, %error, again_in = ?pause, "a certificate did not get further");
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(longest);
            result = self.drive_stored(claim.serial).await;
        }
    }

    /// A commit that failed may have been written: what is in the store counts.
    async fn drive_stored(&self, serial: Serial) -> Result<CertificateRecord, DriveError> {
        let record = self.store.certificate(serial).await?.ok_or(DriveError::Missing)?;
        self.drive(record, None).await
    }

    /// From whatever state a certificate is in to the end. `linted` spares restoring the plan from the record.
    pub(crate) async fn drive(
        &self,
        mut record: CertificateRecord,
        linted: Option<Linted>,
    ) -> Result<CertificateRecord, DriveError> {
        if matches!(
            record.state,
            CertificateState::Issued { .. } | CertificateState::Abandoned { .. } | CertificateState::Erased { .. }
        ) {
            return Ok(record);
        }
        let shard = self.logs.of(&record);
        let linted = match linted {
            Some(linted) => linted,
            None => Planned::restore(&record, shard.origin(), shard.labels())?.lint()?,
        };
        let origin = shard.origin();
        if !self.logs.counts(origin) {
            tracing::warn!(serial = %record.serial, origin, "abandoned, as the log it was planned for counts no more");
            return self.abandon(record).await;
        }
        let late = is_too_late(linted.not_before(), self.now());
        let (logged, new_proof) = match self.prove(&shard, &mut record, linted, late).await {
            Err(error) if late && !matches!(error, DriveError::Store(_)) => {
                tracing::warn!(serial = %record.serial, %error, "abandoned");
                return self.abandon(record).await;
            }
            other => other?,
        };
        // The key that it was planned for: meanwhile another may have taken over.
        let Some(issuing) = self.keys.issuer_of(logged.authority_key_id()) else {
            tracing::warn!(serial = %record.serial, "abandoned, as the key it was planned for is gone");
            return self.abandon(record).await;
        };
        // It may have been reported since the plan, which may have waited for the log for long.
        if let Some(key) = record.key()
            && self.store.is_compromised(key).await?
        {
            tracing::warn!(serial = %record.serial, "abandoned, as its key is compromised");
            return self.abandon(record).await;
        }
        tracing::info!(serial = %record.serial, index = logged.index(), "about to sign");
        let of = json!({
            "serial": record.serial.to_string(),
            "index": logged.index(),
            "tbs": hex::encode(Sha256::digest(&record.tbs)),
        });
        // Both on disk before the key is used: nothing is signed over another proof after a crash, nor unrecorded.
        let kept = async {
            match new_proof {
                true => {
                    Ok(self.store.commit(vec![Change::Update(Record::Certificate(record.clone()))]).await.map(drop)?)
                }
                false => Ok::<_, DriveError>(()),
            }
        };
        let recorded = async { Ok(self.trail.record("about-to-sign", of).await?) };
        tokio::try_join!(kept, recorded)?;
        record.revision += u64::from(new_proof);
        let issued = Work::Signatures.time(|| logged.sign(issuing.signer()))?;
        record.state = CertificateState::Issued { index: issued.index(), certificate: issued.der().to_vec() };
        let state = OrderState::Valid(record.serial);
        self.finish(record, state).await
    }

    /// The persisted proof, or the log's, and whether it is that: then it is to be persisted before anything is signed.
    async fn prove(
        &self,
        shard: &Shard,
        record: &mut CertificateRecord,
        linted: Linted,
        late: bool,
    ) -> Result<(Logged, bool), DriveError> {
        let (policy, origin) = (shard.policy(), shard.origin());
        if let CertificateState::Logged { proof, .. } = &record.state {
            return Ok((linted.logged(&Proof::parse(proof)?, policy, origin)?, false));
        }
        if late {
            return Err(DriveError::TooLate);
        }
        let on_its_way = Work::Log.begin();
        let answer = shard.log().submit(linted.entry().to_vec()).await;
        self.log_failing.store(answer.is_err(), Ordering::Relaxed);
        let answer = answer?;
        drop(on_its_way);
        let logged = Work::Proofs.time(|| linted.logged(&answer.proof, policy, origin));
        self.log_failing.store(logged.is_err(), Ordering::Relaxed);
        let logged = logged?;
        record.state = CertificateState::Logged { index: answer.index, proof: answer.proof.to_string() };
        Ok((logged, true))
    }

    /// The plan is given up.
    async fn abandon(&self, record: CertificateRecord) -> Result<CertificateRecord, DriveError> {
        let (record, state) = given_up(record);
        self.finish(record, state).await
    }

    /// Persists the last state of a certificate together with its order's.
    async fn finish(&self, mut record: CertificateRecord, state: OrderState) -> Result<CertificateRecord, DriveError> {
        self.store.commit(self.last_state(record.clone(), state).await?).await?;
        record.revision += 1;
        let issued = matches!(record.state, CertificateState::Issued { .. });
        if issued {
            self.note("issued", &record);
        } else {
            self.note_given_up(&record);
        }
        if issued && record.announce {
            self.to_announce.notify_one();
        }
        tracing::info!(serial = %record.serial, profile = record.profile, issued, index = record.index(), "certificate done");
        Ok(record)
    }
}
