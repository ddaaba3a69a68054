//! Issuing for real: the [issuance core](crate::issuance) between a store, a log and a signer.
//!
//! The order of steps is the safety: plan and lint, **persist**, log, **persist** the proof, sign, **persist**. After a
//! crash between any two of them [`Issuer::drive`] goes on from what was persisted, and submits the identical entry: so
//! a certificate is never logged twice, and never signed over two different proofs.

mod decide;
mod drive;
mod give_up;
mod slots;

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use identity::UnixTime;
use identity::plan::PlanError;
use identity::profile::Profile;
use identity::transparency::period_of;
use serde_json::json;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use drive::{Claim, DriveError};
pub(crate) use give_up::ended;
pub(crate) use slots::Labelled;
use slots::label;

use crate::config::Clock;
use crate::crl::{ListName, Part};
use crate::csr::VerifiedRequest;
use crate::issuance::{LintError, Linted, PersonInput, Planned, ServiceInput};
use crate::keys::{AuthorityKeys, Issuing};
use crate::proven::Proven;
use crate::random;
use crate::recovery::taken::TakenLabels;
use crate::shards::{LabelKeyError, Shard, Shards};
use crate::spent::Work;
use crate::store::{
    Authority, Authorization, CertificateRecord, CertificateState, Change, KeyDigest, Order, OrderState, Record,
    Serial, Shared, SharedClaim, Store, StoreError,
};
use crate::trail::Trail;

/// Draws of a slot before giving up: each fails only if somebody else took the very slot in between.
const DRAWS: usize = 8;

/// What issuing needs.
pub(crate) struct Issuer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) logs: Shards,
    pub(crate) trail: Trail,
    pub(crate) keys: AuthorityKeys,
    pub(crate) clock: Clock,
    pub(crate) base_url: String,
    /// Where lists and issuing certificates are by plain HTTP, if they are.
    pub(crate) plain_url: Option<String>,
    /// Into how many parts the revocation list of people's certificates is cut.
    pub(crate) shards: u16,
    /// Labels that stand in the log and not in the store.
    taken: TakenLabels,
    /// Woken when there is somebody to be told of a certificate.
    pub(crate) to_announce: Notify,
    /// Whether the newest certificate could not be logged with a quorum of witnesses. It is tried again.
    pub(crate) log_failing: AtomicBool,
    /// What the front ends of this authority share, where there are several.
    pub(crate) shared: Option<Arc<dyn Shared>>,
    /// Certificates on their way in this process.
    active: Arc<Mutex<HashSet<Serial>>>,
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

/// The right to some work, until it is dropped.
pub(crate) struct Turn(#[allow(dead_code, reason = "held, and dropped at the end")] Option<SharedClaim>);

/// A person's request for a certificate, with all that was proven about it.
pub(crate) struct PersonRequest {
    pub(crate) order: Order,
    /// What the order rests on, as it was read: if it is another by the time of the plan, there is none.
    pub(crate) authorization: Authorization,
    pub(crate) proven: Proven,
    pub(crate) request: VerifiedRequest,
    pub(crate) profile: &'static Profile,
}

/// Why a certificate was not begun. Nothing was logged.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("every slot of this period is used")]
    NoSlot,
    #[error("its key was reported as compromised")]
    Compromised,
    #[error("the label key of {0} is destroyed, and no other log follows it")]
    NoLabelKey(String),
    #[error("the label key: {0}")]
    LabelKey(#[from] LabelKeyError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    #[allow(clippy::too_many_arguments, reason = "called once, by the one place that has all of them")]
    pub(crate) fn new(
        store: Arc<dyn Store>,
        logs: Shards,
        trail: Trail,
        keys: AuthorityKeys,
        clock: Clock,
        (base_url, plain_url): (String, Option<String>),
        shards: u16,
        taken: TakenLabels,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let shared = store.shared();
        Self {
            store,
            logs,
            trail,
            keys,
            clock,
            base_url,
            plain_url,
            shards,
            taken,
            to_announce: Notify::new(),
            log_failing: AtomicBool::new(false),
            shared,
            active: Arc::default(),
            tasks,
            stop,
        }
    }

    /// The right to some work that one front end does at a time; `None` if another is doing it.
    pub(crate) async fn alone_with(&self, work: &str) -> Result<Option<Turn>, StoreError> {
        Ok(match &self.shared {
            None => Some(Turn(None)),
            Some(shared) => shared.claim(work).await?.map(|claim| Turn(Some(claim))),
        })
    }

    pub(crate) fn keys(&self) -> &AuthorityKeys {
        &self.keys
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.clock)()
    }

    /// Where a revocation list is; that for mail is nowhere if nothing is served by plain HTTP.
    pub(crate) fn list_url(&self, name: ListName) -> Option<String> {
        let base = if name.part == Part::Mail { self.plain_url.as_deref()? } else { &self.base_url };
        Some(format!("{base}{}", name.path()))
    }

    fn list_of_new(&self, issuing: &Issuing, serial: Serial) -> String {
        let name = ListName::of_new(issuing.name, serial, self.shards);
        format!("{}{}", self.base_url, name.path())
    }

    /// What a new certificate of a person names: its list, and where its issuer is, if the profile says that.
    fn addresses_of_new(&self, profile: &Profile, issuing: &Issuing, serial: Serial) -> (String, Option<String>) {
        let mail = self.list_url(ListName::of_mail(issuing.name)).filter(|_| !profile.issuer_schemes().is_empty());
        match (mail, &self.plain_url) {
            (Some(list), Some(plain)) => (list, Some(format!("{plain}/issuer/{}.cer", issuing.name))),
            // A profile that wants the other addresses has its own lints against these.
            _ => (self.list_of_new(issuing, serial), None),
        }
    }

    /// Whether certificates of this profile can be made here: one for mail names addresses of plain HTTP.
    pub(crate) fn makes(&self, profile: &Profile) -> bool {
        profile.issuer_schemes().is_empty() || self.plain_url.is_some()
    }

    /// The log into which goes what is made now.
    pub(crate) fn shard(&self) -> Arc<Shard> {
        self.logs.at(self.now())
    }

    /// Plans, lints and persists a person's certificate, and sets it on its way. The handle ends when the certificate
    /// is issued or abandoned; dropping it stops nothing.
    pub(crate) async fn start_person(self: &Arc<Self>, asked: &PersonRequest) -> Result<JoinHandle<()>, StartError> {
        for _ in 0..DRAWS {
            let now = self.now();
            let before = self.certificates_before(&asked.proven, now).await?;
            let slot = self.free_slot(&asked.proven, now, &before).await?;
            let Some(claim) = self.claim_new().await? else { continue };
            let shard = self.logs.at(now);
            let key = shard.key().ok_or_else(|| StartError::NoLabelKey(shard.origin().to_owned()))?;
            let issuing = self.keys.issuer(Authority::People);
            let (crl_url, issuer_url) = self.addresses_of_new(asked.profile, &issuing, claim.serial);
            let input = PersonInput {
                profile: asked.profile,
                proven: &asked.proven,
                spki_der: asked.request.spki_der(),
                serial: claim.serial,
                opening: random::bytes(),
                slot,
                now,
                issuer: issuing.certificate(),
                crl_url: &crl_url,
                issuer_url: issuer_url.as_deref(),
                label: label(&key, shard.origin(), asked.proven.identifier(), period_of(now), slot).await?,
            };
            let linted = Work::Plans.time(|| Ok::<_, StartError>(Planned::person(&input)?.lint()?))?;
            let mut record = linted.record(Some(asked.proven.account().into()), Some(asked.order.id.clone()));
            // A signer elsewhere may have taken its time, in which another device may have got its certificate.
            let before = if key.is_here() { before } else { self.certificates_before(&asked.proven, now).await? };
            let before = self.known_before(&asked.proven, now, before).await?;
            record.announce = is_another_device(&before, asked.request.spki_der());
            let order = Order { state: OrderState::Processing(record.serial), ..asked.order.clone() };
            // Whoever ends the proof afterwards finds the plan that rests on it.
            let held = Change::Update(Record::Authorization(asked.authorization.clone()));
            let plan = Change::Insert(Record::Certificate(record.clone()));
            let changes = vec![held, plan, Change::Update(Record::Order(order))];
            let serial = record.serial.to_string();
            let of = json!({"serial": serial, "account": record.account, "order": record.order});
            match self.decide(changes, "planned", of).await {
                Ok(()) => return Ok(self.spawn(record, linted, claim)),
                Err(StoreError::Taken(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StartError::NoSlot)
    }

    /// Plans, lints and persists the certificate of a service or a component, for the caller to drive.
    pub(crate) async fn plan_service(
        &self,
        name: &str,
        profile: &'static Profile,
        spki_der: &[u8],
    ) -> Result<(CertificateRecord, Linted, Claim), StartError> {
        // A component keeps its key. Each entry for one that is signed no more would be one more in the log.
        if self.store.is_compromised(KeyDigest::of(spki_der)).await? {
            return Err(StartError::Compromised);
        }
        let claim = self.claim_new().await?.ok_or(StoreError::Taken("certificate"))?;
        let issuing = self.keys.issuer(Authority::Services);
        let crl_url = self.list_of_new(&issuing, claim.serial);
        let input = ServiceInput {
            profile,
            name,
            spki_der,
            serial: claim.serial,
            opening: random::bytes(),
            now: self.now(),
            issuer: issuing.certificate(),
            crl_url: &crl_url,
        };
        let linted = Planned::service(&input)?.lint()?;
        let record = linted.record(None, None);
        self.store.commit(vec![Change::Insert(Record::Certificate(record.clone()))]).await?;
        Ok((record, linted, claim))
    }
}

/// Whether an owner had a device by it, however it ended.
fn was_issued(record: &CertificateRecord) -> bool {
    matches!(record.state, CertificateState::Issued { .. } | CertificateState::Erased { .. })
}

/// Whether the key is none of the owner's so far, while another one of hers had a certificate in the periods looked at:
/// then she is to be told. Also if that one has ended, is revoked or erased: a thief would revoke it first, and nobody
/// would be told of his. Whoever had none yet has just read a mail about it. A key is hers by a certificate that was issued
/// and is not revoked; that of an erased one is forgotten.
fn is_another_device(before: &[CertificateRecord], spki_der: &[u8]) -> bool {
    let key = KeyDigest::of(spki_der);
    let hers = |c: &CertificateRecord| was_issued(c) && c.revoked.is_none() && c.key() == Some(key);
    before.iter().any(was_issued) && !before.iter().any(hers)
}

#[cfg(test)]
mod tests;
