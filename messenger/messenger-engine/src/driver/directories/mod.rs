//! The directories at which this device is: its own, and those in which the people are found whom it watches or calls.
//!
//! ```text
//! core ──asks──► Directories ──► own link                everything about this device, its people, calls to it
//!                    │ └───────► links to others         their people's presence, calls to them, and calls back
//!                    └─ finds, for each person once, in which of them she is
//! ```
//! To other directories this device is invisible, and nobody may knock there: who looks for it asks its own one. What
//! another directory says counts only of people who are found there, of calls that were made there, and of a call back by
//! whom one is calling there.

mod abroad;
mod again;
mod calls;
mod hearing;
mod moving;
mod other;
mod outages;
mod people;
mod tidying;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use identity::Identifier;
use identity::trust::Bindings;
use identity::verify::Vouchers;
use tokio::sync::{mpsc, watch};

use super::Happening;
use super::directory::{Cues, Link, Whose};
use super::place::{Outlet, Place};
use super::tls::ToDirectories;
use crate::api::CallId;
use crate::core::{Ask, Core, Presenting};
use crate::time::Now;
use crate::whereabouts::{DirectoryElsewhere, Find};
use calls::CallElsewhere;
use other::Other;
use outages::Outages;
use people::{Known, Spot};

/// Strangers whose directory is remembered beside contacts.
const MAX_STRANGERS: usize = 1_024;

/// Troubles that are remembered, so that each is told once.
const MAX_TOLD: usize = 1_024;

/// What to try when a directory is not reached.
pub(super) const NOT_REACHED: &str = "it is tried again by itself; if it stays so, ask them for a new contact card, or who runs their \
                           directory: its certificate has to be for the name that was expected, by an authority that you \
                           trust for their domain, and it has to trust yours";

/// One connection: a directory, and whose word counts for it: what is proven there for one person is so for all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    directory: DirectoryElsewhere,
    vouchers: Vouchers,
}

/// How links are made.
pub(super) struct Ways {
    pub(super) outlet: Outlet,
    pub(super) tls: ToDirectories,
    pub(super) outbox: mpsc::Sender<Happening>,
    pub(super) wanted: watch::Receiver<u64>,
}

/// See the module's picture.
pub(super) struct Directories {
    ways: Ways,
    finder: Option<Arc<dyn Find>>,
    own: mpsc::UnboundedSender<Ask>,
    own_cues: Arc<Cues>,
    outages: Outages,
    /// Nothing is wanted of any directory.
    resting: bool,
    /// Where this device is, as its own directory says.
    place: watch::Receiver<Option<Place>>,
    presenting: Option<Presenting>,
    people: BTreeMap<Identifier, Known>,
    others: BTreeMap<Key, Other>,
    /// Who is found elsewhere by now, in directories that are not reached yet.
    bound_for: BTreeMap<Identifier, Key>,
    opened: u64,
    /// Calls in other directories: ours, and those that cross them.
    calls: BTreeMap<CallId, CallElsewhere>,
    /// What was told: about which domain, or directory of several, and what. Of people of one domain it may be different.
    told: BTreeSet<(String, String)>,
    looked: Instant,
    /// How often the authorities by which people are known have changed, and which they were then.
    known_by: (u64, Bindings),
}

impl Directories {
    /// Starts the link to one's own directory.
    pub(super) fn start(ways: Ways, own: DirectoryElsewhere, finder: Option<Arc<dyn Find>>) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (at, place) = watch::channel(None);
        let link = Link::new(ways.outlet.clone(), ways.tls.own(), (own, Whose::Own(at)), ways.outbox.clone());
        let own_cues = Arc::<Cues>::default();
        let known_by = ways.tls.rebound_since(0).unwrap_or_default();
        tokio::spawn(link.run(ways.wanted.clone(), asked, own_cues.clone()));
        Self {
            ways,
            finder,
            own: asks,
            own_cues,
            outages: Outages::default(),
            resting: false,
            place,
            presenting: None,
            people: BTreeMap::new(),
            others: BTreeMap::new(),
            bound_for: BTreeMap::new(),
            opened: 0,
            calls: BTreeMap::new(),
            told: BTreeSet::new(),
            looked: Instant::now(),
            known_by,
        }
    }

    /// The network has changed. Who was not found may be found from the new one.
    pub(super) fn follow(&mut self, core: &mut Core, now: Now) {
        self.own_cues.follow.notify_one();
        self.others.values().for_each(|other| other.cues.follow.notify_one());
        self.look_for_those(|known| matches!(known.spot, Spot::Nowhere { .. }), core, now);
    }

    /// All directories are shown the certificate that is the newest now.
    pub(super) fn reintroduce(&self) {
        self.own_cues.renew.notify_one();
        self.others.values().for_each(|other| other.cues.renew.notify_one());
    }

    /// Does what the core asks for, at the directory where it belongs.
    pub(super) fn ask(&mut self, ask: Ask, core: &mut Core, now: Now) {
        match ask {
            Ask::Announce(presenting) => self.announce(*presenting, core, now),
            Ask::Watch { who } => self.watch(who, core, now),
            Ask::Unwatch { who } => self.unwatch(&who, core, now),
            Ask::Invite { ref callee, .. } => {
                let callee = callee.clone();
                self.invite(&callee, ask, core, now);
            }
            Ask::Cancel { call } => self.cancel(call),
            Ask::Accept { call } | Ask::Decline { call } | Ask::Busy { call } => self.answer(call, ask),
        }
    }

    fn ask_own(&self, ask: Ask) {
        // Fails only when the link's task is gone, which is when everything is.
        let _ = self.own.send(ask);
    }

    fn announce(&mut self, presenting: Presenting, core: &mut Core, now: Now) {
        self.ask_own(Ask::Announce(Box::new(presenting.clone())));
        let contacts = presenting.announcement.contacts.clone();
        self.presenting = Some(presenting);
        for who in contacts {
            if !self.people.get(&who).is_some_and(|known| known.watched) {
                self.watch(who, core, now);
            }
        }
        // It may hide somebody: all are told now.
        self.announce_where(|_| true, now);
    }

    /// Tells the directories in which something has changed what concerns them: each once, however many people were found there.
    fn announce_changes(&mut self, now: Now) {
        self.announce_where(|other| other.is_to_be_told(now.instant), now);
    }

    fn announce_where(&mut self, which: impl Fn(&Other) -> bool, now: Now) {
        let keys = self.others.iter().filter(|(_, other)| which(other)).map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            self.announce_at(&key, now);
        }
    }

    /// Tells another directory what concerns it.
    fn announce_at(&mut self, key: &Key, now: Now) {
        if let (Some(presenting), Some(other)) = (self.presenting_at(key), self.others.get_mut(key)) {
            other.announce(presenting, now.instant);
        }
    }

    /// Before a call is made there: whom it shows the caller to has to be known.
    fn announce_before_call(&mut self, key: &Key, now: Now) {
        if self.others.get(key).is_some_and(Other::is_behind) {
            self.announce_at(key, now);
        }
    }

    fn presenting_at(&self, key: &Key) -> Option<Presenting> {
        let (presenting, other) = (self.presenting.as_ref()?, self.others.get(key)?);
        // Who was never looked for is neither watched nor called there: then nobody there need know of her.
        let is_there = |who: &Identifier| self.people.get(who).is_some_and(|known| known.spot.is_at(key));
        Some(abroad::presenting(presenting, is_there, &other.watched))
    }

    /// The domains of those who are said to be found in this directory.
    fn domains_at(&self, key: &Key) -> BTreeSet<&str> {
        self.people.iter().filter(|(_, known)| known.spot.is_at(key)).map(|(who, _)| abroad::domain(who)).collect()
    }

    /// Nothing is wanted of any directory: their links leave by themselves.
    pub(super) fn leave(&mut self) {
        self.outages.rest();
        self.resting = true;
        self.calls.clear();
        self.bound_for.clear();
        self.people.values_mut().for_each(|known| known.spot.forget_all());
        self.others.values_mut().for_each(Other::left);
    }

    /// Directories are wanted again.
    pub(super) fn come_back(&mut self) {
        self.resting = false;
    }

    /// Says what is wrong, once until it is right.
    fn tell(&mut self, about: &str, message: &str, remedy: &str, core: &mut Core) {
        let what = (about.to_owned(), message.to_owned());
        if self.told.contains(&what) {
            return;
        }
        if self.told.len() >= MAX_TOLD {
            self.told.clear();
        }
        self.told.insert(what);
        core.trouble_elsewhere(about, message, remedy);
    }
}

#[cfg(test)]
mod tests;
