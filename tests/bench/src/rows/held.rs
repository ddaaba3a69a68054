//! What a directory holds: memory for each person who is there and does nothing, and what becomes of it while many come, go
//! and come back. The directory, or a bare quinn server, is a process of its own; the people are in this one.

mod server;

use std::collections::VecDeque;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::client::{client_config, transport};
use directory_protocol::{Announcement, DirectoryClient, DirectoryEvent};
use futures_util::{StreamExt as _, stream};
use identity::testing::{Authority, private_key};
use quinn::{ClientConfig, Connection, Endpoint};
use rand::RngExt as _;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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

/// How long people are held, and how often the memory is looked at.
const HELD: Duration = Duration::from_secs(20);
const HELD_FULL: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// Of a hundred people one goes, and another comes, in a minute.
const STAYS: Duration = Duration::from_secs(6_000);
/// Those who come back after the directory was started anew.
const RETURNING: usize = 3_000;
const RETURNING_FULL: usize = 50_000;
/// How often somebody tries to come in before it counts as an error.
const ATTEMPTS: usize = 20;
/// As the messenger tries again: how long an attempt may take, and pauses that double, each between half and one and a half of it.
const ATTEMPT: Duration = Duration::from_secs(10);
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often a long wait is told of.
const TOLD: Duration = Duration::from_secs(10);

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

    /// As a messenger does it, until it is in; how long it took.
    async fn come_back(&self, who: Person, address: SocketAddr) -> (Held, Duration) {
        let (began, (mut pause, longest)) = (Instant::now(), PAUSES);
        loop {
            let chance = rand::rng().random_range(0.5..1.5);
            tokio::time::sleep(pause.mul_f64(chance)).await;
            if let Ok(Ok(held)) = tokio::time::timeout(ATTEMPT, self.come(&who, address)).await {
                return (held, began.elapsed());
            }
            pause = (pause * 2).min(longest);
        }
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

/// How long each of so many takes who come back at once.
async fn all_come_back(server: &Server, people: People, returning: usize) -> Vec<f64> {
    let everybody: Vec<_> = (0..returning).map(|number| people.certified(number)).collect();
    let (people, address) = (Arc::new(people), server.address());
    let mut coming = JoinSet::new();
    for who in everybody {
        let people = Arc::clone(&people);
        coming.spawn(async move { people.come_back(who, address).await });
    }
    // They stay, each of them, until the last is there.
    let mut back = Vec::with_capacity(returning);
    let (began, mut told) = (Instant::now(), Instant::now());
    while let Some(held) = coming.join_next().await {
        back.push(held.expect("nobody panics on the way"));
        if told.elapsed() > TOLD {
            told = Instant::now();
            eprintln!("{} of {returning} are back after {:.0} s", back.len(), began.elapsed().as_secs_f64());
        }
    }
    back.into_iter().map(|(_, took)| took.as_secs_f64()).collect()
}

/// What a directory has resident after so long, as a multiple of what it had when all had come, while people come and go;
/// beside it, at the same time and with as many, a bare quinn server. Then all come back to a directory that was started anew.
pub(crate) fn hold(runtime: &Runtime, scale: Scale) -> Pair {
    let full = scale.factor > 1;
    let (people, time) = if full { (PEOPLE_FULL, HELD_FULL) } else { (PEOPLE, HELD) };
    let returning = if full { RETURNING_FULL } else { RETURNING };
    let (mut ours, mut bare) = (House::open(runtime, "directory"), House::open(runtime, "bare"));
    let there = runtime.block_on(async {
        ours.fill(people).await;
        bare.fill(people).await;
        tokio::time::sleep(SETTLED).await;
        let (began, mut minutes) = (Instant::now(), 0);
        ours.look();
        bare.look();
        while began.elapsed() < time {
            tokio::time::sleep(LOOK).await;
            let due = (people as f64 * began.elapsed().as_secs_f64() / STAYS.as_secs_f64()) as usize;
            ours.renew(people, due).await;
            bare.renew(people, due).await;
            if began.elapsed() >= MINUTE * (minutes + 1) {
                minutes += 1;
                ours.look();
                bare.look();
            }
        }
        ours.look();
        bare.look();
        // Memory is flat as well where people are lost.
        (ours.there().await, bare.there().await)
    });
    let held = format!(
        "{people} people for {} s, 1 % of them others every minute, MB at the beginning, every minute and at the end: {}; bare {}; {} and {} were there at the end",
        time.as_secs(),
        ours.said(),
        bare.said(),
        there.0,
        there.1,
    );
    let pair = Pair::new(ours.grown(), bare.grown());
    drop((ours, bare));
    // The other half takes its time, too.
    eprintln!("{held}");
    let anew = Server::start("directory");
    let mut times = runtime.block_on(all_come_back(&anew, People::new(runtime, &anew), returning));
    times.sort_by(f64::total_cmp);
    let (half, all) = (times[times.len() / 2], times[times.len() - 1]);
    pair.noted(format!(
        "{held}. {returning} came back to a directory started anew: half within {half:.0} s, all within {all:.0} s, {:.0} MB",
        anew.resident() / 1e6,
    ))
}

/// A server, who is there now, and what it had resident whenever it was looked at.
struct House {
    server: Server,
    people: People,
    held: VecDeque<Held>,
    gone: usize,
    looks: Vec<f64>,
}

impl House {
    fn open(runtime: &Runtime, what: &str) -> Self {
        let server = Server::start(what);
        let people = People::new(runtime, &server);
        Self { server, people, held: VecDeque::new(), gone: 0, looks: Vec::new() }
    }

    async fn fill(&mut self, people: usize) {
        self.held = self.people.all_come(0..people, self.server.address()).await.into();
    }

    /// Whoever has been there for the longest goes and another comes, until so many have.
    async fn renew(&mut self, people: usize, due: usize) {
        while self.gone < due {
            self.held.pop_front().expect("more come than go").go();
            self.held.push_back(self.people.come_in(people + self.gone, self.server.address()).await);
            self.gone += 1;
        }
    }

    fn look(&mut self) {
        self.looks.push(self.server.resident());
    }

    fn grown(&self) -> f64 {
        self.looks[self.looks.len() - 1] / self.looks[0]
    }

    fn said(&self) -> String {
        let megabytes: Vec<_> = self.looks.iter().map(|bytes| format!("{:.0}", bytes / 1e6)).collect();
        megabytes.join(" ")
    }

    /// How many the server still answers.
    async fn there(&self) -> usize {
        let answered = stream::iter(&self.held).map(Held::is_there).buffer_unordered(AT_ONCE);
        answered.filter(|there| ready(*there)).count().await
    }
}
