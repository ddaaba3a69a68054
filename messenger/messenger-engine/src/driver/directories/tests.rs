use std::net::SocketAddr;
use std::sync::Arc;

use identity::UnixTime;
use identity::testing::Authority;

use super::*;
use crate::api::{Event, PresenceSettings, Purpose};
use crate::config::{DirectoryAddress, EngineConfig, OfferedAddresses};
use crate::core::Action;
use crate::driver::Driver;
use crate::whereabouts::{Search, Whereabouts};

/// Whoever is looked for is not found before the test says so.
struct Nobody;

impl Find for Nobody {
    fn find(&self, _: &Identifier) -> Search {
        Box::pin(std::future::pending())
    }

    fn not_reached(&self, _: &Identifier, directory: &DirectoryElsewhere) -> Option<String> {
        (directory == &old()).then(|| "somebody else is asked".to_owned())
    }
}

fn old() -> DirectoryElsewhere {
    at("old.example")
}

fn at(name: &str) -> DirectoryElsewhere {
    DirectoryElsewhere { name: name.to_owned(), addresses: vec!["127.0.0.1:2".to_owned()] }
}

fn bob() -> Identifier {
    "bob@example.net".parse().unwrap()
}

/// An engine's driver that nobody runs: what happens to it is what the test does.
fn driver() -> Driver {
    let now = UnixTime::now();
    let authority = Authority::new(5, now);
    let alice: Identifier = "alice@example.org".parse().unwrap();
    let (chain, key) = authority.issue_person(&alice, now);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = EngineConfig {
        identifier: alice,
        chain,
        key: Arc::new(key),
        enrolled_under: authority.trust().policies()[0].fingerprint(),
        trust: authority.trust(),
        directory: DirectoryAddress { name: "directory.example.org".to_owned(), address: "127.0.0.1:1".to_owned() },
        bind: loopback,
        offered: OfferedAddresses::default(),
        pinholes: false,
        contacts: Vec::new(),
        presence: PresenceSettings::default(),
        bot: false,
        gossip: None,
        whereabouts: Some(Arc::new(Nobody)),
    };
    let (commands, events) = (mpsc::channel(1).1, mpsc::channel(1).0);
    Driver::start(config, commands, events).unwrap()
}

impl Driver {
    fn asks(&mut self, ask: Ask) {
        self.directories.ask(ask, &mut self.core, Now::read());
    }

    fn calls(&mut self, call: CallId) {
        self.asks(Ask::Invite { call, callee: bob(), purpose: Purpose::Text, device: None });
    }

    fn finds_bob(&mut self, directory: DirectoryElsewhere) {
        self.directories.found(&bob(), Ok(Whereabouts::At(directory)), &mut self.core, Now::read());
    }

    /// The link to this directory reports that it was not reached.
    fn does_not_reach(&mut self, directory: &DirectoryElsewhere) {
        let (_, other) = self.directories.others.iter().find(|(key, _)| key.directory == *directory).unwrap();
        let (number, what) = (other.number, Happening::DirectoryDown("nobody answers".to_owned()));
        self.directories.heard(number, what, &mut self.core, Now::read());
    }

    /// What was said to the person since the last time: about what, and the remedy.
    fn told(&mut self) -> Vec<(String, String)> {
        let actions = std::iter::from_fn(|| self.core.next_action());
        let told = actions.filter_map(|action| match action {
            Action::Emit(Event::Error { about, remedy, .. }) => Some((about, remedy)),
            _ => None,
        });
        told.collect()
    }

    /// The calls that are to be placed as soon as bob's directory is reached.
    fn to_be_placed(&self) -> Vec<CallId> {
        let calls: Vec<_> = self.directories.calls.keys().copied().collect();
        let waits = |other: &Other| other.watched.is_empty() && !other.is_idle();
        assert!(!calls.is_empty() || !self.directories.others.values().any(waits));
        calls
    }
}

const FIRST: CallId = CallId([1; 16]);
const SECOND: CallId = CallId([2; 16]);

#[tokio::test]
async fn a_call_that_was_hung_up_while_its_callee_was_looked_for_is_not_placed() {
    let mut driver = driver();
    driver.calls(FIRST);
    driver.calls(SECOND);
    driver.asks(Ask::Cancel { call: FIRST });
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), [SECOND]);
    driver.asks(Ask::Cancel { call: SECOND });
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn no_call_that_waited_is_placed_after_one_has_left() {
    let mut driver = driver();
    driver.calls(FIRST);
    driver.directories.leave();
    driver.directories.come_back();
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn whoever_is_not_found_where_an_old_card_says_is_looked_for_again_and_it_is_said() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    driver.calls(FIRST);
    driver.finds_bob(old());
    driver.told();
    driver.does_not_reach(&old());
    assert_eq!(driver.told(), [(bob().to_string(), "somebody else is asked".to_owned())]);
    assert_eq!(driver.to_be_placed(), [], "the call waits for the new search");
    driver.finds_bob(at("example.net"));
    assert_eq!(driver.to_be_placed(), [FIRST]);
    let watching = driver.directories.others.iter().filter(|(_, other)| other.watched.contains(&bob()));
    assert_eq!(watching.map(|(key, _)| key.directory.name.as_str()).collect::<Vec<_>>(), ["example.net"]);

    // Nobody knows better of this one: the call fails, and it is said of the domain.
    driver.does_not_reach(&at("example.net"));
    let told = driver.told();
    assert!(told.iter().any(|(about, remedy)| about == "example.net" && remedy.contains("contact card")), "{told:?}");
    assert_eq!(driver.to_be_placed(), []);
}
