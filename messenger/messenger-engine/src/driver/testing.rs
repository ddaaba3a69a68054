//! A connection between two people, without an engine at either end.

use std::sync::Arc;

use identity::testing::{Authority, private_key};
use identity::tls::{PersonVerifier, provider};
use identity::{Identifier, UnixTime};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, Endpoint, ServerConfig};

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
