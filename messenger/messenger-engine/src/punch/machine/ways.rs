//! Which paths a dialler takes, and in which order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Punch;
use super::path::Path;

/// How long IPv4 waits once it has answered while IPv6 has not (RFC 8305 section 3, "Resolution Delay").
const IPV6_FIRST: Duration = Duration::from_millis(50);

/// A path to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Where to.
    pub address: SocketAddr,
    /// How far away that is, or may be.
    pub round_trip: Duration,
    /// An answer came from there.
    pub answered: bool,
}

impl Punch {
    /// The paths to dial: those that are open and, of the listed ones, those from which a probe has come. What comes by such a path
    /// arrives behind the answer to that probe, by which the listener knows it as open. None for a moment in which there is one
    /// over IPv4 alone and IPv6 may still answer.
    pub fn to_dial(&mut self, now: Instant) -> Vec<Way> {
        if self.waits_for_ipv6().is_some_and(|until| now < until) {
            return Vec::new();
        }
        self.waited |= self.first_way.is_some();
        let way = |path: &Path| {
            let (address, answered) = (path.address, path.is_open());
            Way { address, round_trip: path.round_trip.unwrap_or_else(|| path.guess()), answered }
        };
        let mut ways: Vec<Way> =
            (0..self.paths.len()).filter(|path| self.is_way(*path)).map(|path| way(&self.paths[path])).collect();
        ways.sort_by_key(|way| (way.address.is_ipv4(), !way.answered, way.round_trip));
        ways
    }

    /// A path that the list does not have is one only once it has answered: nobody else can send this device's first packets where
    /// the other side is not.
    pub(super) fn is_way(&self, path: usize) -> bool {
        let listed = path < self.listed;
        let path = &self.paths[path];
        path.is_open() || self.dials && listed && path.is_half_open()
    }

    /// Until when a dialler holds back.
    pub(super) fn waits_for_ipv6(&self) -> Option<Instant> {
        let ipv6 = || (0..self.paths.len()).filter(|path| self.paths[*path].address.is_ipv6());
        let may_answer = ipv6().any(|path| self.paths[path].is_unanswered());
        let pending = !self.waited && may_answer && !ipv6().any(|path| self.is_way(path));
        self.first_way.filter(|_| pending).map(|since| since + IPV6_FIRST)
    }
}
