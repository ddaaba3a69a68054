//! TLS and QUIC of a bare connection, for whatever verifiers are to be compared.

use std::sync::Arc;

use quinn::{
    ClientConfig, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::danger::ClientCertVerifier,
};

/// A person's certificate chain and key, as TLS takes them.
pub struct Credential {
    /// Hers first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Of the first certificate.
    pub key: PrivateKeyDer<'static>,
}

/// The verifiers of both ends.
#[derive(Clone)]
pub struct Verifiers {
    /// What a server makes of clients' certificates.
    pub of_clients: Arc<dyn ClientCertVerifier>,
    /// And the other way round.
    pub of_servers: Arc<dyn ServerCertVerifier>,
}

const ALPN: &[u8] = b"bench";

/// Demands a certificate; gives no tickets.
pub fn server(credential: &Credential, verifiers: &Verifiers) -> ServerConfig {
    let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_client_cert_verifier(verifiers.of_clients.clone())
        .with_single_cert(credential.chain.clone(), credential.key.clone_key())
        .expect("the key fits the certificate");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("TLS 1.3 has the initial suite")))
}

/// Shows a certificate; resumes nothing.
pub fn client(credential: &Credential, verifiers: &Verifiers) -> ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifiers.of_servers.clone())
        .with_client_auth_cert(credential.chain.clone(), credential.key.clone_key())
        .expect("the key fits the certificate");
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3 has the initial suite")))
}
