use super::*;
use crate::{
    Identifier,
    testing::{Authority, NOON},
};

fn sample() -> Certificate {
    let authority = Authority::new(1, NOON);
    let (chain, _) = authority.issue_person(&Identifier::parse("alice@example.org").unwrap(), NOON);
    Certificate::parse(&chain[0]).unwrap()
}

#[test]
fn what_is_decoded_encodes_to_the_same_bytes() {
    let certificate = sample();
    assert_eq!(certificate.tbs().encode(), certificate.tbs_der());
    assert_eq!(Tbs::decode(certificate.tbs_der()).unwrap(), *certificate.tbs());
    let again = assemble(certificate.tbs(), SignatureAlgorithm::EcdsaP256Sha256, certificate.signature());
    assert_eq!(again, certificate.der());
}

#[test]
fn the_transparency_extension_comes_out_and_goes_in() {
    let certificate = sample();
    let tbs = certificate.tbs();
    let extension = tbs.transparency().unwrap().unwrap();
    let without = tbs.without_transparency();
    assert_eq!(without.transparency(), Ok(None));
    assert_eq!(without.extensions().len() + 1, tbs.extensions().len());
    assert_eq!(without.with_transparency(&extension), *tbs);
    assert_eq!(tbs.with_transparency(&extension), *tbs);
}

#[test]
fn x509_cert_reads_the_same() {
    use x509_cert::Certificate as Other;
    let certificate = sample();
    let other = Other::from_der(certificate.der()).unwrap();
    assert_eq!(other.to_der().unwrap(), certificate.der());
    assert_eq!(other.tbs_certificate().subject().to_string(), "CN=alice@example.org");
    assert_eq!(certificate.tbs().subject_names(), [SubjectName::Email("alice@example.org".into())]);
    assert_eq!(certificate.tbs().serial().len(), 16);
}

#[test]
fn keys_are_validated() {
    let spki = sample().tbs().spki().clone();
    assert_eq!(key_algorithm(&spki), Ok(crate::profile::KeyAlgorithm::Ed25519));
    let with = |bytes: &[u8]| {
        let key =
            SubjectPublicKeyInfoOwned { subject_public_key: BitString::from_bytes(bytes).unwrap(), ..spki.clone() };
        key_algorithm(&key)
    };
    assert!(with(&[0; 32]).is_err());
    assert!(with(&[1; 31]).is_err());
    assert!(decode_spki(&[0x30, 0x80, 0, 0]).is_err());
}

#[test]
fn rsa_keys_are_long_and_sound() {
    use crate::{profile::KeyAlgorithm, testing::mail_key};
    let der = mail_key(KeyAlgorithm::Rsa);
    let verdict = |der: &[u8]| key_algorithm(&decode_spki(der).unwrap()).ok();
    assert_eq!(verdict(&der), Some(KeyAlgorithm::Rsa));
    // SEQUENCE, AlgorithmIdentifier (15 bytes), BIT STRING, SEQUENCE, INTEGER of 385 octets (the first is zero), exponent.
    let modulus = 4 + 15 + 5 + 4 + 4 + 1;
    assert_eq!(der.len(), modulus + 384 + 5);
    let with = |at: usize, value: u8| {
        let mut changed = der.clone();
        changed[at] = value;
        verdict(&changed)
    };
    // An even modulus, odd ones with small factors; an even exponent, and another odd one.
    assert_eq!(with(modulus + 383, der[modulus + 383] ^ 1), None);
    let thrice = (0..=255).filter(|byte| byte & 1 == 1).filter(|byte| with(modulus + 383, *byte).is_none()).count();
    assert!(thrice >= 40, "a third of the odd numbers is divisible by three");
    assert_eq!(with(der.len() - 1, 0), None);
    assert_eq!(with(der.len() - 3, 3), Some(KeyAlgorithm::Rsa));
    // The parameters must be NULL: here an OCTET STRING.
    assert_eq!(der[17], 5);
    assert_eq!(with(17, 4), None);
    let short = hex::decode(RSA_1024).unwrap();
    assert_eq!(verdict(&short), None);
}

/// The public key of 1024 bits, of nobody: 2^1023 + 1155, which need not be a product of two primes to be too short.
const RSA_1024: &str = concat!(
    "30819f300d06092a864886f70d010101050003818d0030818902818100",
    "80000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000483",
    "0203010001",
);
