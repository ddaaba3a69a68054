//! Messages of our own, whole and altered, and the parts that are made here. What other programs make of them, and we of theirs,
//! is tried in certtool.

use std::cell::Cell;
use std::rc::Rc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_128, AES_256};
use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader};
use proptest::prelude::*;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use zeroize::Zeroizing;

use super::gcm::{Gcm, MOST, SPARE};
use super::{ContentKey, DecryptionKey, Envelope, Protection, encrypt};
use crate::error::CmsError;
use crate::signed::PORTION;
use crate::tlv::{INTEGER, OCTET_STRING, ONE, SEQUENCE, SET, ZERO_OF_BYTES, tlv};

/// Somebody with a certificate.
struct Person {
    certificate: Vec<u8>,
    key: DecryptionKey,
}

impl Person {
    fn p256() -> Self {
        Self::with(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    fn rsa() -> Self {
        Self::with(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    }

    fn with(key: KeyPair) -> Self {
        let certificate = certified(&key);
        Self { certificate, key: DecryptionKey::from_pkcs8(&key.serialize_der()).unwrap() }
    }

    fn reads(&self, message: &[u8]) -> Result<Vec<u8>, CmsError> {
        let envelope = Envelope::open(message)?;
        let named = envelope.recipients().iter().find(|recipient| recipient.is(&self.certificate));
        let key = envelope.content_key(named.ok_or(CmsError::NoCertificate)?, &self.key)?;
        let mut content = Vec::new();
        envelope.decrypt(&key, &mut content)?;
        Ok(content)
    }
}

fn certified(key: &KeyPair) -> Vec<u8> {
    CertificateParams::new(vec!["alice".to_owned()]).unwrap().self_signed(key).unwrap().der().to_vec()
}

fn sealed(content: &[u8], to: &[&Person], protection: Protection) -> Vec<u8> {
    let certificates: Vec<&[u8]> = to.iter().map(|person| person.certificate.as_slice()).collect();
    let mut message = Vec::new();
    encrypt(&mut &content[..], &certificates, protection, &mut message).unwrap();
    message
}

#[test]
fn everybody_it_is_for_reads_it_and_nobody_else() {
    let (alice, bob, carol) = (Person::p256(), Person::rsa(), Person::p256());
    for protection in [Protection::Authenticated, Protection::Compatible] {
        for length in [0, 1, 15, 16, 17, PORTION, PORTION + 1, 3 * PORTION + 7] {
            let content = vec![0x5a; length];
            let message = sealed(&content, &[&alice, &bob], protection);
            let envelope = Envelope::open(&message[..]).unwrap();
            assert_eq!(envelope.is_authenticated(), protection == Protection::Authenticated);
            assert_eq!(envelope.recipients().len(), 2);
            for person in [&alice, &bob] {
                assert_eq!(person.reads(&message).unwrap(), content, "{length} bytes");
            }
            assert!(matches!(carol.reads(&message), Err(CmsError::NoCertificate)));
            // Neither by a key of another kind, nor by another one of the same.
            for recipient in envelope.recipients().iter().filter(|recipient| recipient.proves_its_key()) {
                assert!(envelope.content_key(recipient, &carol.key).is_err());
            }
        }
    }
}

#[test]
fn no_byte_can_be_altered_and_no_end_left_away() {
    for alice in [Person::p256(), Person::rsa()] {
        let message = sealed(b"For Alice alone", &[&alice], Protection::Authenticated);
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1;
            // A version may be another one: what is in the message is the same.
            if let Ok(content) = alice.reads(&altered) {
                assert_eq!(content, b"For Alice alone", "byte {at}");
            }
            assert!(alice.reads(&message[..at]).is_err(), "{at} bytes");
        }
        assert!(alice.reads(&[&message[..], &[0]].concat()).is_err(), "something after the end");
        // Every byte of the content and of the tag counts.
        let content = message.len() - (6 + 18 + 4 + 15);
        for at in (content..content + 15).chain(message.len() - 6 - 16..message.len() - 6) {
            let mut altered = message.clone();
            altered[at] ^= 1;
            assert!(matches!(alice.reads(&altered), Err(CmsError::Closed)), "byte {at}");
        }
    }
}

#[test]
fn a_compatible_message_that_is_cut_off_or_has_no_padding_is_refused() {
    let alice = Person::p256();
    let message = sealed(&[7; 100], &[&alice], Protection::Compatible);
    for at in 0..message.len() {
        assert!(alice.reads(&message[..at]).is_err(), "{at} bytes");
    }
}

#[test]
fn of_a_wrong_rsa_padding_nothing_is_told() {
    let (alice, bob) = (Person::rsa(), Person::rsa());
    let message = sealed(b"For Alice alone", &[&alice], Protection::Compatible);
    let envelope = Envelope::open(&message[..]).unwrap();
    let [recipient] = envelope.recipients() else { panic!("one recipient") };
    assert!(!recipient.proves_its_key());
    let keys = [&alice.key, &bob.key, &bob.key].map(|key| envelope.content_key(recipient, key).unwrap());
    assert_ne!(keys[0].bytes(), keys[1].bytes());
    assert_eq!(keys[1].bytes(), keys[2].bytes(), "the same each time");
    assert!(keys.iter().all(|key| key.bytes().len() == 32));
    // A key that is encrypted as it should be and has another length is like a wrong padding.
    let other = alice.key.open_pkcs1(b"no ciphertext", 16).unwrap();
    assert_eq!(*other, *alice.key.open_pkcs1(b"no ciphertext", 16).unwrap());
    assert_eq!(other.len(), 16);
}

#[test]
fn a_key_that_lies_elsewhere_opens_and_sees_no_point_beside_the_curve() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let private = PrivateKey::from_private_key_der(&ECDH_P256, &pair.serialize_der()).unwrap();
    let asked = Rc::new(Cell::new(0));
    let counted = Rc::clone(&asked);
    let agree = move |point: &[u8]| {
        counted.set(counted.get() + 1);
        let public = UnparsedPublicKey::new(&ECDH_P256, point);
        agreement::agree(&private, public, "no point".to_owned(), |secret| Ok(Zeroizing::new(secret.to_vec())))
    };
    let alice = Person { certificate: certified(&pair), key: DecryptionKey::agreeing(Box::new(agree)) };
    let message = sealed(b"For Alice alone", &[&alice], Protection::Authenticated);
    assert_eq!(alice.reads(&message).unwrap(), b"For Alice alone");
    assert_eq!(asked.get(), 1);
    // BIT STRING, its length, no bits unused, a point that is not compressed.
    let at = message.windows(4).position(|part| part == [3, 66, 0, 4]).unwrap() + 10;
    let mut altered = message.clone();
    altered[at] ^= 1;
    assert!(matches!(alice.reads(&altered), Err(CmsError::Closed)));
    assert_eq!(asked.get(), 1);
    let away = DecryptionKey::agreeing(Box::new(|_: &[u8]| Err("the token is away".to_owned())));
    let envelope = Envelope::open(&message[..]).unwrap();
    let refused = envelope.content_key(&envelope.recipients()[0], &away).unwrap_err().to_string();
    assert!(refused.contains("the token is away"), "{refused}");
}

#[test]
fn nothing_is_encrypted_to_a_key_that_signs_alone_or_to_nobody() {
    let certificate = certified(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    for to in [&[certificate.as_slice()][..], &[b"no certificate"], &[]] {
        let mut message = Vec::new();
        assert!(encrypt(&mut &b"yes"[..], to, Protection::Authenticated, &mut message).is_err());
        assert!(message.is_empty());
    }
    assert!(DecryptionKey::from_pkcs8(&KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_der()).is_err());
}

#[test]
fn one_kind_is_not_taken_for_the_other() {
    let alice = Person::p256();
    // CBC under the name of what is authenticated: that no change was noticed would prove nothing.
    let message = sealed(b"yes", &[&alice], Protection::Compatible);
    let plain: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 3];
    let authenticated: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 23];
    assert_eq!(&message[2..13], plain);
    let claimed = [&message[..2], authenticated, &message[13..]].concat();
    assert!(matches!(Envelope::open(&claimed[..]), Err(CmsError::Form { .. })));
    let message = sealed(b"yes", &[&alice], Protection::Authenticated);
    let claimed = [&message[..2], plain, &message[2 + authenticated.len()..]].concat();
    assert!(matches!(Envelope::open(&claimed[..]), Err(CmsError::Form { .. })));
}

#[test]
fn what_is_authenticated_beside_the_content_is_read_behind_it() {
    let alice = Person::p256();
    let message = sealed(b"For Alice alone", &[&alice], Protection::Authenticated);
    let envelope = Envelope::open(&message[..]).unwrap();
    let key = envelope.content_key(&envelope.recipients()[0], &alice.key).unwrap();
    let nonce = [7; 12];
    let identifier = tlv(
        SEQUENCE,
        &[
            &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 46],
            &tlv(SEQUENCE, &[&tlv(OCTET_STRING, &[&nonce]), &[2, 1, 16]]),
        ],
    );
    let attributes = tlv(SEQUENCE, &[b"whatever they are"]);
    let mut gcm = Gcm::new(&AES_256, key.bytes(), &nonce).unwrap();
    let mut out = [0; 64];
    let content = gcm.encrypt(b"For Alice alone", &mut out).unwrap().to_vec();
    let tag = gcm.tag(&tlv(SET, &[&attributes]));
    // As far as the recipients: a version, and a SET.
    let begin = message.windows(4).position(|part| part == [INTEGER, 1, 0, SET]).unwrap() + 3;
    let mut reader = SliceReader::new(&message[begin..]).unwrap();
    AnyRef::decode(&mut reader).unwrap();
    let set = usize::try_from(reader.position()).unwrap();
    let data = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
    let inner = tlv(SEQUENCE, &[&data, &identifier, &tlv(ZERO_OF_BYTES, &[&content])]);
    let build = |attributes: &[u8]| {
        let behind = [tlv(ONE, &[attributes]), tlv(OCTET_STRING, &[&tag])].concat();
        [&message[..begin + set], &inner, &behind, &[0; 6]].concat()
    };
    assert_eq!(alice.reads(&build(&attributes)).unwrap(), b"For Alice alone");
    let other = tlv(SEQUENCE, &[b"whatever they war"]);
    assert!(matches!(alice.reads(&build(&other)), Err(CmsError::Closed)));
}

#[test]
fn more_than_one_key_protects_is_refused() {
    let mut gcm = Gcm::new(&AES_256, &[1; 32], &[2; 12]).unwrap();
    let mut out = [0; 64];
    gcm.encrypt(b"the beginning", &mut out).unwrap();
    gcm.pretend(MOST - 1);
    assert!(gcm.encrypt(&[0], &mut out).is_ok());
    assert!(matches!(gcm.encrypt(&[0], &mut out), Err(CmsError::Content(_))));
}

/// The last case for AES-256 in the paper that GCM comes from (McGrew and Viega, test case 16).
#[test]
fn a_known_message_is_encrypted_as_it_should_be() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let clear = hex(concat!(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    ));
    let beside = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let nonce = hex("cafebabefacedbaddecaf888").try_into().unwrap();
    let sealed = hex(concat!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    ));
    let mut gcm = Gcm::new(&AES_256, &key, &nonce).unwrap();
    let mut out = vec![0; clear.len() + SPARE];
    assert_eq!(gcm.encrypt(&clear, &mut out).unwrap(), sealed);
    assert_eq!(gcm.tag(&beside).to_vec(), hex("76fc6ece0f4e1768cddf8853bb2d551b"));
}

proptest! {
    #[test]
    fn in_portions_it_is_what_the_library_makes_at_once(
        portions in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..20),
        beside in proptest::collection::vec(any::<u8>(), 0..60),
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
        short in any::<bool>(),
    ) {
        let (algorithm, theirs, key) = match short {
            true => (&AES_128, &aead::AES_128_GCM, &key[..16]),
            false => (&AES_256, &aead::AES_256_GCM, &key[..]),
        };
        let mut expected = portions.concat();
        let library = LessSafeKey::new(UnboundKey::new(theirs, key).unwrap());
        let tag = library.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce), Aad::from(&beside), &mut expected,
        ).unwrap();
        let mut gcm = Gcm::new(algorithm, key, &nonce).unwrap();
        let mut sealed = Vec::new();
        for portion in &portions {
            sealed.extend_from_slice(gcm.encrypt(portion, &mut [0; 120]).unwrap());
        }
        prop_assert_eq!(&sealed, &expected);
        prop_assert_eq!(&gcm.tag(&beside), tag.as_ref());
        // And back, in other portions.
        let mut gcm = Gcm::new(algorithm, key, &nonce).unwrap();
        let mut clear = Vec::new();
        for portion in sealed.chunks(37) {
            clear.extend_from_slice(gcm.decrypt(portion, &mut [0; 64]).unwrap());
        }
        prop_assert_eq!(clear, portions.concat());
        prop_assert_eq!(&gcm.tag(&beside), tag.as_ref());
    }

    #[test]
    fn nothing_that_comes_in_makes_it_panic(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(envelope) = Envelope::open(&message[..]) {
            let key = ContentKey::new(32).unwrap();
            let _ = envelope.decrypt(&key, &mut std::io::sink());
        }
    }
}

#[test]
fn a_message_that_is_altered_anywhere_makes_nothing_panic() {
    let (alice, bob) = (Person::p256(), Person::rsa());
    for protection in [Protection::Authenticated, Protection::Compatible] {
        let message = sealed(&[3; 40], &[&alice, &bob], protection);
        for at in 0..message.len() {
            for bit in [1, 0x80, 0xff] {
                let mut altered = message.clone();
                altered[at] ^= bit;
                let Ok(envelope) = Envelope::open(&altered[..]) else { continue };
                let key = ContentKey::new(32).unwrap();
                for recipient in envelope.recipients() {
                    let _ = (envelope.content_key(recipient, &alice.key), recipient.is(&bob.certificate));
                }
                let _ = envelope.decrypt(&key, &mut std::io::sink());
            }
        }
    }
}
