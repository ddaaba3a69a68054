//! One's own leaf in every room.

use ed25519_dalek::Signer as _;
use openmls::prelude::{CredentialWithKey, SignatureScheme};
use openmls_traits::signatures::{Signer, SignerError};

use super::credential::{self, DeviceKey};

/// One's own leaf: the device certificate and the device key, which signs for MLS as it does for TLS.
pub struct MyLeaf {
    certificate: Vec<u8>,
    key: ed25519_dalek::SigningKey,
}

impl MyLeaf {
    /// From the leaf certificate (DER) and the device key.
    pub fn new(certificate: Vec<u8>, key: ed25519_dalek::SigningKey) -> Self {
        Self { certificate, key }
    }

    /// The device's public key.
    pub fn device(&self) -> DeviceKey {
        DeviceKey(self.key.verifying_key().to_bytes())
    }

    pub(super) fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: credential::credential(&self.certificate),
            signature_key: self.device().0.to_vec().into(),
        }
    }
}

impl Signer for MyLeaf {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
