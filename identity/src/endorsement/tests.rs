//! Whatever of an endorsement is changed, it does not count.

use std::time::Duration;

use ed25519_dalek::SigningKey;

use super::*;
use crate::testing::{Authority, NOON};
use crate::verify::verify_person;

/// The device that is endorsed.
const NEW: [u8; 32] = [7; 32];

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn new_device() -> Fingerprint {
    device_fingerprint(&SigningKey::from_bytes(&NEW).verifying_key().to_bytes())
}

/// Alice's known device, with its key.
fn known() -> (VerifiedPerson, SigningKey) {
    let authority = Authority::new(1, NOON);
    let (chain, key) = authority.issue_person(&alice(), NOON);
    (verify_person(&chain, &authority.trust(), NOON).unwrap(), key)
}

/// What a verifier that takes no part in certificates says.
fn verified(endorsement: &Endorsement, by: &VerifiedPerson, now: UnixTime) -> Result<Fingerprint, EndorsementError> {
    endorsement.verify((by.identifier(), by.device_key()), (&alice(), new_device()), now)
}

#[test]
fn an_endorsement_says_which_device_endorses() {
    let (known, key) = known();
    let endorsement = Endorsement::sign(&known, new_device(), &key).unwrap();
    assert_eq!(verified(&endorsement, &known, NOON), Ok(Fingerprint(*known.key_digest())));
    assert_eq!(endorsement.until(), known.not_after().as_secs());
    assert_eq!(endorsement.certificate(), known.leaf());
    let last = UnixTime::since_unix_epoch(Duration::from_secs(endorsement.until()));
    assert!(verified(&endorsement, &known, last).is_ok());
    let past = UnixTime::since_unix_epoch(Duration::from_secs(endorsement.until() + 1));
    assert_eq!(verified(&endorsement, &known, past), Err(EndorsementError::Ended(endorsement.until())));
}

#[test]
fn it_survives_bytes_and_text() {
    let (known, key) = known();
    let endorsement = Endorsement::sign(&known, new_device(), &key).unwrap();
    assert_eq!(Endorsement::from_cbor(&endorsement.to_cbor()), Ok(endorsement.clone()));
    let text = endorsement.to_pem();
    assert!(text.starts_with("-----BEGIN INPERSON ENDORSEMENT-----\n"), "{text}");
    assert_eq!(Endorsement::from_pem(text.as_bytes()), Ok(endorsement.clone()));
    let certificate = text.replace("INPERSON ENDORSEMENT", "CERTIFICATE");
    assert!(matches!(Endorsement::from_pem(certificate.as_bytes()), Err(EndorsementError::Form(_))));
}

#[test]
fn it_counts_for_no_other_person_and_no_other_device() {
    let (known, key) = known();
    let own = Fingerprint(*known.key_digest());
    assert_eq!(Endorsement::sign(&known, own, &key), Err(EndorsementError::ByItself));
    let endorsement = Endorsement::sign(&known, new_device(), &key).unwrap();
    let bob = Identifier::parse("bob@example.org").unwrap();
    let by = (known.identifier(), known.device_key());
    assert!(matches!(endorsement.verify(by, (&bob, new_device()), NOON), Err(EndorsementError::Person { .. })));
    let other = Fingerprint([9; 32]);
    assert!(matches!(endorsement.verify(by, (&alice(), other), NOON), Err(EndorsementError::Device { .. })));
    // The same key in a certificate of somebody else: what was signed names alice.
    let by = (&bob, known.device_key());
    assert_eq!(endorsement.verify(by, (&bob, new_device()), NOON), Err(EndorsementError::Signature));
    // Another key.
    let stranger = SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes();
    let by = (known.identifier(), &stranger);
    assert_eq!(endorsement.verify(by, (&alice(), new_device()), NOON), Err(EndorsementError::Signature));
}

/// Everything but the certificate, whose own verification is another's: its key and name stand in what is signed.
#[test]
fn whatever_byte_is_altered_it_does_not_count() {
    let (known, key) = known();
    let endorsement = Endorsement::sign(&known, new_device(), &key).unwrap();
    let bytes = endorsement.to_cbor();
    let certificate = 4..4 + known.leaf().len();
    assert_eq!(&bytes[certificate.clone()], known.leaf().as_ref());
    for at in (0..bytes.len()).filter(|at| !certificate.contains(at)) {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            if let Ok(altered) = Endorsement::from_cbor(&altered) {
                assert!(verified(&altered, &known, NOON).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
    let trust = Authority::new(1, NOON).trust();
    for at in certificate {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let altered = Endorsement::from_cbor(&altered).unwrap();
        assert!(verify_person(&[altered.certificate().clone()], &trust, NOON).is_err(), "byte {at}");
    }
}

#[test]
fn another_spelling_is_refused() {
    let (known, key) = known();
    let bytes = Endorsement::sign(&known, new_device(), &key).unwrap().to_cbor();
    let form = |bytes: &[u8]| matches!(Endorsement::from_cbor(bytes), Err(EndorsementError::Form(_)));
    for end in 0..bytes.len() {
        assert!(form(&bytes[..end]), "cut at {end}");
    }
    assert!(form(&[&bytes[..], &[0]].concat()), "a byte behind it");
    // An array whose length is told by its end, RFC 8949 section 3.2.2.
    assert!(form(&[&[0x9f], &bytes[1..], &[0xff]].concat()));
    assert_eq!(Endorsement::from_cbor(&vec![0; 20_000]), Err(EndorsementError::TooLong(20_000)));
}

/// The vector of docs/spec/peer.md.
#[test]
fn the_bytes_that_are_signed() {
    let signed = statement(&alice(), Fingerprint([0xa1; 32]), Fingerprint([0xb0; 32]), 1_796_644_800);
    let expected = [
        &b"inperson-endorsement-v1\0"[..],
        &[0x84], // array of 4
        &[0x71],
        b"alice@example.org", // 17 characters
        &[0x58, 0x20],
        &[0xa1; 32], // by
        &[0x58, 0x20],
        &[0xb0; 32],                     // of
        &[0x1a, 0x6b, 0x16, 0x9f, 0xc0], // until
    ];
    assert_eq!(hex::encode(&signed), hex::encode(expected.concat()));
}
