//! Whose fault it is that a directory is not reached: its own, or the network's here. As long as one's own directory is not
//! reached either, nobody is given up, and nobody is told that others are not reached.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use directory_protocol::limits::NOTICED;
use identity::Identifier;

use super::people::Spot;
use super::{Directories, Key};
use crate::core::Core;
use crate::driver::directory::ATTEMPT;
use crate::time::Now;

/// A directory that answered before may be away for so long, to be started anew.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(60);

/// How long this device may be cut off before it notices: its own directory was not heard, and did not answer.
const UNNOTICED: Duration = NOTICED.saturating_add(ATTEMPT);

/// What is known of this device's own connection.
#[derive(Default)]
pub(super) struct Outages {
    /// Since when one's own directory is reached, if it is.
    reached_since: Option<Instant>,
    /// Whose directory was given up lately, and when.
    given_up: BTreeMap<Identifier, Instant>,
    /// Of whom it is not known any more whether that was right.
    doubted: Vec<Identifier>,
}

impl Outages {
    pub(super) fn own_is_up(&self) -> bool {
        self.reached_since.is_some()
    }

    /// Nothing is wanted of any directory.
    pub(super) fn rest(&mut self) {
        self.reached_since = None;
    }

    pub(super) fn gave_up(&mut self, who: &Identifier, now: Instant) {
        self.given_up.insert(who.clone(), now);
    }

    /// For how long somebody else's directory has not been reached though one's own was.
    pub(super) fn alone_since(&self, down_since: Option<Instant>, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(down_since?.max(self.reached_since?)))
    }

    /// Whether it is time to ask whether people of a directory are found elsewhere by now: it never answered, not even once
    /// while one's own did, or not for a while.
    fn give_up(&self, was_up: bool, down_since: Option<Instant>, now: Instant) -> bool {
        match was_up {
            true => self.alone_since(down_since, now).is_some_and(|alone| alone >= GIVEN_UP),
            false => self.reached_since.is_some_and(|since| now >= since + ATTEMPT),
        }
    }

    /// What was given up so long ago was so rightly.
    pub(super) fn forget(&mut self, now: Instant) {
        if self.own_is_up() {
            self.given_up.retain(|_, at| now < *at + UNNOTICED);
        }
    }
}

impl Directories {
    /// Whether this directory, which has just failed, is given up.
    pub(super) fn is_given_up(&self, key: &Key, now: Now) -> bool {
        let Some(other) = self.others.get(key) else { return false };
        self.outages.give_up(other.was_up(), other.down_since, now.instant)
    }

    /// The own directory is reached: what others said meanwhile counts now, and whoever was not found may be found.
    pub(in crate::driver) fn own_is_up(&mut self, core: &mut Core, now: Now) {
        self.outages.reached_since.get_or_insert(now.instant);
        for (who, presence) in self.others.values().flat_map(|other| &other.seen) {
            core.presence_pushed(who.clone(), presence.clone());
        }
        for who in std::mem::take(&mut self.outages.doubted) {
            self.look_anew(who, core, now);
        }
        self.look_for_those(|known| matches!(known.spot, Spot::Nowhere { .. }), core, now);
    }

    /// The own directory is lost. Others that were given up shortly before may not have been reached for the same reason.
    pub(in crate::driver) fn own_is_down(&mut self, now: Now) {
        if self.outages.reached_since.take().is_none() {
            return;
        }
        // With it this device has given up its calls everywhere: elsewhere they must not ring on.
        for (call, elsewhere) in std::mem::take(&mut self.calls) {
            if let Some(other) = self.others.get_mut(&elsewhere.at).filter(|_| !elsewhere.is_theirs) {
                other.cancel(call);
            }
        }
        // Nor may they ring later, where their callees are found by then.
        self.people.values_mut().for_each(|known| known.spot.forget_all());
        self.outages.given_up.retain(|_, at| now.instant < *at + UNNOTICED);
        self.outages.doubted.extend(std::mem::take(&mut self.outages.given_up).into_keys());
        if let (Some(finder), false) = (&self.finder, self.outages.doubted.is_empty()) {
            finder.was_cut_off(UNNOTICED);
        }
    }
}
