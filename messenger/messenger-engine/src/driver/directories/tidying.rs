//! Now and then: leaves directories that nobody needs, and looks again for whom was not found.

use std::time::Duration;

use identity::Identifier;

use super::other::Other;
use super::people::{Known, LOOK_AGAIN, Spot};
use super::{Directories, Key, MAX_STRANGERS};
use crate::core::Core;
use crate::time::Now;

/// How often to look for what is not needed any more, and for what may be found again.
const LOOK: Duration = Duration::from_secs(5);
/// A directory that nobody needs any more is left after this time.
const UNUSED: Duration = Duration::from_secs(60);

impl Directories {
    /// Now and then: leaves directories that nobody needs, and looks again for whom was not found.
    pub(in crate::driver) fn tick(&mut self, core: &mut Core, now: Now) {
        if now.instant < self.looked + LOOK {
            return;
        }
        self.looked = now.instant;
        let unused = |key: &Key, other: &Other| {
            other.is_idle() && now.instant >= other.used + UNUSED && !self.calls.values().any(|at| at == key)
        };
        let closing: Vec<Key> =
            self.others.iter().filter(|(key, other)| unused(key, other)).map(|(key, _)| key.clone()).collect();
        let silent = |other: &Other| other.down_since.is_some_and(|since| now.instant >= since + LOOK_AGAIN);
        let moving: Vec<Key> =
            self.others.iter().filter(|(_, other)| silent(other)).map(|(key, _)| key.clone()).collect();
        let is_gone = |known: &Known| match &known.spot {
            Spot::At(key) => closing.contains(key) || moving.contains(key),
            Spot::Nowhere { again, .. } => *again <= now.instant,
            Spot::Own | Spot::Sought(_) => false,
        };
        let again: Vec<Identifier> =
            self.people.iter().filter(|(_, known)| is_gone(known)).map(|(who, _)| who.clone()).collect();
        closing.iter().chain(&moving).for_each(|key| {
            self.others.remove(key);
        });
        for who in again {
            if self.people.remove(&who).is_some_and(|known| known.watched) {
                self.look_for(who, true, Vec::new(), core, now);
            }
        }
        if self.people.values().filter(|known| !known.watched).count() > MAX_STRANGERS {
            self.people.retain(|_, known| known.watched || !matches!(known.spot, Spot::Own));
        }
    }
}
