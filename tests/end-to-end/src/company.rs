//! People who know each other, and a room of three: what tests of files and rooms begin with.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::headless::Messenger;
use crate::homeserver::Homeserver;
use crate::person::Person;
use crate::terminal::Terminal;
use crate::{Context, Failure};

/// People with certificates, at a home server of their own, each a contact of all others. Their folders are gone with the first
/// of these.
///
/// # Errors
/// A program is not built, or does not do what it is asked.
pub fn acquainted<const N: usize>(names: [&str; N]) -> Result<(TempDir, Homeserver, [Person; N]), Failure> {
    let place = tempfile::tempdir().context("making a folder")?;
    let server = Homeserver::start(&place.path().join("server"), &[])?;
    let people = names.map(|name| Person::new(place.path(), &format!("{name}@example.org")));
    for person in &people {
        person.join(server.ready(), &server.outbox())?;
    }
    for person in &people {
        let mut messenger = person.messenger()?;
        for other in people.iter().filter(|other| other.address() != person.address()) {
            messenger.tell(&json!({ "do": "add_contact", "who": other.address() }))?;
        }
        messenger.quit()?;
    }
    Ok((place, server, people))
}

/// The room *harbour*: alice hosts and owns it, bob sits at a screen of 140 by 30, carol has none, as alice.
pub struct Harbour {
    /// Who they are: alice, bob, carol.
    pub people: [Person; 3],
    /// Alice's messenger.
    pub of_alice: Messenger,
    /// Bob's terminal.
    pub of_bob: Terminal,
    /// Carol's messenger.
    pub of_carol: Messenger,
    /// The room.
    pub room: Value,
    server: Homeserver,
    _place: TempDir,
}

impl Harbour {
    /// All three are in it.
    ///
    /// # Errors
    /// A program is not built, or does not do what it is asked.
    pub fn open() -> Result<Self, Failure> {
        let (place, server, people) = acquainted(["alice", "bob", "carol"])?;
        let [alice, bob, carol] = &people;
        let (mut of_alice, mut of_carol) = (alice.messenger()?, carol.messenger()?);
        let folder = place.path().join("terminal");
        fs::create_dir(&folder).context("making a folder")?;
        let (home, own) = (bob.home().display().to_string(), folder.display().to_string());
        let variables = [("INPERSON_HOME", home.as_str()), ("HOME", own.as_str()), ("XDG_CONFIG_HOME", own.as_str())];
        let of_bob = Terminal::start(&folder, (140, 30), &variables, ("messenger", &[]))?;
        for other in [bob, carol] {
            of_alice.expect(&json!({ "event": "presence", "who": other.address(), "online": true }))?;
        }
        of_alice.tell(&json!({ "do": "room_create", "name": "harbour" }))?;
        let room = of_alice.expect(&json!({ "event": "room" }))?["room"].clone();
        of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": bob.address() }))?;
        of_bob.await_text("Waiting for your answer")?;
        of_bob.press(&["F2"])?;
        of_bob.await_text("Write to harbour")?;
        of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": carol.address() }))?;
        of_carol.expect(&json!({ "event": "room_invitation", "room": room }))?;
        of_carol.tell(&json!({ "do": "room_accept", "room": room }))?;
        of_carol.expect(&json!({ "event": "room", "room": room, "owners": [alice.address()] }))?;
        Ok(Self { people, of_alice, of_bob, of_carol, room, server, _place: place })
    }

    /// All go home.
    ///
    /// # Errors
    /// A program does not end.
    pub fn close(self) -> Result<(), Failure> {
        self.of_bob.press(&["C-q"])?;
        self.of_alice.quit()?;
        self.of_carol.quit()?;
        self.server.stop()
    }
}
