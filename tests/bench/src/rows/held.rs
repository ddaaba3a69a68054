//! What a directory holds: memory for each person who is there and does nothing, and what becomes of it while many come, go
//! and come back. The directory, or a bare quinn server, is a process of its own; the people are in this one.

mod hold;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use directory_protocol::client::{client_config, transport};
use directory_protocol::{Announcement, DirectoryClient, DirectoryEvent};
use futures_util::{StreamExt as _, stream};
use identity::testing::{Authority, private_key};
use quinn::{ClientConfig, Connection, Endpoint};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

pub(crate) use self::hold::hold;
use self::server::Server;
use super::handshake;
use super::message::person;
use crate::measure::{Pair, Scale};
use crate::quic::{self, Credential};

/// People whose memory is measured, in a run and in a long one; and those who came before, for what is needed once.
const PEOPLE: usize = 2_000;
const PEOPLE_FULL: usize = 20_000;
const BEFORE: usize = 200;
/// Sockets that they have together.
const SOCKETS: usize = 256;
/// Handshakes at once.
const AT_ONCE: usize = 32;
/// What takes memory for a moment has given it back by then.
const SETTLED: Duration = Duration::from_secs(3);

/// How often somebody tries to come in before it counts as an error.
const ATTEMPTS: usize = 20;

/// What a person holds to be there.
enum Held {
    Directory { client: DirectoryClient, _events: mpsc::Receiver<DirectoryEvent> },
    Bare { connection: Connection, _stream: (quinn::SendStream, quinn::RecvStream) },
}

/// The people, and how they get in. Some hundreds share a socket: files and ports do not bound how many there are, and what
/// the kernel keeps for a socket is enough for them.
struct People {
    authority: Authority,
    endpoints: Vec<Endpoint>,
    bare: bool,
}

impl People {
    fn new(runtime: &Runtime, server: &Server) -> Self {
        let _entered = runtime.enter();
        let socket = |_| Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has free ports");
        Self { authority: server.authority(), endpoints: (0..SOCKETS).map(socket).collect(), bare: server.is_bare() }
    }

    /// One who is new.
    fn certified(&self, number: usize) -> Person {
        let (chain, key) = self.authority.issue_person(&person(&format!("p{number}@example.org")), server::begin());
        let credential = Credential { chain, key: private_key(&key) };
        let config = if self.bare {
            let mut config = quic::client(&credential, &handshake::bare(&self.authority));
            config.transport_config(Arc::new(transport()));
            config
        } else {
            let Credential { chain, key } = credential;
            client_config(chain, key, self.authority.trust()).expect("the key fits the certificate")
        };
        Person { config, endpoint: number % self.endpoints.len() }
    }

    /// Connected and, at a directory, announced; why not in words.
    async fn come(&self, who: &Person, address: SocketAddr) -> Result<Held, String> {
        let (endpoint, config) = (&self.endpoints[who.endpoint], who.config.clone());
        if self.bare {
            come_bare(endpoint, config, address).await.map_err(|error| error.to_string())
        } else {
            come_announced(endpoint, config, address).await
        }
    }

    async fn all_come(&self, numbers: std::ops::Range<usize>, address: SocketAddr) -> Vec<Held> {
        let coming = stream::iter(numbers).map(|number| self.come_in(number, address));
        coming.buffer_unordered(AT_ONCE).collect().await
    }

    /// One who is new, however long a busy machine takes for it: what fails so often is not the machine's.
    async fn come_in(&self, number: usize, address: SocketAddr) -> Held {
        let (who, mut why) = (self.certified(number), String::new());
        for _ in 0..ATTEMPTS {
            match self.come(&who, address).await {
                Ok(held) => return held,
                Err(error) => why = error,
            }
        }
        panic!("the server takes everybody, but now: {why}");
    }
}

/// Somebody who may come in, and by which socket.
struct Person {
    config: ClientConfig,
    endpoint: usize,
}

async fn come_bare(
    endpoint: &Endpoint,
    config: ClientConfig,
    address: SocketAddr,
) -> Result<Held, Box<dyn std::error::Error>> {
    let connection = endpoint.connect_with(config, address, server::NAME)?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(b"here").await?;
    receive.read_exact(&mut [0; 4]).await?;
    Ok(Held::Bare { connection, _stream: (send, receive) })
}

async fn come_announced(endpoint: &Endpoint, config: ClientConfig, address: SocketAddr) -> Result<Held, String> {
    let connecting = DirectoryClient::connect(endpoint, address, server::NAME, config);
    let (client, events) = connecting.await.map_err(|error| error.to_string())?;
    let announced = client.announce(Announcement::available(Vec::new())).await;
    announced.map_err(|error| error.to_string())?;
    Ok(Held::Directory { client, _events: events })
}

impl Held {
    /// Whether the server still answers this one.
    async fn is_there(&self) -> bool {
        match self {
            Self::Directory { client, .. } => client.ping().await.is_ok(),
            Self::Bare { connection, .. } => connection.close_reason().is_none(),
        }
    }

    fn go(self) {
        match self {
            Self::Directory { client, .. } => client.close(),
            Self::Bare { connection, .. } => connection.close(0u32.into(), b""),
        }
    }
}

/// Kilobytes for each person who is connected, announced and idle, beside a bare quinn connection with one stream, the same
/// chain and the same transport settings.
pub(crate) fn memory(runtime: &Runtime, scale: Scale) -> Pair {
    let people = if scale.factor > 1 { PEOPLE_FULL } else { PEOPLE };
    let each = |what: &str| {
        let server = Server::start(what);
        let coming = People::new(runtime, &server);
        runtime.block_on(async {
            let before = coming.all_come(0..BEFORE, server.address()).await;
            tokio::time::sleep(SETTLED).await;
            let empty = server.resident();
            let held = coming.all_come(BEFORE..BEFORE + people, server.address()).await;
            tokio::time::sleep(SETTLED).await;
            let full = server.resident();
            drop((before, held));
            (full - empty) / people as f64 / 1e3
        })
    };
    let (ours, bare) = (each("directory"), each("bare"));
    Pair::new(ours, bare).noted(format!("{people} people each; resident memory of the server's process"))
}
