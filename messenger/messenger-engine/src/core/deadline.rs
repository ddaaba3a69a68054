//! When something is due: whoever drives the core may sleep until then, unless something else happens before.

use std::time::{Duration, Instant};

use super::Core;
use super::calls::Call;
use super::links::Link;
use super::rooms::{Part, Room};
use crate::time::Now;

/// What has no moment of its own is looked at so often: the clock on the wall (certificates that end, a sleep of the whole
/// machine) and what others have to tell (gossip).
pub const LOOK: Duration = Duration::from_secs(1);

impl Core {
    /// When [`Self::tick`] has something to do at the latest, seen from `now`: a second from then, or earlier where something is
    /// under way that has a deadline.
    pub fn next_deadline(&self, now: Now) -> Instant {
        let calls = self.calls.values().map(Call::deadline);
        let links = self.links.values().filter_map(|link| link.next_deadline(self.is_needed(link)));
        let candidates = self.candidates.values().map(|candidate| candidate.deadline());
        let rooms = self.rooms.values().filter_map(Room::next_deadline);
        let mesh = self.mesh.values().filter_map(|attempt| attempt.next());
        let first = calls.chain(links).chain(candidates).chain(rooms).chain(mesh).min();
        first.map_or(now.instant + LOOK, |first| first.min(now.instant + LOOK))
    }

    fn is_needed(&self, link: &Link) -> bool {
        self.needed_by_room(link.person.device)
    }
}

impl Room {
    fn next_deadline(&self) -> Option<Instant> {
        let part = match &self.part {
            Part::Entering { deadline, .. } => Some(*deadline),
            Part::Host(hosting) => hosting.next_deadline(),
            Part::Member(_) | Part::Asked { .. } => None,
        };
        let texts = self.fanouts.values().filter_map(|fanout| fanout.next_deadline());
        let early = self.early.iter().map(|early| early.until());
        part.into_iter().chain(texts).chain(early).min()
    }
}
