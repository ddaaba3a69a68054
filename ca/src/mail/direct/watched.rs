//! A policy under test (RFC 8461 section 5): it changes nothing, but what it would have refused is said. That is judged in
//! the handshake of the mail itself, so that it costs no connection, and no mail its time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// Lets another decide, and notes what the policy would have said.
pub(super) struct Watched {
    decides: Arc<dyn ServerCertVerifier>,
    policy: Arc<dyn ServerCertVerifier>,
    satisfied: AtomicBool,
}

impl Watched {
    pub(super) fn new(decides: Arc<dyn ServerCertVerifier>, policy: Arc<dyn ServerCertVerifier>) -> Self {
        Self { decides, policy, satisfied: AtomicBool::new(false) }
    }

    /// Whether the policy would have allowed the last handshake.
    pub(super) fn is_satisfied(&self) -> bool {
        self.satisfied.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("decides", &self.decides).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let allowed = self.policy.verify_server_cert(leaf, chain, name, ocsp, now).is_ok();
        self.satisfied.store(allowed, Ordering::Relaxed);
        self.decides.verify_server_cert(leaf, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.decides.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.decides.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.decides.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;

    use super::super::dane::MailVerifier;
    use super::*;

    #[test]
    fn a_policy_under_test_is_noted_and_decides_nothing() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let any = || Arc::new(MailVerifier::anybody(provider.clone())) as Arc<dyn ServerCertVerifier>;
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let web = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let judged = |decides: Arc<dyn ServerCertVerifier>, policy: Arc<dyn ServerCertVerifier>| {
            let (watched, name) = (Watched::new(decides, policy), ServerName::try_from("mx.example.org").unwrap());
            assert!(!watched.is_satisfied(), "before any handshake");
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
            let leaf = CertificateDer::from(b"no certificate".to_vec());
            let allowed = watched.verify_server_cert(&leaf, &[], &name, &[], now).is_ok();
            (allowed, watched.is_satisfied())
        };
        assert_eq!(judged(any(), any()), (true, true));
        assert_eq!(judged(any(), web.clone()), (true, false));
        assert_eq!(judged(web, any()), (false, true));
    }
}
