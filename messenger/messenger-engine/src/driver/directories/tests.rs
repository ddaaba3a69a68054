//! What all these tests begin with: a driver that nobody runs, and people who are found where the test says.

mod again;
mod calls;
mod links;
mod outages;
mod telling;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use identity::UnixTime;
use identity::testing::Authority;
use identity::trust::Trust;

use super::*;
use crate::api::{Command, DeliveryState, Event, Purpose};
use crate::driver::Driver;
use crate::driver::testing::driver_of;
use crate::whereabouts::{NotFound, Search, Whereabouts};

/// Whoever is looked for is not found before the test says so, or at once where a card of hers says.
#[derive(Default)]
struct Cards {
    /// Where somebody's card says that she is.
    found: Mutex<BTreeMap<Identifier, Whereabouts>>,
    /// For how long it was said that this device was cut off.
    cut_off: Mutex<Option<Duration>>,
    /// What is remembered of everybody for a minute.
    remembered: Option<Whereabouts>,
}

impl Cards {
    fn say(&self, who: &Identifier, found: Whereabouts) {
        self.found.lock().unwrap().insert(who.clone(), found);
    }
}

impl Find for Cards {
    fn find(&self, who: &Identifier) -> Search {
        self.find_again(who, Duration::from_secs(60))
    }

    fn find_again(&self, who: &Identifier, at_most: Duration) -> Search {
        let remembered = self.remembered.clone().filter(|_| at_most >= Duration::from_secs(60));
        match remembered.or_else(|| self.found.lock().unwrap().get(who).cloned()) {
            Some(found) => Box::pin(std::future::ready(Ok(found))),
            None => Box::pin(std::future::pending()),
        }
    }

    fn not_reached(&self, _: &Identifier, directory: &DirectoryElsewhere) -> Option<String> {
        (directory == &old()).then(|| "somebody else is asked".to_owned())
    }

    fn was_cut_off(&self, lately: Duration) {
        *self.cut_off.lock().unwrap() = Some(lately);
    }
}

fn old() -> DirectoryElsewhere {
    at("old.example")
}

fn at(name: &str) -> DirectoryElsewhere {
    DirectoryElsewhere { name: name.to_owned(), addresses: vec!["127.0.0.1:2".to_owned()] }
}

fn from_now(time: Duration) -> Now {
    let now = Now::read();
    Now { instant: now.instant + time, ..now }
}

fn bob() -> Identifier {
    "bob@example.net".parse().unwrap()
}

/// An engine's driver that nobody runs: what happens to it is what the test does.
fn driver() -> Driver {
    driver_with(Arc::default(), Authority::new(5, UnixTime::now()).trust())
}

/// The same, who knows these cards and trusts `trust`, of which authority 5 is the first.
fn driver_with(cards: Arc<Cards>, trust: Arc<Trust>) -> Driver {
    driver_of(Some(cards), trust)
}

impl Driver {
    fn asks(&mut self, ask: Ask) {
        self.directories.ask(ask, &mut self.core, Now::read());
    }

    fn calls(&mut self, call: CallId) {
        self.asks(Ask::Invite { call, callee: bob(), purpose: Purpose::Text, device: None });
    }

    fn finds_bob(&mut self, directory: DirectoryElsewhere) {
        self.finds(&bob(), directory);
    }

    fn finds(&mut self, who: &Identifier, directory: DirectoryElsewhere) {
        self.directories.found(who, Ok(Whereabouts::At(directory)), &mut self.core, Now::read());
    }

    fn ticks(&mut self) {
        self.ticks_after(Duration::ZERO);
    }

    fn ticks_after(&mut self, time: Duration) {
        self.directories.tick(&mut self.core, from_now(time));
    }

    /// Each link: to which directory, as whose it is verified, and who is watched there.
    fn links(&self) -> Vec<(&str, &str, Vec<&str>)> {
        let mut links = Vec::new();
        for (key, other) in &self.directories.others {
            let watched = other.watched.iter().map(Identifier::as_str).collect();
            links.push((key.directory.name.as_str(), other.verified_for.as_str(), watched));
        }
        links.sort();
        links
    }

    /// The link to this directory reports that it was not reached, while one's own is.
    fn does_not_reach(&mut self, directory: &DirectoryElsewhere) {
        self.own_is_reached(true, Duration::ZERO);
        self.reports_not_reached(directory, LATER);
    }

    /// The link to one's own directory reports that it is reached, or not, at this time from now.
    fn own_is_reached(&mut self, up: bool, after: Duration) {
        match up {
            true => self.directories.own_is_up(&mut self.core, from_now(after)),
            false => self.directories.own_is_down(from_now(after)),
        }
    }

    /// The number of the link to this directory.
    fn number(&self, directory: &DirectoryElsewhere) -> u64 {
        let (_, other) = self.directories.others.iter().find(|(key, _)| key.directory == *directory).unwrap();
        other.number
    }

    /// The link to this directory reports that it is reached.
    fn reports_reached(&mut self, directory: &DirectoryElsewhere) {
        let number = self.number(directory);
        self.directories.heard(number, Happening::DirectoryUp, &mut self.core, Now::read());
    }

    /// The link to this directory reports at this time from now that it was not reached.
    fn reports_not_reached(&mut self, directory: &DirectoryElsewhere, after: Duration) {
        let (number, what) = (self.number(directory), Happening::DirectoryDown("nobody answers".to_owned()));
        self.directories.heard(number, what, &mut self.core, from_now(after));
    }

    /// What was said to the person since the last time: about what, and the remedy.
    fn told(&mut self) -> Vec<(String, String)> {
        while self.core.next_action().is_some() {}
        let told = self.core.take_told().into_iter().filter_map(|told| match told.event {
            Event::Error { about, remedy, .. } => Some((about, remedy)),
            _ => None,
        });
        told.collect()
    }

    /// Whose presence was shown since the last time, and whether she was there.
    fn shown(&mut self) -> Vec<(Identifier, bool)> {
        self.act();
        let shown = self.telling.pending.drain(..).filter_map(|told| match told.event {
            Event::Presence { who, online, .. } => Some((who, online)),
            _ => None,
        });
        shown.collect()
    }

    /// The calls that are to be placed as soon as bob's directory is reached.
    fn to_be_placed(&self) -> Vec<CallId> {
        let calls: Vec<_> = self.directories.calls.keys().copied().collect();
        let waits = |other: &Other| other.watched.is_empty() && !other.is_idle();
        assert!(!calls.is_empty() || !self.directories.others.values().any(waits));
        calls
    }
}

/// What the link to a directory is asked from now on, in place of its task.
fn listen(driver: &mut Driver, directory: &DirectoryElsewhere) -> mpsc::UnboundedReceiver<Ask> {
    let (asks, asked) = mpsc::unbounded_channel();
    let at = driver.directories.others.iter_mut().find(|(key, _)| key.directory == *directory);
    at.unwrap().1.asks = asks;
    asked
}

fn drain(asked: &mut mpsc::UnboundedReceiver<Ask>) -> Vec<Ask> {
    std::iter::from_fn(|| asked.try_recv().ok()).collect()
}

/// When a directory has had its time.
const LATER: Duration = Duration::from_secs(3600);

const FIRST: CallId = CallId([1; 16]);
const SECOND: CallId = CallId([2; 16]);
