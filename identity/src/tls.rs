//! The verifiers as rustls wants them, for TLS 1.3 and QUIC.
//!
//! There is one [`PersonVerifier`] for both ends of a personal connection, a [`ServiceVerifier`] for the client end
//! towards directories and HTTPS endpoints, and a [`ComponentVerifier`] for the server end towards parts of an authority.
//! None speaks TLS 1.2. What a device signs with is a [`DeviceSigner`]. Certificates for mail have no verifier here: nobody connects to us with one.

mod cache;
mod component;
mod person;
mod service;
mod signer;

use std::sync::Arc;

use rustls::{
    Error,
    crypto::{CryptoProvider, aws_lc_rs},
};

pub use component::ComponentVerifier;
pub use person::PersonVerifier;
pub use service::ServiceVerifier;
pub use signer::{DeviceSigner, DeviceSignerError, certified, device_fingerprint};

use crate::{CertificateDer, rules::Rule, verify::VerifyError};

/// The cryptography of every connection but log-ins in the wide web: aws-lc-rs with the cipher suites of TLS 1.3, and X25519MLKEM768 before X25519
/// for the key exchange.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519];
    Arc::new(provider)
}

/// The half of a verifier that checks CertificateVerify (RFC 8446 section 4.4.3): TLS 1.3 alone, and this one scheme.
/// rustls has two traits with the same four methods, and no common one.
macro_rules! signed_by {
    ($scheme:expr) => {
        fn verify_tls12_signature(
            &self,
            _message: &[u8],
            _leaf: &rustls_pki_types::CertificateDer<'_>,
            _signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
            Err(rustls::PeerIncompatible::Tls12NotOffered.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &rustls_pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
            if signed.scheme != $scheme {
                return Err(rustls::PeerIncompatible::NoSignatureSchemesInCommon.into());
            }
            let algorithms = &self.provider.signature_verification_algorithms;
            rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![$scheme]
        }
    };
}
use signed_by;

/// The chain as somebody shows it in a handshake, for a verifier.
pub fn shown_chain(
    leaf: &rustls_pki_types::CertificateDer<'_>,
    rest: &[rustls_pki_types::CertificateDer<'_>],
) -> Vec<CertificateDer> {
    // One more than allowed is enough to be refused for; no more is copied.
    let rest = rest.iter().take(crate::MAX_CHAIN);
    std::iter::once(leaf).chain(rest).map(|der| der.clone().into_owned()).collect()
}

/// The whole error: it is the person at this end who has to understand it, for instance that her clock is wrong.
fn explained(error: VerifyError) -> Error {
    use rustls::{CertificateError, OtherError};
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// The error that makes rustls send the alert that comes nearest (the other side sees nothing else), or the whole error
/// where there is none.
fn refused(error: VerifyError) -> Error {
    use rustls::{CertificateError as C, OtherError};
    Error::InvalidCertificate(match error.rule {
        Rule::RevocationRevoked => C::Revoked,
        Rule::ChainPath => C::UnknownIssuer,
        Rule::ChainExpired => C::Expired,
        Rule::ChainNotYetValid => C::NotValidYet,
        _ => C::Other(OtherError(Arc::new(error))),
    })
}

#[cfg(test)]
mod tests;
