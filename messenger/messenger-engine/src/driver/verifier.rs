//! The bridge to `identity`: certificates in, persons out.

use std::sync::Arc;

use identity::UnixTime;
use identity::rules::Rule;
use identity::tls::PersonVerifier;
use identity::trust::{Fingerprint, Trust};
use identity::verify::VerifyError;
use quinn::Connection;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::Happening;
use crate::room::{AnotherAuthority, Authority, Credentials, DeviceKey, Person};
use crate::time::Now;

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
        let verified = self.tls.person(chain, now).map_err(|error| error.to_string())?;
        Ok(Person {
            identifier: verified.identifier().clone(),
            device: DeviceKey(*verified.device_key()),
            not_after: verified.not_after().as_secs(),
            authority: Authority {
                name: verified.authority().to_owned(),
                root: Fingerprint(*verified.authority_root()),
            },
        })
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

impl Credentials for Verifier {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        self.person(&[CertificateDer::from(leaf.to_vec())], now.unix)
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
