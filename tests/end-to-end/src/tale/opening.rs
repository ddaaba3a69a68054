//! Chapter eight: the reader's turn.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use super::Tale;
use crate::Failure;
use crate::person::Person;
use crate::process::{self, Running};

/// How long a bot may take to be online.
const PATIENCE: Duration = Duration::from_secs(60);

impl Tale {
    /// Chapter eight: alice's messenger on this terminal, with an echo bot as contact.
    pub(super) fn open(&mut self) -> Result<(), Failure> {
        self.narrator.chapter("Your turn: Alice's messenger, with an echo bot to talk to (Ctrl-C closes it)");
        let echo = Person::new(&self.root, "echo@example.org");
        echo.join(self.server.ready(), &self.server.outbox())?;
        contact(&echo, "add_contact", &self.alice)?;
        contact(&self.alice, "add_contact", &echo)?;
        // The first contact is the one whom a new reader writes to, and Bob has gone.
        contact(&self.alice, "remove_contact", &self.bob)?;

        let mut command = echo.command("messenger", &["bot", "--echo"])?;
        let words = self.root.join("echo.messenger.log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&words)?);
        let mut bot = Running::start("the echo bot", command)?;
        let first = bot.first_line(PATIENCE)?;
        if !first.contains("is online") {
            let words = std::fs::read_to_string(&words).unwrap_or_default();
            return Err(Failure::new(format!("expected the echo bot to be online, it said {first:?} and:\n{words}")));
        }

        let mut messenger = self.alice.command("messenger", &[])?;
        messenger.env_remove("NO_COLOR");
        let ended = Running::on_terminal("alice's messenger", messenger)?;
        drop(bot);
        if !ended.success() {
            return Err(Failure::new(format!("expected alice's messenger to end well, found {ended}")));
        }
        self.narrator.line("Alice closed her messenger; the home server, the bot and their folder go with it.");
        Ok(())
    }
}

/// Makes `other` a contact of `person`, or one no more, which her messenger remembers.
fn contact(person: &Person, change: &str, other: &Person) -> Result<(), Failure> {
    let mut messenger = person.messenger()?;
    messenger.tell(&json!({ "do": change, "who": other.address() }))?;
    messenger.quit()
}
