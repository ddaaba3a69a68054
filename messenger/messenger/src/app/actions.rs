//! What the person asks for, done to the model.

use identity::Identifier;
use jiff::civil::DateTime;
use messenger_engine::{Command, RoomId};

use super::conversation::{Line, State};
use super::editor::{Editor, MAX_TEXT_BYTES};
use super::slash::{self, Slash};
use super::{App, Cover, Effect, Entry, Pane, Question, Waiting, events};
use crate::keys::Action;
use crate::view;

/// The most that an answer to a question may have, in bytes: addresses have at most 254, names of rooms 256.
const MAX_ANSWER_BYTES: usize = 512;

impl App {
    /// The terminal has a new size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// Does what a key asked for at `now`, local time.
    pub(crate) fn act(&mut self, action: Action, now: DateTime) -> Vec<Effect> {
        self.notice = None;
        self.touched = true;
        let leaving = std::mem::take(&mut self.leaving);
        if action == Action::Quit {
            return self.quit(leaving);
        }
        if self.cover.is_some() {
            return self.act_on_cover(action);
        }
        match action {
            Action::Help => self.cover = Some(Cover::Help { scroll: 0 }),
            Action::SwitchPane if self.pane == Pane::List => self.open(),
            Action::SwitchPane | Action::ToList => self.pane = Pane::List,
            Action::Open => self.open(),
            Action::NextEntry => self.step(1),
            Action::PreviousEntry => self.step(-1),
            Action::FirstEntry => self.step(isize::MIN),
            Action::LastEntry => self.step(isize::MAX),
            Action::AskContact => self.ask_contact(),
            Action::AskRoom => self.ask(Question::RoomName),
            Action::AskGuest => match self.room() {
                Some(room) => self.ask(Question::Guest(room)),
                None => self.wrong("Choose a room first, or open one with c; then i invites."),
            },
            Action::AskRemove => self.ask_remove(),
            Action::Accept => return self.answer(true),
            Action::Decline => return self.answer(false),
            Action::Send => return self.send(now),
            Action::SendAgain => return self.send_again(now),
            Action::Knock => return self.knock(now),
            Action::Insert(text) => self.insert(&text),
            Action::Edit(edit) => {
                let columns = view::input_columns(self.size);
                if let Some(conversation) = self.open_conversation() {
                    conversation.draft.edit(edit, columns);
                    conversation.edited();
                }
            }
            Action::ScrollUp => self.scroll(true),
            Action::ScrollDown => self.scroll(false),
            Action::Yes | Action::Close | Action::Quit => {}
        }
        Vec::new()
    }

    /// Takes pasted text into whatever is being written.
    pub(crate) fn paste(&mut self, text: &str) {
        self.notice = None;
        self.touched = true;
        match &mut self.cover {
            Some(Cover::Ask { answer, .. }) => insert_answer(answer, text),
            Some(_) => {}
            None if self.pane == Pane::Message => self.insert(text),
            None => self.wrong("Choose somebody and press Enter to write; then paste."),
        }
    }

    fn insert(&mut self, text: &str) {
        if !self.writable() {
            return self.wrong("Nobody can be written to here.");
        }
        let Some(conversation) = self.open_conversation() else { return };
        if let Err(found) = conversation.draft.insert(text) {
            self.wrong(format!("A message has at most {MAX_TEXT_BYTES} bytes; this one would have {found}. Nothing was inserted: send it in parts."));
        }
    }

    fn quit(&mut self, leaving: bool) -> Vec<Effect> {
        let at_stake = self.at_stake();
        if at_stake > 0 && !leaving {
            let texts = if at_stake == 1 { "1 text stands" } else { &format!("{at_stake} texts stand") };
            self.wrong(format!("{texts} nowhere but here and would be lost. Press Ctrl-Q again to leave."));
            self.leaving = true;
            return Vec::new();
        }
        vec![Effect::Engine(Command::Quit), Effect::Quit]
    }

    fn open(&mut self) {
        if self.writable() {
            self.pane = Pane::Message;
        } else if self.curtain().is_some() {
            self.wrong("Press y to accept or n to decline.");
        } else if self.selected.is_none() {
            self.wrong("Nobody is in the list yet: a adds a contact.");
        } else {
            self.wrong("This room is closed; d takes it out of the list.");
        }
    }

    /// Goes down or up in the list, stopping at its ends.
    fn step(&mut self, by: isize) {
        let list = self.list();
        let at = list.iter().position(|(_, entry)| Some(entry) == self.selected.as_ref());
        let to = match at {
            Some(at) => at.saturating_add_signed(by).min(list.len() - 1),
            None => 0,
        };
        if let Some((_, entry)) = list.into_iter().nth(to) {
            self.select(entry);
        }
        if !self.writable() {
            self.pane = Pane::List;
        }
    }

    fn ask(&mut self, question: Question) {
        self.cover = Some(Cover::Ask { question, answer: Editor::default(), wrong: None });
    }

    /// Asks whom to add, and proposes who is looked at.
    fn ask_contact(&mut self) {
        let other = match &self.selected {
            Some(Entry::Person(who)) if !self.people.get(who).is_some_and(|person| person.contact) => who.to_string(),
            _ => String::new(),
        };
        self.cover = Some(Cover::Ask { question: Question::Contact, answer: Editor::with(other), wrong: None });
    }

    fn ask_remove(&mut self) {
        match &self.selected {
            Some(entry @ (Entry::Person(_) | Entry::Room(_))) => {
                self.cover = Some(Cover::Confirm { entry: entry.clone() });
            }
            Some(_) => self.wrong("Press y to accept or n to decline."),
            None => self.wrong("Nobody is in the list yet: a adds a contact."),
        }
    }

    fn act_on_cover(&mut self, action: Action) -> Vec<Effect> {
        match (&mut self.cover, action) {
            (Some(Cover::Help { scroll }), Action::ScrollUp) => *scroll = scroll.saturating_sub(5),
            (Some(Cover::Help { scroll }), Action::ScrollDown) => *scroll = (*scroll + 5).min(view::help_rows()),
            (Some(Cover::Ask { answer, .. }), Action::Insert(text)) => insert_answer(answer, &text),
            (Some(Cover::Ask { answer, .. }), Action::Edit(edit)) => answer.edit(edit, usize::MAX),
            (Some(Cover::Ask { question, answer, .. }), Action::Yes) => {
                let (question, answer) = (question.clone(), answer.text().to_owned());
                return self.answered(&question, &answer);
            }
            (Some(Cover::Confirm { entry }), Action::Yes) => {
                let entry = entry.clone();
                self.cover = None;
                return self.remove(entry);
            }
            (_, Action::Close) => self.cover = None,
            _ => {}
        }
        Vec::new()
    }

    /// The answer to a question: done, or what is wrong with it said in its place.
    fn answered(&mut self, question: &Question, text: &str) -> Vec<Effect> {
        let effects = match question {
            Question::Contact => slash::identifier(text).and_then(|who| self.add(who)),
            Question::RoomName => slash::room_name(text).map(|name| self.create_room(name)),
            Question::Guest(room) => slash::identifier(text).map(|who| self.invite(*room, &who)),
        };
        match effects {
            Ok(effects) => {
                self.cover = None;
                effects
            }
            Err(problem) => {
                if let Some(Cover::Ask { wrong, .. }) = &mut self.cover {
                    *wrong = Some(problem);
                }
                Vec::new()
            }
        }
    }

    fn add(&mut self, who: Identifier) -> Result<Vec<Effect>, String> {
        if who == self.me.identifier {
            return Err("That is you.".to_owned());
        }
        self.person_mut(&who).contact = true;
        self.select(Entry::Person(who.clone()));
        self.pane = Pane::Message;
        Ok(vec![Effect::Engine(Command::AddContact { who: who.to_string() }), Effect::Remember(who)])
    }

    fn create_room(&mut self, name: String) -> Vec<Effect> {
        self.awaited_names.insert(name.clone());
        vec![Effect::Engine(Command::RoomCreate { name })]
    }

    fn invite(&mut self, room: RoomId, who: &Identifier) -> Vec<Effect> {
        self.said(format!("Asking {who} in …"));
        vec![Effect::Engine(Command::RoomInvite { room, who: who.to_string() })]
    }

    /// The room that is open.
    fn room(&self) -> Option<RoomId> {
        match &self.selected {
            Some(Entry::Room(room)) if self.writable() => Some(*room),
            _ => None,
        }
    }

    fn remove(&mut self, entry: Entry) -> Vec<Effect> {
        self.conversations.remove(&entry);
        let effects = match &entry {
            Entry::Person(who) => match self.people.remove(who) {
                Some(person) if person.contact => {
                    vec![Effect::Engine(Command::RemoveContact { who: who.to_string() }), Effect::Forget(who.clone())]
                }
                _ => Vec::new(),
            },
            Entry::Room(room) => match self.rooms.remove(room) {
                Some(known) if known.closed.is_none() => vec![Effect::Engine(Command::RoomLeave { room: *room })],
                _ => Vec::new(),
            },
            Entry::Knock(_) | Entry::Invitation(_) => Vec::new(),
        };
        self.reselect(&entry);
        effects
    }

    /// Answers the chosen knock or invitation, or else the first that waits.
    fn answer(&mut self, yes: bool) -> Vec<Effect> {
        let Some(entry) = self.curtain().or(self.waiting.first()).map(Waiting::entry) else {
            self.wrong("Nobody is knocking.");
            return Vec::new();
        };
        let at = self.waiting.iter().position(|one| one.entry() == entry).expect("it was found there just now");
        let waiting = self.waiting.remove(at);
        if !yes {
            self.reselect(&entry);
            return vec![Effect::Engine(events::decline(&waiting))];
        }
        let command = match &waiting {
            Waiting::Knock { call, from, .. } => {
                self.person_mut(from);
                self.select(Entry::Person(from.clone()));
                self.pane = Pane::Message;
                Command::Accept { call: *call }
            }
            Waiting::Invitation { room, name, .. } => {
                self.awaited_rooms.insert(*room);
                self.said(format!("Entering {name} …"));
                self.reselect(&entry);
                Command::RoomAccept { room: *room }
            }
        };
        vec![Effect::Engine(command)]
    }

    /// Sends the draft, or does the command it is.
    fn send(&mut self, now: DateTime) -> Vec<Effect> {
        let Some(entry) = self.selected.clone().filter(|_| self.writable()) else { return Vec::new() };
        let conversation = self.conversation_mut(&entry);
        let text = conversation.draft.text().to_owned();
        // What came back unchanged was a text the first time, whatever it begins with.
        let returned = conversation.returned.as_ref().is_some_and(|returned| returned.text == text);
        if text.trim().is_empty() {
            return Vec::new();
        }
        if text.starts_with('/') && !text.starts_with("//") && !text.contains('\n') && !returned {
            return self.command(&text, &entry, now);
        }
        if let Some(reason) = self.nobody_to_hear(&entry) {
            self.wrong(reason);
            return Vec::new();
        }
        let (text, id) = self.conversation_mut(&entry).take_draft();
        let text = match text.strip_prefix('/') {
            Some(rest) if rest.starts_with('/') && !returned => rest.to_owned(),
            _ => text,
        };
        self.send_text(&entry, text, id, now)
    }

    /// Why a text to `entry` would reach nobody, where the model knows better than the engine.
    fn nobody_to_hear(&self, entry: &Entry) -> Option<String> {
        let Entry::Room(room) = entry else { return None };
        let alone = self.rooms.get(room).is_some_and(|room| room.members.len() < 2);
        alone.then(|| "Nobody else is in this room yet. Ask somebody in: /invite bob@example.org".to_owned())
    }

    fn send_text(&mut self, entry: &Entry, text: String, id: Option<u64>, now: DateTime) -> Vec<Effect> {
        let new = self.next_id;
        let (id, command) = match entry {
            Entry::Person(who) => {
                let id = id.unwrap_or(new);
                (id, Command::Send { to: who.to_string(), text: text.clone(), id: Some(id) })
            }
            Entry::Room(room) => (new, Command::RoomSend { room: *room, text: text.clone(), id: Some(new) }),
            Entry::Knock(_) | Entry::Invitation(_) => return Vec::new(),
        };
        self.next_id += 1;
        let conversation = self.conversation_mut(entry);
        conversation.push(Line::Mine { id, text, at: now, state: State::Sending });
        conversation.scroll = 0;
        conversation.unread = 0;
        vec![Effect::Engine(command)]
    }

    /// Sends again: what came back into the input, else the oldest text that failed.
    fn send_again(&mut self, now: DateTime) -> Vec<Effect> {
        let Some(entry) = self.selected.clone().filter(|_| self.writable()) else { return Vec::new() };
        if let Some(reason) = self.nobody_to_hear(&entry) {
            self.wrong(reason);
            return Vec::new();
        }
        let conversation = self.conversation_mut(&entry);
        let again = if conversation.returned.is_some() {
            Some(conversation.take_draft())
        } else {
            conversation.take_failed().map(|(id, text)| (text, Some(id)))
        };
        match again {
            Some((text, id)) => self.send_text(&entry, text, id, now),
            None => {
                self.said("Everything here was delivered, or is on its way.");
                Vec::new()
            }
        }
    }

    /// Sends what came back, or else the draft, by calling a contact as a stranger would: the engine calls nobody whom
    /// it sees offline, but of somebody who is no contact it sees nothing. What is on disk stays as it is.
    fn knock(&mut self, now: DateTime) -> Vec<Effect> {
        let Some(Entry::Person(who)) = self.selected.clone().filter(|_| self.seems_offline()) else {
            self.said("Knocking is for contacts who never showed themselves; to anybody else you just write.");
            return Vec::new();
        };
        let again = match self.open_conversation() {
            Some(conversation) if !conversation.draft.is_empty() => Some(conversation.take_draft()),
            Some(conversation) => conversation.take_failed().map(|(id, text)| (text, Some(id))),
            None => None,
        };
        let Some((text, id)) = again else {
            self.said("Write something first: it is what they get if they open.");
            return Vec::new();
        };
        let mut effects = vec![Effect::Engine(Command::RemoveContact { who: who.to_string() })];
        effects.extend(self.send_text(&Entry::Person(who.clone()), text, id, now));
        effects.push(Effect::Engine(Command::AddContact { who: who.to_string() }));
        self.said(format!(
            "Knocking at {who}'s door. Silence for 30 seconds means nothing: absent and unwilling look the same."
        ));
        effects
    }

    fn command(&mut self, line: &str, entry: &Entry, now: DateTime) -> Vec<Effect> {
        match slash::parse(line).and_then(|command| self.run(command, now)) {
            Ok(effects) => {
                if let Some(conversation) = self.conversations.get_mut(entry) {
                    if conversation.draft.text() == line {
                        conversation.draft.take();
                    }
                    conversation.edited();
                }
                effects
            }
            // The line stays, to be mended.
            Err(problem) => {
                self.wrong(problem);
                Vec::new()
            }
        }
    }

    fn run(&mut self, command: Slash, now: DateTime) -> Result<Vec<Effect>, String> {
        let not_a_room = || "This is no room. Open one with /room create NAME.".to_owned();
        Ok(match command {
            Slash::Add(who) => self.add(who)?,
            Slash::Remove(who) => {
                let entry = who.map(Entry::Person).or(self.selected.clone()).filter(|entry| match entry {
                    Entry::Person(who) => self.people.contains_key(who),
                    _ => false,
                });
                self.cover = Some(Cover::Confirm { entry: entry.ok_or("There is no such contact.")? });
                Vec::new()
            }
            Slash::CreateRoom(name) => self.create_room(name),
            Slash::Invite(who) => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.invite(room, &who)
            }
            Slash::Leave => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.remove(Entry::Room(room))
            }
            Slash::Accept => self.answer(true),
            Slash::Decline => self.answer(false),
            Slash::Again => {
                self.drop_command();
                self.send_again(now)
            }
            Slash::Knock => {
                self.drop_command();
                self.knock(now)
            }
            Slash::Offline => vec![Effect::Engine(Command::GoOffline)],
            Slash::Online => vec![Effect::Engine(Command::GoOnline)],
            Slash::Help => {
                self.cover = Some(Cover::Help { scroll: 0 });
                Vec::new()
            }
            Slash::Quit => {
                if let Some(conversation) = self.open_conversation() {
                    conversation.draft.take();
                }
                self.quit(false)
            }
        })
    }

    /// The command itself is the draft: only lines that failed are meant.
    fn drop_command(&mut self) {
        if let Some(conversation) = self.open_conversation() {
            conversation.draft.take();
            conversation.returned = None;
        }
    }

    fn scroll(&mut self, up: bool) {
        let (page, most) = view::scroll_range(self);
        let Some(conversation) = self.open_conversation() else { return };
        conversation.scroll = match up {
            true => (conversation.scroll + page).min(most),
            false => conversation.scroll.saturating_sub(page),
        };
        if conversation.scroll == 0 {
            conversation.unread = 0;
        }
    }
}

/// Answers are one line of limited length; what does not fit is left out.
fn insert_answer(answer: &mut Editor, text: &str) {
    let line = text.lines().next().unwrap_or_default();
    if answer.text().len() + line.len() <= MAX_ANSWER_BYTES {
        // Shorter than a message may be.
        let _ = answer.insert(line);
    }
}
