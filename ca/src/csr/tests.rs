use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use super::*;

const ORDER: &str = "https://localhost/acme/order/7";
const FREE: Possession<'_> = Possession { order: ORDER, required: false };

fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()
}

fn mail(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().unwrap())
}

fn request(names: Vec<SanType>, common_name: Option<&str>, key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = common_name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.subject_alt_names = names;
    params.serialize_request(key).unwrap().der().to_vec()
}

fn alice() -> Identifier {
    Identifier::parse("alice@example.org").unwrap()
}

fn check(der: &[u8]) -> Result<VerifiedRequest, CsrError> {
    verify(der, &alice(), Profile::device(), FREE)
}

#[test]
fn the_orders_name_and_nothing_else() {
    let key = key();
    let name = "alice@example.org";
    check(&request(vec![mail(name)], None, &key)).unwrap();
    check(&request(vec![mail(name)], Some(name), &key)).unwrap();
    assert_eq!(check(&request(vec![], Some(name), &key)).unwrap_err(), CsrError::Name("none"));
    assert_eq!(
        check(&request(vec![mail("Alice@example.org")], None, &key)).unwrap_err(),
        CsrError::Name("another one")
    );
    assert_eq!(
        check(&request(vec![mail(name), mail("bob@example.org")], None, &key)).unwrap_err(),
        CsrError::Name("several")
    );
    assert_eq!(check(&request(vec![mail(name)], Some("Alice"), &key)).unwrap_err(), CsrError::Subject);
}

#[test]
fn an_international_address_has_its_own_name_form() {
    let jürgen = Identifier::parse("jürgen@example.org").unwrap();
    let name = |oid: Vec<u64>| SanType::OtherName((oid, rcgen::OtherNameValue::Utf8String(jürgen.to_string())));
    let good = request(vec![name(vec![1, 3, 6, 1, 5, 5, 7, 8, 9])], None, &key());
    verify(&good, &jürgen, Profile::device(), FREE).unwrap();
    let other = request(vec![name(vec![1, 3, 6, 1, 5, 5, 7, 8, 10])], None, &key());
    assert_eq!(verify(&other, &jürgen, Profile::device(), FREE).unwrap_err(), CsrError::Name("another one"));
}

#[test]
fn other_keys_are_refused() {
    let elliptic = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let error = check(&request(vec![mail("alice@example.org")], None, &elliptic)).unwrap_err();
    assert_eq!(error, CsrError::Key { expected: "Ed25519".into(), found: "P-256".into() });
}

#[test]
fn a_request_names_its_order() {
    let bound = Possession { order: ORDER, required: true };
    let verify = |der: &[u8], possession| verify(der, &alice(), Profile::device(), possession);
    let request = |order| crate::testing::csr_for("alice@example.org", &key(), order);
    verify(&request(Some(ORDER)), bound).unwrap();
    verify(&request(Some(ORDER)), FREE).unwrap();
    verify(&request(None), FREE).unwrap();
    assert_eq!(verify(&request(None), bound).unwrap_err(), CsrError::Possession("none"));
    for possession in [bound, FREE] {
        for other in ["https://localhost/acme/order/8", "", "https://localhost/acme/order/77"] {
            assert_eq!(verify(&request(Some(other)), possession).unwrap_err(), CsrError::Possession("another"));
        }
    }
}

#[test]
fn every_altered_byte_is_refused() {
    let good = request(vec![mail("alice@example.org")], None, &key());
    check(&good).unwrap();
    for at in 0..good.len() {
        let mut altered = good.clone();
        altered[at] ^= 1;
        assert!(check(&altered).is_err(), "byte {at}");
    }
    assert!(check(&good[..good.len() - 1]).is_err());
    assert_eq!(check(&vec![0x30; MAX_BYTES + 1]).unwrap_err(), CsrError::TooLarge(MAX_BYTES + 1));
}
