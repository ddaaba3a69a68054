//! Chapter five: two people, online at the same time.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Messengers, Tale};
use crate::Failure;
use crate::headless::Messenger;

impl Tale {
    /// Chapter five: presence is pushed, messages are acknowledged.
    pub(super) fn talk(&mut self) -> Result<Messengers, Failure> {
        self.narrator.chapter("Both go online and talk, device to device");
        self.narrator.tell(
            "`messenger headless` takes JSON lines and prints JSON lines; the terminal UI does the same with a face.",
        );
        self.typed(&self.alice, "messenger headless");
        let mut alice = self.alice.messenger()?;
        self.hear("alice", &mut alice, &json!({ "event": "online" }))?;
        self.say("alice", &mut alice, &json!({ "do": "add_contact", "who": self.bob.address() }))?;

        self.typed(&self.bob, "messenger headless");
        let mut bob = self.bob.messenger()?;
        self.hear("bob", &mut bob, &json!({ "event": "online" }))?;
        self.say("bob", &mut bob, &json!({ "do": "add_contact", "who": self.alice.address() }))?;
        self.hear("alice", &mut alice, &json!({ "event": "presence", "who": self.bob.address(), "online": true }))?;
        self.narrator.shown("Alice was told that Bob came; she asked once and never polled");
        self.hear("bob", &mut bob, &json!({ "event": "presence", "who": self.alice.address(), "online": true }))?;

        self.deliver(("alice", &mut alice), ("bob", &mut bob), "Hello Bob, is it really you?")?;
        self.deliver(("bob", &mut bob), ("alice", &mut alice), "In person.")?;
        self.narrator.shown("each message counted as delivered only when the other device had said so");
        Ok(Messengers { alice, bob })
    }

    /// Sends a text and shows it arriving and being acknowledged.
    fn deliver(&self, from: (&str, &mut Messenger), to: (&str, &mut Messenger), text: &str) -> Result<(), Failure> {
        let recipient = format!("{}@example.org", to.0);
        let sent = Instant::now();
        self.say(from.0, from.1, &json!({ "do": "send", "to": recipient, "text": text }))?;
        self.hear(to.0, to.1, &json!({ "event": "message", "text": text, "from": format!("{}@example.org", from.0) }))?;
        self.hear(from.0, from.1, &json!({ "event": "message_state", "to": recipient, "state": "delivered" }))?;
        self.narrator.tell(format!("({} ms from typing to acknowledgement)", sent.elapsed().as_millis()));
        Ok(())
    }

    /// Tells a messenger something and shows it.
    pub(super) fn say(&self, name: &str, messenger: &mut Messenger, command: &Value) -> Result<(), Failure> {
        self.narrator.printed(&format!("{name:>5} ▸ {command}"));
        messenger.tell(command)
    }

    /// Waits for an event and shows it.
    pub(super) fn hear(&self, name: &str, messenger: &mut Messenger, pattern: &Value) -> Result<Value, Failure> {
        let event = messenger.expect(pattern)?;
        self.narrator.printed(&format!("{name:>5} ◂ {event}"));
        Ok(event)
    }
}
