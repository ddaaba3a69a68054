//! What tests of the driver begin with: a driver that nobody runs, and a connection between two people without an engine at either
//! end.

use std::net::SocketAddr;
use std::sync::Arc;

use identity::testing::{Authority, private_key};
use identity::tls::{PersonVerifier, provider};
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};
use tokio::sync::mpsc;

use super::Driver;
use crate::api::PresenceSettings;
use crate::config::{DirectoryAddress, EngineConfig, OfferedAddresses};
use crate::whereabouts::Find;

/// An engine's driver that nobody runs: what happens to it is what the test does.
pub(super) fn driver() -> Driver {
    driver_of(None, Authority::new(5, UnixTime::now()).trust())
}

/// The same, who finds people there and trusts `trust`, of which authority 5 is the first.
pub(super) fn driver_of(whereabouts: Option<Arc<dyn Find>>, trust: Arc<Trust>) -> Driver {
    let now = UnixTime::now();
    let authority = Authority::new(5, now);
    let alice: Identifier = "alice@example.org".parse().unwrap();
    let (chain, key) = authority.issue_person(&alice, now);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = EngineConfig {
        identifier: alice,
        chain,
        key: Arc::new(key),
        enrolled_under: trust.policies()[0].fingerprint(),
        trust,
        directory: DirectoryAddress { name: "directory.example.org".to_owned(), address: "127.0.0.1:1".to_owned() },
        bind: loopback,
        offered: OfferedAddresses::default(),
        pinholes: false,
        contacts: Vec::new(),
        presence: PresenceSettings::default(),
        bot: false,
        endorsements: Vec::new(),
        mail_certificate: Vec::new(),
        gossip: None,
        whereabouts,
    };
    let (commands, events, taken) = (mpsc::channel(1).1, mpsc::channel(1).0, mpsc::unbounded_channel().1);
    Driver::start(config, commands, (events, taken)).unwrap()
}

/// Both ends of a connection on loopback, whose dialling side may send no more than `window` bytes unread.
pub(super) async fn connected(window: u32) -> (Endpoint, Connection, Endpoint, Connection) {
    let now = UnixTime::now();
    let authority = Authority::new(6, now);
    let verifier = Arc::new(PersonVerifier::new(authority.trust()));
    let issue = |who: &str| {
        let (chain, key) = authority.issue_person(&Identifier::parse(who).unwrap(), now);
        (chain, private_key(&key))
    };
    let versions = &[&rustls::version::TLS13];
    let (chain, key) = issue("bob@example.org");
    let tls = rustls::ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let tls = tls.with_client_cert_verifier(verifier.clone()).with_single_cert(chain, key).unwrap();
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    let mut transport = quinn::TransportConfig::default();
    transport.stream_receive_window(window.into());
    server.transport_config(Arc::new(transport));
    let (chain, key) = issue("alice@example.org");
    let tls = rustls::ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let tls = tls.dangerous().with_custom_certificate_verifier(verifier).with_client_auth_cert(chain, key).unwrap();
    let client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));

    let loopback = "127.0.0.1:0".parse().unwrap();
    let accepting = Endpoint::server(server, loopback).unwrap();
    let dialling = Endpoint::client(loopback).unwrap();
    let address = accepting.local_addr().unwrap();
    let (dialled, accepted) =
        tokio::join!(async { dialling.connect_with(client, address, "inperson").unwrap().await.unwrap() }, async {
            accepting.accept().await.unwrap().await.unwrap()
        });
    (dialling, dialled, accepting, accepted)
}
