//! Histories in the model: of what one is kept, here and there, what is asked of the one on this device, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use identity::Identifier;
use jiff::civil::{Date, DateTime};
use key_store::Passphrase;
use messenger_engine::Command;

use super::conversation::{Conversation, Line, MAX_LINES, State};
use super::locking::NewPassphrase;
use super::remarks::About;
use super::{App, Cover, Effect, Entry, slash};

/// The number of a text of one's own from an earlier run: none that the engine knows.
const NO_NUMBER: u64 = u64::MAX;

/// Of what a history is kept.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    /// There is one on this device, open or not.
    exists: bool,
    /// What it takes, and for how many days.
    own: BTreeMap<Entry, Option<u32>>,
    /// Whose devices keep one.
    theirs: BTreeSet<Identifier>,
}

/// What a line that begins with `/history` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HistoryWish {
    /// How it stands.
    Say,
    /// Keep one with the person named, or of the conversation that is open; where the key of the first one shall lie.
    On(Option<Identifier>, Option<KeyPlace>),
    Off(Option<Identifier>),
    /// For so many days, or until it is erased.
    Days(Option<u32>),
    /// Look into it.
    Find(String),
    /// Show what was said before.
    Back,
}

/// Where the key of a history lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    Keyring,
    Passphrase,
}

/// What is asked of the history on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Begin one, with its key under this passphrase or else in the keyring, and keep what is said there.
    Begin {
        passphrase: Option<Passphrase>,
        entry: Entry,
    },
    Keep {
        entry: Entry,
        keeps: bool,
    },
    Retain {
        entry: Entry,
        days: Option<u32>,
    },
    Find {
        entry: Entry,
        needle: String,
    },
    /// What came before this entry of the history, or before this run.
    Back {
        entry: Entry,
        before: Option<i64>,
    },
}

/// A text that was kept.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// Its number in the history.
    pub(crate) id: i64,
    /// Who wrote it; nothing for oneself.
    pub(crate) from: Option<Identifier>,
    pub(crate) text: String,
    pub(crate) at: DateTime,
    pub(crate) delivered: bool,
    pub(crate) edited: bool,
    pub(crate) deleted: bool,
}

/// Every such command, for the help.
pub(crate) const COMMANDS: [(&str, &str); 3] = [
    ("/history on [keyring]", "keep one of this, encrypted; off: no more; days 90"),
    ("/history find WORDS", "look into it; back: show what was said before"),
    ("/history", "of what you keep one, and who keeps one of you"),
];

/// Reads one.
///
/// # Errors
/// What would be right, as one line for people.
pub(crate) fn parse(rest: &str) -> Result<HistoryWish, String> {
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let more = more.trim();
    let who = |text: &str| if text.is_empty() { Ok(None) } else { slash::identifier(text).map(Some) };
    match (word, more) {
        ("", _) => Ok(HistoryWish::Say),
        ("on", _) => {
            let (first, last) = more.rsplit_once(char::is_whitespace).unwrap_or(("", more));
            match last {
                "keyring" => Ok(HistoryWish::On(who(first)?, Some(KeyPlace::Keyring))),
                "passphrase" => Ok(HistoryWish::On(who(first)?, Some(KeyPlace::Passphrase))),
                _ => Ok(HistoryWish::On(who(more)?, None)),
            }
        }
        ("off", _) => Ok(HistoryWish::Off(who(more)?)),
        ("days", "never" | "forever") => Ok(HistoryWish::Days(None)),
        ("days", number) => match number.parse() {
            Ok(days) if (1..=::history::MAX_DAYS).contains(&days) => Ok(HistoryWish::Days(Some(days))),
            _ => Err("/history days 90 keeps it for so long; /history days never erases nothing by itself.".to_owned()),
        },
        ("find", "") => Err("What are you looking for? /history find bread".to_owned()),
        ("find", _) => Ok(HistoryWish::Find(more.to_owned())),
        ("back", "") => Ok(HistoryWish::Back),
        _ => Err("/history is on, off, days, find or back; alone it says how things stand.".to_owned()),
    }
}

impl App {
    /// What this device keeps, as it stands.
    pub(crate) fn keeps(&mut self, exists: bool, own: BTreeMap<Entry, Option<u32>>) {
        (self.histories.exists, self.histories.own) = (exists, own);
    }

    /// Whether a history is kept there on this device.
    pub(crate) fn keeps_history(&self, entry: &Entry) -> bool {
        self.histories.own.contains_key(entry)
    }

    /// What stands at a conversation of which a history is kept, by whom.
    pub(crate) fn history_mark(&self, entry: &Entry) -> Option<&'static str> {
        let theirs = matches!(entry, Entry::Person(who) if self.histories.theirs.contains(who));
        match (self.keeps_history(entry), theirs) {
            (true, true) => Some("history: you and they keep one"),
            (true, false) => Some("history: you keep one"),
            (false, true) => Some("history: they keep one"),
            (false, false) => None,
        }
    }

    pub(super) fn wish_history(&mut self, wish: HistoryWish) -> Result<Vec<Effect>, String> {
        let deed = match wish {
            HistoryWish::Say => {
                self.tell_histories();
                return Ok(Vec::new());
            }
            HistoryWish::On(who, key) => return self.wish_keeping(who, key),
            HistoryWish::Off(who) => Deed::Keep { entry: self.kept(who)?, keeps: false },
            HistoryWish::Days(days) => Deed::Retain { entry: self.kept(None)?, days },
            HistoryWish::Find(needle) => Deed::Find { entry: self.talk_meant(None)?, needle },
            HistoryWish::Back => {
                let entry = self.talk_meant(None)?;
                let before = self.conversation(&entry).and_then(|one| one.before);
                Deed::Back { entry, before }
            }
        };
        Ok(vec![Effect::History(deed)])
    }

    fn wish_keeping(&mut self, who: Option<Identifier>, key: Option<KeyPlace>) -> Result<Vec<Effect>, String> {
        let entry = self.talk_meant(who)?;
        Ok(match (self.histories.exists, key) {
            (true, _) => vec![Effect::History(Deed::Keep { entry, keeps: true })],
            (false, None) => {
                let words = "It is encrypted. Where shall its key be: in the keyring of your session (/history on keyring), or under a passphrase of its own (/history on passphrase)?";
                return Err(words.to_owned());
            }
            (false, Some(KeyPlace::Keyring)) => vec![Effect::History(Deed::Begin { passphrase: None, entry })],
            (false, Some(KeyPlace::Passphrase)) => {
                self.cover = Some(Cover::NewPassphrase(NewPassphrase::of_history(entry)));
                Vec::new()
            }
        })
    }

    /// The conversation that is open, or that with the person named.
    fn talk_meant(&self, who: Option<Identifier>) -> Result<Entry, String> {
        let entry = who.map(Entry::Person).or_else(|| self.selected.clone());
        let entry = entry.filter(|entry| matches!(entry, Entry::Person(_) | Entry::Room(_)));
        entry.ok_or_else(|| "Choose a person or a room first.".to_owned())
    }

    fn kept(&self, who: Option<Identifier>) -> Result<Entry, String> {
        let entry = self.talk_meant(who)?;
        if self.keeps_history(&entry) { Ok(entry) } else { Err("No history is kept of that.".to_owned()) }
    }

    fn tell_histories(&mut self) {
        let named = |entry: &Entry| match entry {
            Entry::Room(room) => self.rooms.get(room).map(|room| format!("the room {}", room.name)),
            Entry::Person(who) => Some(self.called(who)),
            _ => None,
        };
        let own: Vec<String> = self.histories.own.keys().filter_map(named).collect();
        let theirs: Vec<String> = self.histories.theirs.iter().map(|who| self.called(who)).collect();
        let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let nobody = if theirs.is_empty() { "nobody".to_owned() } else { theirs.join(", ") };
        let words = format!("You keep a history of {}. Who says to keep one with you: {nobody}.", list(&own));
        self.said(words);
    }

    /// It is kept from now on, or no longer: said in the conversation, and to the other side.
    pub(crate) fn kept_from_now(&mut self, entry: &Entry, keeps: bool, now: DateTime) -> Vec<Effect> {
        let words = if keeps {
            "You keep a history of this from now on"
        } else {
            "You keep no history of this any more; what was kept stays"
        };
        self.conversation_mut(entry).note(words, now);
        match entry {
            Entry::Person(who) => vec![Effect::Engine(Command::KeepHistory { who: who.to_string(), keeps })],
            Entry::Room(_) if keeps => self.say_that_it_is_kept(entry, now),
            _ => Vec::new(),
        }
    }

    /// Somebody is new in a room: if it is kept, it is said once more.
    pub(super) fn tell_the_room(&mut self, entry: &Entry, now: DateTime) -> Vec<Effect> {
        if self.keeps_history(entry) { self.say_that_it_is_kept(entry, now) } else { Vec::new() }
    }

    /// There is no sign for it in rooms: a text says it to those who are in now.
    fn say_that_it_is_kept(&mut self, entry: &Entry, now: DateTime) -> Vec<Effect> {
        let Entry::Room(room) = entry else { return Vec::new() };
        if !self.rooms.contains_key(room) || self.nobody_to_hear(entry).is_some() {
            return Vec::new();
        }
        // She did not write it: where she reads, and what she has not read, stays.
        let (scroll, unread) = self.conversation(entry).map_or((0, 0), |one| (one.scroll, one.unread));
        let said = self.send_text(entry, crate::keeping::SAID_IN_ROOMS.to_owned(), None, now);
        let conversation = self.conversation_mut(entry);
        (conversation.scroll, conversation.unread) = (scroll, unread);
        said
    }

    /// Somebody's device says whether it keeps one.
    pub(super) fn hear_history(&mut self, who: Identifier, keeps: bool, now: DateTime) {
        let changed =
            if keeps { self.histories.theirs.insert(who.clone()) } else { self.histories.theirs.remove(&who) };
        if changed {
            let words =
                if keeps { "keeps a history of this conversation" } else { "keeps no history of this any more" };
            let words = format!("{who} {words}");
            self.conversation_mut(&Entry::Person(who)).note(words, now);
        }
    }

    /// What the history holds of these words, newest first.
    pub(crate) fn found_in_history(&mut self, needle: String, found: Vec<Past>) {
        if found.is_empty() {
            return self.wrong(format!("{needle:?} stands nowhere in the history of this."));
        }
        self.cover = Some(Cover::Found { needle, found, scroll: 0 });
    }

    /// Whoever scrolls up where a conversation begins sees what was said before.
    pub(super) fn back_from_the_top(&self) -> Vec<Effect> {
        let Some(entry) = self.selected.clone().filter(|_| self.histories.exists) else { return Vec::new() };
        let Some(conversation) = self.conversation(&entry) else { return Vec::new() };
        let (_, most) = crate::view::scroll_range(self);
        if conversation.scroll < most || conversation.all_shown() {
            return Vec::new();
        }
        let before = conversation.before;
        vec![Effect::History(Deed::Back { entry, before })]
    }

    /// Texts of earlier runs, oldest first, in front of what is shown.
    pub(crate) fn showed_before(&mut self, entry: &Entry, past: Vec<Past>) {
        let none = past.is_empty();
        let full = !self.conversation_mut(entry).put_before(past);
        if full {
            self.said("More does not fit on the screen: /history find, or messenger history export.");
        } else if none {
            self.said("That is all that was kept.");
        }
    }
}

impl Conversation {
    fn all_shown(&self) -> bool {
        self.before == Some(0)
    }

    /// Puts what was kept in front, as much as fits; whether all of it did.
    fn put_before(&mut self, past: Vec<Past>) -> bool {
        if past.is_empty() {
            self.before = Some(0);
            return true;
        }
        let mut day: Option<Date> = None;
        let mut lines = Vec::new();
        let count = past.len();
        let room = MAX_LINES.saturating_sub(self.lines.len()) / 2;
        for one in past.into_iter().skip(count.saturating_sub(room)) {
            if lines.is_empty() {
                self.before = Some(one.id);
            }
            if day.replace(one.at.date()) != Some(one.at.date()) {
                let text = format!("{}, from your history", one.at.date().strftime("%A, %-d %B %Y"));
                lines.push(Line::Note { text, at: one.at });
            }
            let about = About { edited: one.edited, delete: one.deleted, ..About::default() };
            lines.push(match one.from {
                Some(from) => Line::Theirs { from, text: one.text, at: one.at, bot: false, about },
                None => {
                    let state = State::Past { delivered: one.delivered };
                    Line::Mine { id: NO_NUMBER, text: one.text, at: one.at, state, about }
                }
            });
        }
        for line in lines.into_iter().rev() {
            self.lines.push_front(line);
        }
        count <= room
    }
}

#[cfg(test)]
mod tests;
