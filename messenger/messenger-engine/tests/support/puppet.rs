//! Somebody without an engine, who does as the test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory_protocol::client::client_config;
use directory_protocol::{Announcement, Answer, DirectoryClient, DirectoryEvent, Invite, Purpose, Role};
use ed25519_dalek::SigningKey;
use identity::testing::private_key;
use identity::tls::PersonVerifier;
use identity::trust::Trust;
use messenger_engine::punch::{DirectionKey, Kind, Probe, ProbeKey};
use messenger_engine::wire;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::{PATIENCE, Town, identifier};

impl Town {
    /// Somebody at the directory without an engine, who does as the test says.
    pub(crate) async fn puppet(&self, name: &str) -> Puppet {
        self.puppet_and_key(name).await.0
    }

    /// The same, and the device's public key.
    pub(crate) async fn puppet_and_key(&self, name: &str) -> (Puppet, [u8; 32]) {
        self.puppet_trusting(name, self.trust.clone()).await
    }

    /// A puppet that lets in whom the careless authority has certified, and nobody else.
    pub(crate) async fn refusing_puppet(&self, name: &str) -> Puppet {
        self.puppet_trusting(name, Arc::new(Trust::new(vec![self.careless.policy()]).unwrap())).await.0
    }

    async fn puppet_trusting(&self, name: &str, trust: Arc<Trust>) -> (Puppet, [u8; 32]) {
        let (chain, key) = self.issue(name);
        let public_key = key.verifying_key().to_bytes();
        let verifier = Arc::new(PersonVerifier::new(trust));
        let mut tls = rustls::ServerConfig::builder_with_provider(identity::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), private_key(&key))
            .unwrap();
        tls.alpn_protocols = vec![wire::ALPN.to_vec()];
        let server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let probing = socket.try_clone().unwrap();
        let (settings, runtime) = (quinn::EndpointConfig::default(), Arc::new(quinn::TokioRuntime));
        let endpoint = quinn::Endpoint::new(settings, Some(server), socket, runtime).unwrap();
        let config = client_config(chain.clone(), private_key(&key), self.trust.clone()).unwrap();
        let (client, events) =
            DirectoryClient::connect(&endpoint, self.directory, "directory.example.org", config).await.unwrap();
        client.announce(Announcement::available(vec![identifier("alice")])).await.unwrap();
        let (certificate, peer_config) = (chain[0].clone(), peer_config(chain, &key, &self.trust));
        (Puppet { endpoint, probing, client, events, peer_config, certificate, key }, public_key)
    }
}

/// How a device dials peers.
pub(crate) fn peer_config(
    chain: Vec<CertificateDer<'static>>,
    key: &SigningKey,
    trust: &Arc<Trust>,
) -> quinn::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(identity::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PersonVerifier::new(trust.clone())))
        .with_client_auth_cert(chain, private_key(key))
        .unwrap();
    tls.alpn_protocols = vec![wire::ALPN.to_vec()];
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = quinn::TransportConfig::default();
    transport.initial_rtt(Duration::from_millis(20));
    config.transport_config(Arc::new(transport));
    config
}

/// A person at the directory, moved by hand.
pub(crate) struct Puppet {
    pub(crate) endpoint: quinn::Endpoint,
    /// The endpoint's socket, for what is not QUIC.
    pub(crate) probing: std::net::UdpSocket,
    pub(crate) client: DirectoryClient,
    events: mpsc::Receiver<DirectoryEvent>,
    pub(crate) peer_config: quinn::ClientConfig,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: SigningKey,
}

impl Puppet {
    /// Waits for an event of the directory that answers the question.
    pub(crate) async fn wait<T>(&mut self, mut question: impl FnMut(DirectoryEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(answer) = question(self.events.recv().await.unwrap()) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap()
    }

    /// Calls alice, a contact, shows itself by probes, and returns where she listens.
    pub(crate) async fn call_alice(&mut self) -> SocketAddr {
        let candidate = self.endpoint.local_addr().unwrap();
        let (address, key) = self.introduced_to_alice(candidate).await;
        self.probe(address, &key);
        address
    }

    /// Calls alice, a contact, from this address, and returns where she listens and under which key, without a packet to her.
    pub(crate) async fn introduced_to_alice(&mut self, candidate: SocketAddr) -> (SocketAddr, ProbeKey) {
        let invite = Invite {
            call_id: rand::random(),
            callee: identifier("alice"),
            purpose: Purpose::Text,
            candidates: vec![candidate],
            device: None,
        };
        self.client.invite(invite).await.unwrap();
        self.introduced().await
    }

    /// Takes the next call, is to be met at these addresses, and returns where the caller is, and the key of the call.
    pub(crate) async fn called_at(&mut self, candidates: Vec<SocketAddr>) -> (SocketAddr, ProbeKey) {
        let call =
            self.wait(|event| if let DirectoryEvent::Incoming { call_id, .. } = event { Some(call_id) } else { None });
        let call = call.await;
        self.client.answer(call, Answer::Accept { candidates }).await.unwrap();
        self.introduced().await
    }

    async fn introduced(&mut self) -> (SocketAddr, ProbeKey) {
        self.wait(|event| match event {
            DirectoryEvent::Go { candidates, probe_key, .. } => Some((candidates[0], probe_key)),
            _ => None,
        })
        .await
    }

    /// Who dials this device next, once the handshake is over.
    pub(crate) async fn accepted(&self) -> Result<quinn::Connection, quinn::ConnectionError> {
        let dialled = async { self.endpoint.accept().await.unwrap().await };
        tokio::time::timeout(PATIENCE, dialled).await.expect("somebody dials")
    }

    /// Shows itself as a dialler does: the other side may hear of the call a little later.
    pub(crate) fn probe(&self, to: SocketAddr, key: &ProbeKey) {
        self.show(Role::Dialler, to, key, 0..60);
    }

    /// Sends probes with these numbers, and answers to all that the other side can have sent: QUIC reads from this socket.
    pub(crate) fn show(&self, role: Role, to: SocketAddr, key: &ProbeKey, numbers: std::ops::Range<u16>) {
        let (socket, sealer) = (self.probing.try_clone().unwrap(), DirectionKey::of(role, key));
        tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            for number in numbers {
                pace.tick().await;
                let answers = (0..64).map(|number| Probe { kind: Kind::Answer, number });
                for probe in std::iter::once(Probe { kind: Kind::Probe, number }).chain(answers) {
                    let _ = socket.send_to(&sealer.seal(probe), to);
                }
            }
        });
    }
}
