//! TLS towards servers on loopback that the bench has started itself: who they are is known, so no certificate is looked at.

use std::sync::Arc;

use rustls::ClientConfig;
use transparency_log::client::AnyCertificate;

/// The settings of a client that talks to anybody.
pub(super) fn anybody() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
