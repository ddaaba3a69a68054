//! Chapter six: three people in a room, and one who leaves.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Messengers, Tale};
use crate::headless::Messenger;
use crate::{Context, Failure, memory, random};

impl Tale {
    /// Chapter six: a room over MLS. Whoever leaves cannot read on.
    pub(super) fn room(&mut self, messengers: &mut Messengers) -> Result<(), Failure> {
        self.narrator.chapter("Carol joins them in a room (MLS); Bob leaves and cannot read on");
        self.carol.trust(self.server.ready())?;
        self.enrol_one(&self.carol, false)?;
        let mut carol = self.carol.messenger()?;
        self.hear("carol", &mut carol, &json!({ "event": "online" }))?;
        let Messengers { alice, bob } = messengers;

        self.say("alice", alice, &json!({ "do": "room_create", "name": "Kitchen table" }))?;
        let created = self.hear("alice", alice, &json!({ "event": "room" }))?;
        let room = created["room"].as_str().context("a room event without a room")?.to_owned();
        self.invite(&room, alice, ("bob", bob), false)?;
        self.narrator.tell("Carol is not among Alice's contacts: her messenger rings, and she answers.");
        self.invite(&room, alice, ("carol", &mut carol), true)?;
        self.agree(&room, &mut [("alice", alice), ("bob", bob), ("carol", &mut carol)])?;

        self.speak(&room, ("alice", alice), "Soup is ready.", &mut [("bob", bob), ("carol", &mut carol)])?;
        self.speak(&room, ("bob", bob), "I have to go.", &mut [("alice", alice), ("carol", &mut carol)])?;

        self.say("bob", bob, &json!({ "do": "room_leave", "room": room }))?;
        self.hear("alice", alice, &json!({ "event": "room_left", "room": room, "who": self.bob.address() }))?;
        self.hear("carol", &mut carol, &json!({ "event": "room_left", "room": room, "who": self.bob.address() }))?;
        self.agree(&room, &mut [("alice", alice), ("carol", &mut carol)])?;

        let secret = format!("Only for those who stayed: {}", random::unheard_of());
        self.speak(&room, ("carol", &mut carol), &secret, &mut [("alice", alice)])?;
        self.not_heard_by_bob(bob, &secret)?;
        carol.quit()
    }

    /// The host asks a guest in, who accepts; before that, a stranger's call has to be answered.
    fn invite(
        &self,
        room: &str,
        host: &mut Messenger,
        (name, guest): (&str, &mut Messenger),
        rings: bool,
    ) -> Result<(), Failure> {
        self.say("alice", host, &json!({ "do": "room_invite", "room": room, "who": format!("{name}@example.org") }))?;
        if rings {
            let incoming = self.hear(name, guest, &json!({ "event": "incoming", "purpose": "room" }))?;
            self.say(name, guest, &json!({ "do": "accept", "call": incoming["call"] }))?;
        }
        self.hear(name, guest, &json!({ "event": "room_invitation", "room": room }))?;
        self.say(name, guest, &json!({ "do": "room_accept", "room": room }))?;
        guest.expect(&json!({ "event": "room", "room": room }))?;
        Ok(())
    }

    /// A text reaches every other member and is acknowledged by each of them.
    fn speak(
        &self,
        room: &str,
        (name, speaker): (&str, &mut Messenger),
        text: &str,
        others: &mut [(&str, &mut Messenger)],
    ) -> Result<(), Failure> {
        self.say(name, speaker, &json!({ "do": "room_send", "room": room, "text": text }))?;
        for (other, messenger) in others.iter_mut() {
            self.hear(other, messenger, &json!({ "event": "room_message", "room": room, "text": text }))?;
        }
        let everybody = others.len();
        let all_have_it = |event: &Value| {
            event["event"] == "room_message_state"
                && event["delivered"].as_array().is_some_and(|delivered| delivered.len() == everybody)
                && event["missing"].as_array().is_some_and(Vec::is_empty)
        };
        let state = speaker.expect_that("its text on every member's device", all_have_it)?;
        self.narrator.printed(&format!("{name:>5} ◂ {state}"));
        Ok(())
    }

    /// All of them see each other and nobody else, the same epoch and the same code.
    fn agree(&self, room: &str, members: &mut [(&str, &mut Messenger)]) -> Result<(), Failure> {
        let expected: BTreeSet<String> = members.iter().map(|(name, _)| format!("{name}@example.org")).collect();
        let count = expected.len();
        let mut seen: Vec<(Value, Value)> = Vec::new();
        for (name, messenger) in members.iter_mut() {
            let full = |event: &Value| {
                let all = event["members"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let all: BTreeSet<String> = all.map(str::to_owned).collect();
                event["event"] == "room" && event["room"] == room && all == expected
            };
            // The event may have been taken already; what counts is the newest.
            let mut newest = messenger.heard().iter().rfind(|event| full(event)).cloned();
            if newest.is_none() {
                newest = Some(messenger.expect_that(&format!("a room with {count} members"), full)?);
            }
            let event = newest.context("no room event")?;
            self.narrator.printed(&format!("{name:>5} ◂ {event}"));
            seen.push((event["epoch"].clone(), event["code"].clone()));
        }
        if seen.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(Failure::new(format!("expected the same epoch and code on every screen, found {seen:?}")));
        }
        self.narrator.shown(format!("{count} members, one epoch, the same code on every screen"));
        Ok(())
    }

    /// Bob's messenger printed nothing of what followed, and his process does not hold it.
    fn not_heard_by_bob(&self, bob: &mut Messenger, secret: &str) -> Result<(), Failure> {
        if let Some(event) = bob.heard().iter().find(|event| event.to_string().contains(secret)) {
            return Err(Failure::new(format!("bob left the room and still heard {event}")));
        }
        let control = memory::Needle::new(self.bob.address());
        match memory::search_process(bob.id(), &memory::Needle::new(secret), &control) {
            Ok(search) => {
                search.nothing_found("bob's messenger")?;
                self.narrator
                    .shown("Bob was removed, heard nothing of it, and the text is not in his messenger's memory");
            }
            Err(error) => {
                self.narrator.shown("Bob was removed and heard nothing of it");
                self.narrator.tell(format!("(not searched: his messenger's memory; the kernel says: {error})"));
            }
        }
        Ok(())
    }
}
