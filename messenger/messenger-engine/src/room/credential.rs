//! Who a leaf belongs to: the certificate in it, verified, and the key in it, compared.

use std::fmt;
use std::sync::Arc;

use identity::Identifier;
use identity::trust::Fingerprint;
use identity::verify::VerifiedPerson;
use openmls::prelude::{Credential, CredentialType};
use sha2::{Digest as _, Sha256};

use crate::time::Now;
use crate::wire::MailChain;

/// A device's Ed25519 public key: it names the device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey(pub [u8; 32]);

impl DeviceKey {
    /// SHA-256 of the key's SubjectPublicKeyInfo: how the directory names the device.
    pub fn spki_digest(&self) -> [u8; 32] {
        directory_protocol::key::spki_hash(&self.0)
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({}…)", hex::encode(&self.0[..4]))
    }
}

/// A person at a device, as a verified certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub identifier: Identifier,
    /// At which device.
    pub device: DeviceKey,
    /// When the certificate ends, in seconds since 1970.
    pub not_after: u64,
    /// Who certified her.
    pub authority: Authority,
    /// What else the certificate says.
    pub certificate: Arc<Facts>,
}

impl From<&VerifiedPerson> for Person {
    fn from(verified: &VerifiedPerson) -> Self {
        Self {
            identifier: verified.identifier().clone(),
            device: DeviceKey(*verified.device_key()),
            not_after: verified.not_after().as_secs(),
            authority: Authority {
                name: verified.authority().to_owned(),
                root: Fingerprint(*verified.authority_root()),
            },
            certificate: Arc::new(Facts {
                digest: Sha256::digest(verified.leaf()).into(),
                serial: verified.serial_hex(),
                not_before: verified.not_before().as_secs(),
                log: verified.origin().to_owned(),
                index: verified.index(),
                witnesses: verified.witnesses().to_vec(),
                witnessed_only_by_operator: verified.witnessed_only_by_operator(),
            }),
        }
    }
}

/// What a certificate says and proves, beside whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the certificate, and so of key and transparency proof.
    pub digest: [u8; 32],
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When it begins, in seconds since 1970.
    pub not_before: u64,
    /// The log in which it stands.
    pub log: String,
    /// Where in it.
    pub index: u64,
    /// Who has witnessed that.
    pub witnesses: Vec<String>,
    /// Whether all of these are run by whoever certified it.
    pub witnessed_only_by_operator: bool,
}

/// What a certificate for mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFacts {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When it begins, in seconds since 1970.
    pub not_before: u64,
    /// When it ends.
    pub not_after: u64,
}

/// An authority, as the trust policy knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name, for people.
    pub name: String,
    /// SHA-256 of the SubjectPublicKeyInfo of its root.
    pub root: Fingerprint,
}

/// A person's certificate is by another authority than the one she is known by (TRUST-06).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnotherAuthority {
    /// Who.
    pub who: Identifier,
    /// The rule, the authority known and the one that came, for people.
    pub refusal: String,
}

/// Verifies certificates: `identity` in the running engine, a table in tests of the state machines.
pub trait Credentials: Send + Sync {
    /// The person a leaf certificate (DER) speaks for, verified at `now` with issuers from the trust policy.
    ///
    /// # Errors
    /// The rule that refused it, for people.
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String>;

    /// The device key in a leaf certificate, of which nothing is verified.
    fn key(&self, leaf: &[u8]) -> Option<[u8; 32]>;

    /// What a chain for mail says, verified at `now`: of this person, by the authority that certified her device.
    ///
    /// # Errors
    /// The rule that refused it, or whose it is instead, for people.
    fn mail(&self, chain: &MailChain, of: &Person, now: Now) -> Result<MailFacts, String>;

    /// Binds a verified person to her authority unless she is bound: from then on [`verify`](Self::verify) refuses
    /// every other authority's certificate for her. Whether this is the first sight of her.
    ///
    /// # Errors
    /// She is bound to another authority.
    fn meet(&self, person: &Person, now: Now) -> Result<bool, AnotherAuthority>;
}

/// Why a leaf is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedCredential {
    /// Not an X.509 credential (RFC 9420 section 5.3).
    #[error("expected an X.509 credential, found type {found}")]
    NotX509 {
        /// The credential type's number.
        found: u16,
    },
    /// `identity` refused the certificate.
    #[error("the certificate in the leaf is refused: {0}")]
    Certificate(String),
    /// openmls accepts a leaf whose key is not the certificate's; we do not.
    #[error("expected the certificate's key {expected} as the leaf's signature key, found {found}")]
    KeyMismatch {
        /// The certificate's, hexadecimal.
        expected: String,
        /// The leaf's, hexadecimal.
        found: String,
    },
}

/// The X.509 credential of a leaf certificate. Only the leaf travels; issuers come from the trust policy.
///
/// RFC 9420 section 5.3 has `Certificate certificates<V>` with `opaque cert_data<V>`: a vector of vectors, of which openmls writes
/// and reads the outer length itself, as it does that of a basic credential.
pub(super) fn credential(leaf: &[u8]) -> Credential {
    Credential::new(CredentialType::X509, with_length(leaf))
}

/// Verifies a leaf's credential and that its signature key is the certificate's.
pub(super) fn verify(
    credential: &Credential,
    signature_key: &[u8],
    credentials: &dyn Credentials,
    now: Now,
) -> Result<Person, RefusedCredential> {
    if credential.credential_type() != CredentialType::X509 {
        return Err(RefusedCredential::NotX509 { found: credential.credential_type().into() });
    }
    let leaf = certificate(credential.serialized_content()).map_err(|e| RefusedCredential::Certificate(e.into()))?;
    let person = credentials.verify(leaf, now).map_err(RefusedCredential::Certificate)?;
    if person.device.0 != signature_key {
        return Err(RefusedCredential::KeyMismatch {
            expected: hex::encode(person.device.0),
            found: hex::encode(signature_key),
        });
    }
    Ok(person)
}

/// The one certificate in the credential's content.
fn certificate(content: &[u8]) -> Result<&[u8], &'static str> {
    const SHAPE: &str = "expected exactly one certificate in the credential";
    match vector(content) {
        Some((leaf, [])) if !leaf.is_empty() => Ok(leaf),
        _ => Err(SHAPE),
    }
}

pub(super) fn with_length(bytes: &[u8]) -> Vec<u8> {
    let mut vector = length_prefix(bytes.len());
    vector.extend_from_slice(bytes);
    vector
}

/// A variable-size vector's length (RFC 9420 section 2.1.2, from RFC 9000 section 16), minimal.
pub(super) fn length_prefix(length: usize) -> Vec<u8> {
    match length {
        0..=63 => vec![length as u8],
        64..=16_383 => (0x4000 | length as u16).to_be_bytes().to_vec(),
        _ => (0x8000_0000 | length as u32).to_be_bytes().to_vec(),
    }
}

/// The first vector and what follows it.
pub(super) fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *bytes.first()?;
    let (prefix, length) = match first >> 6 {
        0 => (1, usize::from(first)),
        1 => (2, usize::from(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?) & 0x3fff)),
        2 => (4, (u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) & 0x3fff_ffff) as usize),
        _ => return None,
    };
    if length_prefix(length).len() != prefix {
        return None;
    }
    bytes[prefix..].split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use openmls::prelude::tls_codec::Serialize as _;

    use super::*;

    #[test]
    fn a_credential_holds_exactly_one_certificate() {
        for length in [1, 63, 64, 1200, 16_383, 16_384] {
            let leaf = vec![0x30; length];
            let credential = credential(&leaf);
            assert_eq!(certificate(credential.serialized_content()), Ok(&leaf[..]), "{length}");
        }
    }

    /// Field by field as RFC 9420 section 5.3 writes it, for whoever reads it with another implementation.
    #[test]
    fn a_credential_is_the_rfcs_to_the_byte() {
        let written = credential(&[0x30, 0x01, 0x05]).tls_serialize_detached().unwrap();
        let expected = [
            &[0x00, 0x02][..], // CredentialType x509
            &[0x04],           // certificates<V>
            &[0x03],           // cert_data<V>
            &[0x30, 0x01, 0x05],
        ];
        assert_eq!(written, expected.concat());
    }

    #[test]
    fn other_shapes_are_refused() {
        let cases: [(&str, &[u8]); 6] = [
            ("empty", &[]),
            ("an empty certificate", &[0]),
            ("two certificates", &[1, 7, 1, 7]),
            ("bytes after the certificate", &[1, 7, 9]),
            ("less than its length says", &[2, 7]),
            ("a length that is not minimal", &[0x40, 1, 7]),
        ];
        for (name, content) in cases {
            assert!(certificate(content).is_err(), "{name}");
        }
    }
}
