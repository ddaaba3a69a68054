//! The bridge to `identity`: certificates in, persons out.

use std::sync::Arc;

use identity::UnixTime;
use identity::tls::PersonVerifier;
use identity::trust::Trust;
use quinn::Connection;
use rustls::pki_types::CertificateDer;

use crate::room::{Credentials, DeviceKey, Person};
use crate::time::Now;

/// Verifies persons through one [`PersonVerifier`], whose cache TLS and rooms share.
pub(super) struct Verifier {
    pub(super) tls: Arc<PersonVerifier>,
}

impl Verifier {
    pub(super) fn new(trust: Arc<Trust>) -> Self {
        Self { tls: Arc::new(PersonVerifier::new(trust)) }
    }

    /// The person a chain speaks for.
    pub(super) fn person(&self, chain: &[CertificateDer<'static>], now: UnixTime) -> Result<Person, String> {
        let verified = self.tls.person(chain, now).map_err(|error| error.to_string())?;
        Ok(Person {
            identifier: verified.identifier().clone(),
            device: DeviceKey(*verified.device_key()),
            not_after: verified.not_after().as_secs(),
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
}
