//! The authority of the vectors, with log and witnesses. Everything is made from fixed seeds: everybody knows its keys.

use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use identity::transparency::VrfSecretKey;
use p256::ecdsa::signature::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tlog_proof::{Cosigner, NoteSigner};

use super::der::{self, bits, name, number, octets, oid, seq, tlv, utf8};
use super::draft::{
    AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, CRL_NUMBER, Draft, EXT_KEY_USAGE, Extension, KEY_USAGE, ListDraft, POLICIES,
    SUBJECT_KEY_ID,
};

/// 2026-11-23 12:00:00 UTC.
pub(crate) const NOON: u64 = 1_795_435_200;
pub(crate) const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;

pub(crate) const ORIGIN: &str = "log.example.org/2026";
pub(crate) const ORGANISATION: &str = "2.5.4.10";
pub(crate) const COMMON_NAME: &str = "2.5.4.3";
pub(crate) const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
pub(crate) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
pub(crate) const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(crate) const LIVE_PERSON: &str = "1.3.6.1.4.1.32473.2.1";
pub(crate) const DEVICE: &str = "1.3.6.1.4.1.32473.3.1";
pub(crate) const PHONE_DEVICE: &str = "1.3.6.1.4.1.32473.3.2";
pub(crate) const MAIL: &str = "1.3.6.1.4.1.32473.3.3";
pub(crate) const SERVICE: &str = "1.3.6.1.4.1.32473.3.4";
pub(crate) const COMPONENT: &str = "1.3.6.1.4.1.32473.3.5";

/// 32 bytes that look random.
pub(crate) fn seed(what: &str) -> [u8; 32] {
    Sha256::digest(format!("certificate vectors: {what}")).into()
}

/// A key of a CA or a device.
#[derive(Clone)]
pub(crate) enum Key {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(SigningKey),
}

impl Key {
    pub(crate) fn p256(what: &str) -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&seed(what)).unwrap())
    }

    pub(crate) fn p384(what: &str) -> Self {
        let bytes = [&[0; 16][..], &seed(what)].concat();
        Self::P384(p384::ecdsa::SigningKey::from_slice(&bytes).unwrap())
    }

    pub(crate) fn ed25519(what: &str) -> Self {
        Self::Ed25519(SigningKey::from_bytes(&seed(what)))
    }

    /// The bits of its subjectPublicKey.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
        }
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        match self {
            Self::P256(_) => spki_ec("1.2.840.10045.3.1.7", &self.public()),
            Self::P384(_) => spki_ec("1.3.132.0.34", &self.public()),
            Self::Ed25519(_) => spki_ed25519(&self.public()),
        }
    }

    pub(crate) fn id(&self) -> Vec<u8> {
        key_id(&self.public())
    }

    /// The algorithm that it signs with.
    pub(crate) fn algorithm(&self) -> Vec<u8> {
        seq([oid(match self {
            Self::P256(_) => "1.2.840.10045.4.3.2",
            Self::P384(_) => "1.2.840.10045.4.3.3",
            Self::Ed25519(_) => "1.3.101.112",
        })])
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => Signer::<p256::ecdsa::DerSignature>::sign(key, message).as_bytes().to_vec(),
            Self::P384(key) => Signer::<p384::ecdsa::DerSignature>::sign(key, message).as_bytes().to_vec(),
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

pub(crate) fn spki_ed25519(point: &[u8]) -> Vec<u8> {
    seq([seq([oid("1.3.101.112")]), bits(0, point)])
}

pub(crate) fn spki_ec(curve: &str, point: &[u8]) -> Vec<u8> {
    seq([seq([oid("1.2.840.10045.2.1"), oid(curve)]), bits(0, point)])
}

/// RFC 7093 section 2, method 1.
pub(crate) fn key_id(key: &[u8]) -> Vec<u8> {
    Sha256::digest(key)[..20].to_vec()
}

pub(crate) fn authority_key_id(key: &Key) -> Vec<u8> {
    seq([tlv(0x80, &key.id())])
}

pub(crate) fn purposes(list: &[&str]) -> Vec<u8> {
    seq(list.iter().map(|purpose| oid(purpose)))
}

pub(crate) fn policies(list: &[&str]) -> Vec<u8> {
    seq(list.iter().map(|policy| seq([oid(policy)])))
}

/// SHA-256 of the SubjectPublicKeyInfo in hexadecimal digits.
pub(crate) fn key_digest(key: &Key) -> String {
    hex::encode(Sha256::digest(key.spki()))
}

/// A CA: its name, its key, its certificate.
#[derive(Clone)]
pub(crate) struct Ca {
    pub(crate) name: Vec<u8>,
    pub(crate) key: Key,
    pub(crate) certificate: Vec<u8>,
}

impl Ca {
    /// A root that signed itself.
    fn root(authority: &str, key: Key) -> Self {
        let subject = ca_name(authority, "In Person root");
        let mut draft = ca_draft(&subject, &key, &subject, &key);
        draft.not_after = der::time(NOON + 10 * YEAR - 1);
        draft.set(BASIC_CONSTRAINTS, seq([tlv(der::BOOLEAN, &[0xff]), number(1)]));
        Self { certificate: draft.signed(|tbs| key.sign(tbs)), name: subject, key }
    }

    /// An issuing CA under `root`, spoiled by `change`.
    pub(crate) fn issuing(
        subject: Vec<u8>,
        key: Key,
        uses: &[&str],
        allowed: &[&str],
        root: &Self,
        change: impl FnOnce(&mut Draft),
    ) -> Self {
        let mut draft = ca_draft(&subject, &key, &root.name, &root.key);
        draft.add(Extension::new(POLICIES, policies(allowed)));
        draft.add(Extension::new(EXT_KEY_USAGE, purposes(uses)));
        change(&mut draft);
        Self { certificate: draft.signed(|tbs| root.key.sign(tbs)), name: subject, key }
    }

    /// Another CA for people, which no policy lists, spoiled by `change`.
    pub(crate) fn another(root: &Self, change: impl FnOnce(&mut Draft)) -> Self {
        let name = ca_name("Test authority", "Another people CA");
        Self::issuing(name, Key::p256("another people CA"), PEOPLE_USES, PEOPLE_POLICIES, root, change)
    }

    /// A revocation list with these serial numbers (DER), spoiled by `change`.
    pub(crate) fn list(
        &self,
        count: u64,
        this_update: u64,
        serials: &[Vec<u8>],
        change: impl FnOnce(&mut ListDraft),
    ) -> Vec<u8> {
        let mut draft = ListDraft {
            version: number(1),
            algorithm: self.key.algorithm(),
            issuer: self.name.clone(),
            this_update: der::time(this_update),
            next_update: der::time(this_update + DAY),
            revoked: serials.iter().map(|serial| seq([serial.clone(), der::time(this_update)])).collect(),
            extensions: vec![
                Extension::new(AUTHORITY_KEY_ID, authority_key_id(&self.key)),
                Extension::new(CRL_NUMBER, number(count)),
            ],
        };
        change(&mut draft);
        draft.signed(|tbs| self.key.sign(tbs))
    }
}

pub(crate) const PEOPLE_USES: &[&str] = &[CLIENT_AUTH, EMAIL_PROTECTION, LIVE_PERSON];
pub(crate) const PEOPLE_POLICIES: &[&str] = &[DEVICE, PHONE_DEVICE, MAIL];

pub(crate) fn ca_name(organisation: &str, common: &str) -> Vec<u8> {
    name(&[(ORGANISATION, utf8(organisation)), (COMMON_NAME, utf8(common))])
}

fn ca_draft(subject: &[u8], key: &Key, issuer: &[u8], issuer_key: &Key) -> Draft {
    Draft {
        version: der::around(0xa0, [number(2)]),
        serial: der::int(&positive(&seed(&format!("serial of {}", hex::encode(subject)))[..16])),
        algorithm: issuer_key.algorithm(),
        issuer: issuer.to_vec(),
        not_before: der::time(NOON),
        not_after: der::time(NOON + 5 * YEAR - 1),
        subject: subject.to_vec(),
        spki: key.spki(),
        unique_ids: Vec::new(),
        extensions: vec![
            Extension::new(AUTHORITY_KEY_ID, authority_key_id(issuer_key)),
            Extension::new(SUBJECT_KEY_ID, octets(&key.id())),
            // keyCertSign and cRLSign: bits 5 and 6.
            Extension::critical(KEY_USAGE, bits(1, &[0x06])),
            Extension::critical(BASIC_CONSTRAINTS, seq([tlv(der::BOOLEAN, &[0xff]), number(0)])),
        ],
        outer_algorithm: None,
    }
}

/// The same bytes with the first two bits 01, as a serial number has them.
pub(crate) fn positive(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    bytes
}

/// Bytes as the trust policy has them.
pub(crate) fn base64(bytes: &[u8]) -> Value {
    BASE64.encode(bytes).into()
}

/// Root, CAs, VRF key, log, three witnesses and, as a fourth, a mirror.
pub(crate) struct House {
    pub(crate) name: &'static str,
    pub(crate) root: Ca,
    pub(crate) people: Ca,
    pub(crate) services: Ca,
    pub(crate) vrf: VrfSecretKey,
    pub(crate) log: NoteSigner,
    pub(crate) witnesses: Vec<Cosigner>,
}

impl House {
    /// The one of all cases.
    pub(crate) fn new() -> Self {
        Self::named("Test authority", Key::p256)
    }

    /// One with keys of its own kind.
    pub(crate) fn named(authority: &'static str, key: impl Fn(&str) -> Key) -> Self {
        let key = |what: &str| key(&format!("{authority}, {what}"));
        let root = Ca::root(authority, key("root"));
        let name = |common| ca_name(authority, common);
        let people =
            Ca::issuing(name("In Person people CA"), key("people"), PEOPLE_USES, PEOPLE_POLICIES, &root, |_| ());
        let services = Ca::issuing(
            name("In Person services CA"),
            key("services"),
            &[SERVER_AUTH, CLIENT_AUTH],
            &[SERVICE, COMPONENT],
            &root,
            |_| (),
        );
        let signing = |what: &str| SigningKey::from_bytes(&seed(&format!("{authority}, {what}")));
        let witness = |n| Cosigner::new(&format!("witness.example.org/w{n}"), signing(&format!("witness {n}")));
        let mirror = Cosigner::new("mirror.example.com/m1", signing("mirror"));
        Self {
            name: authority,
            people,
            services,
            root,
            vrf: VrfSecretKey::from_bytes(&seed(&format!("{authority}, VRF"))),
            log: NoteSigner::new(ORIGIN, signing("log")).unwrap(),
            witnesses: (1..=3).map(witness).chain([mirror]).map(Result::unwrap).collect(),
        }
    }

    /// Everything is permitted, and the first witness is the quorum.
    pub(crate) fn policy(&self) -> Value {
        json!({
            "version": 1,
            "number": 1,
            "name": self.name,
            "authorities": [{
                "name": self.name,
                "acme": "https://ca.example.org/acme/directory",
                "root": base64(&self.root.certificate),
                "issuers": [base64(&self.people.certificate), base64(&self.services.certificate)],
                "kinds": ["email", "phone"],
                "domains": ["*"],
                "phone_prefixes": ["*"],
                "vrf_key": base64(&self.vrf.public().to_bytes()),
                "log": ORIGIN,
            }],
            "directories": [],
            "tlog_policy": self.log_policy(1, "quorum w1\n"),
            "operator_witnesses": [],
        })
    }

    /// The log, so many witnesses, and `rest`.
    pub(crate) fn log_policy(&self, witnesses: usize, rest: &str) -> String {
        let lines = self.witnesses[..witnesses].iter().enumerate();
        let lines: String = lines.map(|(n, witness)| format!("witness w{} {}\n", n + 1, witness.vkey())).collect();
        format!("log {}\n{lines}{rest}", self.log.vkey())
    }
}
