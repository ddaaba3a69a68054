//! A home server that everybody in the lab belongs to, and two people who are enrolled at it once.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::{Context, Failure};

use crate::abroad::Abroad;
use crate::namespace::Namespace;
use crate::scenario::Directories;
use crate::topology::{Topology, Who};
use crate::world::{DIRECTORY_PORT, SERVER_NAME, SERVER_V4, SERVER_V6, World};

/// The home server and the people. The server goes before the namespace that it runs in.
#[derive(Debug)]
pub struct People {
    server: Option<Homeserver>,
    abroad: Option<Abroad>,
    place: Namespace,
    folder: PathBuf,
    alice: Person,
    bob: Person,
}

impl People {
    /// Starts a home server in a namespace of its own and enrols both there.
    ///
    /// # Errors
    /// One of the programs does not do what it should.
    pub fn enrol(world: &World) -> Result<Self, Failure> {
        let place = Namespace::host("homeserver")?;
        at_home(&place, true)?;
        let wrapper: Vec<String> = place.wrapper().map(str::to_owned).to_vec();
        let folder = world.folder().join("server");
        let port = DIRECTORY_PORT.to_string();
        let options = ["--domain", SERVER_NAME, "--listen", "::", "--directory-port", &port];
        let server = Homeserver::start_with(&folder, Homeserver::command_under(&wrapper, &folder, &options)?)?;
        let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|who| Person::new(world.folder(), who));
        for person in [&alice, &bob] {
            person.under(&place.wrapper()).join(server.ready(), &server.outbox())?;
        }
        at_home(&place, false)?;
        let folder = world.folder().to_path_buf();
        Ok(Self { server: Some(server), abroad: None, place, folder, alice, bob })
    }

    /// Before the first scenario with two directories there is another home server. No topology may stand.
    ///
    /// # Errors
    /// One of the programs does not do what it should.
    pub fn provide(&mut self, directories: Directories) -> Result<(), Failure> {
        if directories == Directories::One || self.abroad.is_some() {
            return Ok(());
        }
        at_home(&self.place, true)?;
        let server = self.server.take().context("the home server ended")?;
        let founded = Abroad::found(&self.folder, self.place.wrapper(), server, &self.alice);
        // Also where that failed: the next topology puts the addresses elsewhere.
        at_home(&self.place, false)?;
        let (server, abroad) = founded?;
        (self.server, self.abroad) = (Some(server), Some(abroad));
        Ok(())
    }

    /// The home server's namespace.
    #[must_use]
    pub const fn place(&self) -> &Namespace {
        &self.place
    }

    /// What the messenger's doctor finds at a person's place.
    ///
    /// # Errors
    /// It does not reach the directory.
    pub fn doctor(&self, topology: &Topology, who: Who) -> Result<Value, Failure> {
        let person = if who == Who::Alice { &self.alice } else { &self.bob };
        person.under(&topology.host(who).wrapper()).certtool_json(&["doctor"])
    }

    /// A person goes online with a fresh messenger.
    ///
    /// # Errors
    /// It does not reach the directory.
    pub fn messenger(&self, topology: &Topology, who: Who) -> Result<Messenger, Failure> {
        let person = if who == Who::Alice { &self.alice } else { &self.bob };
        let mut messenger = person.under(&topology.host(who).wrapper()).messenger()?;
        messenger.expect(&json!({ "event": "online" }))?;
        Ok(messenger)
    }

    /// Both go online with fresh messengers, and see each other.
    ///
    /// # Errors
    /// One of them does not.
    pub fn online(&self, topology: &Topology, directories: Directories) -> Result<Pair, Failure> {
        let [to_alice, to_bob] = [&self.alice, &self.bob].map(|person| person.address().to_owned());
        let (bob, [to_alice, to_bob]) = match (directories, &self.abroad) {
            (Directories::Two, Some(abroad)) => (&abroad.bob, abroad.cards.clone()),
            _ => (&self.bob, [to_alice, to_bob]),
        };
        let start = |person: &Person, who: Who| person.under(&topology.host(who).wrapper()).messenger();
        let (mut of_alice, mut of_bob) = (start(&self.alice, Who::Alice)?, start(bob, Who::Bob)?);
        let bob_address = bob.address().to_owned();
        for (messenger, other) in [(&mut of_alice, &to_bob), (&mut of_bob, &to_alice)] {
            messenger.expect(&json!({ "event": "online" }))?;
            messenger.tell(&json!({ "do": "add_contact", "who": other }))?;
        }
        for (messenger, other) in [(&mut of_alice, bob), (&mut of_bob, &self.alice)] {
            messenger.expect(&json!({ "event": "presence", "who": other.address(), "online": true }))?;
        }
        Ok(Pair { alice: of_alice, bob: of_bob, bob_address, next: 1 })
    }
}

/// As long as no topology stands, the home server's addresses are on the loopback device.
fn at_home(place: &Namespace, there: bool) -> Result<(), Failure> {
    place.ip(&if there {
        format!("addr add {SERVER_V4}/32 dev lo\naddr add {SERVER_V6}/128 dev lo nodad")
    } else {
        format!("addr del {SERVER_V4}/32 dev lo\naddr del {SERVER_V6}/128 dev lo")
    })
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Bob's device has it.
    Delivered,
    /// It is nowhere but with alice, who was told this reason.
    NotDelivered(String),
    /// It left, and nobody knows.
    Unknown,
}

/// Two messengers that are online.
#[derive(Debug)]
pub struct Pair {
    alice: Messenger,
    bob: Messenger,
    bob_address: String,
    next: u64,
}

impl Pair {
    /// Alice sends a text; returns its id.
    ///
    /// # Errors
    /// Her messenger has ended.
    pub fn send(&mut self) -> Result<u64, Failure> {
        let id = self.next;
        self.next += 1;
        let text = format!("text {id}");
        self.alice.tell(&json!({ "do": "send", "to": self.bob_address, "text": text, "id": id }))?;
        Ok(id)
    }

    /// Waits until alice knows what became of a text.
    ///
    /// # Errors
    /// She is not told in time.
    pub fn fate(&mut self, id: u64) -> Result<Fate, Failure> {
        let event = self.alice.expect_that(&format!("the fate of text {id}"), |event| {
            event["event"] == "message_state" && event["id"] == id && event["state"] != "sending"
        })?;
        Ok(match event["state"].as_str() {
            Some("delivered") => Fate::Delivered,
            Some("not_delivered") => Fate::NotDelivered(event["reason"].as_str().unwrap_or("no reason").to_owned()),
            Some("unknown") => Fate::Unknown,
            _ => return Err(Failure::new(format!("expected a state, found {event}"))),
        })
    }

    /// Alice sends a text: what became of it, and how long that took.
    ///
    /// # Errors
    /// She is not told in time.
    pub fn text(&mut self) -> Result<(Fate, Duration), Failure> {
        let began = Instant::now();
        let id = self.send()?;
        let fate = self.fate(id)?;
        Ok((fate, began.elapsed()))
    }

    /// Waits until bob has a text.
    ///
    /// # Errors
    /// It does not come in time.
    pub fn arrives(&mut self, id: u64) -> Result<(), Failure> {
        self.bob.expect(&json!({ "event": "message", "id": id })).map(drop)
    }

    /// How often bob was shown a text.
    pub fn shown(&mut self, id: u64) -> usize {
        self.bob.heard().iter().filter(|event| event["event"] == "message" && event["id"] == id).count()
    }

    /// The id of the last text.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.next - 1
    }

    /// Whether alice has heard such an event.
    pub fn alice_heard(&mut self, event: &str) -> bool {
        self.alice.heard().iter().any(|heard| heard["event"] == event)
    }

    /// Both go.
    ///
    /// # Errors
    /// One of them does not end.
    pub fn quit(self) -> Result<(), Failure> {
        self.alice.quit().context("alice goes")?;
        self.bob.quit().context("bob goes")
    }
}
