//! Whether people are found where they were: asked again now and then, for domains change their directories. Whoever is found
//! elsewhere is watched where she was until the directory there is reached.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use identity::Identifier;

use super::other::Other;
use super::outages::GIVEN_UP;
use super::people::{LOOK_AGAIN, Spot};
use super::{Directories, Key, abroad};
use crate::core::{Ask, Core};
use crate::driver::Happening;
use crate::time::Now;
use crate::whereabouts::{NotFound, Whereabouts};

/// How old an answer may be that is asked for again: younger than what was asked the time before, however often that is, and
/// old enough for all people of a domain to be told the same.
const AT_MOST: Duration = Duration::from_secs(30);

impl Directories {
    /// Asks where the people are who are found in directories of which that was not asked for a while.
    pub(super) fn ask_again(&mut self, core: &mut Core, now: Now) {
        let outages = &self.outages;
        let is_away =
            |other: &Other| outages.alone_since(other.down_since, now.instant).is_some_and(|alone| alone >= GIVEN_UP);
        // One that has moved may have been switched off at once.
        let is_due = |other: &Other| match other.is_reached() {
            true => now.instant >= other.looked + LOOK_AGAIN,
            false => is_away(other) && now.instant >= other.looked + GIVEN_UP,
        };
        let due = self.others.iter_mut().filter(|(_, other)| is_due(other)).map(|(key, other)| {
            other.looked = now.instant;
            key.clone()
        });
        for key in due.collect::<Vec<_>>() {
            self.ask_again_at(&key, core, now);
        }
    }

    fn ask_again_at(&mut self, key: &Key, core: &mut Core, now: Now) {
        let people = self.those(|known| known.spot.is_at(key));
        self.ask_again_of(people, key, core, now);
    }

    /// Asks where these people are by now, who are found there. One person's domain speaks for all of its people; cards speak for
    /// each.
    fn ask_again_of(&mut self, people: Vec<Identifier>, key: &Key, core: &mut Core, now: Now) {
        let (Some(finder), Some(other)) = (self.finder.clone(), self.others.get(key)) else { return };
        let number = other.number;
        let mut asked = BTreeSet::new();
        for who in people {
            let mut search = finder.find_again(&who, AT_MOST);
            if let Some(found) = search.as_mut().now_or_never() {
                self.found_again(&who, found, core, now);
            } else if asked.insert(abroad::domain(&who).to_owned()) {
                let outbox = self.ways.outbox.clone();
                tokio::spawn(async move {
                    let found = search.await;
                    let _ = outbox.send(Happening::FoundAgain { who, number, found }).await;
                });
            }
        }
    }

    /// A domain that was asked again has answered: whoever else is found where this person was may have moved with her.
    pub(in crate::driver) fn domain_answered(
        &mut self,
        who: &Identifier,
        (number, found): (u64, Result<Whereabouts, NotFound>),
        core: &mut Core,
        now: Now,
    ) {
        let Some(from) = self.key_of(number) else { return };
        let may_have_moved = match self.people.get(who) {
            Some(known) if known.spot.is_at(&from) => self.found_again(who, found, core, now),
            // What came meanwhile is newer: a card, say. Of the others that says nothing.
            _ => found.is_ok(),
        };
        if !may_have_moved {
            return;
        }
        let mut people = self.those(|known| known.spot.is_at(&from));
        people.retain(|other| other != who && abroad::domain(other) == abroad::domain(who));
        self.ask_again_of(people, &from, core, now);
    }

    /// Whether somebody is found elsewhere by now: then she moves as soon as the directory there is reached. When nobody knows,
    /// what is known counts.
    fn found_again(
        &mut self,
        who: &Identifier,
        found: Result<Whereabouts, NotFound>,
        core: &mut Core,
        now: Now,
    ) -> bool {
        let Some(Spot::At(from)) = self.people.get(who).map(|known| &known.spot) else { return false };
        self.bound_for.remove(who);
        match found {
            Ok(Whereabouts::Here) => {
                self.look_anew(who.clone(), core, now);
                true
            }
            Ok(Whereabouts::At(directory)) => {
                let to = self.key(directory, who);
                if *from == to {
                    return false;
                }
                if let Ok(to) = self.open(to, who, now) {
                    self.bound_for.insert(who.clone(), to.clone());
                    self.move_to(&to, core, now);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Whoever was to move to this directory does, if it is reached.
    pub(super) fn move_to(&mut self, to: &Key, core: &mut Core, now: Now) {
        if !self.others.get(to).is_some_and(Other::is_reached) {
            return;
        }
        let people: Vec<Identifier> = self.bound_for.extract_if(.., |_, key| key == to).map(|(who, _)| who).collect();
        for who in people {
            let Some(known) = self.people.get_mut(&who) else { continue };
            let Spot::At(from) = std::mem::replace(&mut known.spot, Spot::At(to.clone())) else { continue };
            let calls: Vec<Ask> = self.take_calls_at(&from, |callee| *callee == who);
            self.unwatch_at(&from, &who);
            self.begin_to_watch(&who);
            self.begin_to_call(&who);
            for invite in calls {
                self.invite(&who, invite, core, now);
            }
        }
    }

    /// A directory to which people were to move is given up: they stay. Where their card says so, it is passed over as before.
    pub(super) fn do_not_move_to(&mut self, to: &Key) {
        let people: Vec<Identifier> = self.bound_for.extract_if(.., |_, key| key == to).map(|(who, _)| who).collect();
        if let Some(finder) = &self.finder {
            people.iter().for_each(|who| drop(finder.not_reached(who, &to.directory)));
        }
    }
}
