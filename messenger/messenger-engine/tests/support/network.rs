//! A network between engines that a test can break. Everything that peers send each other goes through relays, because
//! the directory, which is a tap to them, introduces relays instead of the peers' own addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use directory_protocol::client::{client_config, transport};
use directory_protocol::frame::{FrameBuffer, decode_response, encode};
use directory_protocol::message::Response;
use identity::testing::private_key;
use identity::tls::PersonVerifier;
use messenger_engine::EngineConfig;
use quinn::crypto::rustls::QuicServerConfig;
use tokio::net::UdpSocket;

use super::{Someone, Town};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const NAME: &str = "directory.example.org";

/// All ways between peers.
#[derive(Default)]
pub(crate) struct Network {
    /// Ways of earlier generations carry nothing any more.
    generation: AtomicU64,
    closed: AtomicBool,
    slow: AtomicBool,
    /// How often the far ends have moved to other addresses.
    moves: AtomicU64,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The ways that there are lead nowhere from now on; new ones do.
    pub(crate) fn cut(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing is carried while it is closed.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    /// While it is slow, each way carries a packet in a millisecond: some megabyte in a second, however fast the machine is.
    pub(crate) fn slow(&self, slow: bool) {
        self.slow.store(slow, Ordering::Relaxed);
    }

    /// Whoever dialled comes from another address from now on, as behind a NAT that has forgotten her.
    pub(crate) fn move_diallers(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    async fn carries(&self, generation: u64) -> bool {
        if self.slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        generation == self.generation.load(Ordering::Relaxed) && !self.closed.load(Ordering::Relaxed)
    }

    /// A way to `target`, under an address of its own.
    pub(crate) async fn way(self: &Arc<Self>, target: SocketAddr) -> SocketAddr {
        let near = UdpSocket::bind(LOOPBACK).await.unwrap();
        let address = near.local_addr().unwrap();
        tokio::spawn(self.clone().relay(near, target, self.generation.load(Ordering::Relaxed)));
        address
    }

    async fn relay(self: Arc<Self>, near: UdpSocket, target: SocketAddr, generation: u64) {
        let mut far = UdpSocket::bind(LOOPBACK).await.unwrap();
        let (mut up, mut down, mut peer) = ([0; 2_048], [0; 2_048], None);
        let mut moved = self.moves.load(Ordering::Relaxed);
        loop {
            tokio::select! {
                Ok((count, from)) = near.recv_from(&mut up) => {
                    peer = Some(from);
                    let moves = self.moves.load(Ordering::Relaxed);
                    if moves != moved {
                        moved = moves;
                        far = UdpSocket::bind(LOOPBACK).await.unwrap();
                    }
                    if self.carries(generation).await {
                        let _ = far.send_to(&up[..count], target).await;
                    }
                }
                Ok((count, _)) = far.recv_from(&mut down) => if let Some(peer) = peer && self.carries(generation).await {
                    let _ = near.send_to(&down[..count], peer).await;
                },
                else => return,
            }
        }
    }
}

impl Town {
    /// Somebody whose ways to others go through this network.
    pub(crate) async fn person_in(&self, network: &Arc<Network>, name: &str, contacts: &[&str]) -> Someone {
        let (chain, key) = self.issue(name);
        let device = client_config(chain.clone(), private_key(&key), self.trust.clone()).unwrap();
        let mut config = EngineConfig { chain, key: Arc::new(key), ..self.config(name, contacts) };
        config.directory.address = self.tap(device, network.clone()).to_string();
        Someone::start(config).await
    }

    /// To a device it is the directory, whose certificate it has; to the directory it is the device.
    fn tap(&self, device: quinn::ClientConfig, network: Arc<Network>) -> SocketAddr {
        let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(PersonVerifier::new(self.trust.clone())))
            .with_cert_resolver(self.resolver.clone());
        tls.alpn_protocols = vec![directory_protocol::ALPN.to_vec()];
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        server.transport_config(Arc::new(transport()));
        let endpoint = quinn::Endpoint::server(server, LOOPBACK).unwrap();
        let (address, directory) = (endpoint.local_addr().unwrap(), self.directory);
        tokio::spawn(async move {
            let up = quinn::Endpoint::client(LOOPBACK).unwrap();
            while let Some(incoming) = endpoint.accept().await {
                let Ok(near) = incoming.await else { continue };
                let far = up.connect_with(device.clone(), directory, NAME).unwrap().await.unwrap();
                tokio::spawn(stand_between(near, far, network.clone()));
            }
        });
        address
    }
}

async fn stand_between(near: quinn::Connection, far: quinn::Connection, network: Arc<Network>) {
    let Ok((mut near_send, mut near_receive)) = near.accept_bi().await else { return };
    let Ok((mut far_send, mut far_receive)) = far.open_bi().await else { return };
    let asking = async {
        while let Ok(Some(chunk)) = near_receive.read_chunk(65_536, true).await {
            if far_send.write_all(&chunk.bytes).await.is_err() {
                return;
            }
        }
    };
    let answering = async {
        let mut frames = FrameBuffer::new();
        while let Ok(Some(chunk)) = far_receive.read_chunk(65_536, true).await {
            frames.push(&chunk.bytes);
            let mut bytes = Vec::new();
            while let Some(body) = frames.next().unwrap() {
                let mut response = decode_response(body).unwrap().unwrap();
                if let Response::Go { candidates, .. } = &mut response {
                    for candidate in candidates {
                        *candidate = network.way(*candidate).await;
                    }
                }
                bytes.extend(encode(&response));
            }
            if near_send.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => far.close(0_u8.into(), b""),
        () = answering => near.close(0_u8.into(), b""),
    }
}
