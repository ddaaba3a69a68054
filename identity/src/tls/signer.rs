//! The device's key as the signer of everything that needs it, wherever it lies: in memory, or in a token that it never
//! leaves.

use std::fmt::Debug;
use std::sync::Arc;

use ed25519_dalek::Signer as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::trust::Fingerprint;

/// A device's key did not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the device's key did not sign: {0}")]
pub struct DeviceSignerError(pub String);

/// What signs with a device's key (Ed25519, RFC 8032): handshakes of TLS, requests for certificates, leaves of rooms.
///
/// A signature may take as long as a token needs. Whoever holds one of these can speak as the person.
pub trait DeviceSigner: Debug + Send + Sync {
    /// The public key.
    fn public_key(&self) -> [u8; 32];

    /// Signs a message.
    ///
    /// # Errors
    /// The key cannot be reached, for instance because its token was taken out.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceSignerError>;
}

impl DeviceSigner for ed25519_dalek::SigningKey {
    fn public_key(&self) -> [u8; 32] {
        self.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceSignerError> {
        self.try_sign(message)
            .map(|signature| signature.to_bytes())
            .map_err(|error| DeviceSignerError(error.to_string()))
    }
}

impl<T: DeviceSigner + ?Sized> DeviceSigner for Arc<T> {
    fn public_key(&self) -> [u8; 32] {
        (**self).public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceSignerError> {
        (**self).sign(message)
    }
}

/// A chain and its key in the form in which rustls takes them for either end.
///
/// # Errors
/// The key is not that of the leaf.
pub fn certified(
    chain: Vec<CertificateDer<'static>>,
    signer: Arc<dyn DeviceSigner>,
) -> Result<Arc<CertifiedKey>, Error> {
    let certified = CertifiedKey::new(chain, Arc::new(TlsKey { spki: spki(&signer.public_key()), signer }));
    certified.keys_match()?;
    Ok(Arc::new(certified))
}

/// By this a device is named: SHA-256 of the SubjectPublicKeyInfo of its key (Ed25519).
pub fn device_fingerprint(key: &[u8; 32]) -> Fingerprint {
    Fingerprint(Sha256::digest(spki(key)).into())
}

/// RFC 8410 section 4: the algorithm without parameters, and the 32 bytes as they are.
fn spki(key: &[u8; 32]) -> Vec<u8> {
    const BEFORE: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    [&BEFORE[..], key].concat()
}

#[derive(Debug)]
struct TlsKey {
    signer: Arc<dyn DeviceSigner>,
    spki: Vec<u8>,
}

impl rustls::sign::SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let can = offered.contains(&SignatureScheme::ED25519);
        can.then(|| Box::new(TlsSigner(self.signer.clone())) as Box<dyn rustls::sign::Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki.as_slice()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

#[derive(Debug)]
struct TlsSigner(Arc<dyn DeviceSigner>);

impl rustls::sign::Signer for TlsSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.0.sign(message).map_err(|error| Error::Other(OtherError(Arc::new(error))))?;
        Ok(signature.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};

    use super::*;
    use crate::Identifier;
    use crate::testing::{Authority, NOON, private_key};

    #[test]
    fn a_key_signs_for_its_own_chain_alone() {
        let alice = Identifier::parse("alice@example.org").unwrap();
        let (chain, key) = Authority::new(1, NOON).issue_person(&alice, NOON);
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(private_key(&key).secret_der()).unwrap();
        let signer: Arc<dyn DeviceSigner> = Arc::new(key.clone());
        assert_eq!(spki(&signer.public_key()), key.verifying_key().to_public_key_der().unwrap().as_bytes());
        let certified_key = certified(chain.clone(), signer).unwrap();
        let signer = certified_key.key.choose_scheme(&[SignatureScheme::ED25519]).unwrap();
        let signature = signer.sign(b"handshake").unwrap();
        let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
        key.verifying_key().verify_strict(b"handshake", &signature).unwrap();
        assert!(certified_key.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).is_none());

        let other = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        assert!(certified(chain, Arc::new(other)).is_err());
    }
}
