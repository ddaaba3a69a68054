//! Two quinn endpoints on loopback, for whatever verifiers a row wants to compare.

use std::{net::SocketAddr, sync::Arc};

pub(crate) use bench_held::{Credential, Verifiers, client, server};
use quinn::{Connection, Endpoint};

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
