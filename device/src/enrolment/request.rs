//! The certificate request (PKCS#10, RFC 2986): the person's name and the proof that the device holds its key.

use identity::profile::KeyAlgorithm;
use identity::{Identifier, IdentifierKind};
use p256::pkcs8::der::asn1::{AnyRef, Utf8StringRef};
use p256::pkcs8::der::{Encode as _, Tag};
use rcgen::string::Ia5String;
use rcgen::{
    Attribute, CertificateParams, DistinguishedName, OtherNameValue, PublicKeyData, SanType, SignatureAlgorithm,
    SigningKey,
};

use crate::keys::KeyError;
use crate::own_key::OwnKey;

/// `id-on-SmtpUTF8Mailbox` (RFC 9598 section 3).
const SMTP_UTF8_MAILBOX: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 9];

/// `pkcs-9-at-challengePassword` (RFC 2985 section 5.4.1).
const CHALLENGE_PASSWORD: [u64; 7] = [1, 2, 840, 113_549, 1, 9, 7];

/// A request for exactly this name by this key, made for this order and no other, DER.
///
/// # Errors
/// The key, in a token, did not sign.
pub(super) fn csr(identifier: &Identifier, key: &impl OwnKey, order: &str) -> Result<Vec<u8>, KeyError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![name(identifier)];
    // Signed over what the authority has just made up: fresh proof that the key is there.
    let possession = Attribute { oid: &CHALLENGE_PASSWORD, values: set_of_text(order) };
    let request = params.serialize_request_with_attributes(&Requester::new(key), vec![possession]);
    request.map(|request| request.der().to_vec()).map_err(|error| KeyError::Sign(error.to_string()))
}

/// The key as rcgen takes it.
struct Requester<'a, K> {
    key: &'a K,
    public: Vec<u8>,
}

impl<'a, K: OwnKey> Requester<'a, K> {
    fn new(key: &'a K) -> Self {
        Self { key, public: key.public_bits() }
    }
}

impl<K: OwnKey> PublicKeyData for Requester<'_, K> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.key.algorithm() {
            KeyAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
            KeyAlgorithm::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::Rsa => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl<K: OwnKey> SigningKey for Requester<'_, K> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign(message).map_err(|error| {
            tracing::warn!(%error, "the request for a certificate");
            rcgen::Error::RemoteKeyError
        })
    }
}

/// A SET of one UTF8String, in DER.
fn set_of_text(text: &str) -> Vec<u8> {
    let value = Utf8StringRef::new(text).and_then(|text| text.to_der());
    let set = value.and_then(|value| AnyRef::new(Tag::Set, &value)?.to_der());
    set.expect("an address of an order is short")
}

fn name(identifier: &Identifier) -> SanType {
    let ascii = |text: String| Ia5String::try_from(text).expect("checked to be ASCII");
    match identifier.kind() {
        IdentifierKind::Phone => SanType::URI(ascii(format!("tel:{identifier}"))),
        IdentifierKind::Email if identifier.as_str().is_ascii() => SanType::Rfc822Name(ascii(identifier.to_string())),
        IdentifierKind::Email => {
            SanType::OtherName((SMTP_UTF8_MAILBOX.to_vec(), OtherNameValue::Utf8String(identifier.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use der::Decode;
    use x509_cert::request::CertReq;

    use super::*;
    use crate::DeviceKey;

    #[test]
    fn a_request_names_the_person_and_her_key() {
        let key = DeviceKey::generate().unwrap();
        for who in ["alice@example.org", "жанна@example.org", "+14155550123"] {
            let identifier = Identifier::parse(who).unwrap();
            let order = "https://ca.example.org/acme/order/7";
            let request = csr(&identifier, &key, order).unwrap();
            let parsed = CertReq::from_der(&request).unwrap();
            assert_eq!(parsed.info.public_key.subject_public_key.raw_bytes(), key.public_key());
            assert!(parsed.info.subject.is_empty());
            let mut attributes = parsed.info.attributes.iter();
            let named = attributes.find(|a| a.oid.to_string() == "1.2.840.113549.1.9.7").unwrap();
            assert_eq!(named.values.get(0).unwrap().value(), order.as_bytes());
            let text = identifier.as_str().as_bytes();
            assert!(request.windows(text.len()).any(|window| window == text), "{who}");
        }
    }
}
