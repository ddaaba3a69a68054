//! The TLS and QUIC settings with which a person connects to a directory.

use crate::ALPN;
use crate::limits::{IDLE_TIMEOUT, KEEP_ALIVE, MAX_FRAME_BYTES};
use identity::Identifier;
use identity::tls::ServiceVerifier;
use identity::trust::{Fingerprint, Trust};
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;

/// Why a certificate and key do not make a client configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The key cannot be used, or is not the certificate's.
    #[error("the certificate and its key cannot be used for TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The cryptography lacks QUIC's initial cipher suite.
    #[error("the cryptography at hand cannot do QUIC: {0}")]
    Quic(#[from] NoInitialCipherSuite),
}

/// TLS 1.3 alone, this person's chain and key, the directory's certificate verified through `trust`; no session is ever resumed
/// and nothing is sent before the handshake is complete (0-RTT can be replayed).
pub fn client_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    trust: Arc<Trust>,
) -> Result<quinn::ClientConfig, ConfigError> {
    let certified = CertifiedKey::from_der(chain, key, &identity::tls::provider())?;
    certified_client_config(Arc::new(certified), trust)
}

/// As [`client_config`], with a key that may lie anywhere ([`identity::tls::certified`]).
pub fn certified_client_config(
    certified: Arc<CertifiedKey>,
    trust: Arc<Trust>,
) -> Result<quinn::ClientConfig, ConfigError> {
    verifying(Arc::new(SingleCertAndKey::from(certified)), ServiceVerifier::new(trust))
}

/// For one's own directory: it must be certified under the policy by which one is certified, whatever others `trust` holds
/// ([`identity::verify::verify_service_under`]). What `shown` gives is shown to it, so that a renewed certificate takes its
/// turn with the next connection.
pub fn client_config_under(
    policy: Fingerprint,
    shown: Arc<dyn ResolvesClientCert>,
    trust: Arc<Trust>,
) -> Result<quinn::ClientConfig, ConfigError> {
    verifying(shown, ServiceVerifier::under(policy, trust))
}

/// As [`client_config_under`], for the directory in which somebody else is found: it must be certified by an authority
/// that may certify her, too ([`identity::verify::verify_directory`]).
pub fn client_config_for_directory_of(
    who: Identifier,
    shown: Arc<dyn ResolvesClientCert>,
    trust: Arc<Trust>,
) -> Result<quinn::ClientConfig, ConfigError> {
    verifying(shown, ServiceVerifier::of_directory(trust, who))
}

fn verifying(
    shown: Arc<dyn ResolvesClientCert>,
    verifier: ServiceVerifier,
) -> Result<quinn::ClientConfig, ConfigError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(shown);
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = rustls::client::Resumption::disabled();
    tls.enable_early_data = false;

    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(Arc::new(transport()));
    Ok(config)
}

/// One stream, small windows, a packet every 15 s, dead after 30 s of silence. The directory uses the same settings.
pub fn transport() -> quinn::TransportConfig {
    let window = quinn::VarInt::from_u32(4 * MAX_FRAME_BYTES as u32);
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(1_u8.into())
        .max_concurrent_uni_streams(0_u8.into())
        .datagram_receive_buffer_size(None)
        // Else each connection keeps room for the largest batch of packets that it ever sent, which is that of its handshake.
        .enable_segmentation_offload(false)
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(u64::from(window))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(quinn::IdleTimeout::try_from(IDLE_TIMEOUT).expect("30 s fit")));
    transport
}
