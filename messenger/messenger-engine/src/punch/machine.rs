//! One introduction's punching: when to probe what, what came back, and which paths are open.
//!
//! ```text
//!          begins                 rounds over 3 s                     patience over
//! waiting ────────► probing ───────────────────────► listening ─────────────────────► unreachable
//!    └─── a valid answer from where this side's own probe went: that is an open path ────► (stays open)
//! ```

mod path;
mod ways;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use directory_protocol::{ProbeKey, Role};

use path::Path;
pub use ways::Way;

use super::probe::{DirectionKey, Kind, PROBE_BYTES, Probe, Tag, UnverifiedProbe};
use super::targets::{Surroundings, targets};

/// How many probes one introduction may send, to all addresses together. Numbers are below it, so that 64 bits remember
/// which ones of the other side were seen.
pub const MAX_PROBES: u16 = 64;
/// How many of them the rounds may use; the rest is for paths that the other side's probes show.
const FOR_ROUNDS: u64 = 48;
/// Paths that a list did not have: made by NATs on the way.
const MAX_LEARNT: usize = 4;
/// The first gap between rounds.
const GAP_MS: u64 = 100;
/// How long rounds go on.
const PROBING_MS: u64 = 3_000;
/// The gap between probes after the rounds, to what was heard.
const AFTERWARDS: Duration = Duration::from_millis(200);
/// How long after it begins a dialler must have heard something: the rounds, and a slow way back.
const PATIENCE: Duration = Duration::from_millis(PROBING_MS + 1_500);
/// A listener waits longer: the dialler may hear of the call later than it does.
const LISTENING: Duration = Duration::from_secs(8);

/// A datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: [u8; PROBE_BYTES],
}

/// Why nothing was heard: what this side has seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// What was probed.
    pub tried: Vec<SocketAddr>,
    /// What this machine has no way to, of that.
    pub no_route: Vec<SocketAddr>,
}

struct Sent {
    path: usize,
    at: Instant,
    answered: bool,
}

/// The punching of one introduction, on one side.
pub struct Punch {
    dials: bool,
    mine: DirectionKey,
    theirs: DirectionKey,
    surroundings: Surroundings,
    patience: Duration,
    begins: Instant,
    listed: usize,
    /// The listed ones first, then the learnt ones.
    paths: Vec<Path>,
    round: u64,
    next_round: Option<Instant>,
    sent: Vec<Sent>,
    /// Which numbers of the other side were seen.
    seen: u64,
    /// When there was a path to dial for the first time.
    first_way: Option<Instant>,
    /// Nothing is waited for any more before the first path is dialled.
    waited: bool,
}

impl Punch {
    /// Punches toward what is acceptable of the offered candidates, in the role that GO gave, from `begins` on.
    pub fn new(
        role: Role,
        key: &ProbeKey,
        offered: &[SocketAddr],
        surroundings: Surroundings,
        begins: Instant,
    ) -> Self {
        let (other, patience) = match role {
            Role::Dialler => (Role::Listener, PATIENCE),
            Role::Listener => (Role::Dialler, LISTENING),
        };
        let paths: Vec<Path> = targets(offered, &surroundings).into_iter().map(Path::new).collect();
        Self {
            dials: role == Role::Dialler,
            mine: DirectionKey::of(role, key),
            theirs: DirectionKey::of(other, key),
            surroundings,
            patience,
            begins,
            listed: paths.len(),
            next_round: (!paths.is_empty()).then_some(begins),
            paths,
            round: 0,
            sent: Vec::new(),
            seen: 0,
            first_way: None,
            waited: false,
        }
    }

    /// What probes for this introduction are found by.
    pub fn tag(&self) -> Tag {
        self.theirs.tag()
    }

    /// The probes that are due.
    pub fn tick(&mut self, now: Instant) -> Vec<Datagram> {
        let Some(due) = self.next_round.filter(|due| *due <= now) else { return Vec::new() };
        self.round += 1;
        let (gap, half_open) = (self.gap(), self.paths.iter().any(Path::is_half_open));
        // What was heard is most likely to answer: it gets every round, the rest every second one, and what remains after them.
        let heard_alone = half_open && (gap.is_none() || self.round.is_multiple_of(2));
        let allowed = self.sent.len() < usize::from(MAX_PROBES);
        let more = (half_open && allowed).then_some(AFTERWARDS);
        self.next_round = gap.or(more).map(|gap| due.max(now) + gap);
        let wanted = |path: &Path| path.wants_probe(now) && (!heard_alone || path.heard.is_some());
        let waiting: Vec<usize> = (0..self.paths.len()).filter(|path| wanted(&self.paths[*path])).collect();
        waiting.into_iter().filter_map(|path| self.probe(path, now)).collect()
    }

    /// The gap before the next round, which grows evenly with each so that the probes allowed last for the whole time; nothing
    /// after the last one.
    fn gap(&self) -> Option<Duration> {
        let listed = self.listed as u64;
        let rounds = (FOR_ROUNDS / listed.max(1)).min(PROBING_MS / GAP_MS);
        let gaps = rounds.saturating_sub(1);
        if self.round > gaps {
            return None;
        }
        let evenly = GAP_MS * gaps;
        let growth = 2 * (PROBING_MS - GAP_MS).saturating_sub(evenly) / (gaps * gaps.saturating_sub(1)).max(1);
        Some(Duration::from_millis(GAP_MS + growth * (self.round - 1)))
    }

    fn probe(&mut self, path: usize, now: Instant) -> Option<Datagram> {
        let number = u16::try_from(self.sent.len()).ok().filter(|number| *number < MAX_PROBES)?;
        self.sent.push(Sent { path, at: now, answered: false });
        let path = &mut self.paths[path];
        path.last_probed = Some(now);
        Some(Datagram { to: path.address, bytes: self.mine.seal(Probe { kind: Kind::Probe, number }) })
    }

    /// Takes what may be a probe of the other side, and returns what to send for it. Nothing happens unless it is one, is new,
    /// and comes from where it can come from.
    pub fn receive(&mut self, from: SocketAddr, probe: &UnverifiedProbe, now: Instant) -> Vec<Datagram> {
        match self.theirs.open(probe) {
            Some(Probe { kind: Kind::Probe, number }) => self.probed(from, number, now),
            Some(Probe { kind: Kind::Answer, number }) => {
                self.answered(from, number, now);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn probed(&mut self, from: SocketAddr, number: u16, now: Instant) -> Vec<Datagram> {
        // Seen before: a copy, perhaps from somebody who wants her own address to be let in.
        if number >= MAX_PROBES || self.seen & (1 << number) != 0 {
            return Vec::new();
        }
        let Some(path) = self.path(from) else { return Vec::new() };
        self.seen |= 1 << number;
        let is_first = self.paths[path].heard.is_none();
        self.paths[path].heard.get_or_insert(now.saturating_duration_since(self.begins));
        if self.is_way(path) {
            self.first_way.get_or_insert(now);
        }
        if self.round == 0 {
            // The other side has begun: so does this one, whatever the delay said.
            self.begins = self.begins.min(now);
            self.next_round = self.next_round.map(|due| due.min(now));
        }
        let answer = Datagram { to: from, bytes: self.mine.seal(Probe { kind: Kind::Answer, number }) };
        // An earlier probe may have met a closed router, which is open now. Before the answer: whoever has that may begin to
        // dial, and is let in once it has answered this.
        let back = if is_first && self.paths[path].is_unanswered() || self.paths[path].wants_probe(now) {
            self.probe(path, now)
        } else {
            None
        };
        back.into_iter().chain([answer]).collect()
    }

    /// The path with this address, which may be one that nobody listed: a NAT's mapping for this very pair.
    fn path(&mut self, from: SocketAddr) -> Option<usize> {
        let known = self.paths.iter().position(|path| path.address == from);
        if known.is_none() && self.paths.len() < self.listed + MAX_LEARNT && self.surroundings.allow(&from) {
            self.paths.push(Path::new(from));
            return Some(self.paths.len() - 1);
        }
        known
    }

    fn answered(&mut self, from: SocketAddr, number: u16, now: Instant) {
        let Some(sent) = self.sent.get_mut(usize::from(number)) else { return };
        let path = &mut self.paths[sent.path];
        // An answer comes from where the probe went, or it says nothing about that path.
        if sent.answered || path.address != from {
            return;
        }
        sent.answered = true;
        self.first_way.get_or_insert(now);
        let took = now.saturating_duration_since(sent.at);
        path.round_trip = Some(path.round_trip.map_or(took, |before| before.min(took)));
    }

    /// What is probed.
    pub fn targets(&self) -> Vec<SocketAddr> {
        self.paths.iter().map(|path| path.address).collect()
    }

    /// This machine has no way there: nothing is sent.
    pub fn no_route(&mut self, to: SocketAddr) {
        self.paths.iter_mut().filter(|path| path.address == to).for_each(|path| path.no_route = true);
    }

    /// Whether the other side has answered from this address.
    pub fn is_open(&self, address: SocketAddr) -> bool {
        self.paths.iter().any(|path| path.address == address && path.is_open())
    }

    /// The round trip to an address, if it was measured: if an answer came from there. What was only heard has none: a probe
    /// that never arrived is new to its receiver, whoever sends it from wherever.
    pub fn round_trip(&self, address: SocketAddr) -> Option<Duration> {
        self.paths.iter().find(|path| path.address == address)?.round_trip
    }

    /// When [`Self::tick`] or [`Self::verdict`] has something new, if nothing comes in before.
    pub fn wakes_at(&self) -> Option<Instant> {
        let verdict = self.is_silent().then_some(self.begins + self.patience);
        [self.next_round, verdict, self.waits_for_ipv6()].into_iter().flatten().min()
    }

    fn is_silent(&self) -> bool {
        self.paths.iter().all(|path| !path.is_open())
    }

    /// Why nobody can be reached, once that is clear.
    pub fn verdict(&self, now: Instant) -> Option<Unreachable> {
        (self.is_silent() && now >= self.begins + self.patience).then(|| Unreachable {
            tried: self.targets(),
            no_route: self.paths.iter().filter(|path| path.no_route).map(|path| path.address).collect(),
        })
    }
}

#[cfg(test)]
impl Punch {
    /// From where the other side has answered, and how long that took; IPv6 first, and then the shortest.
    pub fn open_paths(&self) -> Vec<(SocketAddr, Duration)> {
        let answered = |path: &Path| path.round_trip.map(|round_trip| (path.address, round_trip));
        let mut open: Vec<(SocketAddr, Duration)> = self.paths.iter().filter_map(answered).collect();
        open.sort_by_key(|(address, round_trip)| (address.is_ipv4(), *round_trip));
        open
    }
}
