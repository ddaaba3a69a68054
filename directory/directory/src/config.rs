//! What a directory is told at its start.

use crate::cluster::{CarrierConfig, ClusterConfig};
use directory_protocol::limits::{MAX_BLOCKED, MAX_CONTACTS, MAX_NAMED, MAX_WATCHED, NEGATIVE_DEADLINE, NO_ANSWER};
use identity::trust::Trust;
use rustls::server::ResolvesServerCert;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything a directory needs.
#[derive(Clone)]
pub struct DirectoryConfig {
    /// The UDP address to listen on. If it is a loopback address, devices may offer loopback candidates.
    pub listen: SocketAddr,
    /// The second UDP port, of the same address, at which devices learn whether a router gives them another address there.
    pub observation: Observation,
    /// Gives the directory's `service` certificate, the current one at every handshake.
    pub resolver: Arc<dyn ResolvesServerCert>,
    /// What makes a person's certificate acceptable.
    pub trust: Arc<Trust>,
    /// The protocol's fixed times.
    pub timing: Timing,
    /// What one person, one address and the whole may ask for.
    pub limits: Limits,
    /// The other nodes, if this is one of several that are one directory.
    pub cluster: Option<(ClusterConfig, CarrierConfig)>,
}

impl DirectoryConfig {
    /// The specified times and limits.
    pub fn new(listen: SocketAddr, resolver: Arc<dyn ResolvesServerCert>, trust: Arc<Trust>) -> Self {
        let observation = Observation::default();
        Self {
            listen,
            observation,
            resolver,
            trust,
            timing: Timing::default(),
            limits: Limits::default(),
            cluster: None,
        }
    }
}

/// Where the second port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Observation {
    /// After the first one, if it is free; else there is none.
    #[default]
    Beside,
    /// This one, which must be free; 0 takes a free one.
    At(u16),
    /// There is none: devices cannot tell what kind of router they are behind.
    Off,
}

/// The protocol's fixed times. Other values are for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When negative answers leave, counted from the question.
    pub negative_deadline: Duration,
    /// When an unanswered call ends.
    pub no_answer: Duration,
    /// How often every connected person's certificate is looked at again, so that a revocation cuts a live connection.
    pub recheck: Duration,
    /// How long after one person a node of several that is stopping lets the next one go.
    pub farewell_pause: Duration,
    /// How long it may take to let all of them go: less than supervisors wait.
    pub farewells_at_most: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            negative_deadline: NEGATIVE_DEADLINE,
            no_answer: NO_ANSWER,
            recheck: Duration::from_secs(30),
            farewell_pause: Duration::from_millis(1),
            farewells_at_most: Duration::from_secs(30),
        }
    }
}

/// The times of a cluster, which hang together as `docs/spec/cluster.md` says. Other values are for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterTiming {
    /// How often each node says that it lives.
    pub beat: Duration,
    /// After what silence a node is no longer in the view.
    pub silent: Duration,
    /// How long without a majority a node keeps the people who are connected to it.
    pub fence: Duration,
    /// How long after the last trace of a node its people are said to have gone.
    pub lost: Duration,
}

impl ClusterTiming {
    /// The specified times.
    pub const DEFAULT: Self = Self {
        beat: Duration::from_millis(250),
        silent: Duration::from_millis(1_500),
        fence: Duration::from_secs(3),
        lost: Duration::from_secs(8),
    };
}

impl Default for ClusterTiming {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How often something may be done: `burst` times at once, and once more after each `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How long until there is one more.
    pub every: Duration,
}

impl Rate {
    /// `burst` at once, then one per `every`.
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every }
    }
}

/// The bounds on what is asked of the directory. The rates hold per person, over all her devices together, and so many times
/// over for all people behind one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests of any kind, per connection; a connection that exceeds it is closed.
    pub frames: Rate,
    /// Announcements.
    pub announcements: Rate,
    /// Look-ups.
    pub look_ups: Rate,
    /// People added to watch lists.
    pub watches: Rate,
    /// Calls made.
    pub invites: Rate,
    /// By how much the people behind one IPv4 address or IPv6 /64 network together may ask more than one person.
    pub rates_per_address: u32,
    /// Calls of one connection that may wait for an answer, made or ringing there; a further one finds it busy.
    pub calls_waiting: usize,
    /// Calls of one person that may ring on one connection at once.
    pub calls_per_pair: usize,
    /// People on one connection's watch list.
    pub watched: usize,
    /// Contacts of one connection.
    pub contacts: usize,
    /// People on each of the two named audiences of one connection.
    pub named: usize,
    /// People blocked by one connection.
    pub blocked: usize,
    /// Connections of one person.
    pub connections_per_person: usize,
    /// Connections and handshakes of one IPv4 address or IPv6 /64 network. Loopback is exempt.
    pub connections_per_address: usize,
    /// Connections and handshakes altogether.
    pub connections: usize,
    /// Unfinished handshakes. No more are begun than are completed before the other side gives them up: else, when everybody
    /// comes back at once, all the work would go into handshakes that nobody waits for any more.
    pub handshakes: usize,
    /// Unfinished handshakes of one IPv4 address or IPv6 /64 network, so that no one of them takes all of these. Loopback is
    /// exempt.
    pub handshakes_per_address: usize,
    /// Unfinished handshakes of one IPv4 /24 or IPv6 /48, so that whoever has many networks does not take all of them either.
    /// Loopback is exempt.
    pub handshakes_per_site: usize,
    /// Unfinished handshakes from which on every new address must first prove that it receives (QUIC Retry, RFC 9000
    /// section 8.1.2).
    pub handshakes_before_retry: usize,
}

impl Limits {
    /// The specified bounds.
    pub const DEFAULT: Self = Self {
        frames: Rate::new(2_000, Duration::from_millis(5)),
        announcements: Rate::new(60, Duration::from_secs(1)),
        look_ups: Rate::new(300, Duration::from_millis(500)),
        watches: Rate::new(20_000, Duration::from_millis(100)),
        invites: Rate::new(120, Duration::from_millis(500)),
        rates_per_address: 64,
        calls_waiting: 64,
        calls_per_pair: 8,
        watched: MAX_WATCHED,
        contacts: MAX_CONTACTS,
        named: MAX_NAMED,
        blocked: MAX_BLOCKED,
        connections_per_person: 8,
        connections_per_address: 1_024,
        connections: 100_000,
        handshakes: 1_024,
        handshakes_per_address: 64,
        handshakes_per_site: 128,
        handshakes_before_retry: 256,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
