//! One address that is probed, and what is known of the way there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a round trip is taken for as long as none was measured, and the least and the most that is taken for one.
const UNKNOWN: Duration = Duration::from_millis(100);
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_millis(333);
/// A path that shows itself is not probed again at once if it was just now.
const JUST_NOW: Duration = Duration::from_millis(50);

pub(super) struct Path {
    pub(super) address: SocketAddr,
    /// A valid probe came from it, so long after the beginning: whoever is there knows one, and may have it from somebody else.
    pub(super) heard: Option<Duration>,
    /// An answer to a probe of this side came from it, so long after: it is an open path.
    pub(super) round_trip: Option<Duration>,
    pub(super) last_probed: Option<Instant>,
    /// This machine has no way there.
    pub(super) no_route: bool,
}

impl Path {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, heard: None, round_trip: None, last_probed: None, no_route: false }
    }

    pub(super) fn is_open(&self) -> bool {
        self.round_trip.is_some()
    }

    /// Nothing has answered there yet, but something could.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.no_route && !self.is_open()
    }

    /// It comes through from there, and nothing has come back yet.
    pub(super) fn is_half_open(&self) -> bool {
        self.heard.is_some() && self.is_unanswered()
    }

    /// What its round trip may be: both sides have begun together, and a probe came so long after that.
    pub(super) fn guess(&self) -> Duration {
        let heard = self.heard.filter(|after| !after.is_zero()).map(|after| after * 2);
        heard.unwrap_or(UNKNOWN).clamp(SHORTEST, LONGEST)
    }

    /// Nothing has answered there yet, and the last probe is not just on its way.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        self.is_unanswered() && self.last_probed.is_none_or(|last| now >= last + JUST_NOW)
    }
}
