//! A directory and engines on loopback, with certificates of a test authority.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test that cannot go on has failed; not every test file uses everything"
)]

pub(crate) mod network;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory::{Directory, DirectoryConfig, Timing};
use directory_protocol::client::client_config;
use directory_protocol::{Announcement, DirectoryClient, DirectoryEvent, Invite, Purpose, Role};
use ed25519_dalek::SigningKey;
use identity::testing::{Authority, private_key};
use identity::tls::PersonVerifier;
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use messenger_engine::punch::{DirectionKey, Kind, Probe, ProbeKey};
use messenger_engine::{
    Command, DeliveryState, DirectoryAddress, Engine, EngineConfig, Event, PresenceSettings, RoomId, wire,
};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Nothing on loopback takes this long, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An authority and a directory.
pub(crate) struct Town {
    authority: Authority,
    /// Certifies anybody, as the policy allows.
    careless: Authority,
    pub(crate) trust: Arc<Trust>,
    pub(crate) directory: SocketAddr,
    resolver: Arc<SingleCertAndKey>,
    stop: CancellationToken,
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn hour_ago() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() - 3600))
}

fn trust_in(authority: &Authority, careless: &Authority) -> Arc<Trust> {
    let mut policies = authority.trust().policies().to_vec();
    policies.push(careless.policy());
    Arc::new(Trust::new(policies).unwrap())
}

pub(crate) fn identifier(name: &str) -> Identifier {
    format!("{name}@example.org").parse().unwrap()
}

impl Town {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A town whose directory has these settings.
    pub(crate) async fn with(change: impl FnOnce(&mut DirectoryConfig)) -> Self {
        let authority = Authority::new(1, hour_ago());
        let careless = Authority::new(2, hour_ago());
        let trust = trust_in(&authority, &careless);
        let (chain, key) = authority.issue_service("directory.example.org", hour_ago());
        let provider = identity::tls::provider();
        let certified = CertifiedKey::from_der(chain, key, &provider).unwrap();
        let resolver = Arc::new(SingleCertAndKey::from(certified));
        let mut config = DirectoryConfig::new("127.0.0.1:0".parse().unwrap(), resolver.clone(), trust.clone());
        config.timing = Timing { no_answer: Duration::from_secs(10), ..Timing::default() };
        change(&mut config);
        let directory = Directory::bind(config).unwrap();
        let address = directory.local_addr();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { directory.serve(stopped).await });
        Self { authority, careless, trust, directory: address, resolver, stop }
    }

    pub(crate) fn issue(&self, name: &str) -> (Vec<CertificateDer<'static>>, SigningKey) {
        self.authority.issue_person(&identifier(name), hour_ago())
    }

    /// Trust that is nobody else's.
    pub(crate) fn own_trust(&self) -> Arc<Trust> {
        trust_in(&self.authority, &self.careless)
    }

    /// A device of somebody who convinced the careless authority to be this person.
    pub(crate) fn impostor(&self, name: &str, contacts: &[&str]) -> EngineConfig {
        let (chain, key) = self.careless.issue_person(&identifier(name), hour_ago());
        EngineConfig { chain, key: Arc::new(key), trust: self.own_trust(), ..self.config(name, contacts) }
    }

    pub(crate) fn config(&self, name: &str, contacts: &[&str]) -> EngineConfig {
        let (chain, key) = self.issue(name);
        EngineConfig {
            identifier: identifier(name),
            chain,
            key: Arc::new(key),
            trust: self.trust.clone(),
            directory: DirectoryAddress { name: "directory.example.org".into(), address: self.directory.to_string() },
            bind: "127.0.0.1:0".parse().unwrap(),
            offered: messenger_engine::OfferedAddresses::default(),
            contacts: contacts.iter().map(|contact| identifier(contact)).collect(),
            presence: PresenceSettings::default(),
            bot: false,
            gossip: None,
        }
    }

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
        (Puppet { endpoint, probing, client, events, peer_config: peer_config(chain, &key, &self.trust) }, public_key)
    }

    /// An engine that is online, and its device's public key.
    pub(crate) async fn person_and_key(&self, name: &str, contacts: &[&str]) -> (Someone, [u8; 32]) {
        let config = self.config(name, contacts);
        let key = config.key.public_key();
        (Someone::start(config).await, key)
    }

    /// An engine that is online.
    pub(crate) async fn person(&self, name: &str, contacts: &[&str]) -> Someone {
        Someone::start(self.config(name, contacts)).await
    }

    /// The serial number of a chain's leaf.
    pub(crate) fn serial(&self, chain: &[CertificateDer<'static>]) -> Vec<u8> {
        PersonVerifier::new(self.trust.clone()).person(chain, UnixTime::now()).unwrap().serial().to_vec()
    }

    /// Revokes a certificate, and lets everybody know.
    pub(crate) fn revoke(&self, serial: &[u8]) {
        let list = self.authority.people_crl(1, hour_ago(), &[serial]);
        self.trust.install_crl(&list, UnixTime::now()).unwrap();
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

/// A way to the directory that lets nothing pass until it is opened; what came meanwhile is not lost.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    open: Option<tokio::sync::oneshot::Sender<()>>,
    waits: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl Gate {
    pub(crate) async fn before(directory: SocketAddr) -> Self {
        let bind = || tokio::net::UdpSocket::bind("127.0.0.1:0");
        let (near, far) = (bind().await.unwrap(), bind().await.unwrap());
        let address = near.local_addr().unwrap();
        let (open, opened) = tokio::sync::oneshot::channel();
        let (came, waits) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            // Whatever comes before waits in the socket.
            near.readable().await.unwrap();
            came.send(()).unwrap();
            if opened.await.is_err() {
                return;
            }
            let (mut up, mut down, mut client) = ([0; 2_048], [0; 2_048], None);
            loop {
                tokio::select! {
                    Ok((count, from)) = near.recv_from(&mut up) => {
                        client = Some(from);
                        far.send_to(&up[..count], directory).await.unwrap();
                    }
                    Ok((count, _)) = far.recv_from(&mut down) => if let Some(client) = client {
                        // The client may be gone.
                        let _ = near.send_to(&down[..count], client).await;
                    },
                    else => return,
                }
            }
        });
        Self { address, open: Some(open), waits: Some(waits) }
    }

    /// Waits until somebody is at the gate.
    pub(crate) async fn something_waits(&mut self) {
        tokio::time::timeout(PATIENCE, self.waits.take().unwrap()).await.unwrap().unwrap();
    }

    pub(crate) fn open(&mut self) {
        self.open.take().unwrap().send(()).unwrap();
    }
}

/// A person at the directory, moved by hand.
pub(crate) struct Puppet {
    pub(crate) endpoint: quinn::Endpoint,
    /// The endpoint's socket, for what is not QUIC.
    pub(crate) probing: std::net::UdpSocket,
    pub(crate) client: DirectoryClient,
    events: mpsc::Receiver<DirectoryEvent>,
    pub(crate) peer_config: quinn::ClientConfig,
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
        self.wait(|event| match event {
            DirectoryEvent::Go { candidates, probe_key, .. } => Some((candidates[0], probe_key)),
            _ => None,
        })
        .await
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

/// A running engine and what it says.
pub(crate) struct Someone {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    events: mpsc::Receiver<Event>,
}

impl Someone {
    /// Starts an engine and waits until it is online.
    pub(crate) async fn start(config: EngineConfig) -> Self {
        let mut someone = Self::begin(config);
        someone.is_online().await;
        someone
    }

    /// Starts an engine.
    pub(crate) fn begin(config: EngineConfig) -> Self {
        let name = config.identifier.to_string().replace("@example.org", "");
        let (engine, events) = Engine::start(config).unwrap();
        Self { name, engine, events }
    }

    pub(crate) async fn is_online(&mut self) {
        self.wait("online", |event| matches!(event, Event::Online { .. }).then_some(())).await;
    }

    pub(crate) async fn do_it(&self, command: Command) {
        assert!(self.engine.send(command).await);
    }

    /// Waits for an event that answers the question; others are passed over.
    pub(crate) async fn wait<T>(&mut self, what: &str, mut question: impl FnMut(&Event) -> Option<T>) -> T {
        let name = self.name.clone();
        let search = async {
            let mut passed = Vec::new();
            while let Some(event) = self.events.recv().await {
                if let Some(answer) = question(&event) {
                    return Ok(answer);
                }
                passed.push(event);
            }
            Err(passed)
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(passed)) => panic!("{name} waited for {what}; the engine ended after {passed:?}"),
            Err(_) => panic!("{name} waited for {what} in vain"),
        }
    }

    pub(crate) async fn sees(&mut self, who: &str, here: bool) {
        let expected = identifier(who);
        let question = |event: &Event| match event {
            Event::Presence { who, online, .. } => (*who == expected && *online == here).then_some(()),
            _ => None,
        };
        self.wait(&format!("{who} to be online: {here}"), question).await;
    }

    pub(crate) async fn send(&self, to: &str, text: &str, id: u64) {
        self.do_it(Command::Send { to: identifier(to).to_string(), text: text.into(), id: Some(id) }).await;
    }

    /// The final state of a text.
    pub(crate) async fn fate(&mut self, text: u64) -> (DeliveryState, Option<String>) {
        let question = |event: &Event| match event {
            Event::MessageState { id, state, reason, .. } if *id == text && *state != DeliveryState::Sending => {
                Some((*state, reason.clone()))
            }
            _ => None,
        };
        self.wait("the fate of a text", question).await
    }

    pub(crate) async fn hears(&mut self, from: &str) -> String {
        let expected = identifier(from);
        let question = |event: &Event| match event {
            Event::Message { from, text, .. } if *from == expected => Some(text.clone()),
            _ => None,
        };
        self.wait("a text", question).await
    }

    pub(crate) async fn hears_in_room(&mut self) -> (Identifier, String) {
        let question = |event: &Event| match event {
            Event::RoomMessage { from, text, .. } => Some((from.clone(), text.clone())),
            _ => None,
        };
        self.wait("a room text", question).await
    }

    /// The room's epoch and code once it has this many members.
    pub(crate) async fn in_room_of(&mut self, count: usize) -> (RoomId, u64, String) {
        let question = |event: &Event| match event {
            Event::Room { room, members, epoch, code, .. } if members.len() == count => {
                Some((*room, *epoch, code.clone()))
            }
            _ => None,
        };
        self.wait("a room", question).await
    }

    /// The members who have a room text, once nobody is pending.
    pub(crate) async fn delivered_to(&mut self, count: usize) -> Vec<Identifier> {
        let question = |event: &Event| match event {
            Event::RoomMessageState { delivered, missing, .. } if delivered.len() + missing.len() == count => {
                Some((delivered.clone(), missing.clone()))
            }
            _ => None,
        };
        let (mut delivered, missing) = self.wait("a delivery", question).await;
        assert!(missing.is_empty(), "{missing:?}");
        delivered.sort();
        delivered
    }

    pub(crate) async fn enter(&mut self, host: &Someone, room: RoomId) {
        let who = identifier(&self.name).to_string();
        host.do_it(Command::RoomInvite { room, who }).await;
        self.wait("an invitation", |event| matches!(event, Event::RoomInvitation { .. }).then_some(())).await;
        self.do_it(Command::RoomAccept { room }).await;
    }
}
