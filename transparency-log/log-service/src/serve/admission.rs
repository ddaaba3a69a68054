//! Who may submit: the components that the log's operator has named, by what they show in the TLS handshake.
//!
//! A component shows a certificate of the `component` profile, which its own authority has logged here; it is verified
//! rule by rule, with its proof. Before it has one it cannot have one logged. So it begins with a self-signed certificate
//! of a key that the operator was told, and with that may log entries of its own name and nothing else.

use std::sync::Arc;

use axum::http::Extensions;
use identity::tls::provider;
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

/// Most components that one log takes entries from: each handshake is held against all of them.
const MAX_AUTHORITIES: usize = 32;

/// Longest chain that is looked at, in certificates.
const MAX_CHAIN: usize = 6;

/// Whom a chain shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitter {
    /// A component, by its certificate.
    Component {
        /// Its DNS name.
        name: String,
    },
    /// One that has no certificate yet, by its key.
    Beginner {
        /// Its DNS name.
        name: String,
    },
}

/// The components that may submit.
#[derive(Debug)]
pub struct Admission {
    accepted: Vec<Accepted>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
struct Accepted {
    name: String,
    trust: Trust,
    key: Option<[u8; 32]>,
}

impl Admission {
    /// Those of the settings.
    ///
    /// # Errors
    /// There is none, a name or digest is none, or a trust policy cannot be read.
    pub fn open(read: &Read<ServeSettings>) -> Result<Self, Failure> {
        let known = &read.settings.authorities;
        if known.is_empty() || known.len() > MAX_AUTHORITIES {
            let what = format!("expected 1 to {MAX_AUTHORITIES} [[authority]], found {}", known.len());
            return Err(Failure::usage(what, "homeserver introduce prints what stands there"));
        }
        let accepted = known.iter().map(|authority| Accepted::open(read, authority)).collect::<Result<_, _>>()?;
        Ok(Self { accepted, provider: provider() })
    }

    /// One beginner, for tests.
    #[cfg(test)]
    pub(super) fn of_key(name: &str, key: [u8; 32]) -> Self {
        let trust = Trust::new(Vec::new()).unwrap();
        Self { accepted: vec![Accepted { name: name.to_owned(), trust, key: Some(key) }], provider: provider() }
    }

    /// The DNS names of the components.
    pub fn names(&self) -> Vec<String> {
        self.accepted.iter().map(|accepted| accepted.name.clone()).collect()
    }

    /// Whom this chain, leaf first, shows at `now`.
    ///
    /// # Errors
    /// Nobody who may submit; says why, for each component.
    pub fn recognise(&self, chain: &[CertificateDer], now: UnixTime) -> Result<Submitter, String> {
        let leaf = chain.first().ok_or("no certificate")?;
        let key = key_digest(leaf)?;
        let mut reasons = Vec::new();
        for Accepted { name, trust, key: known } in &self.accepted {
            match verify_component(chain, name, trust, now) {
                Ok(_) => return Ok(Submitter::Component { name: name.clone() }),
                Err(_) if chain.len() == 1 && *known == Some(key) => {
                    return Ok(Submitter::Beginner { name: name.clone() });
                }
                Err(error) => reasons.push(format!("{name}: {error}")),
            }
        }
        Err(reasons.join("; "))
    }

    /// Decides for each request: a certificate may have ended since the handshake.
    pub fn gate(self: &Arc<Self>) -> Gate {
        let admission = Arc::clone(self);
        Arc::new(move |extensions: &Extensions, entries: &[Entry]| {
            let shown = extensions.get::<ClientCertificates>().ok_or("a client certificate is needed")?;
            match admission.recognise(&shown.0, UnixTime::now())? {
                Submitter::Component { .. } => Ok(()),
                Submitter::Beginner { name } => {
                    let own = service_name_digest(&name);
                    let is_own =
                        |entry: &Entry| matches!(entry, Entry::Service { name_digest, .. } if *name_digest == own);
                    if entries.iter().all(is_own) {
                        return Ok(());
                    }
                    Err(format!("before {name} has a certificate, it may only log that"))
                }
            }
        })
    }
}

impl Accepted {
    fn open(read: &Read<ServeSettings>, known: &KnownAuthority) -> Result<Self, Failure> {
        let wrong = |what: String| {
            Failure::usage(
                format!("[[authority]] {}: {what}", known.name),
                "homeserver introduce prints what stands there",
            )
        };
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
        Ok(Self { name: known.name.clone(), trust, key })
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
        let rest = intermediates.iter().take(MAX_CHAIN);
        let chain: Vec<CertificateDer> =
            std::iter::once(end_entity).chain(rest).map(|der| der.clone().into_owned()).collect();
        match self.recognise(&chain, now) {
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
