//! Last stage: signed, and looked at once more.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use identity::certificate::{Certificate, CertificateError, SignatureAlgorithm, assemble};
use identity::plan;
use thiserror::Error;

use super::linted::LintError;
use super::logged::Logged;
use super::signer::{Signer, SignerError, SigningInput};

/// Why no certificate came of it.
#[derive(Debug, Error)]
pub enum SignError {
    /// The key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// What was signed does not parse.
    #[error("the signed certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// What was signed is not what was linted and logged.
    #[error("the signed certificate is not the one that was linted and logged")]
    Altered,
    /// The signature does not fit the issuer's key.
    #[error("the signature does not fit the issuing certificate")]
    Signature,
    /// The result does not lint.
    #[error(transparent)]
    Lint(#[from] LintError),
}

/// A certificate, signed and logged.
#[derive(Debug)]
pub struct Issued {
    der: Vec<u8>,
    index: u64,
}

impl Logged {
    /// Signs the certificate, and checks that what came out is what went in: the linted plan plus the transparency
    /// extension, under the issuer's key, without a finding.
    pub fn sign(self, signer: &dyn Signer) -> Result<Issued, SignError> {
        let algorithm = signer.algorithm();
        let signature = signer.sign(SigningInput::certificate(self.tbs.encode()))?;
        let der = assemble(&self.tbs, algorithm, &signature);
        let certificate = Certificate::parse(&der)?;
        let linted = &self.linted;
        if *certificate.tbs() != self.tbs || certificate.tbs().without_transparency().encode() != linted.tbs_der {
            return Err(SignError::Altered);
        }
        verify(&certificate, signer.certificate(), algorithm)?;
        LintError::of(plan::lint(certificate.tbs(), &linted.planned.profile))?;
        Ok(Issued { der, index: self.index })
    }
}

/// That the issuer has signed it.
pub(super) fn verify(
    certificate: &Certificate,
    issuer: &Certificate,
    algorithm: SignatureAlgorithm,
) -> Result<(), SignError> {
    let key = issuer.tbs().spki().subject_public_key.raw_bytes();
    let how = match algorithm {
        SignatureAlgorithm::EcdsaP256Sha256 => &ECDSA_P256_SHA256_ASN1,
        SignatureAlgorithm::EcdsaP384Sha384 => &ECDSA_P384_SHA384_ASN1,
        // An algorithm that cannot be checked is not used.
        _ => return Err(SignError::Signature),
    };
    UnparsedPublicKey::new(how, key)
        .verify(certificate.tbs_der(), certificate.signature())
        .map_err(|_| SignError::Signature)
}

impl Issued {
    /// DER of the certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Index of its entry in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}
