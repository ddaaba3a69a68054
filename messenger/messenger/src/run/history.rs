//! What the model asks of the history on this device, done.

use std::collections::BTreeMap;

use ::history::{Conversation, Entry as Kept, HistoryError, KeyPlace, State};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Next, Session, now};
use crate::app::keeping::{Deed, Past};
use crate::app::{Effect, Entry};
use crate::keeping::{self, now_ms};

impl Session {
    /// Does it, and says what came of it.
    pub(super) fn do_in_history(&mut self, deed: Deed) -> Vec<Effect> {
        self.did(deed).unwrap_or_else(|error| {
            self.app.tell_wrong(format!("{error}. What helps: {}.", error.remedy()));
            Vec::new()
        })
    }

    fn did(&mut self, deed: Deed) -> Result<Vec<Effect>, HistoryError> {
        match deed {
            Deed::Begin { passphrase, entry } => {
                let place = passphrase.as_ref().map_or(KeyPlace::Keyring, KeyPlace::Passphrase);
                let home = self.book.home().clone();
                self.keeper.create(&home, place, now_ms())?;
                self.keep(&entry, true)
            }
            Deed::Keep { entry, keeps } => self.keep(&entry, keeps),
            Deed::Retain { entry, days } => {
                let Some((place, _)) = self.place(&entry) else { return Ok(Vec::new()) };
                self.keeper.retain(&place, days, now_ms())?;
                self.show_keeping()?;
                self.app.tell(match days {
                    Some(days) => format!("What is older than {days} days is erased."),
                    None => "It is kept until you erase it.".to_owned(),
                });
                Ok(Vec::new())
            }
            Deed::Find { entry, needle } => {
                let Some((place, _)) = self.place(&entry) else { return Ok(Vec::new()) };
                let found = self.keeper.find(&place, &needle)?;
                self.app.found_in_history(needle, found.into_iter().map(past).collect());
                Ok(Vec::new())
            }
            Deed::Back { entry, before } => {
                let Some((place, _)) = self.place(&entry) else { return Ok(Vec::new()) };
                let page = match self.keeper.older(&place, before) {
                    // Of somebody else there is one: here is nothing to be shown.
                    Err(HistoryError::NoConversation(_)) => Vec::new(),
                    page => page?,
                };
                self.app.showed_before(&entry, page.into_iter().map(past).collect());
                Ok(Vec::new())
            }
        }
    }

    fn keep(&mut self, entry: &Entry, keeps: bool) -> Result<Vec<Effect>, HistoryError> {
        let Some((place, title)) = self.place(entry) else { return Ok(Vec::new()) };
        self.keeper.keep(&place, &title, keeps)?;
        self.show_keeping()?;
        Ok(self.app.kept_from_now(entry, keeps, now()))
    }

    /// What another program has switched on or off meanwhile counts here, too, and is told to whom it concerns.
    pub(super) async fn take_up_history(&mut self) -> Next {
        let (changed, problem) = self.keeper.take_up();
        let mut effects = problem.map(|problem| self.app.hear(problem, now())).unwrap_or_default();
        if let Some(changed) = changed {
            let known = changed.iter().filter_map(|(place, keeps)| Some((entry(place)?, *keeps)));
            // A room in which she is not is no conversation; if she comes there, it is said then.
            let elsewhere = |entry: &Entry| matches!(entry, Entry::Room(room) if !self.app.rooms.contains_key(room));
            let known: Vec<_> = known.filter(|(entry, _)| !elsewhere(entry)).collect();
            for (entry, keeps) in known {
                effects.extend(self.app.kept_from_now(&entry, keeps, now()));
            }
            if let Err(error) = self.show_keeping() {
                self.app.tell_wrong(format!("{error}. What helps: {}.", error.remedy()));
            }
        }
        self.apply(effects).await
    }

    /// The model knows what is kept.
    pub(super) fn show_keeping(&mut self) -> Result<(), HistoryError> {
        let keeping = self.keeper.keeping()?;
        let own: BTreeMap<_, _> =
            keeping.into_iter().filter_map(|(place, days)| Some((entry(&place)?, days))).collect();
        self.app.keeps(self.keeper.exists(), own);
        Ok(())
    }

    /// What the history calls a conversation, and a room's name.
    fn place(&self, entry: &Entry) -> Option<(Conversation, String)> {
        match entry {
            Entry::Person(who) => Some((keeping::with(who), String::new())),
            Entry::Room(id) => {
                let room = self.app.rooms.get(id)?;
                Some((Conversation::Room(id.to_string()), room.name.clone()))
            }
            Entry::Knock(_) | Entry::Invitation(_) => None,
        }
    }
}

fn entry(place: &Conversation) -> Option<Entry> {
    match place {
        Conversation::Person(who) => who.parse().ok().map(Entry::Person),
        Conversation::Room(room) => room.parse().ok().map(Entry::Room),
    }
}

/// A kept text as the model shows it.
fn past(kept: Kept) -> Past {
    let at = Timestamp::from_millisecond(kept.at).unwrap_or_default().to_zoned(TimeZone::system()).datetime();
    Past {
        id: kept.id,
        // What is no address any more was never written by us.
        from: kept.sender.and_then(|from| from.parse().ok()),
        text: kept.text,
        at,
        delivered: kept.state == State::Delivered,
        edited: kept.edited.is_some(),
        deleted: kept.deleted.is_some(),
    }
}
