//! A home server's books with many issued certificates in them: each planned, linted, logged, signed and checked by the
//! issuance core, under the server's own keys and in its own log. What is left out is only who asked: each person has an
//! account, an authorization and an order as if she had enrolled.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use ca::LabelKey;
use ca::issuance::{Linted, PersonInput, Planned, Signer, SignerError, SigningInput};
use ca::proven::Proven;
use ca::store::{
    Account, AccountStatus, Authorization, AuthorizationStatus, CertificateRecord, CertificateState, ChallengeType,
    Change, Order, OrderState, Record, Revocation, Serial, SqliteStore, Store as _,
};
use ed25519_dalek::SigningKey;
use homeserver::folder::Folder;
use homeserver::genesis::{self, Signers};
use homeserver::settings::{self, Settings};
use identity::certificate::{Certificate, SignatureAlgorithm};
use identity::profile::Profile;
use identity::transparency::{LabelInput, SLOTS, period_of};
use identity::trust::TrustPolicy;
use identity::{Identifier, UnixTime};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tlog_proof::LogPolicy;
use transparency_log::{LogConfig, Pace, Sequencer, Witness, Witnessing, system_clock};

use super::servers::PARTS;

/// So many are made and kept together: about a batch of the log.
const CHUNK: u64 = 8192;
/// One of so many is revoked.
const REVOKED: u64 = 100;
/// Over how many domains the addresses are spread.
const DOMAINS: u64 = 1000;

/// A person of the seeded books.
pub(super) fn identifier(number: u64) -> Identifier {
    let text = format!("seeded{number}@d{}.example", number % DOMAINS);
    Identifier::parse(&text).expect("a plain address")
}

/// The key that issues for people, as it lies in the folder.
struct Issuing {
    certificate: Certificate,
    key: EcdsaKeyPair,
}

impl Issuing {
    fn open(keys: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(keys.join("people.pem")).expect("the folder has one");
        let key = PrivatePkcs8KeyDer::from_pem_file(keys.join("people.key.pem")).expect("the folder has one");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der());
        let certificate = Certificate::parse(&certificate).expect("a certificate of ours");
        Self { certificate, key: key.expect("a key of ours") }
    }
}

impl Signer for Issuing {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(&SystemRandom::new(), input.bytes()).expect("a key signs").as_ref().to_vec())
    }
}

/// What the seeded certificates are made with.
struct Bed {
    issuing: Issuing,
    labels: LabelKey,
    origin: String,
    policy: LogPolicy,
    now: UnixTime,
    base_url: String,
}

/// One on its way, with what belongs to it.
struct Made {
    linted: Linted,
    record: CertificateRecord,
    beside: [Record; 3],
}

/// Fills the books of the home server in this folder, which must not be running.
pub(crate) fn seed(folder: &Path, count: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime needs only threads");
    let text = std::fs::read(folder.join(settings::FILE)).expect("it wrote its settings");
    let settings = Settings::parse(&text).expect("settings of ours");
    let policy = std::fs::read(folder.join(genesis::FILE)).expect("it wrote its policy");
    let policy = TrustPolicy::parse(&policy).expect("a policy of ours");
    let held = Folder::open(folder).expect("nobody else has it");
    let signers = Signers::open(&held, &settings).expect("it has keys");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()));
    let origin = settings.origin();
    let bed = Bed {
        issuing: Issuing::open(&folder.join("keys")),
        labels: genesis::labels(&held).expect("it has one").expect("it has one"),
        policy: policy.log_policy_of(&origin, now).expect("its log is in it"),
        now,
        base_url: format!("{}/acme", settings.base_url()),
        origin,
    };
    let store = SqliteStore::open(&folder.join("ca.sqlite")).expect("a database of ours");
    runtime.block_on(async {
        let log = open_log(folder, signers, &bed).await;
        let mut keeping = None;
        for first in (0..count).step_by(CHUNK as usize) {
            let made = spread(first..(first + CHUNK).min(count), |number| plan(&bed, number));
            let entries = made.iter().map(|one| one.linted.entry().to_vec()).collect();
            let logged = log.submit_all(entries).await.expect("the log takes them");
            let pairs: Vec<_> = made.into_iter().zip(logged).collect();
            let changes = spread(pairs, |(made, logged)| complete(&bed, made, &logged));
            let changes = changes.into_iter().flatten().collect();
            // The database works while the next ones are made.
            if let Some(kept) = keeping.replace(store.commit(changes)) {
                kept.await.expect("the database takes them");
            }
            eprint!("\r  {} certificates", (first + CHUNK).min(count));
        }
        if let Some(kept) = keeping {
            kept.await.expect("the database takes them");
        }
        eprintln!();
        log.stop().await;
    });
}

async fn open_log(folder: &Path, signers: Signers, bed: &Bed) -> Sequencer {
    let signer = signers.log.expect("its log is its own");
    let known = vec![signer.vkey()];
    let witness = Witness::open(&folder.join("witness"), signers.witness, known, system_clock());
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness.expect("nobody else has it"))];
    let batch_interval = Pace::for_witnesses(&witnesses).batch_interval;
    let config = LogConfig { folder: folder.join("log"), origin: bed.origin.clone(), batch_interval };
    Sequencer::open(config, signer, witnesses, bed.policy.clone()).await.expect("a log of ours opens")
}

/// Does it to all of them, on all processors.
fn spread<I: Send, O: Send>(all: impl IntoIterator<Item = I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let mut all: Vec<_> = all.into_iter().collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = all.len().div_ceil(processors).max(1);
    let mut shares = Vec::new();
    while !all.is_empty() {
        shares.push(all.split_off(all.len().saturating_sub(share)));
    }
    let work = &work;
    std::thread::scope(|scope| {
        let working: Vec<_> = shares
            .into_iter()
            .rev()
            .map(|share| scope.spawn(move || share.into_iter().map(work).collect::<Vec<_>>()))
            .collect();
        working.into_iter().flat_map(|done| done.join().expect("a certificate of ours is made")).collect()
    })
}

fn plan(bed: &Bed, number: u64) -> Made {
    let (identifier, at) = (identifier(number), bed.now.as_secs());
    let account = Account {
        id: format!("account-{number}"),
        revision: 0,
        key: format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{number:043}\",\"y\":\"{number:043}\"}}"),
        thumbprint: format!("thumbprint-{number:032}"),
        contact: Vec::new(),
        status: AccountStatus::Valid,
        created: at,
        terms: None,
        external: None,
    };
    let authorization = Authorization {
        id: format!("authorization-{number}"),
        revision: 0,
        account: account.id.clone(),
        identifier: identifier.clone(),
        status: AuthorizationStatus::Valid,
        expires: at + 180 * 86_400,
        validated: Some(at),
        proven_by: Some(ChallengeType::EmailCode),
        code: None,
        reply: None,
    };
    let proven = Proven::by(&authorization, bed.now).expect("it is valid");
    let (mut serial, opening) = (random::<16>(), random::<32>());
    let key = SigningKey::from_bytes(&random()).verifying_key();
    serial[0] = serial[0] & 0x3f | 0x40;
    let serial = Serial(serial);
    let slot = random::<1>()[0] % SLOTS;
    let input = LabelInput { origin: &bed.origin, identifier: &identifier, period: period_of(bed.now), slot };
    let planned = Planned::person(&PersonInput {
        profile: Profile::by_name("device").expect("it is one of ours"),
        proven: &proven,
        spki_der: &[ED25519_SPKI.as_slice(), key.as_bytes()].concat(),
        serial,
        opening,
        slot,
        now: bed.now,
        issuer: &bed.issuing.certificate,
        crl_url: &format!("{}/crl/people/{}.crl", bed.base_url, u32::from(serial.0[15]) % PARTS),
        issuer_url: None,
        label: bed.labels.evaluate(&input).expect("the key is here"),
    });
    let linted = planned.expect("a plain plan").lint().expect("a plan of ours lints");
    let order = Order {
        id: format!("order-{number}"),
        revision: 0,
        account: account.id.clone(),
        authorization: authorization.id.clone(),
        identifier,
        profile: "device".into(),
        state: OrderState::Valid(serial),
        created: at,
        expires: at + 86_400,
        replaces: None,
    };
    let mut record = linted.record(Some(account.id.clone()), Some(order.id.clone()));
    if number.is_multiple_of(REVOKED) {
        record.revoked = Some(Revocation { at, reason: 4 });
    }
    let beside = [Record::Account(account), Record::Authorization(authorization), Record::Order(order)];
    Made { linted, record, beside }
}

fn complete(bed: &Bed, made: Made, logged: &transparency_log::Logged) -> Vec<Change> {
    let Made { linted, mut record, beside } = made;
    let logged = linted.logged(&logged.proof, &bed.policy, &bed.origin).expect("the log has proven it");
    let issued = logged.sign(&bed.issuing).expect("the certificate is what was planned");
    record.state = CertificateState::Issued { index: issued.index(), certificate: issued.der().to_vec() };
    beside.into_iter().chain([Record::Certificate(record)]).map(Change::Insert).collect()
}

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), but for the key.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("randomness");
    bytes
}
