//! Who holds a key, and what it may be asked to sign.

use identity::certificate::{Certificate, SignatureAlgorithm};
use thiserror::Error;

/// Bytes that may be signed, once. It is made from a [`Logged`](super::Logged) certificate or from a planned revocation
/// list, and by nothing else; it cannot be copied.
#[derive(Debug)]
pub struct SigningInput(Vec<u8>);

impl SigningInput {
    pub(super) fn certificate(tbs_der: Vec<u8>) -> Self {
        Self(tbs_der)
    }

    /// A TBSCertList (RFC 5280 section 5.1), which [`identity::plan::crl`] planned.
    pub(super) fn revocation_list(tbs_der: Vec<u8>) -> Self {
        Self(tbs_der)
    }

    /// What to sign.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A key that signs for one issuing certificate: in a file, in a token, on another machine.
///
/// **Trust.** Who holds the key behind it can issue in the dark; verifiers refuse what that yields, for it stands in no
/// log.
pub trait Signer: Send + Sync {
    /// The issuing certificate with this key.
    fn certificate(&self) -> &Certificate;
    /// How it signs.
    fn algorithm(&self) -> SignatureAlgorithm;
    /// Signs, using the input up. For ECDSA the signature is in DER.
    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError>;
}

/// Why a key did not sign.
#[derive(Debug, Error)]
#[error("the signing key of {issuer}: {reason}")]
pub struct SignerError {
    /// Whose key.
    pub issuer: String,
    /// Why not.
    pub reason: String,
}
