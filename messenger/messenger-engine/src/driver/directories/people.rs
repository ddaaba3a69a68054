//! Where people are found: looked for once, and kept as long as they are watched or called.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use identity::Identifier;

use super::other::Other;
use super::{Directories, Key, abroad};
use crate::api::CallId;
use crate::core::{Ask, Core};
use crate::driver::Happening;
use crate::time::Now;
use crate::whereabouts::{DirectoryElsewhere, NotFound, Whereabouts};

/// More directories than this are not connected to at once.
const MAX_OTHERS: usize = 64;
/// Who was not found, or whose directory was not reached for so long, is looked for again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Where somebody is found.
pub(super) enum Spot {
    /// It is being found out; these calls wait for it.
    Sought(Vec<Ask>),
    Own,
    At(Key),
    /// Nobody knows, because.
    Nowhere {
        reason: String,
        again: Instant,
    },
}

impl Spot {
    /// Whether this call waited here; it does no more.
    pub(super) fn forget(&mut self, call: CallId) -> bool {
        let Self::Sought(waiting) = self else { return false };
        let before = waiting.len();
        waiting.retain(|ask| ask.invited() != Some(call));
        waiting.len() < before
    }

    pub(super) fn is_at(&self, key: &Key) -> bool {
        matches!(self, Self::At(at) if at == key)
    }

    /// No call waits here any more.
    pub(super) fn forget_all(&mut self) {
        if let Self::Sought(waiting) = self {
            waiting.clear();
        }
    }
}

pub(super) struct Known {
    pub(super) spot: Spot,
    pub(super) watched: bool,
}

impl Directories {
    pub(super) fn watch(&mut self, who: Identifier, core: &mut Core, now: Now) {
        let Some(known) = self.people.get_mut(&who) else { return self.look_for(who, true, Vec::new(), core, now) };
        let is_new = !std::mem::replace(&mut known.watched, true);
        // Whoever is asked for again may be found elsewhere by now, by a card.
        if !self.moves(&who, core, now) && is_new {
            self.begin_to_watch(&who);
        }
    }

    pub(super) fn begin_to_watch(&mut self, who: &Identifier) {
        match self.people.get(who).filter(|known| known.watched).map(|known| &known.spot) {
            Some(Spot::Own) => self.ask_own(Ask::Watch { who: who.clone() }),
            Some(Spot::At(key)) => {
                if let Some(other) = self.others.get_mut(key) {
                    other.has_changed();
                    other.watch(who.clone());
                }
            }
            _ => {}
        }
    }

    /// A stranger may be named in the lists that are told where she is found.
    pub(super) fn begin_to_call(&mut self, who: &Identifier) {
        if let Some(Known { spot: Spot::At(key), watched: false }) = self.people.get(who)
            && let Some(other) = self.others.get_mut(key)
        {
            other.has_changed();
        }
    }

    pub(super) fn unwatch(&mut self, who: &Identifier, core: &mut Core, now: Now) {
        self.bound_for.remove(who);
        match self.people.remove(who).map(|known| known.spot) {
            Some(Spot::Sought(waiting)) => {
                let reason = format!("{who} is looked for no longer");
                let calls = waiting.iter().filter_map(Ask::invited);
                calls.for_each(|call| core.call_failed(call, &reason, now));
            }
            Some(Spot::At(key)) => self.unwatch_at(&key, who),
            _ => self.ask_own(Ask::Unwatch { who: who.clone() }),
        }
    }

    /// Somebody is found in this directory no more: nor is she in the lists that it is told.
    pub(super) fn unwatch_at(&mut self, key: &Key, who: &Identifier) {
        if let Some(other) = self.others.get_mut(key) {
            other.has_changed();
            other.unwatch(who);
        }
    }

    /// Finds out where somebody is, and goes on from there.
    pub(super) fn look_for(&mut self, who: Identifier, watched: bool, calls: Vec<Ask>, core: &mut Core, now: Now) {
        self.bound_for.remove(&who);
        self.people.insert(who.clone(), Known { spot: Spot::Sought(calls), watched });
        let Some(finder) = &self.finder else { return self.found(&who, Ok(Whereabouts::Here), core, now) };
        let mut search = finder.find(&who);
        match search.as_mut().now_or_never() {
            Some(found) => self.found(&who, found, core, now),
            None => {
                let outbox = self.ways.outbox.clone();
                tokio::spawn(async move {
                    let found = search.await;
                    let _ = outbox.send(Happening::Found { who, found }).await;
                });
            }
        }
    }

    /// Somebody was found, or not.
    pub(in crate::driver) fn found(
        &mut self,
        who: &Identifier,
        found: Result<Whereabouts, NotFound>,
        core: &mut Core,
        now: Now,
    ) {
        let Some(known) = self.people.get_mut(who) else { return };
        let Spot::Sought(waiting) = &mut known.spot else { return };
        let waiting = std::mem::take(waiting);
        let opened = match found {
            Ok(Whereabouts::Here) => Ok(Spot::Own),
            Ok(Whereabouts::At(directory)) => self.open(self.key(directory, who), who, now).map(Spot::At),
            Err(not_found) => Err(not_found),
        };
        let spot = opened.unwrap_or_else(|NotFound { message, remedy }| {
            self.tell(abroad::domain(who), &message, &remedy, core);
            Spot::Nowhere { reason: format!("{message}; {remedy}"), again: now.instant + LOOK_AGAIN }
        });
        if let Some(known) = self.people.get_mut(who) {
            known.spot = spot;
        }
        self.begin_to_watch(who);
        self.begin_to_call(who);
        for invite in waiting {
            self.invite(who, invite, core, now);
        }
    }

    /// Whether nobody is said to be found in this directory any more.
    pub(super) fn is_said_of_nobody(&self, key: &Key) -> bool {
        !self.people.values().any(|known| known.spot.is_at(key))
    }

    /// The connection to the directory in which this person is found: the one that stands already if it leads to one of the
    /// addresses. A name server that leaves some of them out, or gives others with them, moves nobody.
    pub(super) fn key(&self, directory: DirectoryElsewhere, who: &Identifier) -> Key {
        let vouchers = self.ways.tls.vouchers(&directory.name, who);
        let key = Key { directory, vouchers };
        if self.others.contains_key(&key) {
            return key;
        }
        let stands = self.others.iter().find(|(standing, other)| {
            standing.directory.name == key.directory.name
                && standing.vouchers == key.vouchers
                && other.is_reached_at(&key.directory.addresses)
        });
        stands.map_or(key, |(standing, _)| standing.clone())
    }

    /// Where the link of this number leads.
    pub(super) fn key_of(&self, number: u64) -> Option<Key> {
        self.others.iter().find(|(_, other)| other.number == number).map(|(key, _)| key.clone())
    }

    pub(super) fn open(&mut self, key: Key, who: &Identifier, now: Now) -> Result<Key, NotFound> {
        if self.others.contains_key(&key) {
            return Ok(key);
        }
        if self.others.len() >= MAX_OTHERS {
            return Err(NotFound {
                message: format!("expected people in at most {MAX_OTHERS} other directories, found more"),
                remedy: "remove contacts whom you do not need".to_owned(),
            });
        }
        let tls = self
            .ways
            .tls
            .of(who.clone())
            .map_err(|error| NotFound { message: error.to_string(), remedy: "start again".to_owned() })?;
        self.opened += 1;
        let (number, place) = (self.opened, self.place.clone());
        let other = Other::open(number, &self.ways, tls, (key.directory.clone(), who.clone()), place, now.instant);
        self.others.insert(key.clone(), other);
        // It does not connect before it knows how to be present there.
        self.announce_at(&key, now);
        Ok(key)
    }
}
