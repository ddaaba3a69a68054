//! The model for a face without a screen: whole lines, which never pass through the draft.

use jiff::civil::DateTime;

use super::conversation::Line;
use super::slash;
use super::{App, Effect, Entry};

impl App {
    /// Nobody is chosen in the person's place from now on, who comes online or not.
    pub(crate) fn keep_the_choice(&mut self) {
        self.touched = true;
    }

    /// Sends a text to whom is chosen; what waits in the input there stays.
    pub(crate) fn write(&mut self, text: &str, now: DateTime) -> Vec<Effect> {
        self.touched = true;
        self.leaving = false;
        let Some(entry) = self.selected.clone().filter(|_| self.writable()) else {
            self.wrong("Choose to whom first: /to bob@example.org, or /add somebody.");
            return Vec::new();
        };
        let most = super::editor::MAX_TEXT_BYTES;
        if text.len() > most {
            self.wrong(format!("A message has at most {most} bytes; this one has {}. Send it in parts.", text.len()));
            return Vec::new();
        }
        if let Some(reason) = self.nobody_to_hear(&entry) {
            self.wrong(reason);
            return Vec::new();
        }
        self.send_text(&entry, text.to_owned(), None, now)
    }

    /// Keeps the beginning of a text in the input of whom is chosen. One that is too long for it was never to be sent.
    pub(crate) fn keep_begun(&mut self, text: &str) {
        if let Some(conversation) = self.open_conversation() {
            let _ = conversation.draft.insert(text);
        }
    }

    /// Does what a line that begins with a slash asks for.
    pub(crate) fn command(&mut self, line: &str, now: DateTime) -> Vec<Effect> {
        self.touched = true;
        let leaving = std::mem::take(&mut self.leaving);
        match slash::parse(line) {
            Ok(slash::Slash::Quit) => self.quit(leaving),
            Ok(command) => self.run(command, now).unwrap_or_else(|problem| {
                self.wrong(problem);
                Vec::new()
            }),
            Err(problem) => {
                self.wrong(problem);
                Vec::new()
            }
        }
    }

    /// Chooses whom one writes to: by address, by a name of one's own, or by a room's name.
    ///
    /// # Errors
    /// Nobody, or several, are called so: one line for people.
    pub(crate) fn choose(&mut self, wanted: &str) -> Result<(), String> {
        let wanted = wanted.trim();
        if wanted.is_empty() {
            return Err("To whom? /to bob@example.org".to_owned());
        }
        let address = slash::identifier(wanted).ok().map(Entry::Person);
        let named = |entry: &Entry| match entry {
            Entry::Person(who) => self.called(who).eq_ignore_ascii_case(wanted),
            Entry::Room(room) => self.rooms.get(room).is_some_and(|room| room.name.eq_ignore_ascii_case(wanted)),
            Entry::Knock(_) | Entry::Invitation(_) => false,
        };
        let list = self.list().into_iter().map(|(_, entry)| entry);
        let mut fitting = list.filter(|entry| Some(entry) == address.as_ref() || named(entry));
        match (fitting.next(), fitting.next()) {
            (Some(entry), None) => {
                drop(fitting);
                self.touched = true;
                self.select(entry);
                Ok(())
            }
            (None, _) => Err(format!("Nobody in the list is called {wanted}. /who lists them, /add adds a contact.")),
            (Some(_), Some(_)) => Err(format!("Several are called {wanted}. Write the address.")),
        }
    }

    /// Lets go of what waits in the input of the conversation that is open; what it was. A line that failed stays.
    pub(crate) fn drop_draft(&mut self) -> Option<String> {
        let conversation = self.open_conversation()?;
        conversation.returned = None;
        Some(conversation.draft.take()).filter(|text| !text.is_empty())
    }

    /// The line in which was found what was looked for last.
    pub(crate) fn found_line(&self) -> Option<&Line> {
        let found = self.found.as_ref()?;
        self.conversation(&found.entry)?.lines.get(found.at)
    }
}
