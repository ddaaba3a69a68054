//! A directory on loopback with certificates of a test authority, and people who connect to it.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test that cannot go on has failed; not every test file uses everything"
)]

pub(crate) mod nats;

use directory::cluster::ClusterConfig;
use directory::{ClusterTiming, Directory, DirectoryConfig};
use directory_protocol::client::{ConnectError, RequestError, client_config};
use directory_protocol::message::{CallId, ErrorCode, Purpose};
use directory_protocol::{Announcement, DirectoryClient, DirectoryEvent, Invite};
use identity::testing::{Authority, private_key};
use identity::trust::Trust;
use identity::{Identifier, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

pub(crate) const DIRECTORY: &str = "directory.example.org";
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Long enough for anything that is going to happen on loopback, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Slower than the specified times: a machine that stops everything for a second or two parts no nodes.
const TIMING: ClusterTiming = ClusterTiming {
    silent: Duration::from_secs(5),
    fence: Duration::from_secs(8),
    lost: Duration::from_secs(24),
    ..ClusterTiming::DEFAULT
};

/// How long to wait before something is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// What must happen soon, or the test has failed.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it was due long ago")
}

/// A program, which ends with this value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub(crate) struct World {
    pub(crate) authority: Authority,
    /// The directory's own trust: a revocation list installed here is the directory's.
    pub(crate) trust: Arc<Trust>,
    pub(crate) address: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) stop: CancellationToken,
    /// The same for the first node alone.
    pub(crate) stop_first: CancellationToken,
    /// The other nodes, if it is one of several; and what carries packets between them.
    pub(crate) others: Vec<Arc<Directory>>,
    pub(crate) carrier: Option<(nats::Operator, Vec<nats::Nats>)>,
    came: AtomicUsize,
    _stopped_at_the_end: DropGuard,
}

pub(crate) fn before_now(duration: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) - duration)
}

pub(crate) fn person(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut DirectoryConfig)) -> Self {
        let authority = Authority::new(1, before_now(Duration::from_secs(30 * 86_400)));
        let (chain, key) = authority.issue_service(DIRECTORY, before_now(Duration::ZERO));
        let certified = CertifiedKey::from_der(chain, key, &identity::tls::provider()).unwrap();
        let trust = authority.trust();
        let mut config =
            DirectoryConfig::new(LOOPBACK, Arc::new(SingleCertAndKey::from(certified)), Arc::clone(&trust));
        change(&mut config);
        let directory = Arc::new(Directory::bind(config).unwrap());
        let stop = CancellationToken::new();
        let (serving, stop_first) = (Arc::clone(&directory), stop.child_token());
        let stopping = stop_first.clone();
        tokio::spawn(async move { serving.serve(stopping).await });
        let address = directory.local_addr();
        Self {
            authority,
            trust,
            address,
            directory,
            others: Vec::new(),
            carrier: None,
            came: AtomicUsize::new(0),
            _stopped_at_the_end: stop.clone().drop_guard(),
            stop,
            stop_first,
        }
    }

    /// The same on three nodes with Debian's nats-server between them, where it is installed. People come to one after another.
    pub(crate) async fn several(change: impl Fn(&mut DirectoryConfig)) -> Option<Self> {
        let mut operator = nats::Operator::new();
        let server = operator.serve(None)?;
        Some(Self::between(operator, vec![server], change).await)
    }

    /// The same with these servers between them.
    pub(crate) async fn between(
        mut operator: nats::Operator,
        servers: Vec<nats::Nats>,
        change: impl Fn(&mut DirectoryConfig),
    ) -> Self {
        let nodes = ["one", "two", "three"].map(str::to_owned).to_vec();
        let mut carriers: Vec<_> = nodes.iter().map(|_| operator.carrier(&servers)).collect();
        let mut node = |config: &mut DirectoryConfig| {
            let place = carriers.len() - 1;
            let cluster = ClusterConfig {
                name: nodes[place].clone(),
                nodes: nodes.clone(),
                key: [3; 32],
                incarnation: 1,
                salt: [place as u8; 16],
                timing: TIMING,
            };
            config.cluster = Some((cluster, carriers.pop().unwrap()));
            change(config);
        };
        let mut world = Self::with(&mut node);
        for _ in 1..nodes.len() {
            let (chain, key) = world.authority.issue_service(DIRECTORY, before_now(Duration::ZERO));
            let certified = CertifiedKey::from_der(chain, key, &identity::tls::provider()).unwrap();
            let resolver = Arc::new(SingleCertAndKey::from(certified));
            let mut config = DirectoryConfig::new(LOOPBACK, resolver, Arc::clone(&world.trust));
            node(&mut config);
            let directory = Arc::new(Directory::bind(config).unwrap());
            let (serving, stopping) = (Arc::clone(&directory), world.stop.clone());
            tokio::spawn(async move { serving.serve(stopping).await });
            world.others.push(directory);
        }
        world.carrier = Some((operator, servers));
        for node in world.nodes() {
            let asker = || world.device("asker", before_now(Duration::ZERO));
            soon(answers_for_nobody(node.local_addr(), asker)).await;
        }
        world
    }

    /// Live connections to all nodes.
    pub(crate) fn connections(&self) -> usize {
        self.nodes().map(|directory| directory.counts().connections).sum()
    }

    fn nodes(&self) -> impl Iterator<Item = &Arc<Directory>> {
        std::iter::once(&self.directory).chain(&self.others)
    }

    /// The configuration of a new device of this person.
    pub(crate) fn device(&self, name: &str, not_before: UnixTime) -> quinn::ClientConfig {
        device(&self.authority, name, not_before, self.authority.trust())
    }

    pub(crate) async fn connect(&self, name: &str) -> Person {
        let config = self.device(name, before_now(Duration::ZERO));
        if self.others.is_empty() {
            return self.try_connect(config).await.unwrap();
        }
        // A node that hears no other one for a moment lets nobody in.
        soon(async {
            loop {
                match self.try_connect(config.clone()).await {
                    Ok(someone) => return someone,
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        })
        .await
    }

    pub(crate) async fn try_connect(&self, config: quinn::ClientConfig) -> Result<Person, ConnectError> {
        let place = self.came.fetch_add(1, Ordering::Relaxed) % (1 + self.others.len());
        let address = self.nodes().nth(place).map_or(self.address, |directory| directory.local_addr());
        Self::try_connect_to(address, config).await
    }

    pub(crate) async fn try_connect_to(
        address: SocketAddr,
        config: quinn::ClientConfig,
    ) -> Result<Person, ConnectError> {
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        let (client, events) = DirectoryClient::connect(&endpoint, address, DIRECTORY, config).await?;
        Ok(Person { client, events, endpoint })
    }

    /// Connects, announces itself to these contacts and watches them.
    pub(crate) async fn come(&self, name: &str, contacts: &[&str]) -> Person {
        let contacts: Vec<Identifier> = contacts.iter().map(|name| person(name)).collect();
        soon(async {
            loop {
                let someone = self.connect(name).await;
                match is_there(&someone.client, &contacts).await {
                    Ok(()) => return someone,
                    // Only one of several nodes may let somebody go because it hears no other one.
                    Err(error) => assert!(!self.others.is_empty(), "{name}: {error}"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await
    }

    /// The same at this node, as soon as it lets her in and hears her.
    pub(crate) async fn come_to(&self, node: SocketAddr, name: &str, contacts: &[&str]) -> Person {
        let contacts: Vec<Identifier> = contacts.iter().map(|name| person(name)).collect();
        let config = self.device(name, before_now(Duration::ZERO));
        soon(async {
            loop {
                if let Ok(someone) = Self::try_connect_to(node, config.clone()).await
                    && is_there(&someone.client, &contacts).await.is_ok()
                {
                    return someone;
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await
    }

    /// The same, if she is let in and heard.
    pub(crate) async fn try_come(&self, name: &str, contacts: &[&str]) -> Option<Person> {
        let someone = self.try_connect(self.device(name, before_now(Duration::ZERO))).await.ok()?;
        let contacts: Vec<Identifier> = contacts.iter().map(|name| person(name)).collect();
        someone.client.announce(Announcement::available(contacts.clone())).await.ok()?;
        someone.client.watch(contacts).await.ok()?;
        Some(someone)
    }

    /// A bare connection and its stream, to send what no client would.
    pub(crate) async fn raw(
        &self,
        name: &str,
    ) -> (quinn::Endpoint, quinn::Connection, quinn::SendStream, quinn::RecvStream) {
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        let config = self.device(name, before_now(Duration::ZERO));
        let connection = endpoint.connect_with(config, self.address, DIRECTORY).unwrap().await.unwrap();
        let (send, receive) = connection.open_bi().await.unwrap();
        (endpoint, connection, send, receive)
    }
}

/// The way to the directory for one device, which ends with this value; it remembers what the device has sent.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    _carrying: AbortOnDropHandle<()>,
}

impl Way {
    /// Every datagram of the device so far, in order.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().unwrap().clone()
    }
}

pub(crate) async fn way(to: SocketAddr) -> Way {
    let (near, far) = (UdpSocket::bind(LOOPBACK).await.unwrap(), UdpSocket::bind(LOOPBACK).await.unwrap());
    far.connect(to).await.unwrap();
    let (address, sent) = (near.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
    let remembered = Arc::clone(&sent);
    let carry = async move {
        let (mut there, mut back, mut device) = ([0; 2_048], [0; 2_048], None);
        loop {
            tokio::select! {
                came = near.recv_from(&mut there) => {
                    let (length, from) = came.unwrap();
                    device = Some(from);
                    remembered.lock().unwrap().push(there[..length].to_vec());
                    far.send(&there[..length]).await.unwrap();
                }
                came = far.recv(&mut back) => {
                    near.send_to(&back[..came.unwrap()], device.unwrap()).await.unwrap();
                }
            }
        }
    };
    Way { address, sent, _carrying: AbortOnDropHandle::new(tokio::spawn(carry)) }
}

/// Two people come, see each other, and see each other go.
pub(crate) async fn life_goes_on(world: &World) {
    let mut dave = world.come("dave", &["erin"]).await;
    dave.sees("erin", false).await;
    let erin = world.come("erin", &["dave"]).await;
    dave.sees("erin", true).await;
    erin.client.close();
    dave.sees("erin", false).await;
}

/// Announces herself to these contacts and watches them, and repeats only what is not known for now: who watches her must not
/// see her come twice.
pub(crate) async fn is_there(client: &DirectoryClient, contacts: &[Identifier]) -> Result<(), RequestError> {
    known(|| client.announce(Announcement::available(contacts.to_vec()))).await?;
    known(|| client.watch(contacts.to_vec())).await
}

/// The answer, as soon as it is known.
async fn known<T>(ask: impl AsyncFn() -> Result<T, RequestError>) -> Result<T, RequestError> {
    loop {
        match ask().await {
            Err(RequestError::Refused { error: ErrorCode::UnknownForNow, .. }) => tokio::time::sleep(AGAIN).await,
            answer => return answer,
        }
    }
}

/// Returns when this node says of somebody who is not there that she is not: all nodes agree, and have told each other all.
pub(crate) async fn answers_for_nobody(node: SocketAddr, asker: impl Fn() -> quinn::ClientConfig) {
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    loop {
        if let Ok((client, _events)) = DirectoryClient::connect(&endpoint, node, DIRECTORY, asker()).await
            && let Ok(presence) = client.look_up(&person("nobody")).await
        {
            assert!(!presence.is_online());
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

pub(crate) fn device(
    authority: &Authority,
    name: &str,
    not_before: UnixTime,
    trust: Arc<Trust>,
) -> quinn::ClientConfig {
    let (chain, key) = authority.issue_person(&person(name), not_before);
    client_config(chain, private_key(&key), trust).unwrap()
}

pub(crate) struct Person {
    pub(crate) client: DirectoryClient,
    pub(crate) events: Receiver<DirectoryEvent>,
    pub(crate) endpoint: quinn::Endpoint,
}

impl Person {
    pub(crate) async fn next(&mut self) -> DirectoryEvent {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event was due").expect("a last event came")
    }

    /// The next event must be this person's presence.
    pub(crate) async fn sees(&mut self, name: &str, there: bool) {
        match self.next().await {
            DirectoryEvent::Presence { who, presence } => {
                assert_eq!((who, presence.is_online()), (person(name), there));
            }
            other => panic!("expected presence, found {other:?}"),
        }
    }

    pub(crate) fn call(&self, name: &str, call_id: CallId) -> Invite {
        let candidates = vec![self.endpoint.local_addr().unwrap()];
        Invite { call_id, callee: person(name), purpose: Purpose::Text, candidates, device: None }
    }
}
