//! The bridge to `identity`: certificates in, persons out.

use std::fmt;
use std::sync::Arc;

use identity::UnixTime;
use identity::certificate::Certificate;
use identity::rules::Rule;
use identity::tls::{PersonVerifier, shown_chain};
use identity::trust::Trust;
use identity::verify::{VerifyError, verify_mail};
use quinn::Connection;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::sync::mpsc;

use super::Happening;
use crate::core::Introduction;
use crate::room::{AnotherAuthority, Authority, Credentials, MailFacts, Person};
use crate::time::Now;
use crate::wire::MailChain;

/// Verifies persons through one [`PersonVerifier`], whose cache TLS and rooms share.
pub(super) struct Verifier {
    pub(super) tls: Arc<PersonVerifier>,
}

impl Verifier {
    /// Refusals because of another authority (TRUST-06) are reported, wherever they come from: a handshake, a room.
    pub(super) fn new(trust: Arc<Trust>, outbox: mpsc::Sender<Happening>) -> Self {
        let tls = PersonVerifier::new(trust).watched(move |error| {
            if let Some(conflict) = conflict(error) {
                // It is told again at the next attempt if there is no place for it now.
                let _ = outbox.try_send(Happening::AnotherAuthority(conflict));
            }
        });
        Self { tls: Arc::new(tls) }
    }

    /// The person a chain speaks for.
    pub(super) fn person(&self, chain: &[CertificateDer<'static>], now: UnixTime) -> Result<Person, String> {
        self.tls.person(chain, now).map(|verified| Person::from(&verified)).map_err(|error| error.to_string())
    }

    /// The person at the other end of a connection. The handshake verified her chain; this asks who she is.
    pub(super) fn peer(&self, connection: &Connection) -> Result<Person, String> {
        let identity = connection.peer_identity().ok_or("the peer showed no certificate")?;
        let chain = identity
            .downcast::<Vec<CertificateDer<'static>>>()
            .map_err(|_| "the peer's identity is no certificate chain")?;
        self.person(&chain, UnixTime::now())
    }
}

impl Verifier {
    /// Accepts nobody but this person with this device.
    pub(super) fn expecting(self: &Arc<Self>, expected: &Introduction) -> Expecting {
        Expecting { verifier: self.clone(), expected: expected.clone() }
    }
}

/// What a dialler verifies before it shows its own certificate (RFC 8446 section 4.4.2: the server's comes first): that
/// this is a person, and the one whom the directory introduced.
pub(super) struct Expecting {
    verifier: Arc<Verifier>,
    expected: Introduction,
}

/// What a dialler says of anybody else.
pub(super) const NOT_INTRODUCED: &str = "what answered is not the introduced device";

impl ServerCertVerifier for Expecting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let tls = &self.verifier.tls;
        let verified = tls.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        let person =
            self.verifier.person(&shown_chain(end_entity, intermediates), now).map_err(rustls::Error::General)?;
        match self.expected.is(&person) {
            true => Ok(verified),
            false => Err(rustls::Error::General(NOT_INTRODUCED.to_owned())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(&*self.verifier.tls, message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(&*self.verifier.tls, message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(&*self.verifier.tls)
    }
}

impl fmt::Debug for Expecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expecting").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl Credentials for Verifier {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        self.person(&[CertificateDer::from(leaf.to_vec())], now.unix)
    }

    fn key(&self, leaf: &[u8]) -> Option<[u8; 32]> {
        Certificate::parse(leaf).ok()?.device_key()
    }

    fn mail(&self, chain: &MailChain, of: &Person, now: Now) -> Result<MailFacts, String> {
        let chain: Vec<_> = chain.0.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let found = verify_mail(&chain, self.tls.trust(), now.unix).map_err(|error| error.to_string())?;
        if *found.identifier() != of.identifier {
            return Err(format!("expected one of {}, found one of {}", of.identifier, found.identifier()));
        }
        if found.authority_root() != &of.authority.root.0 {
            return Err(format!("expected one by {}, found one by {}", of.authority.name, found.authority()));
        }
        Ok(MailFacts {
            serial: found.serial_hex(),
            not_before: found.not_before().as_secs(),
            not_after: found.not_after().as_secs(),
        })
    }

    fn meet(&self, person: &Person, now: Now) -> Result<bool, AnotherAuthority> {
        let Authority { name, root } = &person.authority;
        let met = self.tls.trust().meet(&person.identifier, name, &root.0, now.unix);
        met.map_err(|error| AnotherAuthority { who: person.identifier.clone(), refusal: error.to_string() })
    }
}

/// Who is known by another authority, if this is why she was refused.
fn conflict(error: &VerifyError) -> Option<AnotherAuthority> {
    let who = error.who.clone()?;
    (error.rule == Rule::TrustBinding).then(|| AnotherAuthority { who, refusal: error.to_string() })
}
