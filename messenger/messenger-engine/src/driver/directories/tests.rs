use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use identity::UnixTime;
use identity::testing::Authority;
use identity::trust::Trust;

use super::people::LOOK_AGAIN;
use super::tidying::LOOK;
use super::*;
use crate::api::{Command, DeliveryState, Event, PresenceSettings, Purpose};
use crate::config::{DirectoryAddress, EngineConfig, OfferedAddresses};
use crate::core::Action;
use crate::driver::Driver;
use crate::whereabouts::{NotFound, Search, Whereabouts};

/// Whoever is looked for is not found before the test says so, or at once where a card of hers says.
#[derive(Default)]
struct Cards(Mutex<BTreeMap<Identifier, Whereabouts>>);

impl Cards {
    fn say(&self, who: &Identifier, found: Whereabouts) {
        self.0.lock().unwrap().insert(who.clone(), found);
    }
}

impl Find for Cards {
    fn find(&self, who: &Identifier) -> Search {
        match self.0.lock().unwrap().get(who).cloned() {
            Some(found) => Box::pin(std::future::ready(Ok(found))),
            None => Box::pin(std::future::pending()),
        }
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
    driver_with(Arc::default(), Authority::new(5, UnixTime::now()).trust())
}

/// The same, who knows these cards and trusts `trust`, of which authority 5 is the first.
fn driver_with(cards: Arc<Cards>, trust: Arc<Trust>) -> Driver {
    let now = UnixTime::now();
    let authority = Authority::new(5, now);
    let alice: Identifier = "alice@example.org".parse().unwrap();
    let (chain, key) = authority.issue_person(&alice, now);
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = EngineConfig {
        identifier: alice,
        chain,
        key: Arc::new(key),
        enrolled_under: trust.policies()[0].fingerprint(),
        trust,
        directory: DirectoryAddress { name: "directory.example.org".to_owned(), address: "127.0.0.1:1".to_owned() },
        bind: loopback,
        offered: OfferedAddresses::default(),
        pinholes: false,
        contacts: Vec::new(),
        presence: PresenceSettings::default(),
        bot: false,
        gossip: None,
        whereabouts: Some(cards),
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
        self.finds(&bob(), directory);
    }

    fn finds(&mut self, who: &Identifier, directory: DirectoryElsewhere) {
        self.directories.found(who, Ok(Whereabouts::At(directory)), &mut self.core, Now::read());
    }

    fn ticks(&mut self) {
        self.ticks_after(Duration::ZERO);
    }

    fn ticks_after(&mut self, time: Duration) {
        let now = Now::read();
        self.directories.tick(&mut self.core, Now { instant: now.instant + time, ..now });
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

/// Two authorities whose policies name the same directory, and the roots of both.
fn two_authorities() -> (Arc<Trust>, [[u8; 32]; 2]) {
    let policies =
        [5, 6].map(|seed| Authority::new(seed, UnixTime::now()).policy_with_directory("dir.example", "127.0.0.1:2"));
    let roots = [&policies[0], &policies[1]].map(|policy| policy.authorities[0].root_digest().unwrap().0);
    (Arc::new(Trust::new(policies.to_vec()).unwrap()), roots)
}

fn knows(trust: &Trust, who: &str, (seed, root): (u64, [u8; 32])) {
    trust.meet(&who.parse().unwrap(), &format!("Test authority {seed}"), &root, UnixTime::now()).unwrap();
}

#[tokio::test]
async fn what_is_proven_for_one_person_is_believed_of_those_alone_for_whom_it_is_proven() {
    let (trust, [five, six]) = two_authorities();
    let (bob, carol, dora) = (bob(), "carol@example.net".parse().unwrap(), "dora@example.net".parse().unwrap());
    knows(&trust, bob.as_str(), (5, five));
    knows(&trust, "carol@example.net", (6, six));
    let mut driver = driver_with(Arc::default(), trust.clone());
    for who in [&bob, &carol, &dora] {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(who, at("dir.example"));
    }
    let link = |of: &'static str| ("dir.example", of, vec![of]);
    let (of_bob, of_carol, of_dora) = (link("bob@example.net"), link("carol@example.net"), link("dora@example.net"));
    assert_eq!(driver.links(), [of_bob, of_carol.clone(), of_dora], "whoever is known by nobody is open to both");

    // She is met, by the authority that speaks for bob, too.
    knows(&trust, "dora@example.net", (5, five));
    driver.ticks();
    driver.finds(&dora, at("dir.example"));
    let of_both = ("dir.example", "bob@example.net", vec!["bob@example.net", "dora@example.net"]);
    assert_eq!(driver.links(), [of_both, of_carol.clone()]);
    // As soon as the link is bob's no more, it is verified as dora's.
    trust.set_bindings(Bindings::default());
    knows(&trust, "dora@example.net", (5, five));
    knows(&trust, "carol@example.net", (6, six));
    knows(&trust, bob.as_str(), (6, six));
    driver.ticks();
    for who in [&bob, &dora] {
        driver.finds(who, at("dir.example"));
    }
    let of_both = ("dir.example", "carol@example.net", vec!["bob@example.net", "carol@example.net"]);
    assert_eq!(driver.links(), [of_both, link("dora@example.net")]);
}

#[tokio::test]
async fn people_of_many_domains_share_a_link_and_each_link_is_told_of_its_own() {
    let (trust, [five, six]) = two_authorities();
    let mut driver = driver_with(Arc::default(), trust.clone());
    let people: Vec<Identifier> = (1..=9).map(|n| format!("bob@{n}.example").parse().unwrap()).collect();
    let other: Identifier = "eve@1.example".parse().unwrap();
    people.iter().for_each(|who| knows(&trust, who.as_str(), (6, six)));
    knows(&trust, other.as_str(), (5, five));
    let mut announcement = directory_protocol::Announcement::available(Vec::new());
    // Whom nobody looked for is not told anywhere, whoever else of her domain is found there.
    let mallory: Identifier = "mallory@1.example".parse().unwrap();
    announcement.blocked = people.iter().chain([&other, &mallory]).cloned().collect();
    driver.asks(Ask::Announce(Box::new(Presenting { announcement, idle: None })));
    for who in people.iter().chain([&other]) {
        driver.asks(Ask::Watch { who: who.clone() });
        driver.finds(who, at("dir.example"));
    }
    assert_eq!(driver.directories.others.len(), 2);
    let blocked = |who| {
        let (key, _) = driver.directories.others.iter().find(|(_, link)| link.watched.contains(who)).unwrap();
        driver.directories.presenting_at(key).unwrap().announcement.blocked
    };
    assert_eq!(blocked(&people[0]), people);
    assert_eq!(blocked(&other), std::slice::from_ref(&other));
    // What is wrong with it is said once.
    let number = driver.directories.others.values().find(|link| link.watched.len() == 9).unwrap().number;
    let down = || Happening::DirectoryDown("nobody answers".to_owned());
    driver.directories.heard(number, down(), &mut driver.core, Now::read());
    driver.directories.heard(number, down(), &mut driver.core, Now::read());
    let told: Vec<_> = driver.told().into_iter().map(|(about, _)| about).collect();
    assert_eq!(told, ["dir.example"]);
}

#[tokio::test]
async fn whoever_is_asked_for_again_is_looked_for_where_her_card_says_by_now() {
    let cards = Arc::new(Cards::default());
    let mut driver = driver_with(cards.clone(), two_authorities().0);
    driver.asks(Ask::Watch { who: bob() });
    driver.directories.found(&bob(), Ok(Whereabouts::Here), &mut driver.core, Now::read());
    assert_eq!(driver.links(), []);
    cards.say(&bob(), Whereabouts::At(at("dir.example")));
    driver.asks(Ask::Watch { who: bob() });
    assert_eq!(driver.links(), [("dir.example", "bob@example.net", vec!["bob@example.net"])]);
    // It is the same still.
    let number = driver.directories.opened;
    driver.asks(Ask::Watch { who: bob() });
    assert_eq!(driver.directories.opened, number);

    // The search that is under way ends, and the call that waits for it is placed there.
    let carol: Identifier = "carol@example.net".parse().unwrap();
    driver.asks(Ask::Invite { call: FIRST, callee: carol.clone(), purpose: Purpose::Text, device: None });
    assert_eq!(driver.to_be_placed(), []);
    cards.say(&carol, Whereabouts::At(at("dir.example")));
    driver.asks(Ask::Watch { who: carol });
    assert_eq!(driver.to_be_placed(), [FIRST]);
}

#[tokio::test]
async fn what_is_wrong_with_each_of_two_people_is_said_once() {
    let mut driver = driver();
    let people = [bob(), "carol@example.net".parse().unwrap()];
    for turn in 0..2 {
        for who in &people {
            driver.asks(Ask::Unwatch { who: who.clone() });
            driver.asks(Ask::Watch { who: who.clone() });
            let not_found = NotFound { message: format!("{who} is known by another"), remedy: "ask".to_owned() };
            driver.directories.found(who, Err(not_found), &mut driver.core, Now::read());
        }
        assert_eq!(driver.told().len(), if turn == 0 { 2 } else { 0 });
    }
}

#[tokio::test]
async fn whoever_was_not_found_is_looked_for_again_with_a_card_or_from_another_network() {
    let cards = Arc::new(Cards::default());
    let mut driver = driver_with(cards.clone(), two_authorities().0);
    let nobody = || NotFound { message: "nobody answers".to_owned(), remedy: "wait".to_owned() };
    let follow = |driver: &mut Driver| driver.directories.follow(&mut driver.core, Now::read());
    let card = |driver: &mut Driver| driver.asks(Ask::Watch { who: bob() });
    for again in [&follow as &dyn Fn(&mut Driver), &card] {
        cards.0.lock().unwrap().clear();
        driver.asks(Ask::Unwatch { who: bob() });
        driver.asks(Ask::Watch { who: bob() });
        driver.directories.found(&bob(), Err(nobody()), &mut driver.core, Now::read());
        cards.say(&bob(), Whereabouts::At(at("dir.example")));
        assert!(driver.links().iter().all(|(_, _, watched)| watched.is_empty()));
        again(&mut driver);
        assert!(driver.links().iter().any(|(_, _, watched)| watched == &["bob@example.net"]));
    }
}

#[tokio::test]
async fn a_call_to_somebody_who_is_looked_for_no_longer_fails_at_once() {
    let mut driver = driver();
    driver.core.directory_up();
    let to = bob().to_string();
    let send = Command::Send { to: to.clone(), text: "hello".to_owned(), id: Some(7) };
    for command in [Command::AddContact { who: to.clone() }, send, Command::RemoveContact { who: to }] {
        driver.core.command(command, Now::read());
        driver.act();
    }
    let is_told =
        |event: &Event| matches!(event, Event::MessageState { id: 7, state: DeliveryState::NotDelivered, .. });
    assert!(driver.pending.iter().any(is_told), "{:?}", driver.pending);
}

#[tokio::test]
async fn who_calls_back_in_another_directory_is_heard_there_and_nobody_else() {
    let mut driver = driver();
    driver.core.directory_up();
    let send = Command::Send { to: bob().to_string(), text: "hello".to_owned(), id: Some(7) };
    driver.core.command(send, Now::read());
    driver.act();
    driver.finds_bob(at("example.net"));
    let number = driver.directories.others.values().next().unwrap().number;
    let hears = |driver: &mut Driver, what| driver.directories.heard(number, what, &mut driver.core, Now::read());
    hears(&mut driver, Happening::DirectoryUp);
    let own = driver.to_be_placed();
    let incoming = |call: CallId, caller: &str| {
        let (call_id, caller) = (call.0, caller.parse().unwrap());
        let purpose = directory_protocol::Purpose::Text;
        Happening::Directory(directory_protocol::DirectoryEvent::Incoming {
            call_id,
            caller,
            caller_key: [9; 32],
            purpose,
        })
    };
    hears(&mut driver, incoming(FIRST, "carol@example.net"));
    driver.act();
    assert_eq!(driver.to_be_placed(), own, "nobody knocks there");
    // Of two that cross the lower one stays, which is ours: what the directory made up is kept nowhere.
    hears(&mut driver, incoming(CallId([255; 16]), bob().as_str()));
    driver.act();
    assert_eq!(driver.to_be_placed(), own);
    // Hers has the lower id: it stays, and is answered where it came from.
    let hers = CallId([0; 16]);
    hears(&mut driver, incoming(hers, bob().as_str()));
    driver.act();
    assert_eq!(driver.to_be_placed(), [hers]);
    // It lets nobody else's in, and goes with the call.
    hears(&mut driver, incoming(CallId([3; 16]), bob().as_str()));
    driver.act();
    assert_eq!(driver.to_be_placed(), [hers]);
    driver.core.command(Command::Block { who: bob().to_string() }, Now::read());
    driver.act();
    driver.ticks_after(LOOK);
    assert_eq!(driver.to_be_placed(), []);
}

#[tokio::test]
async fn a_call_that_waits_for_a_directory_is_placed_elsewhere_once_that_one_is_given_up() {
    let mut driver = driver();
    driver.asks(Ask::Watch { who: bob() });
    driver.finds_bob(at("example.net"));
    driver.does_not_reach(&at("example.net"));
    driver.calls(FIRST);
    assert_eq!(driver.to_be_placed(), [FIRST]);
    driver.ticks_after(LOOK_AGAIN);
    assert_eq!(driver.links(), []);
    assert_eq!(driver.to_be_placed(), [], "it waits for the new search");
    driver.finds_bob(at("elsewhere.example"));
    assert_eq!(driver.to_be_placed(), [FIRST]);
}
