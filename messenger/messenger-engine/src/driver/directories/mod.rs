//! The directories at which this device is: its own, and those in which the people are found whom it watches or calls.
//!
//! ```text
//! core ──asks──► Directories ──► own link                everything about this device, its people, calls to it
//!                    │ └───────► links to others         their people's presence, calls to them, and nothing else
//!                    └─ finds, for each person once, in which of them she is
//! ```
//! To other directories this device is invisible, and nobody may knock there: who looks for it asks its own one. What
//! another directory says counts only of people who are found there, and of calls that were made there.

mod abroad;
mod other;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::{DirectoryEvent, Outcome};
use futures_util::FutureExt;
use identity::Identifier;
use tokio::sync::{Notify, mpsc, watch};

use super::Happening;
use super::directory::{Link, Whose};
use super::place::{Outlet, Place};
use super::tls::ToDirectories;
use crate::api::CallId;
use crate::core::{Ask, Core, Presenting};
use crate::time::Now;
use crate::whereabouts::{DirectoryElsewhere, Find, NotFound, Whereabouts};
use other::Other;

/// More directories than this are not connected to at once.
const MAX_OTHERS: usize = 64;
/// Strangers whose directory is remembered beside contacts.
const MAX_STRANGERS: usize = 1_024;
/// How often to look for what is not needed any more, and for what may be found again.
const LOOK: Duration = Duration::from_secs(5);
/// Who was not found, or whose directory was not reached for so long, is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// A directory that nobody needs any more is left after this time.
const UNUSED: Duration = Duration::from_secs(60);

/// What to try when a directory is not reached.
const NOT_REACHED: &str = "it is tried again by itself; if it stays so, ask them for a new contact card, or who runs their \
                           directory: its certificate has to be for the name that was expected, by an authority that you \
                           trust for their domain, and it has to trust yours";

/// One connection: a directory, and for people of which domain its authority has to vouch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    directory: DirectoryElsewhere,
    scope: String,
}

/// Where somebody is found.
enum Spot {
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

struct Known {
    spot: Spot,
    watched: bool,
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
    own_follows: Arc<Notify>,
    own_is_up: bool,
    /// Nothing is wanted of any directory.
    resting: bool,
    /// Where this device is, as its own directory says.
    place: watch::Receiver<Option<Place>>,
    presenting: Option<Presenting>,
    people: BTreeMap<Identifier, Known>,
    others: BTreeMap<Key, Other>,
    opened: u64,
    /// The calls made elsewhere.
    calls: BTreeMap<CallId, Key>,
    /// What was last told of each domain's directory.
    told: BTreeMap<String, String>,
    looked: Instant,
}

impl Directories {
    /// Starts the link to one's own directory.
    pub(super) fn start(ways: Ways, own: DirectoryElsewhere, finder: Option<Arc<dyn Find>>) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (at, place) = watch::channel(None);
        let link = Link::new(ways.outlet.clone(), ways.tls.own(), (own, Whose::Own(at)), ways.outbox.clone());
        let own_follows = Arc::new(Notify::new());
        tokio::spawn(link.run(ways.wanted.clone(), asked, own_follows.clone()));
        Self {
            ways,
            finder,
            own: asks,
            own_follows,
            own_is_up: false,
            resting: false,
            place,
            presenting: None,
            people: BTreeMap::new(),
            others: BTreeMap::new(),
            opened: 0,
            calls: BTreeMap::new(),
            told: BTreeMap::new(),
            looked: Instant::now(),
        }
    }

    /// The network has changed.
    pub(super) fn follow(&self) {
        self.own_follows.notify_one();
        self.others.values().for_each(|other| other.follows.notify_one());
    }

    /// Does what the core asks for, at the directory where it belongs.
    pub(super) fn ask(&mut self, ask: Ask, core: &mut Core, now: Now) {
        match ask {
            Ask::Announce(presenting) => self.announce(*presenting, core, now),
            Ask::Watch { who } => self.watch(who, core, now),
            Ask::Unwatch { who } => self.unwatch(&who),
            Ask::Invite { ref callee, .. } => {
                let callee = callee.clone();
                self.invite(&callee, ask, core, now);
            }
            Ask::Cancel { call } => match self.calls.remove(&call).and_then(|key| self.others.get_mut(&key)) {
                Some(other) => other.cancel(call),
                None => self.ask_own(ask),
            },
            // Nobody knocks elsewhere.
            Ask::Accept { .. } | Ask::Decline { .. } | Ask::Busy { .. } => self.ask_own(ask),
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
            self.watch(who, core, now);
        }
        let keys: Vec<Key> = self.others.keys().cloned().collect();
        keys.iter().for_each(|key| self.announce_at(key));
    }

    /// Tells another directory what concerns it.
    fn announce_at(&mut self, key: &Key) {
        if let (Some(presenting), Some(other)) = (&self.presenting, self.others.get(key)) {
            other.announce(abroad::presenting(presenting, &key.scope, &other.watched));
        }
    }

    fn watch(&mut self, who: Identifier, core: &mut Core, now: Now) {
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

    fn unwatch(&mut self, who: &Identifier) {
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

    fn invite(&mut self, callee: &Identifier, invite: Ask, core: &mut Core, now: Now) {
        let Ask::Invite { call, .. } = invite else { return };
        match self.people.get_mut(callee).map(|known| &mut known.spot) {
            None => self.look_for(callee.clone(), false, vec![invite], core, now),
            Some(Spot::Sought(waiting)) => waiting.push(invite),
            Some(Spot::Own) => self.ask_own(invite),
            Some(Spot::At(key)) => {
                let key = key.clone();
                self.invite_at(key, call, invite, now);
            }
            Some(Spot::Nowhere { reason, .. }) => {
                let reason = reason.clone();
                core.call_failed(call, &reason, now);
            }
        }
    }

    fn invite_at(&mut self, key: Key, call: CallId, invite: Ask, now: Now) {
        if let Some(other) = self.others.get_mut(&key) {
            other.invite(invite, now.instant);
            self.calls.insert(call, key);
        }
    }

    /// Finds out where somebody is, and goes on from there.
    fn look_for(&mut self, who: Identifier, watched: bool, calls: Vec<Ask>, core: &mut Core, now: Now) {
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
    pub(super) fn found(&mut self, who: &Identifier, found: Result<Whereabouts, NotFound>, core: &mut Core, now: Now) {
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

    /// The own directory is reached: what others said meanwhile counts now.
    pub(super) fn own_is_up(&mut self, core: &mut Core) {
        self.own_is_up = true;
        for (who, presence) in self.others.values().flat_map(|other| &other.seen) {
            core.presence_pushed(who.clone(), presence.clone());
        }
    }

    /// The own directory is lost.
    pub(super) fn own_is_down(&mut self) {
        self.own_is_up = false;
    }

    /// Nothing is wanted of any directory: their links leave by themselves.
    pub(super) fn leave(&mut self) {
        (self.own_is_up, self.resting) = (false, true);
        self.calls.clear();
        self.others.values_mut().for_each(Other::left);
    }

    /// Directories are wanted again.
    pub(super) fn come_back(&mut self) {
        self.resting = false;
    }

    /// Whether what one's own directory said is its to say.
    pub(super) fn is_own(&self, event: &DirectoryEvent) -> bool {
        match event {
            DirectoryEvent::Presence { who, .. } => {
                !matches!(self.people.get(who), Some(Known { spot: Spot::At(_), .. }))
            }
            DirectoryEvent::Outcome { call_id, .. } | DirectoryEvent::Go { call_id, .. } => {
                !self.calls.contains_key(&CallId(*call_id))
            }
            DirectoryEvent::Incoming { .. } | DirectoryEvent::Closed { .. } => true,
        }
    }

    /// Something came from the link of this number.
    pub(super) fn heard(&mut self, number: u64, what: Happening, core: &mut Core, now: Now) {
        let found = self.others.iter().find(|(_, other)| other.number == number).map(|(key, _)| key.clone());
        let Some(key) = found else { return };
        match what {
            Happening::DirectoryUp => {
                self.told.remove(&key.scope);
                if let Some(other) = self.others.get_mut(&key) {
                    other.is_up();
                }
            }
            Happening::DirectoryDown(reason) => self.lost(&key, &reason, core, now),
            Happening::NotAnnounced(reason) => self.tell(&key.scope, &reason, NOT_REACHED, core),
            Happening::CallFailed { call, reason } => {
                self.calls.remove(&call);
                core.call_failed(call, &reason, now);
            }
            Happening::Directory(event) => self.said(&key, event, core, now),
            _ => {}
        }
    }

    fn said(&mut self, key: &Key, event: DirectoryEvent, core: &mut Core, now: Now) {
        let Some(other) = self.others.get_mut(key) else { return };
        match event {
            DirectoryEvent::Presence { who, presence } if other.watched.contains(&who) => {
                other.seen.insert(who.clone(), presence.clone());
                if self.own_is_up {
                    core.presence_pushed(who, presence);
                }
            }
            DirectoryEvent::Outcome { call_id, outcome } if self.calls.get(&CallId(call_id)) == Some(key) => {
                if outcome != Outcome::Ringing {
                    self.calls.remove(&CallId(call_id));
                }
                core.directory_said(event, now);
            }
            DirectoryEvent::Go { call_id, .. } if self.calls.get(&CallId(call_id)) == Some(key) => {
                self.calls.remove(&CallId(call_id));
                core.directory_said(event, now);
            }
            _ => tracing::debug!("another directory said what is not its to say"),
        }
    }

    fn lost(&mut self, key: &Key, reason: &str, core: &mut Core, now: Now) {
        let Some(other) = self.others.get_mut(key) else { return };
        if self.resting {
            return other.left();
        }
        other.is_down(now.instant);
        let people: Vec<Identifier> = other.watched.iter().cloned().collect();
        core.lost_elsewhere(&people);
        let message = format!("the directory of {} is not reached: {reason}", key.scope);
        let calls: Vec<CallId> = self.calls.iter().filter(|(_, at)| *at == key).map(|(call, _)| *call).collect();
        for call in calls {
            self.calls.remove(&call);
            core.call_failed(call, &message, now);
        }
        self.tell(&key.scope, &message, NOT_REACHED, core);
    }

    /// Says what is wrong, once as long as it stays the same.
    fn tell(&mut self, scope: &str, message: &str, remedy: &str, core: &mut Core) {
        if self.told.get(scope).is_some_and(|told| told == message) {
            return;
        }
        if self.told.len() >= MAX_STRANGERS {
            self.told.clear();
        }
        self.told.insert(scope.to_owned(), message.to_owned());
        core.trouble_elsewhere(scope, message, remedy);
    }

    /// Now and then: leaves directories that nobody needs, and looks again for whom was not found.
    pub(super) fn tick(&mut self, core: &mut Core, now: Now) {
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
