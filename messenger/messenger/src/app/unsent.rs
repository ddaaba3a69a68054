//! Texts that are nowhere but here: what would be lost if the program ended now, and what an end that nobody asked for left.

use std::ops::{Deref, DerefMut};

use jiff::civil::DateTime;
use messenger_engine::RoomId;

use super::conversation::{Conversation, Line, State};
use super::remarks::About;
use super::{App, Entry, Pane, Room};
use crate::drafts::{Addressee, DraftsError, Fate, Safe, Unsent};

impl App {
    /// Everything that exists nowhere else: drafts first, then what failed or is under way, oldest first.
    pub(crate) fn unsent(&self) -> Vec<Unsent> {
        let mut all = Vec::new();
        for (entry, conversation) in &self.conversations {
            let Some(to) = self.addressee(entry) else { continue };
            let unsent = |(text, fate)| Unsent { to: to.clone(), text, fate };
            all.extend(conversation.unsent().into_iter().map(unsent));
        }
        all
    }

    fn addressee(&self, entry: &Entry) -> Option<Addressee> {
        match entry {
            Entry::Person(who) => Some(Addressee::Person(who.clone())),
            Entry::Room(id) => self.rooms.get(id).map(|room| Addressee::Room {
                room: *id,
                name: room.name.clone(),
                host: room.host.clone(),
            }),
            Entry::Knock(_) | Entry::Invitation(_) => None,
        }
    }

    /// Puts what was kept back to where it was written.
    pub(crate) fn give_back(&mut self, unsent: Vec<Unsent>, now: DateTime) {
        let Some(first) = unsent.first().map(|one| entry_of(&one.to)) else { return };
        let count = unsent.len();
        for Unsent { to, text, fate } in unsent {
            let id = self.next_id;
            self.next_id += 1;
            match to {
                Addressee::Person(who) => {
                    self.person_mut(&who);
                    self.conversation_mut(&Entry::Person(who)).give_back(id, text, fate, now);
                }
                Addressee::Room { room, name, host } => {
                    self.closed_room(room, name, host);
                    let reason = "the room ended with the program".to_owned();
                    let fate = if fate == Fate::Written { Fate::NotDelivered(reason) } else { fate };
                    self.conversation_mut(&Entry::Room(room)).give_back_line(id, text, fate, now);
                }
            }
        }
        self.select(first);
        self.pane = if self.writable() { Pane::Message } else { Pane::List };
        self.touched = true;
        self.said(match count {
            1 => "The program ended before its time; a text that was nowhere else is back.".to_owned(),
            n => format!("The program ended before its time; {n} texts that were nowhere else are back."),
        });
    }

    fn closed_room(&mut self, id: RoomId, name: String, host: identity::Identifier) {
        let closed = Some("it ended with the program".to_owned());
        let room = Room { closed, ..Room::new(name, host) };
        self.rooms.entry(id).or_insert(room);
    }
}

fn entry_of(to: &Addressee) -> Entry {
    match to {
        Addressee::Person(who) => Entry::Person(who.clone()),
        Addressee::Room { room, .. } => Entry::Room(*room),
    }
}

impl Conversation {
    /// Texts that exist nowhere but here, and how far they got.
    fn unsent(&self) -> Vec<(String, Fate)> {
        let came_back = self.returned.as_ref().is_some_and(|returned| returned.text == self.draft.text());
        let draft = (!self.draft.is_empty() && !came_back).then(|| (self.draft.text().to_owned(), Fate::Written));
        let lines = self.lines.iter().filter_map(|line| {
            let Line::Mine { text, state, .. } = line else { return None };
            let fate = match state {
                State::NotDelivered(reason) => Fate::NotDelivered(reason.clone()),
                State::Room { missing, .. } if state.failed() => {
                    Fate::NotDelivered(missing.first().map(|one| one.reason.clone()).unwrap_or_default())
                }
                state if state.failed() || state.pending() => Fate::Unknown,
                _ => return None,
            };
            Some((text.clone(), fate))
        });
        draft.into_iter().chain(lines).collect()
    }

    fn give_back(&mut self, id: u64, text: String, fate: Fate, now: DateTime) {
        // Beyond what a message may have nothing was kept by this program.
        if fate == Fate::Written && self.draft.is_empty() && self.draft.insert(&text).is_ok() {
            return;
        }
        self.give_back_line(id, text, fate, now);
    }

    fn give_back_line(&mut self, id: u64, text: String, fate: Fate, now: DateTime) {
        self.push(Line::Mine { id, text, at: now, state: State::Sending, about: About::default() });
        let state = match fate {
            Fate::NotDelivered(reason) => State::NotDelivered(reason),
            Fate::Written => State::NotDelivered("the program ended before it was sent".to_owned()),
            Fate::Unknown => State::Interrupted,
        };
        self.progress(id, state);
    }
}

/// The model, whose unsent texts are kept if the program ends by a fault of its own.
#[derive(Debug)]
pub(crate) struct Safekept {
    app: App,
    safe: Safe,
}

impl Safekept {
    pub(crate) fn new(app: App, safe: Safe) -> Self {
        Self { app, safe }
    }

    /// Keeps what is unsent now; how many texts that is.
    ///
    /// # Errors
    /// They are not on disk.
    pub(crate) fn keep(&self) -> Result<usize, DraftsError> {
        let unsent = self.app.unsent();
        self.safe.keep(&unsent)?;
        Ok(unsent.len())
    }
}

impl Safekept {
    /// As [`Safekept::keep`], unless another run has taken back meanwhile what this one kept: they would come back twice.
    ///
    /// # Errors
    /// They are not on disk.
    pub(crate) fn keep_again(&self) -> Result<usize, DraftsError> {
        if self.safe.keeps() { self.keep() } else { Ok(0) }
    }
}

impl Drop for Safekept {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Err(error) = self.keep()
        {
            eprintln!("drafts could not be kept: {error}");
        }
    }
}

impl Deref for Safekept {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl DerefMut for Safekept {
    fn deref_mut(&mut self) -> &mut App {
        &mut self.app
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use device::{DeviceKey, Home};
    use jiff::civil::date;
    use messenger_engine::{DeliveryState, Event, Missing};

    use super::*;
    use crate::app::tests::{ROOM, app, not_delivered, room, typed, who};
    use crate::keys::Action;

    fn now() -> DateTime {
        date(2026, 11, 23).at(10, 42, 0, 0)
    }

    /// Drafts, a failed text, one under way, and one in a room.
    fn busy() -> App {
        let mut app = app(&["bob", "carol"]);
        app.hear(room("alice", &["alice", "bob"]), now());
        typed(&mut app, "failed");
        app.hear(not_delivered(1), now());
        app.act(Action::Edit(crate::app::editor::Edit::DeleteToStart), now());
        typed(&mut app, "under way");
        app.act(Action::Insert("half a sen".to_owned()), now());
        app.select(Entry::Person(who("carol")));
        app.act(Action::Insert("/add but no".to_owned()), now());
        app.select(Entry::Room(ROOM));
        app.act(Action::Insert("hello all".to_owned()), now());
        app
    }

    #[test]
    fn what_was_unsent_comes_back_where_it_was_written() {
        let unsent = busy().unsent();
        assert_eq!(unsent.len(), 5, "{unsent:?}");
        let mut next = app(&["carol"]);
        next.give_back(unsent.clone(), now());
        let draft = |name| next.conversation(&Entry::Person(who(name))).unwrap().draft.text().to_owned();
        assert_eq!((draft("bob").as_str(), draft("carol").as_str()), ("half a sen", "/add but no"));
        assert_eq!(next.selected, Some(Entry::Person(who("bob"))), "where something is back");
        let bob = next.conversation(&Entry::Person(who("bob"))).unwrap();
        let states = bob.lines.iter().map(|line| match line {
            Line::Mine { text, state, .. } => (text.as_str(), state.clone()),
            other => panic!("{other:?}"),
        });
        let states: Vec<_> = states.collect();
        let failed = State::NotDelivered("bob is not online".to_owned());
        assert_eq!(states, [("failed", failed), ("under way", State::Interrupted)]);
        let room = next.conversation(&Entry::Room(ROOM)).unwrap();
        assert!(
            matches!(&room.lines[0], Line::Mine { text, state: State::NotDelivered(_), .. } if text == "hello all")
        );
        assert_eq!(next.at_stake(), 5, "and is told before it would be lost again");
        assert_eq!(next.unsent().len(), 5, "and kept again");
    }

    #[test]
    fn what_came_back_is_kept_once_and_what_arrived_not_at_all() {
        let mut app = app(&["bob"]);
        typed(&mut app, "hi");
        app.hear(not_delivered(1), now());
        assert_eq!(app.unsent().len(), 1);
        app.hear(Event::MessageState { id: 1, to: who("bob"), state: DeliveryState::Delivered, reason: None }, now());
        assert_eq!(app.unsent(), []);
        app.hear(room("alice", &["alice", "bob"]), now());
        app.select(Entry::Room(ROOM));
        typed(&mut app, "all");
        let missing = vec![Missing { who: who("bob"), reason: "gone".to_owned() }];
        app.hear(Event::RoomMessageState { room: ROOM, id: 2, delivered: Vec::new(), missing, order: None }, now());
        assert_eq!(app.unsent().len(), 1);
        assert_eq!(app.unsent()[0].fate, Fate::NotDelivered("gone".to_owned()));
    }

    #[test]
    fn a_fault_of_the_program_loses_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let safe = Safe::open(home, Arc::new(DeviceKey::generate().unwrap())).unwrap();
        let unsent = busy().unsent();
        // Left as it should be: nothing is kept.
        drop(Safekept::new(busy(), safe.clone()));
        assert!(safe.find().unsent.is_empty());
        let kept = Safekept::new(busy(), safe.clone());
        let fault = catch_unwind(AssertUnwindSafe(move || {
            let _kept = kept;
            panic!("a fault");
        }));
        assert!(fault.is_err());
        assert_eq!(safe.find().unsent, unsent);
        // Another run takes them back while this one still says farewell.
        let kept = Safekept::new(busy(), safe.clone());
        assert_eq!(kept.keep_again().unwrap(), unsent.len());
        safe.remove(&safe.find().files).unwrap();
        assert_eq!(kept.keep_again().unwrap(), 0);
        assert!(safe.find().unsent.is_empty());
    }
}
