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
/// machine, keys of past epochs) and what others have to tell (gossip).
pub const LOOK: Duration = Duration::from_secs(1);

impl Core {
    /// When [`Self::tick`] has something to do at the latest, seen from `now`: [`LOOK`] from then, or earlier where something
    /// is under way that has a deadline. What has passed is due at once.
    pub fn next_deadline(&self, now: Now) -> Instant {
        let calls = self.calls.values().map(|call| call.deadline);
        let candidates = self.candidates.values().map(Candidate::deadline);
        let links = self.links.values().filter_map(|link| self.next_of_link(link));
        let rooms = self.rooms.values().filter_map(|room| self.next_of_room(room, now));
        let others = [self.next_of_mesh(now), self.next_of_renewal()].into_iter().flatten();
        calls.chain(candidates).chain(links).chain(rooms).chain(others).fold(now.instant + LOOK, Instant::min)
    }
}
