//! Acknowledged messages between two engines, one after another, beside echoes over a bare quinn stream. Both ends run on one
//! processor: what it takes to wake another one that sleeps is most of the time otherwise, and differs from run to run.

mod stream;

use std::{net::SocketAddr, sync::Arc, thread, time::Instant};

use directory::{Directory, DirectoryConfig};
use identity::{
    Identifier, UnixTime,
    testing::{Authority, private_key},
    tls::{PersonVerifier, provider},
};
use messenger_engine::{
    Command, DeliveryState, DirectoryAddress, Engine, EngineConfig, Event, Events, PresenceSettings,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::{runtime::Runtime, sync::Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    measure::{Pair, Scale, median, paired},
    quic::{Credential, Ends, Verifiers},
};

const ROUNDS: usize = 15;
const MESSAGES: usize = 200;
pub(super) const TEXT: &str =
    "Shall we meet at the old harbour at seven? I bring the maps, you bring the bread and something to drink.";
/// What a short text weighs on the wire, with its padding.
const FRAME: usize = 256;

/// Time from the command to the other device's acknowledgement.
pub(crate) fn echo(_: &Runtime, scale: Scale) -> Pair {
    on_one_processor(|| here(|runtime| between(runtime, scale)))
}

/// Messages in a second, one way, each acknowledged, many of them under way.
pub(crate) fn stream(_: &Runtime, scale: Scale) -> Pair {
    on_one_processor(|| here(|runtime| stream::paced(runtime, scale)))
}

fn on_one_processor(measure: impl FnOnce() -> Pair + Send) -> Pair {
    thread::scope(|scope| scope.spawn(measure).join().expect("exchanges do not fail"))
}

/// Measures on this thread's processor.
fn here(measure: impl FnOnce(&Runtime) -> Pair) -> Pair {
    let pinned = keep_to_one_processor();
    // Its threads stay where the one is that makes it.
    let runtime = Runtime::new().expect("a runtime needs only threads");
    let pair = measure(&runtime);
    match pinned {
        Ok(()) => pair,
        Err(error) => pair.noted(format!("on all processors: {error}")),
    }
}

/// Keeps this thread, and those it will start, to one of the processors it may run on.
fn keep_to_one_processor() -> rustix::io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    if let Some(first) = (0..CpuSet::MAX_CPU).find(|processor| allowed.is_set(*processor)) {
        one.set(first);
    }
    sched_setaffinity(None, &one)
}

fn between(runtime: &Runtime, scale: Scale) -> Pair {
    let mut talk = runtime.block_on(Talk::new());
    let mut bare = runtime.block_on(Bare::new());
    paired(
        ROUNDS * scale.factor,
        || runtime.block_on(async { p50(&mut talk).await }),
        || runtime.block_on(async { p50(&mut bare).await }),
    )
}

/// One exchange after the other.
pub(super) trait Exchange {
    async fn once(&mut self);
}

/// Median of a run of exchanges, in microseconds.
pub(super) async fn p50(exchange: &mut impl Exchange) -> f64 {
    let mut times = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES {
        let start = Instant::now();
        exchange.once().await;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

/// Two engines, of which the first sees the second.
pub(super) struct Two {
    pub(super) alice_engine: Engine,
    pub(super) alice_events: Events,
    pub(super) bob_engine: Engine,
    /// Until somebody takes them.
    pub(super) bob_events: Option<Events>,
    pub(super) bob: Identifier,
    stop: tokio_util::sync::DropGuard,
}

impl Two {
    pub(super) async fn new() -> Self {
        let now = UnixTime::now();
        let authority = Authority::new(3, now);
        let stop = CancellationToken::new();
        let directory = serve_directory(&authority, now, stop.clone());
        let (alice, bob) = (person("alice@example.org"), person("bob@example.org"));
        let start = |me: &Identifier, contact: &Identifier| {
            let config = engine_config(&authority, &directory, me, vec![contact.clone()]);
            Engine::start(config).expect("loopback has free ports")
        };
        let (bob_engine, bob_events) = start(&bob, &alice);
        let (alice_engine, mut alice_events) = start(&alice, &bob);
        loop {
            match alice_events.recv().await.expect("the engine runs") {
                Event::Presence { online: true, .. } => break,
                Event::Offline { reason } => eprintln!("offline: {reason}"),
                _ => {}
            }
        }
        Self { alice_engine, alice_events, bob_engine, bob_events: Some(bob_events), bob, stop: stop.drop_guard() }
    }
}

struct Talk {
    alice: Engine,
    events: Events,
    _bob: Engine,
    bob: Identifier,
    _stop: tokio_util::sync::DropGuard,
}

impl Talk {
    async fn new() -> Self {
        let Two { alice_engine: alice, alice_events: events, bob_engine, bob_events, bob, stop } = Two::new().await;
        // Somebody reads what bob receives.
        if let Some(mut bob_events) = bob_events {
            tokio::spawn(async move {
                // All that came together is taken together.
                while bob_events.recv().await.is_some() {
                    while bob_events.try_recv().is_ok() {}
                }
            });
        }
        let mut talk = Self { alice, events, _bob: bob_engine, bob, _stop: stop };
        // The first message opens the session.
        talk.once().await;
        talk
    }
}

impl Talk {
    fn text(bob: &Identifier) -> Command {
        Command::Send { to: bob.to_string(), text: TEXT.to_owned(), id: None, reply_to: None }
    }

    /// Waits until one more has arrived.
    async fn delivered(events: &mut Events) {
        loop {
            match events.recv().await.expect("the engine runs") {
                Event::MessageState { state: DeliveryState::Delivered, .. } => return,
                Event::MessageState { state: DeliveryState::Sending, .. } => {}
                Event::MessageState { reason, .. } => panic!("a message was not delivered: {reason:?}"),
                _ => {}
            }
        }
    }
}

impl Exchange for Talk {
    async fn once(&mut self) {
        assert!(self.alice.send(Self::text(&self.bob)).await, "the engine runs");
        Self::delivered(&mut self.events).await;
    }
}

/// A bare connection between two people's devices, without an engine: who dialled and who accepted.
pub(super) async fn alice_and_bob() -> (Ends, quinn::Connection, quinn::Connection) {
    let now = UnixTime::now();
    let authority = Authority::new(4, now);
    let verifier = Arc::new(PersonVerifier::new(authority.trust()));
    let verifiers = Verifiers { of_clients: verifier.clone(), of_servers: verifier };
    let credential = |address: &str| {
        let (chain, key) = authority.issue_person(&person(address), now);
        Credential { chain, key: private_key(&key) }
    };
    let ends = Ends::new();
    let (alice, bob) = (credential("alice@example.org"), credential("bob@example.org"));
    let (dialled, accepted) = ends.handshake(&alice, &bob, &verifiers).await;
    (ends, dialled, accepted)
}

pub(super) fn person(address: &str) -> Identifier {
    Identifier::parse(address).expect("an address")
}

/// An engine of this person on loopback, with a certificate of now.
pub(super) fn engine_config(
    authority: &Authority,
    directory: &DirectoryAddress,
    me: &Identifier,
    contacts: Vec<Identifier>,
) -> EngineConfig {
    let (chain, key) = authority.issue_person(me, UnixTime::now());
    EngineConfig {
        identifier: me.clone(),
        chain,
        key: Arc::new(key),
        enrolled_under: authority.trust().policies()[0].fingerprint(),
        trust: authority.trust(),
        directory: directory.clone(),
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        offered: messenger_engine::OfferedAddresses::default(),
        pinholes: false,
        contacts,
        presence: PresenceSettings::default(),
        bot: false,
        endorsements: Vec::new(),
        mail_certificate: Vec::new(),
        gossip: None,
        whereabouts: None,
    }
}

pub(super) fn serve_directory(authority: &Authority, now: UnixTime, stop: CancellationToken) -> DirectoryAddress {
    let (chain, key) = authority.issue_service("localhost", now);
    let certified = CertifiedKey::from_der(chain, key, &provider()).expect("the key fits");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = DirectoryConfig::new(listen, Arc::new(SingleCertAndKey::from(certified)), authority.trust());
    let directory = Directory::bind(config).expect("loopback has free ports");
    let address = format!("127.0.0.1:{}", directory.local_addr().port());
    tokio::spawn(async move { directory.serve(stop).await });
    DirectoryAddress { name: "localhost".to_owned(), address }
}

/// So many are under way at a time where it is counted how many there are in a second.
pub(super) const AT_ONCE: usize = 64;

/// A stream whose other end sends back what it reads.
pub(super) struct Bare {
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    _ends: Ends,
    _connection: quinn::Connection,
}

impl Bare {
    pub(super) async fn new() -> Self {
        let (ends, dialled, accepted) = alice_and_bob().await;
        tokio::spawn(async move {
            let (mut send, mut receive) = accepted.accept_bi().await.expect("alice opens a stream");
            let mut frame = [0; FRAME];
            while receive.read_exact(&mut frame).await.is_ok() && send.write_all(&frame).await.is_ok() {}
        });
        let (send, receive) = dialled.open_bi().await.expect("streams are free");
        Self { send, receive, _ends: ends, _connection: dialled }
    }

    /// Sends so many, of which [`AT_ONCE`] have not come back at a time.
    pub(super) async fn many(&mut self, count: usize) {
        let (send, receive, places) = (&mut self.send, &mut self.receive, Semaphore::new(AT_ONCE));
        let sending = async {
            for _ in 0..count {
                places.acquire().await.expect("it is never closed").forget();
                send.write_all(&[7; FRAME]).await.expect("the stream is open");
            }
        };
        let receiving = async {
            for _ in 0..count {
                receive.read_exact(&mut [0; FRAME]).await.expect("the echo comes back");
                places.add_permits(1);
            }
        };
        tokio::join!(sending, receiving);
    }
}

impl Exchange for Bare {
    async fn once(&mut self) {
        let mut frame = [7; FRAME];
        self.send.write_all(&frame).await.expect("the stream is open");
        self.receive.read_exact(&mut frame).await.expect("the echo comes back");
    }
}
