//! Offline verification of a person, beside the bare signature, hash and VRF operations in it.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use identity::{
    CertificateDer, Identifier, UnixTime,
    certificate::Certificate,
    testing::{Authority, NOON},
    tls::PersonVerifier,
    transparency::{LabelInput, TransparencyExtension},
    verify::verify_person,
};
use sha2::Sha256;
use tlog_proof::{Entry, UnverifiedCheckpoint, leaf_hash, root_from_inclusion};
use tokio::runtime::Runtime;
use vrf_rfc9381::{
    VRF, Verifier,
    ec::edwards25519::tai::{EdVrfEdwards25519Tai, EdVrfEdwards25519TaiPublicKey},
};

use crate::measure::{Pair, Scale, paired, wall};

const ROUNDS: usize = 21;
const CALLS: usize = 40;
/// Entries in the log before hers: an inclusion path of some length.
const OTHERS: usize = 100;

struct World {
    authority: Authority,
    chain: Vec<CertificateDer>,
    identifier: Identifier,
    now: UnixTime,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new(1, NOON);
        let identifier = Identifier::parse("alice@example.org").expect("an address");
        for other in 0..OTHERS {
            let other = Identifier::parse(&format!("person{other}@example.org")).expect("an address");
            authority.issue_person(&other, NOON);
        }
        let (chain, _) = authority.issue_person(&identifier, NOON);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(NOON.as_secs() + 60));
        Self { authority, chain, identifier, now }
    }
}

/// Full verification against the bare operations.
pub(crate) fn person(_: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let trust = world.authority.trust();
    let bare = Bare::new(&world);
    paired(
        ROUNDS * scale.factor,
        || wall(CALLS, || drop(verify_person(&world.chain, &trust, world.now).expect("the certificate is in order"))),
        || wall(CALLS, || bare.run()),
    )
}

/// A person seen before, against the first time.
pub(crate) fn again(_: &Runtime, scale: Scale) -> Pair {
    let world = World::new();
    let trust = world.authority.trust();
    let verifier = PersonVerifier::new(trust.clone());
    paired(
        ROUNDS * scale.factor,
        || wall(CALLS, || drop(verifier.person(&world.chain, world.now).expect("the certificate is in order"))),
        || wall(CALLS, || drop(verify_person(&world.chain, &trust, world.now).expect("the certificate is in order"))),
    )
}

/// A signature to check: message, signature, key.
struct Ecdsa {
    message: Vec<u8>,
    signature: Vec<u8>,
    key: Vec<u8>,
}

struct Ed25519 {
    message: Vec<u8>,
    signature: Signature,
    key: VerifyingKey,
}

/// What no verifier can leave out, prepared so that only the operations themselves are timed.
struct Bare {
    /// Of the leaf. That of the issuing certificate is checked once, when a trust policy is loaded.
    certificate: Ecdsa,
    notes: Vec<Ed25519>,
    vrf_key: EdVrfEdwards25519TaiPublicKey,
    vrf_input: Vec<u8>,
    vrf_proof: Vec<u8>,
    opening: [u8; 32],
    tbs: Vec<u8>,
    entry: Vec<u8>,
    extension: TransparencyExtension,
}

impl Bare {
    fn new(world: &World) -> Self {
        let leaf = Certificate::parse(&world.chain[0]).expect("our own certificate");
        let issuer = Certificate::parse(&world.chain[1]).expect("our own certificate");
        let extension = leaf.tbs().transparency().expect("it parses").expect("it is there");
        let vrf_proof = extension.vrf_proof.as_ref().expect("a person has one").as_bytes().to_vec();
        let input = LabelInput {
            origin: &extension.origin,
            identifier: &world.identifier,
            period: extension.period,
            slot: extension.slot,
        };
        let tbs = leaf.tbs().without_transparency().encode();
        let label = (world.authority.vrf().public())
            .verify(&input, extension.vrf_proof.as_ref().expect("a person has one"))
            .expect("the proof is in order");
        let commitment = identity::transparency::commitment(&extension.opening, &tbs);
        let entry = Entry::Certificate { label, commitment }.encode();
        Self {
            certificate: ecdsa(&leaf, &issuer),
            notes: notes(world, &extension, &entry),
            vrf_key: EdVrfEdwards25519TaiPublicKey::from_slice(&world.authority.vrf().public().to_bytes())
                .expect("a valid key"),
            vrf_input: input.encode(),
            vrf_proof,
            opening: *extension.opening.as_bytes(),
            tbs,
            entry,
            extension,
        }
    }

    fn run(&self) {
        let Ecdsa { message, signature, key } = &self.certificate;
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key);
        key.verify(message, signature).expect("the signature is in order");
        for Ed25519 { message, signature, key } in &self.notes {
            key.verify_strict(message, signature).expect("the signature is in order");
        }
        EdVrfEdwards25519Tai.verify(&self.vrf_key, &self.vrf_input, &self.vrf_proof).expect("the proof is in order");
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.opening).expect("any length of key will do");
        mac.update(&self.tbs);
        std::hint::black_box(mac.finalize());
        let path = &self.extension.path;
        let root = root_from_inclusion(self.extension.index, self.extension.tree_size, &leaf_hash(&self.entry), path);
        std::hint::black_box(root.expect("the path is in order"));
    }
}

fn ecdsa(certificate: &Certificate, issuer: &Certificate) -> Ecdsa {
    Ecdsa {
        message: certificate.tbs_der().to_vec(),
        signature: certificate.signature().to_vec(),
        key: issuer.tbs().spki().subject_public_key.raw_bytes().to_vec(),
    }
}

/// The log's signature and the witness's cosignature, with the messages that they sign.
fn notes(world: &World, extension: &TransparencyExtension, entry: &[u8]) -> Vec<Ed25519> {
    let root = root_from_inclusion(extension.index, extension.tree_size, &leaf_hash(entry), &extension.path)
        .expect("the path is in order");
    let checkpoint = UnverifiedCheckpoint::parse(extension.checkpoint(&root)).expect("it parses");
    let body = checkpoint.note().text().as_bytes().to_vec();
    let policy = tlog_proof::LogPolicy::parse(&world.authority.policy().tlog_policy).expect("it parses");
    let key = |bytes: &[u8]| VerifyingKey::try_from(bytes).expect("an Ed25519 key");
    let mut notes = vec![Ed25519 {
        message: body.clone(),
        signature: Signature::from_bytes(&extension.log_signature),
        key: key(policy.logs[0].vkey.public_key()),
    }];
    for cosignature in &extension.cosignatures {
        let witness = policy.witnesses.iter().find(|w| w.vkey.id() == cosignature.key_id).expect("a known witness");
        let mut message = format!("cosignature/v1\ntime {}\n", cosignature.time).into_bytes();
        message.extend_from_slice(&body);
        notes.push(Ed25519 {
            message,
            signature: Signature::from_bytes(&cosignature.signature),
            key: key(witness.vkey.public_key()),
        });
    }
    notes
}
