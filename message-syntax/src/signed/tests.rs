//! Messages of our own, whole and altered. What other programs make of them, and we of theirs, is tried in certtool.

use std::time::Duration;

use const_oid::db::{rfc5911, rfc5912};
use der::Encode as _;
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SigningKey as _};

use super::{PORTION, Signer, Unsigned, begin_attached, begin_detached, sign_attached, sign_detached, verify};
use crate::algorithm::Algorithm;
use crate::error::CmsError;
use crate::tlv::{OCTET_STRING, SEQUENCE, SET, tlv};

const NOON: Duration = Duration::from_secs(1_795_435_200);

struct Alice {
    algorithm: Algorithm,
    key: KeyPair,
    certificate: Vec<u8>,
}

impl Alice {
    fn with(algorithm: Algorithm) -> Self {
        let kind = if algorithm == Algorithm::Ed25519 { &PKCS_ED25519 } else { &PKCS_ECDSA_P256_SHA256 };
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = certified(&key, "alice");
        Self { algorithm, key, certificate }
    }

    fn signing<T>(&self, chain: &[&[u8]], sign: impl FnOnce(&Signer<'_>) -> T) -> T {
        let by_key = |message: &[u8]| self.key.sign(message).map_err(|error| error.to_string());
        sign(&Signer { chain, algorithm: self.algorithm, time: NOON, sign: &by_key })
    }

    fn detached(&self, content: &[u8]) -> Vec<u8> {
        self.signing(&[&self.certificate], |signer| sign_detached(&mut &content[..], signer)).unwrap()
    }

    fn attached(&self, content: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        self.signing(&[&self.certificate], |signer| sign_attached(&mut &content[..], signer, &mut message)).unwrap();
        message
    }
}

fn certified(key: &KeyPair, name: &str) -> Vec<u8> {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.self_signed(key).unwrap().der().to_vec()
}

fn read(message: &[u8], content: Option<&[u8]>) -> Result<(super::Signature, Vec<u8>), CmsError> {
    let mut held = Vec::new();
    let mut content = content;
    let content = content.as_mut().map(|content| content as &mut dyn std::io::Read);
    let mut signatures = verify(message, content, &mut held)?;
    assert_eq!(signatures.len(), 1);
    Ok((signatures.remove(0), held))
}

#[test]
fn what_is_signed_is_verified() {
    for alice in [Algorithm::Ed25519, Algorithm::EcdsaP256].map(Alice::with) {
        for length in [0, 1, PORTION, PORTION + 1, 3 * PORTION + 7] {
            let content = vec![0x5a; length];
            let (signature, held) = read(&alice.detached(&content), Some(&content)).unwrap();
            assert_eq!((signature.certificates, held), (vec![alice.certificate.clone()], Vec::new()));
            assert_eq!(signature.claimed, Some(NOON));
            let (signature, held) = read(&alice.attached(&content), None).unwrap();
            assert_eq!((signature.certificates, held), (vec![alice.certificate.clone()], content));
        }
    }
}

#[test]
fn another_content_is_refused_and_so_is_one_too_many_or_none() {
    let alice = Alice::with(Algorithm::Ed25519);
    let (detached, attached) = (alice.detached(b"yes"), alice.attached(b"yes"));
    assert!(matches!(read(&detached, Some(b"no")), Err(CmsError::Altered)));
    assert!(matches!(read(&detached, None), Err(CmsError::Content(_))));
    assert!(matches!(read(&attached, Some(b"yes")), Err(CmsError::Content(_))));
}

#[test]
fn no_byte_can_be_altered_and_no_end_left_away() {
    let alice = Alice::with(Algorithm::EcdsaP256);
    let (detached, attached) = (alice.detached(b"yes"), alice.attached(b"yes"));
    // Bytes of the certificate that the signature does not cover are for who judges the certificate: the signer's own
    // hash of it covers them.
    for (message, content) in [(&detached, Some(&b"yes"[..])), (&attached, None)] {
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1;
            if let Ok((signature, held)) = read(&altered, content) {
                let harmless = (&signature.certificates[0], held.as_slice());
                let expected = if content.is_some() { &b""[..] } else { b"yes" };
                assert_eq!(harmless, (&alice.certificate, expected), "byte {at}");
            }
            assert!(read(&message[..at], content).is_err(), "{at} bytes");
        }
        let more = [message.as_slice(), &[0]].concat();
        assert!(read(&more, content).is_err(), "something after the end");
    }
}

#[test]
fn a_certificate_cannot_be_exchanged_for_another_one_of_the_same_key() {
    let alice = Alice::with(Algorithm::Ed25519);
    let other = certified(&alice.key, "mallory");
    let meant = alice.signing(&[&alice.certificate], |signer| {
        let attributes = super::attributes::write(&[0; 64], NOON, signer.chain[0]).unwrap();
        super::attributes::Attributes::read(der::asn1::AnyRef::try_from(&attributes[..]).unwrap().value()).unwrap()
    });
    assert!(meant.check(super::DATA, &[0; 64], &alice.certificate).is_ok());
    assert!(meant.check(super::DATA, &[0; 64], &other).is_err());
}

/// Attributes with what is written under the name of SHA-256's default, and another hash named before it.
fn meaning(
    certificate: &[u8],
    oid: &[u8],
    algorithm: &'static aws_lc_rs::digest::Algorithm,
) -> super::attributes::Attributes {
    let hash = aws_lc_rs::digest::digest(algorithm, certificate);
    let named = tlv(SEQUENCE, &[oid, &[5, 0]]);
    let by = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&named, &tlv(OCTET_STRING, &[hash.as_ref()])])])]);
    let attribute =
        |oid: const_oid::ObjectIdentifier, value: &[u8]| tlv(SEQUENCE, &[&oid.to_der().unwrap(), &tlv(SET, &[value])]);
    let attributes = [
        attribute(rfc5911::ID_CONTENT_TYPE, &super::DATA.to_der().unwrap()),
        attribute(rfc5911::ID_MESSAGE_DIGEST, &tlv(OCTET_STRING, &[&[0; 64]])),
        attribute(rfc5911::ID_AA_SIGNING_CERTIFICATE_V_2, &by),
    ];
    super::attributes::Attributes::read(&attributes.concat()).unwrap()
}

#[test]
fn a_certificate_is_meant_by_any_hash_that_is_named() {
    let alice = Alice::with(Algorithm::Ed25519);
    let other = certified(&alice.key, "mallory");
    for (oid, algorithm) in [
        (rfc5912::ID_SHA_256, &aws_lc_rs::digest::SHA256),
        (rfc5912::ID_SHA_384, &aws_lc_rs::digest::SHA384),
        (rfc5912::ID_SHA_512, &aws_lc_rs::digest::SHA512),
    ] {
        let meant = meaning(&alice.certificate, &oid.to_der().unwrap(), algorithm);
        assert!(meant.check(super::DATA, &[0; 64], &alice.certificate).is_ok(), "{oid}");
        let refused = meant.check(super::DATA, &[0; 64], &other).unwrap_err().to_string();
        assert!(refused.contains("another one for the same key"), "{oid}: {refused}");
    }
    // What nobody can compare is not passed over.
    let oid = rfc5912::ID_SHA_1.to_der().unwrap();
    let meant = meaning(&alice.certificate, &oid, &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    let refused = meant.check(super::DATA, &[0; 64], &alice.certificate);
    assert!(matches!(refused, Err(CmsError::Algorithm { .. })), "{refused:?}");
}

#[test]
fn lengths_and_depths_have_bounds() {
    let oid = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let huge =
        [&[0x30, 0x80][..], &oid, &[0xa0, 0x80, 0x30, 0x80, 2, 1, 1, 0x31, 0x84, 0xff, 0xff, 0xff, 0xff]].concat();
    assert!(matches!(read(&huge, None), Err(CmsError::Form { .. })));
    let deep = [&huge[..huge.len() - 6], &[0x31, 0x80].repeat(5000)].concat();
    assert!(matches!(read(&deep, None), Err(CmsError::Form { .. })));
    let beyond = tlv(SEQUENCE, &[&oid, &[0xa0, 0x7f]]);
    assert!(matches!(read(&beyond, None), Err(CmsError::Form { .. })));
}

proptest! {
    #[test]
    fn nothing_that_comes_in_makes_it_panic(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&message, None);
        let _ = read(&message, Some(b"yes"));
    }
}

#[test]
fn a_message_over_anything_but_data_is_refused() {
    let data = super::DATA.to_der().unwrap();
    let mut message = Alice::with(Algorithm::Ed25519).detached(b"a letter");
    // id-ct-receipt and its like end otherwise (RFC 2634).
    let last = data.len() - 1;
    let places: Vec<usize> = (0..message.len() - last).filter(|at| message[*at..].starts_with(&data)).collect();
    assert_eq!(places.len(), 2, "in the message and in the attribute");
    places.iter().for_each(|at| message[at + last] = 9);
    let refused = read(&message, Some(b"a letter")).unwrap_err().to_string();
    assert!(refused.contains("over data"), "{refused}");
}

/// A date, say.
const KIND: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.4.1");

impl Alice {
    fn beside(&self, content: &[u8], attached: bool, unsigned: &[Unsigned]) -> Vec<u8> {
        let mut message = Vec::new();
        self.signing(&[&self.certificate], |signer| {
            let mut unended = match attached {
                true => begin_attached(&mut &content[..], signer, &mut message).unwrap(),
                false => begin_detached(&mut &content[..], signer).unwrap(),
            };
            assert!(!unended.value().is_empty());
            unsigned.iter().for_each(|one| unended.add(one.clone()));
            unended.end(&mut message).unwrap();
        });
        message
    }
}

#[test]
fn what_stands_beside_a_signature_is_read_and_changes_nothing_of_it() {
    let other = const_oid::ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.4.2");
    // DER wants them in the order of their bytes.
    let two = [Unsigned { kind: other, value: vec![5, 0] }, Unsigned::text(KIND, "it was there")];
    for alice in [Algorithm::Ed25519, Algorithm::EcdsaP256].map(Alice::with) {
        for unsigned in [&two[..0], &two[..1], &two] {
            let (signature, _) = read(&alice.beside(b"yes", false, unsigned), Some(b"yes")).unwrap();
            assert_eq!(signature.unsigned, unsigned);
            let (signature, held) = read(&alice.beside(b"yes", true, unsigned), None).unwrap();
            assert_eq!((signature.unsigned.as_slice(), held.as_slice()), (unsigned, &b"yes"[..]));
        }
    }
    assert_eq!((two[0].as_text(), two[1].as_text()), (None, Some("it was there")));
}

#[test]
fn what_is_no_set_of_attributes_is_none() {
    let alice = Alice::with(Algorithm::Ed25519);
    let message = alice.beside(b"yes", false, &[Unsigned::text(KIND, "it was there")]);
    let at = message.windows(12).position(|part| part == KIND.to_der().unwrap()).unwrap();
    // [1], its length, a SEQUENCE, its length, the type: each of them another.
    for (before, byte) in [(4, 0xa2), (4, 0x81), (2, 0x31), (0, 0x04)] {
        let mut altered = message.clone();
        assert_ne!(altered[at - before], byte);
        altered[at - before] = byte;
        let refused = read(&altered, Some(b"yes")).unwrap_err().to_string();
        assert!(refused.contains("unsigned attributes"), "{before}: {refused}");
    }
}

/// Time stamps of others' are such.
#[test]
fn what_others_put_beside_a_signature_may_be_ber() {
    let other = const_oid::ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.4.2");
    let ber = Unsigned { kind: other, value: vec![0x24, 0x80, 0x04, 0x01, 7, 0, 0] };
    let two = [ber, Unsigned::text(KIND, "it was there")];
    let (signature, _) = read(&Alice::with(Algorithm::Ed25519).beside(b"yes", false, &two), Some(b"yes")).unwrap();
    assert_eq!(signature.unsigned, two);
    assert_eq!(two[0].as_text(), None);
}
