//! The directory on loopback, with its own client: how soon a change is seen, a look-up answered, a device let in.

mod watch;

use std::{
    future::ready,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use directory::{Directory, DirectoryConfig, Rate};
use directory_protocol::{
    Announcement, Appearance, Details, DirectoryClient, DirectoryEvent, Presence, Status, client::client_config,
};
use futures_util::{StreamExt as _, future::join_all, stream};
use identity::{
    UnixTime,
    testing::{Authority, private_key},
    tls::provider,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(super) use self::watch::watch;
use super::{
    handshake,
    message::{AT_ONCE, Bare, Exchange, p50, person},
    prosody,
};
use crate::{
    measure::{Pair, Part, Scale, cpu, paired},
    quic::{Credential, Ends},
};

const ROUNDS: usize = 15;
const HANDSHAKES: usize = 20;
/// Handshakes of which it is counted how many there are in a second.
const MANY_HANDSHAKES: usize = 400;
/// Look-ups of which it is counted how many there are in a second: so many by each of those that are under way at a time.
const MANY: usize = AT_ONCE * 32;
const NAME: &str = "localhost";

/// From a change of status at one device to the event at another, beside an echo over a bare quinn stream; and, where they are
/// installed, what prosody and slixmpp take for it.
pub(crate) fn presence(runtime: &Runtime, scale: Scale) -> Pair {
    let mut seen = runtime.block_on(Seen::new());
    let pair = beside_an_echo(runtime, scale, &mut seen);
    match prosody::presence() {
        Ok(part) => Pair { parts: vec![part], ..pair },
        Err(why) => pair.noted(format!("without prosody beside it: {why}")),
    }
}

/// A look-up of somebody who is there, beside an echo over a bare quinn stream: one after another, and as many in a second as
/// there can be.
pub(crate) fn look_up(runtime: &Runtime, scale: Scale) -> Pair {
    let mut asked = runtime.block_on(async {
        let town = Town::new();
        let (bob, _) = town.come("bob@example.org", "alice@example.org").await;
        let (alice, _) = town.come("alice@example.org", "bob@example.org").await;
        Asked { alice, _bob: bob, _town: town }
    });
    let pair = beside_an_echo(runtime, scale, &mut asked);
    let mut bare = runtime.block_on(Bare::new());
    let many = paired(
        ROUNDS,
        || per_second(MANY, || runtime.block_on(asked.many(MANY))),
        || per_second(MANY, || runtime.block_on(bare.many(MANY))),
    );
    Pair { parts: both(("look-ups", "bare echoes"), &many), ..pair }
}

/// CPU time of both ends until a device is let in and its first request answered, beside a bare mutual handshake with
/// webpki; and how many there are in a second, both ends on this machine.
pub(crate) fn handshake(runtime: &Runtime, scale: Scale) -> Pair {
    let town = runtime.block_on(async { Town::new() });
    let config = town.device("alice@example.org");
    let endpoint = runtime.block_on(async { town.endpoint() });
    let credential = |address: &str| {
        let (chain, key) = town.authority.issue_person(&person(address), UnixTime::now());
        Credential { chain, key: private_key(&key) }
    };
    let (alice, bob) = (credential("alice@example.org"), credential("bob@example.org"));
    let (ends, bare) = (runtime.block_on(async { Ends::new() }), handshake::bare(&town.authority));
    let spent = |start: Duration| (cpu() - start).as_secs_f64() * 1e6 / HANDSHAKES as f64;
    let one_of_ours = async || {
        let connecting = DirectoryClient::connect(&endpoint, town.address, NAME, config.clone());
        connecting.await.expect("it is let in").0.close();
    };
    let one_of_theirs = async || {
        let (dialled, accepted) = ends.handshake(&alice, &bob, &bare).await;
        // Where there are many at once the two ends may be of different connections. The one that accepted goes first: by then its
        // other end is through, too, whatever was lost on the way.
        accepted.close(0u32.into(), b"");
        dialled.closed().await;
    };
    let ours = || {
        runtime.block_on(async {
            let start = cpu();
            for _ in 0..HANDSHAKES {
                one_of_ours().await;
            }
            spent(start)
        })
    };
    let theirs = || {
        runtime.block_on(async {
            let start = cpu();
            for _ in 0..HANDSHAKES {
                one_of_theirs().await;
            }
            spent(start)
        })
    };
    let pair = paired(ROUNDS * scale.factor, ours, theirs);
    let many = paired(
        ROUNDS,
        || per_second(MANY_HANDSHAKES, || runtime.block_on(at_once(MANY_HANDSHAKES, &one_of_ours))),
        || per_second(MANY_HANDSHAKES, || runtime.block_on(at_once(MANY_HANDSHAKES, &one_of_theirs))),
    );
    Pair { parts: both(("handshakes", "bare handshakes"), &many), ..pair }
}

/// Does something so often, a number of times at once.
async fn at_once(count: usize, one: &impl AsyncFn()) {
    stream::iter(0..count).map(|_| one()).buffer_unordered(AT_ONCE).for_each(|()| ready(())).await;
}

/// How many there are in a second of what is done so often.
fn per_second(count: usize, work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    count as f64 / began.elapsed().as_secs_f64()
}

/// What there is in a second, here and beside it.
fn both((ours, theirs): (&str, &str), many: &Pair) -> Vec<Part> {
    let part = |what: &str, figure| Part { name: format!("{what}, {AT_ONCE} at once"), figure, unit: "/s", times: 1.0 };
    vec![part(ours, many.figure), part(theirs, many.baseline)]
}

fn beside_an_echo(runtime: &Runtime, scale: Scale, exchange: &mut impl Exchange) -> Pair {
    let mut bare = runtime.block_on(Bare::new());
    paired(
        ROUNDS * scale.factor,
        || runtime.block_on(async { p50(exchange).await }),
        || runtime.block_on(async { p50(&mut bare).await }),
    )
}

struct Seen {
    bob: DirectoryClient,
    alice: DirectoryClient,
    events: mpsc::Receiver<DirectoryEvent>,
    turn: bool,
    _town: Town,
}

impl Seen {
    async fn new() -> Self {
        let town = Town::new();
        let (bob, _) = town.come("bob@example.org", "alice@example.org").await;
        let (alice, events) = town.come("alice@example.org", "bob@example.org").await;
        Self { bob, alice, events, turn: false, _town: town }
    }
}

impl Exchange for Seen {
    async fn once(&mut self) {
        self.turn = !self.turn;
        let status = if self.turn { Status::Away } else { Status::Available };
        // The answer to the one who changes comes beside the event; it must not be waited for first.
        let told = self.bob.appear(Appearance::As(status), Details::default());
        tokio::join!(async { told.await.expect("the directory takes it") }, until_shown(&mut self.events, status));
    }
}

/// Until somebody who is watched is shown like this.
async fn until_shown(events: &mut mpsc::Receiver<DirectoryEvent>, status: Status) {
    let wanted = |event: &DirectoryEvent| matches!(event, DirectoryEvent::Presence { presence: Presence::Online(shown, _), .. } if *shown == status);
    while !wanted(&events.recv().await.expect("the directory runs")) {}
}

struct Asked {
    alice: DirectoryClient,
    _bob: DirectoryClient,
    _town: Town,
}

impl Exchange for Asked {
    async fn once(&mut self) {
        let found = self.alice.look_up(&person("bob@example.org")).await.expect("the directory answers");
        assert!(found.is_online(), "bob is there");
    }
}

impl Asked {
    async fn many(&self, count: usize) {
        let bob = person("bob@example.org");
        let one_after_another = async |_| {
            for _ in 0..count / AT_ONCE {
                let found = self.alice.look_up(&bob).await.expect("the directory answers");
                assert!(found.is_online(), "bob is there");
            }
        };
        join_all((0..AT_ONCE).map(one_after_another)).await;
    }
}

struct Town {
    authority: Authority,
    address: SocketAddr,
    _stop: DropGuard,
}

impl Town {
    fn new() -> Self {
        let now = UnixTime::now();
        let authority = Authority::new(5, now);
        let (chain, key) = authority.issue_service(NAME, now);
        let certified = CertifiedKey::from_der(chain, key, &provider()).expect("the key fits");
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = DirectoryConfig::new(listen, Arc::new(SingleCertAndKey::from(certified)), authority.trust());
        // What is measured is the work, not how much of it one person may ask for.
        let plenty = Rate::new(1_000_000, Duration::from_nanos(100));
        (config.limits.frames, config.limits.look_ups, config.limits.announcements) = (plenty, plenty, plenty);
        config.limits.connections_per_person = usize::MAX;
        let directory = Directory::bind(config).expect("loopback has free ports");
        let (address, stop) = (directory.local_addr(), CancellationToken::new());
        let stopped = stop.clone();
        tokio::spawn(async move { directory.serve(stopped).await });
        Self { authority, address, _stop: stop.drop_guard() }
    }

    fn endpoint(&self) -> quinn::Endpoint {
        quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has free ports")
    }

    fn device(&self, address: &str) -> quinn::ClientConfig {
        let (chain, key) = self.authority.issue_person(&person(address), UnixTime::now());
        client_config(chain, private_key(&key), self.authority.trust()).expect("the key fits")
    }

    /// Connects.
    async fn enter(&self, endpoint: &quinn::Endpoint, who: &str) -> (DirectoryClient, mpsc::Receiver<DirectoryEvent>) {
        let connecting = DirectoryClient::connect(endpoint, self.address, NAME, self.device(who));
        connecting.await.expect("the directory takes it")
    }

    /// Connects, is visible to one contact and watches it.
    async fn come(&self, who: &str, contact: &str) -> (DirectoryClient, mpsc::Receiver<DirectoryEvent>) {
        let (client, events) = self.enter(&self.endpoint(), who).await;
        client.announce(Announcement::available(vec![person(contact)])).await.expect("it is announced");
        client.watch(vec![person(contact)]).await.expect("it is watched");
        (client, events)
    }
}
