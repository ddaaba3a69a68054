//! Now and then: leaves directories that nobody needs, and looks again for whom was not found.

use std::time::{Duration, Instant};

use super::other::Other;
use super::people::{Known, LOOK_AGAIN, Spot};
use super::{Directories, Key, MAX_STRANGERS};
use crate::core::{Ask, Core};
use crate::time::Now;

/// How often to look for what is not needed any more, and for what may be found again.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// A directory that nobody needs any more is left after this time.
const UNUSED: Duration = Duration::from_secs(60);

impl Directories {
    /// When another directory is to be told what has changed.
    pub(in crate::driver) fn next_deadline(&self, now: Now) -> Option<Instant> {
        self.others.values().filter_map(|other| other.is_to_be_told_at(now.instant)).min()
    }

    /// Now and then: leaves directories that nobody needs, and looks again for whom was not found.
    pub(in crate::driver) fn tick(&mut self, core: &mut Core, now: Now) {
        self.follow_bindings(core, now);
        self.announce_changes(now);
        if now.instant < self.looked + LOOK {
            return;
        }
        self.looked = now.instant;
        self.ask_again(core, now);
        // Of theirs no directory need say that they are over.
        self.calls.retain(|call, elsewhere| !elsewhere.is_theirs || core.is_under_way(*call));
        let unused = |key: &Key, other: &Other| {
            other.is_idle()
                && now.instant >= other.used + UNUSED
                && !self.calls.values().any(|elsewhere| elsewhere.at == *key)
        };
        let closing: Vec<Key> =
            self.others.iter().filter(|(key, other)| unused(key, other)).map(|(key, _)| key.clone()).collect();
        self.outages.forget(now.instant);
        let silent = |other: &Other| {
            self.outages.alone_since(other.down_since, now.instant).is_some_and(|alone| alone >= LOOK_AGAIN)
        };
        let moving: Vec<Key> =
            self.others.iter().filter(|(_, other)| silent(other)).map(|(key, _)| key.clone()).collect();
        let is_gone = |known: &Known| match &known.spot {
            Spot::At(key) => closing.contains(key) || moving.contains(key),
            Spot::Nowhere { again, .. } => *again <= now.instant,
            Spot::Own | Spot::Sought(_) => false,
        };
        // Calls that wait for one that is given up go where their people are found then.
        let waiting: Vec<Ask> = moving.iter().flat_map(|key| self.take_calls_at(key, |_| true)).collect();
        closing.iter().chain(&moving).for_each(|key| {
            self.others.remove(key);
        });
        self.look_for_those(is_gone, core, now);
        for invite in waiting {
            self.ask(invite, core, now);
        }
        if self.people.values().filter(|known| !known.watched).count() > MAX_STRANGERS {
            self.people.retain(|_, known| known.watched || !matches!(known.spot, Spot::Own));
        }
    }
}
