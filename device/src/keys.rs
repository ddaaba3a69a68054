//! The two keys of an enrolment: the device's own (Ed25519) and the ACME account's (P-256).
//!
//! Each is held in memory, or lies in a token (PKCS#11) that it never leaves. The former are written as PKCS#8 PEM (RFC
//! 5958), version 1 without the public key, which every other tool reads; where that is kept is the folder's concern.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use identity::tls::{DeviceSigner, DeviceSignerError};
use key_store::{TokenAlgorithm, TokenKey};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePublicKey as _, LineEnding};
use zeroize::Zeroizing;

/// Why a key could not be made, read or used.
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
    /// The key in a token is of another kind.
    #[error("expected {expected} in the token, found {found}")]
    Kind {
        /// Kind of the key.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// The key did not sign.
    #[error("the key did not sign: {0}")]
    Sign(String),
}

/// A device's key: Ed25519, made on this device, never sent anywhere. Zeroized when dropped, where it lies in memory.
#[derive(Clone)]
pub struct DeviceKey(Own);

#[derive(Clone)]
enum Own {
    Here(SigningKey),
    Token { key: Arc<TokenKey>, public: [u8; 32] },
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", hex::encode(&self.public_key()[..4]))
    }
}

impl DeviceKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(KeyError::Random)?;
        Ok(Self(Own::Here(SigningKey::from_bytes(&seed))))
    }

    /// A key in a token.
    pub fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        let wrong = || KeyError::Kind { expected: "an Ed25519 key", found: format!("{:?}", key.algorithm()) };
        // RFC 8410 section 4: the key is the end of its SubjectPublicKeyInfo.
        match key.spki_der().last_chunk() {
            Some(public) if key.algorithm() == TokenAlgorithm::Ed25519 => {
                Ok(Self(Own::Token { public: *public, key: Arc::new(key) }))
            }
            _ => Err(wrong()),
        }
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(pem)
            .map(|key| Self(Own::Here(key)))
            .map_err(|error| KeyError::Parse { expected: "an Ed25519 key", found: error.to_string() })
    }

    /// Writes PKCS#8 PEM; nothing for a key in a token.
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        let Own::Here(key) = &self.0 else { return None };
        let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
        Some(pair.to_pkcs8_pem(LineEnding::LF).expect("32 bytes always encode"))
    }

    /// The raw public key (RFC 8032, 32 bytes), as [`identity::verify::VerifiedPerson::device_key`] gives it.
    pub fn public_key(&self) -> [u8; 32] {
        match &self.0 {
            Own::Here(key) => key.verifying_key().to_bytes(),
            Own::Token { public, .. } => *public,
        }
    }
}

impl DeviceSigner for DeviceKey {
    fn public_key(&self) -> [u8; 32] {
        self.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceSignerError> {
        match &self.0 {
            Own::Here(key) => DeviceSigner::sign(key, message),
            Own::Token { key, .. } => {
                let signature = key.sign(message).map_err(|error| DeviceSignerError(error.to_string()))?;
                signature.try_into().map_err(|_| DeviceSignerError("it gave no signature of 64 bytes".to_owned()))
            }
        }
    }
}

/// An ACME account's key: P-256 (ES256), because every ACME server takes it.
#[derive(Clone)]
pub struct AccountKey(Account);

#[derive(Clone)]
enum Account {
    Here(p256::ecdsa::SigningKey),
    Token { key: Arc<TokenKey>, public: p256::ecdsa::VerifyingKey },
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
                return Ok(Self(Account::Here(key)));
            }
        }
    }

    /// A key in a token.
    pub fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        let public = p256::ecdsa::VerifyingKey::from_public_key_der(key.spki_der());
        let wrong = |_| KeyError::Kind { expected: "a P-256 key", found: format!("{:?}", key.algorithm()) };
        let public = public.map_err(wrong)?;
        Ok(Self(Account::Token { key: Arc::new(key), public }))
    }

    /// Reads PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        p256::SecretKey::from_pkcs8_pem(pem)
            .map(|secret| Self(Account::Here(secret.into())))
            .map_err(|error| KeyError::Parse { expected: "a P-256 key", found: error.to_string() })
    }

    /// Writes PKCS#8 PEM; nothing for a key in a token.
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        let Account::Here(key) = &self.0 else { return None };
        Some(p256::SecretKey::from(key).to_pkcs8_pem(LineEnding::LF).expect("a valid key always encodes"))
    }

    /// The public key.
    pub(crate) fn verifying_key(&self) -> p256::ecdsa::VerifyingKey {
        match &self.0 {
            Account::Here(key) => *key.verifying_key(),
            Account::Token { public, .. } => *public,
        }
    }

    /// Signs with SHA-256: r and s after each other, as JWS has them (RFC 7518 section 3.4).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature: p256::ecdsa::Signature = match &self.0 {
            Account::Here(key) => key.sign(message),
            Account::Token { key, .. } => {
                let der = key.sign(message).map_err(|error| KeyError::Sign(error.to_string()))?;
                p256::ecdsa::Signature::from_der(&der).map_err(|error| KeyError::Sign(error.to_string()))?
            }
        };
        Ok(signature.to_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_key_survives_pem() {
        let key = DeviceKey::generate().unwrap();
        let read = DeviceKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
    }

    #[test]
    fn an_account_key_survives_pem() {
        let key = AccountKey::generate().unwrap();
        let read = AccountKey::from_pem(&key.to_pem().unwrap()).unwrap();
        assert_eq!(read.verifying_key(), key.verifying_key());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = DeviceKey(Own::Here(SigningKey::from_bytes(&[7; 32])));
        assert!(!format!("{key:?}").contains(&hex::encode([7; 32])[..8]));
    }

    #[test]
    fn a_key_of_the_other_kind_is_refused() {
        let account = AccountKey::generate().unwrap();
        assert!(DeviceKey::from_pem(&account.to_pem().unwrap()).is_err());
        assert!(AccountKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").is_err());
    }
}
