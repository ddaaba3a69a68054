//! Certificates that cross each other: the search ends within its budget, and finds what is there.

use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::{Encode, asn1::OctetString};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    pkcs8::EncodePublicKey,
};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use x509_cert::ext::{
    Extension,
    pkix::{BasicConstraints, KeyUsage, KeyUsages},
};

use super::*;
use crate::{
    certificate::{Certificate, SignatureAlgorithm, Tbs, TbsParts, assemble, decode_spki},
    oid::extension as id,
    testing::NOON,
};

/// A CA or a leaf: a name and the key that is made from it.
struct Party {
    name: String,
    key: SigningKey,
}

impl Party {
    fn new(name: &str) -> Self {
        let seed: [u8; 32] = Sha256::digest(format!("crossed {name}")).into();
        Self { name: format!("CN={name}"), key: SigningKey::from_slice(&seed).unwrap() }
    }

    /// A certificate for this party by that one.
    fn by(&self, issuer: &Self) -> PathCertificate {
        let spki = self.key.verifying_key().to_public_key_der().unwrap();
        let end = UnixTime::since_unix_epoch(Duration::from_secs(NOON.as_secs() + 86_400));
        let parts = TbsParts {
            serial: Sha256::digest(format!("{} by {}", self.name, issuer.name))[..8].to_vec(),
            signature: SignatureAlgorithm::EcdsaP256Sha256,
            issuer: issuer.name.parse().unwrap(),
            not_before: NOON,
            not_after: end,
            subject: self.name.parse().unwrap(),
            spki: decode_spki(spki.as_bytes()).unwrap(),
            extensions: vec![
                extension(id::BASIC_CONSTRAINTS, &BasicConstraints { ca: true, path_len_constraint: None }),
                extension(id::KEY_USAGE, &KeyUsage(KeyUsages::KeyCertSign.into())),
            ],
        };
        let tbs = Tbs::from_parts(parts).unwrap();
        let signature: Signature = issuer.key.sign(&tbs.encode());
        let der = assemble(&tbs, SignatureAlgorithm::EcdsaP256Sha256, signature.to_der().as_bytes());
        PathCertificate::new(Certificate::parse(&der).unwrap())
    }
}

fn extension(oid: ObjectIdentifier, value: &impl Encode) -> Extension {
    Extension { extn_id: oid, critical: true, extn_value: OctetString::new(value.to_der().unwrap()).unwrap() }
}

/// What a search found, and what it spent: signatures and steps.
fn search<'a>(
    leaf: &'a PathCertificate,
    issuers: &'a [PathCertificate],
    anchor: &'a PathCertificate,
    settings: &Settings<'a>,
) -> (Result<Path<'a>, VerifyError>, usize, usize) {
    let issuers: Vec<_> = issuers.iter().collect();
    let anchors = [anchor];
    let mut budget = Budget { signatures: settings.max_signature_checks, steps: MAX_STEPS, checked: HashMap::new() };
    let found = Search { issuers: &issuers, anchors: &anchors, settings, nesting: 0 }.find(leaf, &mut budget);
    (found, settings.max_signature_checks - budget.signatures, MAX_STEPS - budget.steps)
}

fn settings() -> Settings<'static> {
    Settings { leaf: Leaf::Any, ..Settings::wide(NOON, &[]) }
}

/// Everybody has certified everybody else: factorially many ways, none of which leads to the anchor.
#[test]
fn crossed_certificates_stay_within_the_budget() {
    let parties: Vec<_> = (0..9).map(|n| Party::new(&format!("CA {n}"))).collect();
    let (root, leaf) = (Party::new("root"), Party::new("leaf"));
    let anchor = root.by(&root);
    let crossed: Vec<_> = parties
        .iter()
        .flat_map(|one| parties.iter().filter(|other| other.name != one.name).map(|other| one.by(other)))
        .collect();
    assert_eq!(crossed.len(), 72);
    let peer = leaf.by(&parties[0]);
    for settings in [settings(), Settings { max_signature_checks: 10_000, ..settings() }] {
        let (found, signatures, steps) = search(&peer, &crossed, &anchor, &settings);
        let error = found.unwrap_err();
        assert_eq!(error.rule, Rule::ChainPath);
        assert!(signatures <= settings.max_signature_checks && steps <= MAX_STEPS, "{signatures} {steps}");
        // One signature is checked once, however many ways lead over it: there are 72, and the leaf's by its issuer.
        assert!(signatures <= crossed.len() + 8, "{signatures} signatures");
        assert!(error.found.contains("than may be tried"), "{error}");
    }
    // As strict as with people: a chain of six, and 24 signatures.
    let strict = Settings { leaf: Leaf::Any, unstated_purposes: true, ..Settings::strict(NOON, &[]) };
    let (found, signatures, _) = search(&peer, &crossed, &anchor, &strict);
    assert_eq!((found.unwrap_err().rule, signatures), (Rule::ChainPath, 24));
}

/// Levels of two CAs, each certified by both of the next level: the number of ways doubles with every level.
#[test]
fn a_ladder_is_climbed_once() {
    let levels: Vec<[Party; 2]> =
        (0..10).map(|level| ["a", "b"].map(|side| Party::new(&format!("{side}{level}")))).collect();
    let (root, leaf) = (Party::new("root"), Party::new("leaf"));
    let anchor = root.by(&root);
    let mut crossed: Vec<_> = levels
        .windows(2)
        .flat_map(|pair| pair[0].iter().flat_map(|below| pair[1].iter().map(|above| below.by(above))))
        .collect();
    let peer = leaf.by(&levels[0][0]);
    let (found, signatures, steps) = search(&peer, &crossed, &anchor, &settings());
    assert_eq!(found.unwrap_err().rule, Rule::ChainPath);
    assert!(signatures <= 100 && steps <= MAX_STEPS, "{signatures} {steps}");
    // With a way to the root at the top it is found without trying the others.
    crossed.push(levels[9][0].by(&root));
    crossed.push(levels[9][1].by(&root));
    let (found, signatures, steps) = search(&peer, &crossed, &anchor, &settings());
    assert_eq!(found.unwrap().certificates().len(), 11);
    assert!(signatures <= 24 && steps <= 24, "{signatures} {steps}");
}

/// Many certificates of one name and many keys, of which one has signed.
#[test]
fn namesakes_are_tried_one_by_one() {
    let (root, leaf) = (Party::new("root"), Party::new("leaf"));
    let anchor = root.by(&root);
    let namesake = |n: usize| Party { name: "CN=namesake".to_owned(), key: Party::new(&format!("key {n}")).key };
    let namesakes: Vec<_> = (0..60).map(namesake).collect();
    let peer = leaf.by(&namesakes[59]);
    let certificates: Vec<_> = namesakes.iter().map(|one| one.by(&root)).collect();
    let (found, signatures, _) = search(&peer, &certificates, &anchor, &settings());
    assert_eq!(found.unwrap().certificates().len(), 2);
    assert_eq!(signatures, 61, "each key once, and the issuer's own signature");
    let few = Settings { max_signature_checks: 24, ..settings() };
    let (found, signatures, _) = search(&peer, &certificates, &anchor, &few);
    let error = found.unwrap_err();
    assert_eq!((error.rule, signatures), (Rule::ChainSignature, 24));
}
