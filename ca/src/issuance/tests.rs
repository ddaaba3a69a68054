//! Each gate of the core, and what does not pass it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use identity::certificate::{Certificate, SignatureAlgorithm};
use identity::profile::Profile;
use identity::transparency::{LabelInput, SLOTS, VrfProof, period_of};
use identity::{Identifier, UnixTime};
use tlog_proof::Proof;
use transparency_log::testing::MemoryLog;

use super::*;
use crate::log::Log as _;
use crate::proven::Proven;
use crate::store::{
    Authority, Authorization, AuthorizationStatus, CertificateRecord, CertificateState, Serial, Subject,
};
use crate::{AuthorityKeys, LabelKey, init};

const ORIGIN: &str = "localhost/log";
const CRL: &str = "https://localhost/acme/crl/people.crl";
const BEGIN: u64 = 1_790_000_000;

struct Bench {
    issuer: Arc<crate::keys::Issuing>,
    _folder: tempfile::TempDir,
    keys: AuthorityKeys,
    labels: LabelKey,
    seconds: Arc<AtomicU64>,
    log: MemoryLog,
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn proven() -> Proven {
    let authorization = Authorization {
        id: "z".into(),
        revision: 0,
        account: "a".into(),
        identifier: Identifier::parse("alice@example.org").unwrap(),
        status: AuthorizationStatus::Valid,
        expires: BEGIN + 10,
        validated: Some(BEGIN),
        proven_by: None,
        code: None,
        reply: None,
    };
    assert!(Proven::by(&authorization, at(BEGIN + 10)).is_none());
    for status in [AuthorizationStatus::Pending, AuthorizationStatus::Deactivated] {
        assert!(Proven::by(&Authorization { status, ..authorization.clone() }, at(BEGIN)).is_none());
    }
    Proven::by(&authorization, at(BEGIN)).unwrap()
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), "Example", at(BEGIN)).unwrap();
        let seconds = Arc::new(AtomicU64::new(BEGIN));
        let clock = Arc::clone(&seconds);
        let log = MemoryLog::open(ORIGIN, Arc::new(move || clock.load(Ordering::SeqCst))).await;
        let labels = LabelKey::open(&folder.path().join(crate::keys::LABEL_KEY)).unwrap().unwrap();
        let keys = AuthorityKeys::open(folder.path()).unwrap();
        Self { issuer: keys.issuer(Authority::People), keys, labels, _folder: folder, seconds, log }
    }

    fn plan(&self, slot: u8, spki_der: &[u8]) -> Result<Planned, identity::plan::PlanError> {
        Planned::person(&PersonInput {
            profile: Profile::device(),
            proven: &proven(),
            spki_der,
            serial: Serial([0x41; 16]),
            opening: [slot; 32],
            slot,
            now: at(BEGIN),
            issuer: self.issuer.certificate(),
            crl_url: CRL,
            issuer_url: None,
            label: self.label(slot),
        })
    }

    fn label(&self, slot: u8) -> ([u8; 32], VrfProof) {
        let (proven, period) = (proven(), period_of(at(BEGIN)));
        let input = LabelInput { origin: ORIGIN, identifier: proven.identifier(), period, slot };
        self.labels.evaluate(&input).unwrap()
    }

    fn linted(&self, slot: u8) -> Linted {
        self.plan(slot, &device()).unwrap().lint().unwrap()
    }

    async fn proof(&self, linted: &Linted) -> Proof {
        self.log.sequencer.submit(linted.entry().to_vec()).await.unwrap().proof
    }

    fn restore(&self, record: &CertificateRecord) -> Result<Planned, RestoreError> {
        Planned::restore(record, ORIGIN, self.labels.public())
    }
}

fn device() -> Vec<u8> {
    let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
    let spki: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    spki.as_ref().to_vec()
}

#[tokio::test]
async fn what_is_issued_is_the_plan_and_its_proof() {
    let bench = Bench::new().await;
    let linted = bench.linted(3);
    let proof = bench.proof(&linted).await;
    let record = linted.record(None, None);
    let logged = linted.logged(&proof, &bench.log.policy, ORIGIN).unwrap();
    let issued = logged.sign(bench.issuer.signer()).unwrap();
    let certificate = Certificate::parse(issued.der()).unwrap();
    assert_eq!(certificate.tbs().without_transparency().encode(), record.tbs);
    let extension = certificate.tbs().transparency().unwrap().unwrap();
    assert_eq!((extension.slot, extension.index, extension.cosignatures.len()), (3, issued.index(), 1));
}

#[tokio::test]
async fn what_cannot_be_planned() {
    let bench = Bench::new().await;
    assert!(bench.plan(SLOTS, &device()).is_err());
    assert!(bench.plan(0, b"no key").is_err());
    let people = bench.issuer.certificate();
    assert!(bench.plan(0, &people.tbs().spki_der()).is_err(), "a P-256 key in the device profile");
}

#[tokio::test]
async fn a_restored_plan_has_the_identical_entry() {
    let bench = Bench::new().await;
    let linted = bench.linted(3);
    let record = linted.record(Some("a".into()), Some("o".into()));
    assert_eq!(record.state, CertificateState::Planned);
    let again = bench.restore(&record).unwrap().lint().unwrap();
    assert_eq!(again.entry(), linted.entry());
}

#[tokio::test]
async fn an_altered_record_is_noticed() {
    let bench = Bench::new().await;
    let record = bench.linted(3).record(None, None);
    let Subject::Person { identifier, vrf_proof, .. } = record.subject.clone() else { panic!("a person") };
    let other_slot = Subject::Person { identifier: identifier.clone(), slot: 4, vrf_proof };
    let bob = Identifier::parse("bob@example.org").unwrap();
    let other_person = Subject::Person { identifier: bob, slot: 3, vrf_proof };
    for subject in [other_slot, other_person] {
        assert!(matches!(bench.restore(&CertificateRecord { subject, ..record.clone() }), Err(RestoreError::Label(_))));
    }
    let tbs = record.tbs[1..].to_vec();
    assert!(matches!(bench.restore(&CertificateRecord { tbs, ..record.clone() }), Err(RestoreError::Tbs(_))));
    let profile = "service".to_owned();
    assert!(bench.restore(&CertificateRecord { profile, ..record }).unwrap().lint().is_err());
}

#[tokio::test]
async fn another_entrys_proof_does_not_serve() {
    let bench = Bench::new().await;
    let proof = bench.proof(&bench.linted(1)).await;
    assert!(matches!(bench.linted(2).logged(&proof, &bench.log.policy, ORIGIN), Err(LogError::Proof(_))));
}

#[tokio::test]
async fn another_logs_proof_does_not_serve() {
    let bench = Bench::new().await;
    let proof = bench.proof(&bench.linted(1)).await;
    let found = bench.linted(1).logged(&proof, &bench.log.policy, "localhost/other");
    assert!(matches!(found, Err(LogError::Origin { .. })));
    let other = MemoryLog::open("localhost/other", Arc::new(|| BEGIN)).await;
    assert!(matches!(bench.linted(1).logged(&proof, &other.policy, ORIGIN), Err(LogError::Proof(_))));
}

#[tokio::test]
async fn cosignatures_count_within_a_day_only() {
    let bench = Bench::new().await;
    for (slot, offset, good) in [(1, 0, true), (2, 86_400, true), (3, 86_401, false)] {
        bench.seconds.store(BEGIN + offset, Ordering::SeqCst);
        let linted = bench.linted(slot);
        let proof = bench.proof(&linted).await;
        let found = linted.logged(&proof, &bench.log.policy, ORIGIN);
        assert_eq!(found.is_ok(), good, "{offset} seconds");
        assert!(good || matches!(found, Err(LogError::Window { .. })));
    }
    assert!(!is_too_late(at(BEGIN), at(BEGIN + 86_400)) && is_too_late(at(BEGIN), at(BEGIN + 86_401)));
}

#[tokio::test]
async fn an_early_cosignature_does_not_count() {
    let bench = Bench::new().await;
    bench.seconds.store(BEGIN - 301, Ordering::SeqCst);
    let linted = bench.linted(1);
    let proof = bench.proof(&linted).await;
    assert!(matches!(linted.logged(&proof, &bench.log.policy, ORIGIN), Err(LogError::Window { .. })));
}

/// A signer that signs with another key than its certificate's, or does not sign at all.
struct Crooked<'a> {
    honest: &'a dyn Signer,
    with: Option<&'a dyn Signer>,
}

impl Signer for Crooked<'_> {
    fn certificate(&self) -> &Certificate {
        self.honest.certificate()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.honest.algorithm()
    }

    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError> {
        match self.with {
            Some(other) => other.sign(input),
            None => Ok(vec![0; 64]),
        }
    }
}

#[tokio::test]
async fn a_signature_that_does_not_fit_is_noticed() {
    let bench = Bench::new().await;
    let services = bench.keys.issuer(Authority::Services);
    let (honest, other) = (bench.issuer.signer(), services.signer());
    for with in [Some(other), None] {
        let linted = bench.linted(1);
        let proof = bench.proof(&linted).await;
        let logged = linted.logged(&proof, &bench.log.policy, ORIGIN).unwrap();
        assert!(matches!(logged.sign(&Crooked { honest, with }), Err(SignError::Signature)));
    }
}
