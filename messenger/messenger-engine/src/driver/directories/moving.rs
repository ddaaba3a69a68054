//! People who are found elsewhere by now: by a card, under another authority, or because a directory is not reached. They leave
//! where they were at once; whoever's directory has changed does not (`again`).

use futures_util::FutureExt;
use identity::Identifier;

use super::people::{Known, Spot};
use super::{Directories, Key};
use crate::core::{Ask, Core};
use crate::time::Now;
use crate::whereabouts::Whereabouts;

impl Directories {
    /// Looks whether somebody who was found before is found elsewhere by now, as far as it is known without asking. Whether
    /// she is: then she is looked for anew.
    pub(super) fn moves(&mut self, who: &Identifier, core: &mut Core, now: Now) -> bool {
        let (Some(finder), Some(known)) = (&self.finder, self.people.get(who)) else { return false };
        let stays = match (&known.spot, finder.find(who).now_or_never()) {
            (Spot::Sought(_), None) | (Spot::Own, Some(Ok(Whereabouts::Here))) => true,
            (Spot::At(key), Some(Ok(Whereabouts::At(directory)))) => *key == self.key(directory, who),
            (Spot::At(key), None) => *key == self.key(key.directory.clone(), who),
            _ => false,
        };
        if !stays {
            self.look_anew(who.clone(), core, now);
        }
        !stays
    }

    /// Leaves where somebody was found, and looks for her anew. Calls that were not placed yet wait for that.
    pub(super) fn look_anew(&mut self, who: Identifier, core: &mut Core, now: Now) {
        let Some(Known { spot, watched }) = self.people.remove(&who) else { return };
        let calls = match spot {
            Spot::Sought(calls) => calls,
            Spot::Own if watched => {
                self.ask_own(Ask::Unwatch { who: who.clone() });
                Vec::new()
            }
            Spot::At(key) => {
                self.unwatch_at(&key, &who);
                self.take_calls_at(&key, |callee| *callee == who)
            }
            Spot::Own | Spot::Nowhere { .. } => Vec::new(),
        };
        core.lost_elsewhere(std::slice::from_ref(&who));
        self.look_for(who, watched, calls, core, now);
    }

    /// The calls to these people that wait for this directory; they are placed there no more.
    pub(super) fn take_calls_at(&mut self, key: &Key, to: impl Fn(&Identifier) -> bool) -> Vec<Ask> {
        let Some(other) = self.others.get_mut(key) else { return Vec::new() };
        let calls = other.take_waiting(to);
        self.calls.retain(|call, _| !calls.iter().any(|ask| ask.invited() == Some(*call)));
        calls
    }

    /// Who is said to be found there: for each of them others may know better.
    pub(super) fn look_elsewhere(&mut self, key: &Key, message: &str, core: &mut Core, now: Now) {
        let Some(finder) = self.finder.clone() else { return };
        for who in self.those(|known| known.spot.is_at(key)) {
            let Some(instead) = finder.not_reached(&who, &key.directory) else { continue };
            self.outages.gave_up(&who, now.instant);
            self.tell(who.as_str(), message, &instead, core);
            self.look_anew(who, core, now);
        }
    }

    /// Who is known by another authority than before may be found elsewhere, and another one has to vouch for her directory.
    pub(super) fn follow_bindings(&mut self, core: &mut Core, now: Now) {
        let Some(known_by) = self.ways.tls.rebound_since(self.known_by.0) else { return };
        let (_, before) = std::mem::replace(&mut self.known_by, known_by);
        let after = &self.known_by.1;
        let is_other = |who: &&Identifier| before.get(who).map(|by| by.root) != after.get(who).map(|by| by.root);
        let others: Vec<Identifier> = self.people.keys().filter(is_other).cloned().collect();
        for who in others {
            self.moves(&who, core, now);
        }
        // A link is verified as the directory of one of its people. If it is hers no more, it is made anew for the rest.
        let is_hers = |key: &Key, who: &Identifier| self.ways.tls.vouchers(&key.directory.name, who) == key.vouchers;
        let links = self.others.iter().filter(|(key, other)| !is_hers(key, &other.verified_for));
        for key in links.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            // What the old connection said of them counts no more, and whether there is another one is not known yet.
            if let Some(other) = self.others.remove(&key) {
                core.lost_elsewhere(&other.watched.into_iter().collect::<Vec<_>>());
            }
            self.fail_calls_at(&key, "its directory is connected to anew", core, now);
            self.look_for_those(|known| known.spot.is_at(&key), core, now);
        }
    }

    /// Looks for all these anew; strangers among them once they are called again.
    pub(super) fn look_for_those(&mut self, which: impl Fn(&Known) -> bool, core: &mut Core, now: Now) {
        for who in self.those(which) {
            if self.people.remove(&who).is_some_and(|known| known.watched) {
                self.look_for(who, true, Vec::new(), core, now);
            }
        }
    }

    pub(super) fn those(&self, which: impl Fn(&Known) -> bool) -> Vec<Identifier> {
        self.people.iter().filter(|(_, known)| which(known)).map(|(who, _)| who.clone()).collect()
    }
}
