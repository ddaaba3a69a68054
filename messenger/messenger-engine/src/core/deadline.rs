//! When something is due: whoever drives the core sleeps until then.
//!
//! ```text
//! something happened ──SOON──► tick ──► next_deadline ──► asleep ──► tick ──► ...
//! ```
//! What happens may make something else due: it is looked at [`SOON`] after. What is due without anything happening, each
//! state machine says here; that a core which sleeps until then does the same at the same moments as one that looks at the
//! clock all the time is what the tests in `tests/deadlines.rs` show.

use std::time::{Duration, Instant};

use super::Core;
use super::resumption::Candidate;
use crate::time::Now;

/// How soon after something has happened to look what it makes due; ticks come no closer than that.
pub const SOON: Duration = Duration::from_millis(100);

/// What has no moment of its own is looked at so often: the clock on the wall (certificates that end, a sleep of the whole
/// machine) and what others have to tell (gossip).
pub const LOOK: Duration = Duration::from_secs(1);

/// When whoever drives the core looks at the clock next.
#[derive(Debug, Clone, Copy)]
pub struct Alarm {
    due: Instant,
}

impl Alarm {
    /// Soon: that the core was made is what happened last.
    pub fn new(now: Instant) -> Self {
        Self { due: now + SOON }
    }

    /// When that is.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Something happened, which may make something else due.
    pub fn happened(&mut self, now: Instant) {
        self.due = self.due.min(now + SOON);
    }

    /// What was due was done; `next` is what is due next. A deadline that is not met by a tick keeps no processor busy.
    pub fn ticked(&mut self, now: Instant, next: Instant) {
        self.due = next.max(now + SOON);
    }
}

impl Core {
    /// When [`Self::tick`] has something to do at the latest, seen from `now`: [`LOOK`] from then, or earlier where something
    /// is under way that has a deadline. What has passed is due at once.
    pub fn next_deadline(&self, now: Now) -> Instant {
        let calls = self.calls.values().map(|call| call.deadline);
        let candidates = self.candidates.values().map(Candidate::deadline);
        let links = self.links.iter().filter_map(|(id, link)| self.next_of_link(*id, link));
        let rooms = self.rooms.values().filter_map(Self::next_of_room);
        let others =
            [self.next_of_mesh(now), self.next_of_waiting(now), self.next_of_renewal(), self.files.next_deadline()];
        let others = others.into_iter().flatten();
        calls.chain(candidates).chain(links).chain(rooms).chain(others).fold(now.instant + LOOK, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_rings_soon_after_something_happened_and_never_sooner() {
        let now = Instant::now();
        let mut alarm = Alarm::new(now);
        assert_eq!(alarm.due(), now + SOON);
        alarm.ticked(now, now + LOOK);
        assert_eq!(alarm.due(), now + LOOK, "nothing happened");
        let later = now + SOON;
        alarm.happened(later);
        assert_eq!(alarm.due(), later + SOON);
        alarm.happened(later + SOON / 2);
        assert_eq!(alarm.due(), later + SOON, "that is not put off by what happens meanwhile");
        alarm.ticked(later, later);
        assert_eq!(alarm.due(), later + SOON, "what is not met by a tick");
    }
}
