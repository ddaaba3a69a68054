//! Two quinn endpoints on loopback, for whatever verifiers a row wants to compare.

use std::{net::SocketAddr, sync::Arc};

use quinn::{
    ClientConfig, Connection, Endpoint, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    client::danger::ServerCertVerifier,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::danger::ClientCertVerifier,
};

/// A person's certificate chain and key, as TLS takes them.
pub(crate) struct Credential {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// The verifiers of both ends.
#[derive(Clone)]
pub(crate) struct Verifiers {
    pub(crate) of_clients: Arc<dyn ClientCertVerifier>,
    pub(crate) of_servers: Arc<dyn ServerCertVerifier>,
}

/// One end that accepts and one that dials; they share a process but not a socket.
pub(crate) struct Ends {
    pub(crate) accepting: Endpoint,
    pub(crate) dialling: Endpoint,
    address: SocketAddr,
}

impl Ends {
    /// Needs a runtime.
    pub(crate) fn new() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let dialling = Endpoint::client(loopback).expect("loopback has free ports");
        let socket = std::net::UdpSocket::bind(loopback).expect("loopback has free ports");
        let runtime = Arc::new(quinn::TokioRuntime);
        let accepting =
            Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime).expect("the socket is ours");
        let address = accepting.local_addr().expect("it is bound");
        Self { accepting, dialling, address }
    }

    /// One mutual handshake with freshly made configurations, so that nothing is resumed.
    pub(crate) async fn handshake(
        &self,
        alice: &Credential,
        bob: &Credential,
        verifiers: &Verifiers,
    ) -> (Connection, Connection) {
        self.accepting.set_server_config(Some(server(bob, verifiers)));
        let connecting = self.dialling.connect_with(client(alice, verifiers), self.address, "inperson");
        let dial = async { connecting.expect("the configuration is complete").await.expect("the dialler's handshake") };
        let accept = async {
            let incoming = self.accepting.accept().await.expect("the endpoint is open");
            incoming.await.expect("the acceptor's handshake")
        };
        tokio::join!(dial, accept)
    }
}

const ALPN: &[u8] = b"bench";

pub(crate) fn server(credential: &Credential, verifiers: &Verifiers) -> ServerConfig {
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

pub(crate) fn client(credential: &Credential, verifiers: &Verifiers) -> ClientConfig {
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
