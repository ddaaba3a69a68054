//! Chapter eight: the reader's turn.

use std::process::Stdio;

use serde_json::json;

use super::Tale;
use crate::Failure;
use crate::person::Person;
use crate::process::{self, Running};

impl Tale {
    /// Chapter eight: alice's messenger on this terminal, with an echo bot as contact.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        self.narrator.chapter("Your turn: Alice's messenger, with an echo bot to talk to (Ctrl-C closes it)");
        let echo = Person::new(&self.root, "echo@example.org");
        echo.join(self.server.ready(), &self.server.outbox())?;
        befriend(&echo, &self.alice)?;
        befriend(&self.alice, &echo)?;

        let mut command = echo.command("messenger", &["bot", "--echo"])?;
        command.stdin(Stdio::null()).stdout(process::sink(&self.root.join("echo.log"))?);
        command.stderr(process::sink(&self.root.join("echo.messenger.log"))?);
        let bot = Running::start("the echo bot", command)?;

        let mut messenger = self.alice.command("messenger", &[])?;
        messenger.env_remove("NO_COLOR");
        Running::on_terminal("alice's messenger", messenger)?;
        drop(bot);
        self.narrator.line("Alice closed her messenger; the home server, the bot and their folder go with it.");
        Ok(())
    }
}

/// Makes `friend` a contact of `person`, which her messenger remembers.
fn befriend(person: &Person, friend: &Person) -> Result<(), Failure> {
    let mut messenger = person.messenger()?;
    messenger.tell(&json!({ "do": "add_contact", "who": friend.address() }))?;
    messenger.quit()
}
