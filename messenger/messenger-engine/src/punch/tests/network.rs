//! Two devices, what stands before each of them, and the time that datagrams take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use directory_protocol::Role;

use crate::punch::{Datagram, ProbeKey, Punch, Surroundings, Unreachable, UnverifiedProbe, Way};

/// What stands between a device and the network (RFC 4787, sections 4.1 and 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Router {
    /// Nothing.
    None,
    /// Lets in what answers to something that went out; changes no address.
    Firewall,
    /// A NAT with endpoint-independent mapping that lets in everybody who knows the mapping.
    FullCone,
    /// The same, for addresses that were sent to.
    Restricted,
    /// The same, for addresses and ports that were sent to.
    PortRestricted,
    /// A NAT with a mapping of its own for each remote address and port.
    Symmetric,
}

/// One device with its router.
pub(super) struct Site {
    pub(super) punch: Punch,
    router: Router,
    inside: SocketAddr,
    /// Outside address of each mapping, by the remote end it was made for (endpoint-dependent), or by nothing.
    mappings: BTreeMap<Option<SocketAddr>, SocketAddr>,
    sent_to: BTreeSet<SocketAddr>,
    public: SocketAddr,
}

impl Site {
    fn outside(&mut self, to: SocketAddr) -> SocketAddr {
        self.sent_to.insert(to);
        match self.router {
            Router::None | Router::Firewall => self.inside,
            Router::Symmetric => {
                let port = self.public.port() + 1 + self.mappings.len() as u16;
                *self.mappings.entry(Some(to)).or_insert(SocketAddr::new(self.public.ip(), port))
            }
            _ => *self.mappings.entry(None).or_insert(self.public),
        }
    }

    fn lets_in(&self, to: SocketAddr, from: SocketAddr) -> bool {
        let sent_to_host = || self.sent_to.iter().any(|remote| remote.ip() == from.ip());
        match self.router {
            Router::None => to == self.inside,
            Router::Firewall => to == self.inside && self.sent_to.contains(&from),
            Router::FullCone => self.mappings.values().any(|mapping| *mapping == to),
            Router::Restricted => self.mappings.values().any(|mapping| *mapping == to) && sent_to_host(),
            Router::PortRestricted => {
                self.mappings.values().any(|mapping| *mapping == to) && self.sent_to.contains(&from)
            }
            Router::Symmetric => self.mappings.get(&Some(from)) == Some(&to),
        }
    }

    /// What it offers: its own address and the one a directory sees.
    fn candidates(&self) -> Vec<SocketAddr> {
        match self.router {
            Router::None | Router::Firewall => vec![self.inside],
            _ => vec![self.inside, self.public],
        }
    }
}

/// A dialler and a listener.
pub(super) struct Network {
    pub(super) sites: [Site; 2],
    pub(super) time: Duration,
    start: Instant,
    pub(super) one_way: Duration,
    under_way: Vec<(Duration, usize, SocketAddr, Datagram)>,
    /// Datagrams given to the network so far.
    pub(super) count: usize,
    /// This one is lost.
    pub(super) lose: Option<usize>,
    /// About half of all are lost, by these dice.
    pub(super) dice: Option<u64>,
}

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

impl Network {
    pub(super) fn between(dialler: Router, listener: Router) -> Self {
        Self::with_delays(dialler, listener, [Duration::ZERO; 2])
    }

    /// Each side begins so long after GO.
    pub(super) fn with_delays(dialler: Router, listener: Router, delays: [Duration; 2]) -> Self {
        let start = Instant::now();
        let key = ProbeKey([7; 32]);
        let site = |router, role, net: u8, begins| {
            let (inside, public) = match router {
                Router::None | Router::Firewall => (format!("198.51.100.{net}:4000"), "192.0.2.99:1".to_owned()),
                _ => (format!("10.0.{net}.2:4000"), format!("203.0.113.{net}:6000")),
            };
            let punch = Punch::new(role, &key, &[], Surroundings::default(), begins);
            let (mappings, sent_to) = Default::default();
            let mut site = Site { punch, router, inside: at(&inside), mappings, sent_to, public: at(&public) };
            // The directory was spoken to: that made a mapping, and it is what the directory sees.
            let directory = at("192.0.2.1:443");
            let seen = site.outside(directory);
            if router != Router::None && router != Router::Firewall {
                site.public = seen;
            }
            site
        };
        let mut sites = [site(dialler, Role::Dialler, 1, start), site(listener, Role::Listener, 2, start)];
        let offered = [sites[1].candidates(), sites[0].candidates()];
        for (site, (role, number)) in sites.iter_mut().zip([(Role::Dialler, 0), (Role::Listener, 1)]) {
            let begins = start + delays[number];
            site.punch = Punch::new(role, &key, &offered[number], Surroundings::default(), begins);
        }
        Self {
            sites,
            time: Duration::ZERO,
            start,
            one_way: Duration::from_millis(40),
            under_way: Vec::new(),
            count: 0,
            lose: None,
            dice: None,
        }
    }

    fn send(&mut self, site: usize, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            let from = self.sites[site].outside(datagram.to);
            let number = self.count;
            self.count += 1;
            if self.lose != Some(number) && !self.unlucky() {
                self.under_way.push((self.time + self.one_way, 1 - site, from, datagram));
            }
        }
    }

    fn unlucky(&mut self) -> bool {
        let Some(dice) = &mut self.dice else { return false };
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        *dice & 0x100 != 0
    }

    /// Lets time pass in steps of 5 ms.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.time + duration;
        while self.time < end {
            for site in 0..2 {
                let due = self.sites[site].punch.tick(self.start + self.time);
                self.send(site, due);
            }
            let (arriving, later) =
                std::mem::take(&mut self.under_way).into_iter().partition(|(at, ..)| *at <= self.time);
            self.under_way = later;
            let arriving: Vec<(Duration, usize, SocketAddr, Datagram)> = arriving;
            for (_, site, from, datagram) in arriving {
                self.arrive(site, from, datagram);
            }
            self.time += Duration::from_millis(5);
        }
    }

    fn arrive(&mut self, site: usize, from: SocketAddr, datagram: Datagram) {
        // An address behind another router leads nowhere.
        if self.sites[site].lets_in(datagram.to, from) {
            let probe = UnverifiedProbe::read(&datagram.bytes).unwrap();
            let answers = self.sites[site].punch.receive(from, &probe, self.start + self.time);
            self.send(site, answers);
        }
    }

    /// Whether the path that the dialler takes leads to the listener, and the listener lets in who comes by it.
    pub(super) fn connects(&mut self) -> bool {
        let dialler = &self.sites[0];
        let Some((way, _)) = dialler.punch.open_paths().first().copied() else { return false };
        self.lets_in_by(way)
    }

    /// The first path that the dialler would take, as soon as there is one.
    pub(super) fn first_way(&mut self, patience: Duration) -> Option<Way> {
        while self.time < patience {
            self.pass(Duration::from_millis(5));
            if let Some(way) = self.sites[0].punch.to_dial(self.start + self.time).first() {
                return Some(*way);
            }
        }
        None
    }

    /// Whether the dialler's packets to this address reach the listener, who lets them in.
    pub(super) fn lets_in_by(&mut self, way: SocketAddr) -> bool {
        let [dialler, listener] = &mut self.sites;
        let from = dialler.outside(way);
        listener.lets_in(way, from) && listener.punch.is_open(from)
    }

    pub(super) fn verdicts(&self) -> [Option<Unreachable>; 2] {
        let now = self.start + self.time;
        [self.sites[0].punch.verdict(now), self.sites[1].punch.verdict(now)]
    }
}
