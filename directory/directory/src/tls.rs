//! The QUIC and TLS settings of a directory.

use crate::config::DirectoryConfig;
use crate::session::SessionConfig;
use directory_protocol::ALPN;
use identity::tls::PersonVerifier;
use quinn::crypto::rustls::NoInitialCipherSuite;
use std::sync::Arc;

/// Why there is no usable TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// TLS 1.3 is not available.
    #[error("TLS 1.3 cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The cryptography lacks QUIC's initial cipher suite.
    #[error("the cryptography at hand cannot do QUIC: {0}")]
    Quic(#[from] NoInitialCipherSuite),
}

/// TLS 1.3 alone; a person's certificate is demanded and fully verified in the handshake; no tickets (they would let a device
/// return without its certificate being looked at again) and no early data (it can be replayed).
pub(crate) fn server_config(
    config: &DirectoryConfig,
    verifier: Arc<PersonVerifier>,
) -> Result<quinn::ServerConfig, TlsError> {
    let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(&config.resolver));
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;

    let mut server = quinn::ServerConfig::with_crypto(Arc::new(SessionConfig::new(tls)?));
    server.transport_config(Arc::new(transport()));
    Ok(server)
}

/// As of the client; but packets are never larger than any path takes, which is plenty for frames of some dozen bytes, and spares
/// each connection room for larger ones and the search for how large they may be.
pub fn transport() -> quinn::TransportConfig {
    let mut transport = directory_protocol::client::transport();
    transport.mtu_discovery_config(None);
    transport
}
