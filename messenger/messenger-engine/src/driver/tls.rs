//! TLS and QUIC settings for peers (docs/spec/peer.md, "Connection").

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::sign::SingleCertAndKey;

use super::verifier::Verifier;
use crate::config::EngineConfig;
use crate::engine::StartError;
use crate::wire::ALPN;

/// A peer is spoken to at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A peer that was not heard for this long is gone.
const IDLE: Duration = Duration::from_secs(15);
/// One channel each for talk and rooms, and room for channels of later versions, which are stopped.
const MAX_STREAMS: u32 = 8;
/// A stream's window holds the largest frame.
const STREAM_WINDOW: u32 = 1_200_000;

/// The three configurations of an engine's one endpoint.
pub(super) struct Configs {
    pub(super) server: quinn::ServerConfig,
    pub(super) client: quinn::ClientConfig,
    pub(super) directory: quinn::ClientConfig,
}

impl Configs {
    pub(super) fn new(config: &EngineConfig, verifier: &Verifier) -> Result<Self, StartError> {
        let refused = |error: &dyn std::fmt::Display| StartError::Certificate(error.to_string());
        let certified = identity::tls::certified(config.chain.clone(), config.key.clone()).map_err(|e| refused(&e))?;
        let mine = Arc::new(SingleCertAndKey::from(certified.clone()));
        let transport = Arc::new(transport());

        let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| refused(&e))?
            .with_client_cert_verifier(verifier.tls.clone())
            .with_cert_resolver(mine.clone());
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // No tickets: every connection proves both certificates anew. No 0-RTT: it can be replayed.
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(|e| refused(&e))?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        server.transport_config(transport.clone());

        let mut tls = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| refused(&e))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.tls.clone())
            .with_client_cert_resolver(mine);
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = rustls::client::Resumption::disabled();
        tls.enable_early_data = false;
        let crypto = QuicClientConfig::try_from(tls).map_err(|e| refused(&e))?;
        let mut client = quinn::ClientConfig::new(Arc::new(crypto));
        client.transport_config(transport);

        let directory = directory_protocol::client::certified_client_config(certified, config.trust.clone())
            .map_err(|e| refused(&e))?;
        Ok(Self { server, client, directory })
    }
}

fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(MAX_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window((2 * STREAM_WINDOW).into())
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into().expect("15 s fit")));
    transport
}
