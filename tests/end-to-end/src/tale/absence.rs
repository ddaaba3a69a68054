//! Chapter seven: somebody is not there, and nobody keeps anything for him.

use std::time::Instant;

use serde_json::json;

use super::{Messengers, Tale};
use crate::memory::{Needle, search_files, search_process};
use crate::{Context, Failure, random};

impl Tale {
    /// Chapter seven: refused at once, kept nowhere.
    pub(super) fn absence(&mut self, messengers: Messengers) -> Result<(), Failure> {
        self.narrator.chapter("Bob goes offline; Alice's message is refused at once and kept nowhere");
        let Messengers { mut alice, mut bob } = messengers;
        alice.catch_up();
        self.say("bob", &mut bob, &json!({ "do": "go_offline" }))?;
        self.hear("alice", &mut alice, &json!({ "event": "presence", "who": self.bob.address(), "online": false }))?;

        let text = format!("This is only for you, Bob: {}", random::unheard_of());
        let sent = Instant::now();
        self.say("alice", &mut alice, &json!({ "do": "send", "to": self.bob.address(), "text": text }))?;
        self.hear(
            "alice",
            &mut alice,
            &json!({ "event": "message_state", "to": self.bob.address(), "state": "not_delivered" }),
        )?;
        self.narrator.shown(format!("refused after {} ms, with the reason", sent.elapsed().as_millis()));

        self.search(&text)?;
        self.say("bob", &mut bob, &json!({ "do": "go_online" }))?;
        self.hear("alice", &mut alice, &json!({ "event": "presence", "who": self.bob.address(), "online": true }))?;
        if let Some(event) = bob.heard().iter().find(|event| event.to_string().contains(&text)) {
            return Err(Failure::new(format!("bob was offline and still got {event}")));
        }
        self.narrator.shown("when Bob came back, nothing was waiting for him");
        alice.quit()?;
        bob.quit()
    }

    /// The text is in no file of the servers and nowhere in the server process's memory. The log's origin, which the
    /// server certainly knows, is the control that shows the search works.
    fn search(&self, text: &str) -> Result<(), Failure> {
        let origin = self.origin()?;
        let (needle, control) = (Needle::new(text), Needle::new(&origin));
        let files = search_files(&[self.server.folder()], &needle, &control)?.nothing_found("the server's folder")?;
        self.narrator.shown(format!(
            "not in any of the {} files ({} KiB) below ~/server",
            files.places,
            files.bytes / 1024
        ));
        match search_process(self.server.id(), &needle, &control) {
            Ok(search) => {
                let memory = search.nothing_found("the server's memory")?;
                self.narrator
                    .shown(format!("not in the server process's memory ({} MiB searched)", memory.bytes >> 20));
                self.narrator.tell(format!("(The same search did find the log's own name, {origin}, in both places.)"));
            }
            Err(error) => self.narrator.tell(format!("(not searched: the server's memory; the kernel says: {error})")),
        }
        Ok(())
    }

    /// The log's origin: the first line of its checkpoint (C2SP tlog-checkpoint).
    fn origin(&self) -> Result<String, Failure> {
        let path = self.server.folder().join("log").join("checkpoint");
        let text = std::fs::read_to_string(&path).context(path.display())?;
        Ok(text.lines().next().context("an empty checkpoint")?.to_owned())
    }
}
