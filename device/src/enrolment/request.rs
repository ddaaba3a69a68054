//! The certificate request (PKCS#10, RFC 2986): the person's name and the proof that the device holds its key.

use identity::{Identifier, IdentifierKind};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, OtherNameValue, SanType};

use crate::keys::DeviceKey;

/// `id-on-SmtpUTF8Mailbox` (RFC 9598 section 3).
const SMTP_UTF8_MAILBOX: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 9];

/// A request for exactly this name by this key, DER.
pub(super) fn csr(identifier: &Identifier, key: &DeviceKey) -> Vec<u8> {
    let der = key.rustls_key();
    let pair = KeyPair::try_from(&der).expect("an Ed25519 key in PKCS#8 is always taken");
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![name(identifier)];
    params.serialize_request(&pair).expect("one name and one key always encode").der().to_vec()
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

    #[test]
    fn a_request_names_the_person_and_her_key() {
        let key = DeviceKey::generate().unwrap();
        for who in ["alice@example.org", "жанна@example.org", "+14155550123"] {
            let identifier = Identifier::parse(who).unwrap();
            let request = csr(&identifier, &key);
            let parsed = CertReq::from_der(&request).unwrap();
            assert_eq!(parsed.info.public_key.subject_public_key.raw_bytes(), key.public_key());
            assert!(parsed.info.subject.is_empty());
            let text = identifier.as_str().as_bytes();
            assert!(request.windows(text.len()).any(|window| window == text), "{who}");
        }
    }
}
