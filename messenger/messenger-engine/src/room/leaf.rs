//! One's own leaf in every room.

use identity::tls::DeviceSigner;
use openmls::prelude::{CredentialWithKey, SignatureScheme};
use openmls_traits::signatures::{Signer, SignerError};

use super::credential::{self, Credentials, DeviceKey, Person};
use crate::time::Now;

/// One's own leaf: the device certificate and the device key, which signs for MLS as it does for TLS.
pub struct MyLeaf {
    certificate: Vec<u8>,
    key: Box<dyn DeviceSigner>,
}

impl MyLeaf {
    /// From the leaf certificate (DER) and the device key.
    pub fn new(certificate: Vec<u8>, key: impl DeviceSigner + 'static) -> Self {
        Self { certificate, key: Box::new(key) }
    }

    /// From now on with this certificate (DER) for the same key, in every room that is entered.
    pub fn renew(&mut self, certificate: Vec<u8>) {
        self.certificate = certificate;
    }

    /// Whom the certificate that it shows speaks for, verified at `now`.
    ///
    /// # Errors
    /// The rule that refused it.
    pub fn verify(&self, credentials: &dyn Credentials, now: Now) -> Result<Person, String> {
        credentials.verify(&self.certificate, now)
    }

    /// The device's public key.
    pub fn device(&self) -> DeviceKey {
        DeviceKey(self.key.public_key())
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
        // openmls has no room for the reason.
        let signed = self.key.sign(payload).inspect_err(|error| tracing::warn!(%error, "a room's message"));
        signed.map(|signature| signature.to_vec()).map_err(|_| SignerError::SigningError)
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
