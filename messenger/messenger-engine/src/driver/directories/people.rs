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
use crate::whereabouts::{NotFound, Whereabouts};

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
        waiting.retain(|ask| !matches!(ask, Ask::Invite { call: waits, .. } if *waits == call));
        waiting.len() < before
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
        match self.people.get_mut(&who) {
            Some(known) if known.watched => return,
            Some(known) => known.watched = true,
            None => return self.look_for(who, true, Vec::new(), core, now),
        }
        self.begin_to_watch(&who);
    }

    fn begin_to_watch(&mut self, who: &Identifier) {
        match self.people.get(who).filter(|known| known.watched).map(|known| &known.spot) {
            Some(Spot::Own) => self.ask_own(Ask::Watch { who: who.clone() }),
            Some(Spot::At(key)) => {
                let key = key.clone();
                if let Some(other) = self.others.get_mut(&key) {
                    other.watched.insert(who.clone());
                    self.announce_at(&key);
                    self.others[&key].watch(who.clone());
                }
            }
            _ => {}
        }
    }

    pub(super) fn unwatch(&mut self, who: &Identifier) {
        match self.people.remove(who).map(|known| known.spot) {
            Some(Spot::At(key)) => {
                if let Some(other) = self.others.get_mut(&key) {
                    other.unwatch(who);
                }
                self.announce_at(&key);
            }
            _ => self.ask_own(Ask::Unwatch { who: who.clone() }),
        }
    }

    /// Finds out where somebody is, and goes on from there.
    pub(super) fn look_for(&mut self, who: Identifier, watched: bool, calls: Vec<Ask>, core: &mut Core, now: Now) {
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
            Ok(Whereabouts::At(directory)) => {
                self.open(Key { directory, scope: abroad::scope(who) }, who, now).map(Spot::At)
            }
            Err(not_found) => Err(not_found),
        };
        let spot = opened.unwrap_or_else(|NotFound { message, remedy }| {
            self.tell(&abroad::scope(who), &message, &remedy, core);
            Spot::Nowhere { reason: format!("{message}; {remedy}"), again: now.instant + LOOK_AGAIN }
        });
        if let Some(known) = self.people.get_mut(who) {
            known.spot = spot;
        }
        self.begin_to_watch(who);
        for invite in waiting {
            self.invite(who, invite, core, now);
        }
    }

    /// Who is said to be found there: for each of them others may know better.
    pub(super) fn look_elsewhere(&mut self, key: &Key, message: &str, core: &mut Core, now: Now) {
        let Some(finder) = self.finder.clone() else { return };
        let is_there = |known: &Known| matches!(&known.spot, Spot::At(at) if at == key);
        let there: Vec<Identifier> =
            self.people.iter().filter(|(_, known)| is_there(known)).map(|(who, _)| who.clone()).collect();
        for who in there {
            let Some(instead) = finder.not_reached(&who, &key.directory) else { continue };
            let Some(other) = self.others.get_mut(key) else { return };
            other.unwatch(&who);
            let calls = other.take_waiting(&who);
            self.calls.retain(|call, _| {
                !calls.iter().any(|ask| matches!(ask, Ask::Invite { call: waits, .. } if waits == call))
            });
            let watched = self.people.remove(&who).is_some_and(|known| known.watched);
            core.lost_elsewhere(std::slice::from_ref(&who));
            self.tell(who.as_str(), message, &instead, core);
            self.look_for(who, watched, calls, core, now);
        }
    }

    /// Whether nobody is said to be found in this directory any more.
    pub(super) fn is_said_of_nobody(&self, key: &Key) -> bool {
        !self.people.values().any(|known| matches!(&known.spot, Spot::At(at) if at == key))
    }

    fn open(&mut self, key: Key, who: &Identifier, now: Now) -> Result<Key, NotFound> {
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
        let other = Other::open(self.opened, &self.ways, tls, key.directory.clone(), self.place.clone(), now.instant);
        self.others.insert(key.clone(), other);
        self.announce_at(&key);
        Ok(key)
    }
}
