//! The two keys of an enrolment: the device's own (Ed25519) and the ACME account's (P-256).
//!
//! Both are written as PKCS#8 PEM (RFC 5958), version 1 without the public key, which every other tool reads.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use p256::pkcs8::LineEnding;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// Why a key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no randomness.
    #[error("the system's random generator failed: {0}")]
    Random(getrandom::Error),
    /// The PEM text holds no key of the expected kind.
    #[error("expected {expected} as PKCS#8 PEM, found: {found}")]
    Parse {
        /// Kind of the key.
        expected: &'static str,
        /// What the parser said; never the key.
        found: String,
    },
}

/// A device's key: Ed25519, made on this device, never sent anywhere. Zeroized when dropped.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceKey({})", hex::encode(&self.public_key()[..4]))
    }
}

impl DeviceKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyError::Random)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem)
            .map(Self)
            .map_err(|error| KeyError::Parse { expected: "an Ed25519 key", found: error.to_string() })
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        self.keypair_bytes().to_pkcs8_pem(LineEnding::LF).expect("32 bytes always encode")
    }

    /// The key itself, for signing (messenger sessions, MLS leaves).
    pub fn signing_key(&self) -> &SigningKey {
        &self.0
    }

    /// The raw public key (RFC 8032, 32 bytes), as [`identity::verify::VerifiedPerson::device_key`] gives it.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The key in the form rustls takes.
    pub fn rustls_key(&self) -> PrivateKeyDer<'static> {
        let der = self.keypair_bytes().to_pkcs8_der().expect("32 bytes always encode");
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()))
    }

    fn keypair_bytes(&self) -> KeypairBytes {
        KeypairBytes { secret_key: self.0.to_bytes(), public_key: None }
    }
}

/// An ACME account's key: P-256 (ES256), because every ACME server takes it.
#[derive(Clone)]
pub struct AccountKey(p256::ecdsa::SigningKey);

impl std::fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountKey(P-256)")
    }
}

impl AccountKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            let mut scalar = Zeroizing::new([0; 32]);
            getrandom::fill(scalar.as_mut()).map_err(KeyError::Random)?;
            // Zero and values not below the group order (about one in 2^32) are no keys: draw again.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(scalar.as_ref()) {
                return Ok(Self(key));
            }
        }
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        p256::SecretKey::from_pkcs8_pem(pem)
            .map(|secret| Self(secret.into()))
            .map_err(|error| KeyError::Parse { expected: "a P-256 key", found: error.to_string() })
    }

    /// Writes PKCS#8 PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        p256::SecretKey::from(&self.0).to_pkcs8_pem(LineEnding::LF).expect("a valid key always encodes")
    }

    /// The key itself, for signing requests.
    pub(crate) fn signing_key(&self) -> &p256::ecdsa::SigningKey {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_key_survives_pem() {
        let key = DeviceKey::generate().unwrap();
        let read = DeviceKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
    }

    #[test]
    fn an_account_key_survives_pem() {
        let key = AccountKey::generate().unwrap();
        let read = AccountKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(read.signing_key().verifying_key(), key.signing_key().verifying_key());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = DeviceKey::from_pem(&DeviceKey(SigningKey::from_bytes(&[7; 32])).to_pem()).unwrap();
        assert!(!format!("{key:?}").contains(&hex::encode([7; 32])[..8]));
    }

    #[test]
    fn a_key_of_the_other_kind_is_refused() {
        let account = AccountKey::generate().unwrap();
        assert!(DeviceKey::from_pem(&account.to_pem()).is_err());
        assert!(AccountKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err());
    }

    #[test]
    fn rustls_takes_the_device_key() {
        let key = DeviceKey::generate().unwrap();
        rustls::crypto::aws_lc_rs::sign::any_eddsa_type(match &key.rustls_key() {
            PrivateKeyDer::Pkcs8(der) => der,
            _ => unreachable!(),
        })
        .unwrap();
    }
}
