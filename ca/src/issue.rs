//! Issuing for real: the [issuance core](crate::issuance) between a store, a log and a signer.
//!
//! The order of steps is the safety: plan and lint, **persist**, log, **persist** the proof, sign, **persist**. After a crash between any
//! two of them [`Issuer::drive`] goes on from what was persisted, and submits the identical entry: so a certificate is never logged twice,
//! and never signed over two different proofs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::UnixTime;
use identity::plan::PlanError;
use identity::profile::Profile;
use identity::transparency::{LabelInput, SLOTS, VrfProof, period_of};
use thiserror::Error;
use tlog_proof::{LogPolicy, Proof, ProofError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transparency_log::SubmitError;

use crate::config::Clock;
use crate::csr::VerifiedRequest;
use crate::issuance::{
    LintError, Linted, LogError, PersonInput, Planned, RestoreError, ServiceInput, SignError, is_too_late,
};
use crate::keys::AuthorityKeys;
use crate::log::Log;
use crate::proven::Proven;
use crate::random;
use crate::store::{
    Authority, CertificateRecord, CertificateState, Change, Order, OrderState, Record, Select, Serial, Store,
    StoreError, Subject,
};

/// Draws of a slot before giving up: each fails only if somebody else took the very slot in between.
const DRAWS: usize = 8;
/// First and longest pause before a step that failed is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// What issuing needs.
pub(crate) struct Issuer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) policy: LogPolicy,
    pub(crate) keys: AuthorityKeys,
    pub(crate) clock: Clock,
    pub(crate) origin: String,
    pub(crate) base_url: String,
    /// Certificates on their way in this process.
    active: Arc<Mutex<HashSet<Serial>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A person's request for a certificate, with all that was proven about it.
pub(crate) struct PersonRequest {
    pub(crate) order: Order,
    pub(crate) proven: Proven,
    pub(crate) request: VerifiedRequest,
    pub(crate) profile: &'static Profile,
}

/// Why a certificate was not begun. Nothing was logged.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("every slot of this period is used")]
    NoSlot,
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
    #[error("the store does not hold the certificate")]
    Missing,
    #[error("the certificate was not logged within a day of its notBefore and is abandoned")]
    Abandoned,
}

/// The right to drive one certificate in this process, until it is dropped.
pub(crate) struct Claim {
    serial: Serial,
    active: Arc<Mutex<HashSet<Serial>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.serial);
    }
}

impl Issuer {
    #[allow(clippy::too_many_arguments, reason = "called once, by the one place that has all of them")]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        log: Arc<dyn Log>,
        policy: LogPolicy,
        keys: AuthorityKeys,
        clock: Clock,
        origin: String,
        base_url: String,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { store, log, policy, keys, clock, origin, base_url, active: Arc::default(), tasks, stop }
    }

    pub(crate) fn keys(&self) -> &AuthorityKeys {
        &self.keys
    }

    fn now(&self) -> UnixTime {
        (self.clock)()
    }

    fn crl_url(&self, authority: Authority) -> String {
        format!("{}{}", self.base_url, authority.crl_path())
    }

    /// Plans, lints and persists a person's certificate, and sets it on its way. The handle ends when the certificate is issued or
    /// abandoned; dropping it stops nothing.
    pub(crate) async fn start_person(self: &Arc<Self>, asked: PersonRequest) -> Result<JoinHandle<()>, StartError> {
        let crl_url = self.crl_url(Authority::People);
        for _ in 0..DRAWS {
            let now = self.now();
            let slot = self.free_slot(&asked.proven, now).await?;
            let Some(claim) = self.claim_new() else { continue };
            let input = PersonInput {
                profile: asked.profile,
                proven: &asked.proven,
                spki_der: asked.request.spki_der(),
                serial: claim.serial,
                opening: random::bytes(),
                slot,
                now,
                issuer: self.keys.issuer(Authority::People).certificate(),
                crl_url: &crl_url,
                origin: &self.origin,
                vrf: self.keys.vrf(),
            };
            let linted = Planned::person(&input)?.lint()?;
            let record = linted.record(Some(asked.proven.account().into()), Some(asked.order.id.clone()));
            let order = Order { state: OrderState::Processing(record.serial), ..asked.order.clone() };
            let changes =
                vec![Change::Insert(Record::Certificate(record.clone())), Change::Update(Record::Order(order))];
            match self.store.commit(changes).await {
                Ok(()) => return Ok(self.spawn(record, linted, claim)),
                Err(StoreError::Taken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StartError::NoSlot)
    }

    /// Plans, lints and persists a service's certificate, for the caller to drive.
    pub(crate) async fn plan_service(
        &self,
        name: &str,
        spki_der: &[u8],
    ) -> Result<(CertificateRecord, Linted, Claim), StartError> {
        let crl_url = self.crl_url(Authority::Services);
        let claim = self.claim_new().ok_or(StoreError::Taken("certificate"))?;
        let input = ServiceInput {
            name,
            spki_der,
            serial: claim.serial,
            opening: random::bytes(),
            now: self.now(),
            issuer: self.keys.issuer(Authority::Services).certificate(),
            crl_url: &crl_url,
        };
        let linted = Planned::service(&input)?.lint()?;
        let record = linted.record(None, None);
        self.store.commit(vec![Change::Insert(Record::Certificate(record.clone()))]).await?;
        Ok((record, linted, claim))
    }

    /// A slot drawn evenly among those that the identifier has not used in the current period.
    async fn free_slot(&self, proven: &Proven, now: UnixTime) -> Result<u8, StartError> {
        let period = period_of(now);
        let select = Select::CertificatesOf { identifier: proven.identifier().clone(), from: period, to: period };
        let mut free: Vec<u8> = (0..SLOTS).collect();
        for used in self.store.certificates(select).await? {
            if let Subject::Person { slot, .. } = used.subject {
                free.retain(|s| *s != slot);
            }
        }
        random::one_of(&free).ok_or(StartError::NoSlot)
    }

    /// The proofs of all labels of an identifier in these periods. Takes a tenth of a millisecond of computing for each of them.
    pub(crate) fn label_proofs(&self, proven: &Proven, from: u32, to: u32) -> Vec<(u32, u8, VrfProof)> {
        let mut proofs = Vec::new();
        for period in from..=to {
            for slot in 0..SLOTS {
                let input = LabelInput { origin: &self.origin, identifier: proven.identifier(), period, slot };
                proofs.push((period, slot, self.keys.vrf().prove(&input)));
            }
        }
        proofs
    }

    /// Claims a new serial number before its plan is persisted: else whoever looks for half-done certificates would take it for one.
    fn claim_new(&self) -> Option<Claim> {
        self.claim(random::serial())
    }

    /// Claims a certificate for one driver; `None` if it has one.
    fn claim(&self, serial: Serial) -> Option<Claim> {
        let is_free = self.active.lock().unwrap_or_else(PoisonError::into_inner).insert(serial);
        is_free.then(|| Claim { serial, active: Arc::clone(&self.active) })
    }

    fn spawn(self: &Arc<Self>, record: CertificateRecord, linted: Linted, claim: Claim) -> JoinHandle<()> {
        let issuer = Arc::clone(self);
        self.tasks.spawn(async move {
            let first = issuer.drive(record, Some(linted)).await;
            issuer.complete(claim, first).await;
        })
    }

    /// Takes up a half-done certificate, unless it is on its way already.
    pub(crate) fn resume(self: &Arc<Self>, serial: Serial) {
        let Some(claim) = self.claim(serial) else { return };
        let issuer = Arc::clone(self);
        self.tasks.spawn(async move {
            let first = issuer.drive_stored(serial).await;
            issuer.complete(claim, first).await;
        });
    }

    /// Drives a certificate until it is issued or abandoned, however often the log or the store fails.
    async fn complete(&self, claim: Claim, mut result: Result<CertificateRecord, DriveError>) {
        let (mut pause, longest) = PAUSE;
        while let Err(error) = result {
            if matches!(error, DriveError::Abandoned | DriveError::Missing) {
                return;
            }
            tracing::warn!(serial = %claim.serial, %error, again_in = ?pause, "a certificate did not get further");
            tokio::select! {
                () = self.stop.cancelled() => return,
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
        if matches!(record.state, CertificateState::Issued { .. } | CertificateState::Abandoned { .. }) {
            return Ok(record);
        }
        let linted = match linted {
            Some(linted) => linted,
            None => Planned::restore(&record, &self.origin, self.keys.vrf().public())?.lint()?,
        };
        let logged = match &record.state {
            CertificateState::Logged { proof, .. } => {
                linted.logged(&Proof::parse(proof)?, &self.policy, &self.origin)?
            }
            _ if is_too_late(linted.not_before(), self.now()) => return self.abandon(record, None).await,
            _ => {
                let answer = self.log.submit(linted.entry().to_vec()).await?;
                let index = answer.index;
                let logged = match linted.logged(&answer.proof, &self.policy, &self.origin) {
                    // An entry of old whose window has passed: its index is known now, and that is all that can be done.
                    Err(LogError::Window { .. })
                        if is_too_late(
                            UnixTime::since_unix_epoch(Duration::from_secs(record.not_before)),
                            self.now(),
                        ) =>
                    {
                        return self.abandon(record, Some(index)).await;
                    }
                    other => other?,
                };
                record.state = CertificateState::Logged { index, proof: answer.proof.to_string() };
                self.store.commit(vec![Change::Update(Record::Certificate(record.clone()))]).await?;
                record.revision += 1;
                logged
            }
        };
        tracing::info!(serial = %record.serial, index = logged.index(), "about to sign");
        let issued = logged.sign(self.keys.issuer(record.authority))?;
        record.state = CertificateState::Issued { index: issued.index(), certificate: issued.der().to_vec() };
        let state = OrderState::Valid(record.serial);
        self.finish(record, state).await
    }

    async fn abandon(
        &self,
        mut record: CertificateRecord,
        index: Option<u64>,
    ) -> Result<CertificateRecord, DriveError> {
        record.state = CertificateState::Abandoned { index };
        let reason = "the certificate could not be logged within a day; make a new order";
        self.finish(record, OrderState::Invalid(reason.into())).await?;
        Err(DriveError::Abandoned)
    }

    /// Persists the last state of a certificate together with its order's.
    async fn finish(&self, mut record: CertificateRecord, state: OrderState) -> Result<CertificateRecord, DriveError> {
        let mut changes = vec![Change::Update(Record::Certificate(record.clone()))];
        if let Some(id) = &record.order
            && let Some(order) = self.store.order(id).await?
        {
            changes.push(Change::Update(Record::Order(Order { state, ..order })));
        }
        self.store.commit(changes).await?;
        record.revision += 1;
        let issued = matches!(record.state, CertificateState::Issued { .. });
        tracing::info!(serial = %record.serial, profile = record.profile, issued, index = record.index(), "certificate done");
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
