//! What a bare end makes of certificates: webpki's path to the root, and nothing else.

use std::sync::Arc;

use identity::{CertificateDer, UnixTime, testing::Authority, tls::provider};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{ServerName, TrustAnchor},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::Verifiers;

/// Both ends verify with webpki alone.
pub fn bare(authority: &Authority) -> Verifiers {
    let root = CertificateDer::from(authority.policy().authorities[0].root.0.clone());
    let anchor = webpki::anchor_from_trusted_cert(&root).expect("our own root").to_owned();
    let bare = Arc::new(Bare { anchor, provider: provider() });
    Verifiers { of_clients: bare.clone(), of_servers: bare }
}

/// webpki's path to the root and nothing else.
#[derive(Debug)]
struct Bare {
    anchor: TrustAnchor<'static>,
    provider: Arc<CryptoProvider>,
}

impl Bare {
    fn path(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let anchors = std::slice::from_ref(&self.anchor);
        let usage = webpki::KeyUsage::client_auth();
        let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|e| Error::General(e.to_string()))?;
        leaf.verify_for_usage(algorithms, anchors, rest, now, usage, None, None)
            .map(drop)
            .map_err(|e| Error::General(e.to_string()))
    }
}

/// What both of rustls' traits ask for in the same words.
macro_rules! tls13_with_ed25519 {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &rustls::pki_types::CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("TLS 1.3 only".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &rustls::pki_types::CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, leaf, signed, &self.provider.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    };
}

impl ServerCertVerifier for Bare {
    fn verify_server_cert(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.path(leaf, rest, now).map(|()| ServerCertVerified::assertion())
    }

    tls13_with_ed25519!();
}

impl ClientCertVerifier for Bare {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &rustls::pki_types::CertificateDer<'_>,
        rest: &[rustls::pki_types::CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.path(leaf, rest, now).map(|()| ClientCertVerified::assertion())
    }

    tls13_with_ed25519!();
}
