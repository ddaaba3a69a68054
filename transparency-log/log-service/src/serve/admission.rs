//! Who may submit: the component that the log's operator has named, by what it shows in the TLS handshake.
//!
//! A component shows a certificate of the `component` profile, which its own authority has logged here; it is verified
//! rule by rule, with its proof. Before it has one it cannot have one logged. So it begins with a self-signed certificate
//! of a key that the operator was told, and with that may log entries of its own name and nothing else.
//!
//! There is one, because one authority feeds one log: labels are public once they are logged, so that a second one could
//! log them again with other commitments, and the first would be taken for the one who did.

use std::sync::Arc;

use axum::http::Extensions;
use identity::identifier::canonical_dns_name;
use identity::tls::{provider, shown_chain};
use identity::transparency::service_name_digest;
use identity::trust::{Trust, TrustPolicy};
use identity::verify::verify_component;
use identity::{CertificateDer, UnixTime};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme, pki_types,
};
use sha2::{Digest as _, Sha256};
use tlog_proof::Entry;
use transparency_log::submission::Gate;

use crate::error::Failure;
use crate::serving::ClientCertificates;
use crate::settings::{KnownAuthority, Read, ServeSettings};

/// By what the component is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitter {
    /// By its certificate.
    Component,
    /// It has none yet: by its key.
    Beginner,
}

/// The component that may submit.
#[derive(Debug)]
pub struct Admission {
    name: String,
    trust: Trust,
    key: Option<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl Admission {
    /// That of the settings.
    ///
    /// # Errors
    /// There is not exactly one, its name or digest is none, or its trust policy cannot be read.
    pub fn open(read: &Read<ServeSettings>) -> Result<Self, Failure> {
        match read.settings.authorities.as_slice() {
            [known] => Self::of(read, known),
            [] => {
                let what = "expected one [[authority]], found none";
                Err(Failure::usage(what, "homeserver introduce prints what stands there"))
            }
            several => {
                let what = format!("expected one [[authority]], found {}: one authority feeds one log", several.len());
                Err(Failure::usage(what, "run a log for each of them, with an origin and a folder of its own"))
            }
        }
    }

    fn of(read: &Read<ServeSettings>, known: &KnownAuthority) -> Result<Self, Failure> {
        let wrong = |what: String| {
            Failure::usage(
                format!("[[authority]] {}: {what}", known.name),
                "homeserver introduce prints what stands there",
            )
        };
        let name = canonical_dns_name(&known.name);
        let name = name.map_err(|error| wrong(format!("name: expected a DNS name: {error}")))?;
        let path = read.resolve(&known.trust_policy);
        let bytes = std::fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        let policy = TrustPolicy::parse(&bytes).map_err(|error| wrong(format!("trust_policy: {error}")))?;
        let trust = Trust::new(vec![policy]).map_err(|error| wrong(format!("trust_policy: {error}")))?;
        let digest = |text: &String| {
            let mut digest = [0; 32];
            let read = hex::decode_to_slice(text, &mut digest).map(|()| digest);
            read.map_err(|error| wrong(format!("key: expected 64 hexadecimal digits: {error}")))
        };
        let key = known.key.as_ref().map(digest).transpose()?;
        Ok(Self { name, trust, key, provider: provider() })
    }

    /// One beginner, for tests.
    #[cfg(test)]
    pub(super) fn of_key(name: &str, key: [u8; 32]) -> Self {
        let trust = Trust::new(Vec::new()).unwrap();
        Self { name: name.to_owned(), trust, key: Some(key), provider: provider() }
    }

    /// The DNS name of the component.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By what this chain, leaf first, shows the component at `now`.
    ///
    /// # Errors
    /// It shows somebody else, or nobody; says why.
    pub fn recognise(&self, chain: &[CertificateDer], now: UnixTime) -> Result<Submitter, String> {
        let leaf = chain.first().ok_or("no certificate")?;
        let key = key_digest(leaf)?;
        match verify_component(chain, &self.name, &self.trust, now) {
            Ok(_) => Ok(Submitter::Component),
            Err(_) if chain.len() == 1 && self.key == Some(key) => Ok(Submitter::Beginner),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// Whether the component may log these. Service certificates are for its own name alone, whatever it shows: its
    /// authority has no others, and nobody else's services shall be certified through this log.
    pub(super) fn permits(&self, submitter: Submitter, entries: &[Entry]) -> Result<(), String> {
        let (name, own) = (&self.name, service_name_digest(&self.name));
        for entry in entries {
            match (entry, submitter) {
                (Entry::Service { name_digest, .. }, _) if *name_digest == own => {}
                (Entry::Service { name_digest, .. }, _) => {
                    let found = hex::encode(name_digest);
                    return Err(format!("expected service certificates of {name} alone, found name digest {found}"));
                }
                (_, Submitter::Component) => {}
                (_, Submitter::Beginner) => {
                    return Err(format!("before {name} has a certificate, it may only log that"));
                }
            }
        }
        Ok(())
    }

    /// Decides for each request: a certificate may have ended since the handshake.
    pub fn gate(self: &Arc<Self>) -> Gate {
        let admission = Arc::clone(self);
        Arc::new(move |extensions: &Extensions, entries: &[Entry]| {
            let shown = extensions.get::<ClientCertificates>().ok_or("a client certificate is needed")?;
            let submitter = admission.recognise(&shown.0, UnixTime::now())?;
            admission.permits(submitter, entries)
        })
    }
}

/// SHA-256 of the SubjectPublicKeyInfo.
fn key_digest(leaf: &CertificateDer) -> Result<[u8; 32], String> {
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| error.to_string())?;
    Ok(Sha256::digest(parsed.subject_public_key_info()).into())
}

impl ClientCertVerifier for Admission {
    /// None: a component has one chain, and whom the log takes entries from is nobody's business.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &pki_types::CertificateDer<'_>,
        intermediates: &[pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.recognise(&shown_chain(end_entity, intermediates), now) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(reason) => {
                tracing::warn!(reason, "somebody who may not submit has connected");
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &pki_types::CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &pki_types::CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    /// P-256 alone, as the profile has it.
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
