//! TLS and QUIC settings for peers (docs/spec/peer.md, "Connection").

use std::sync::Arc;
use std::time::Duration;

use directory_protocol::client::{ConfigError, client_config_for_directory_of, client_config_under};
use identity::Identifier;
use identity::trust::{Bindings, Trust};
use identity::verify::Vouchers;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};

use super::shown::Shown;
use super::verifier::{Expecting, Verifier};
use crate::config::EngineConfig;
use crate::engine::StartError;
use crate::wire::ALPN;

/// A peer is spoken to at least this often.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A connection on which nothing was heard for this long is gone. Another one is looked for before.
const IDLE: Duration = Duration::from_secs(30);
/// One channel each for talk and rooms, one for each of the files that run at a time, and room for channels of later versions,
/// which are stopped.
const MAX_STREAMS: u32 = 8;
/// A stream's window holds the largest frame, and what a file's brings in 100 ms at 160 Mbit/s.
const STREAM_WINDOW: u32 = 2_000_000;

/// A round trip that is not known yet; QUIC's own guess of 333 ms would make one lost packet cost a second.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(100);
/// What measured ones are taken for at least and at most.
const ROUND_TRIPS: std::ops::RangeInclusive<Duration> = Duration::from_millis(5)..=Duration::from_secs(1);

/// The configurations of an engine's one endpoint.
pub(super) struct Configs {
    pub(super) peering: Peering,
    pub(super) directory: ToDirectories,
    /// What both show.
    pub(super) shown: Arc<Shown>,
}

/// How directories are connected to.
#[derive(Clone)]
pub(super) struct ToDirectories {
    own: quinn::ClientConfig,
    shown: Arc<Shown>,
    trust: Arc<Trust>,
}

impl ToDirectories {
    /// One's own.
    pub(super) fn own(&self) -> quinn::ClientConfig {
        self.own.clone()
    }

    /// One in which somebody else is found.
    pub(super) fn of(&self, who: Identifier) -> Result<quinn::ClientConfig, ConfigError> {
        client_config_for_directory_of(who, self.shown.clone(), self.trust.clone())
    }

    /// Whose word counts for the directory of this name if this person is found there.
    pub(super) fn vouchers(&self, name: &str, who: &Identifier) -> Vouchers {
        Vouchers::of(name, who, &self.trust)
    }

    /// The authorities people are known by, if they have changed since they had changed so often; and how often by now.
    pub(super) fn rebound_since(&self, times: u64) -> Option<(u64, Bindings)> {
        let now = self.trust.times_rebound();
        (now != times).then(|| (now, self.trust.bindings()))
    }
}

/// How peers are dialled and let in.
pub(super) struct Peering {
    server: quinn::ServerConfig,
    client: rustls::ClientConfig,
}

impl Peering {
    /// For a dialler, on a path with this round trip, of whom nobody else than she who is expected sees the certificate.
    pub(super) fn client(&self, round_trip: Duration, expecting: Expecting) -> Result<quinn::ClientConfig, String> {
        let mut client = self.client.clone();
        client.dangerous().set_certificate_verifier(Arc::new(expecting));
        let crypto = QuicClientConfig::try_from(client).map_err(|error| error.to_string())?;
        let mut client = quinn::ClientConfig::new(Arc::new(crypto));
        client.transport_config(Arc::new(transport(Some(round_trip))));
        Ok(client)
    }

    /// For a listener, on a path with this round trip.
    pub(super) fn server(&self, round_trip: Option<Duration>) -> Arc<quinn::ServerConfig> {
        let mut server = self.server.clone();
        server.transport_config(Arc::new(transport(round_trip)));
        Arc::new(server)
    }
}

/// Of the whole endpoint: every packet shows that it is QUIC's (RFC 9287 is not spoken), so that probes can be told apart.
pub(super) fn endpoint() -> quinn::EndpointConfig {
    let mut endpoint = quinn::EndpointConfig::default();
    endpoint.grease_quic_bit(false);
    endpoint
}

impl Configs {
    pub(super) fn new(config: &EngineConfig, verifier: &Verifier) -> Result<Self, StartError> {
        let refused = |error: &dyn std::fmt::Display| StartError::Certificate(error.to_string());
        let certified = identity::tls::certified(config.chain.clone(), config.key.clone()).map_err(|e| refused(&e))?;
        let shown = Arc::new(Shown::new(certified));
        let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| refused(&e))?
            .with_client_cert_verifier(verifier.tls.clone())
            .with_cert_resolver(shown.clone());
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // No tickets: every connection proves both certificates anew. No 0-RTT: it can be replayed.
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        tls.max_early_data_size = 0;
        let crypto = QuicServerConfig::try_from(tls).map_err(|e| refused(&e))?;
        let server = quinn::ServerConfig::with_crypto(Arc::new(crypto));

        let mut client = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| refused(&e))?
            .dangerous()
            .with_custom_certificate_verifier(verifier.tls.clone())
            .with_client_cert_resolver(shown.clone());
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        client.enable_early_data = false;

        let trust = config.trust.clone();
        let own = client_config_under(config.enrolled_under, shown.clone(), trust.clone()).map_err(|e| refused(&e))?;
        let directory = ToDirectories { own, shown: shown.clone(), trust };
        Ok(Self { peering: Peering { server, client }, directory, shown })
    }
}

fn transport(round_trip: Option<Duration>) -> quinn::TransportConfig {
    let round_trip = round_trip.unwrap_or(USUAL_ROUND_TRIP).clamp(*ROUND_TRIPS.start(), *ROUND_TRIPS.end());
    let mut transport = quinn::TransportConfig::default();
    transport
        .initial_rtt(round_trip)
        .max_concurrent_bidi_streams(0_u8.into())
        .max_concurrent_uni_streams(MAX_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        // Files that wait for a slow disk take nothing from the windows of the other streams.
        .receive_window((MAX_STREAMS * STREAM_WINDOW).into())
        .datagram_receive_buffer_size(None)
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_idle_timeout(Some(IDLE.try_into().expect("30 s fit")));
    transport
}
