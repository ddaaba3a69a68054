//! What the person asks for, done to the model.

use identity::Identifier;
use identity::card::Link;
use jiff::civil::DateTime;
use messenger_engine::{Command, RoomId, RoomSuite};

use super::cover::insert_answer;
use super::editor::{Editor, MAX_TEXT_BYTES};
use super::slash::{self, Newcomer};
use super::{App, Cover, Effect, Entry, Pane, Question, Waiting, events};
use crate::keys::Action;
use crate::view;

impl App {
    /// The terminal has a new size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
    }

    /// Does what a key asked for at `now`, local time, and nothing besides.
    pub(super) fn done(&mut self, action: Action, now: DateTime) -> Vec<Effect> {
        if self.locked.is_some() {
            return self.act_locked(action);
        }
        self.notice = None;
        self.eager = None;
        self.touched = true;
        self.looked();
        let leaving = std::mem::take(&mut self.leaving);
        if action == Action::Quit {
            return self.quit(leaving);
        }
        if let Some(Cover::NewPassphrase(_)) = self.cover {
            return self.act_on_passphrase(action);
        }
        if self.cover.is_some() {
            return self.act_on_cover(action, now);
        }
        match action {
            Action::Help => self.cover = Some(Cover::Help { scroll: 0 }),
            Action::SwitchPane if self.path_begun().is_some() => {
                return self.path_begun().map(Effect::Complete).into_iter().collect();
            }
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
            Action::AskCommand => {
                let answer = Editor::with("/".to_owned());
                self.cover = Some(Cover::Ask { question: Question::Command { chosen: 0 }, answer, wrong: None });
            }
            Action::AskFind => {
                let answer = Editor::with(self.needle().unwrap_or_default().to_owned());
                self.cover = Some(Cover::Ask { question: Question::Find, answer, wrong: None });
            }
            Action::Lock => return vec![Effect::Lock],
            Action::Accept => return self.answer(true),
            Action::Decline => return self.answer(false),
            Action::File(deed) => return self.done_with_file(|app| app.deal_with_file(deed, None)),
            Action::PauseOrContinue => return self.done_with_file(Self::pause_or_continue),
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
            Action::ScrollUp => {
                let back = self.back_from_the_top();
                self.scroll(true);
                return back;
            }
            Action::ScrollDown => self.scroll(false),
            Action::Yes | Action::Close | Action::Quit | Action::NextChoice | Action::PreviousChoice => {}
        }
        Vec::new()
    }

    /// Takes pasted text into whatever is being written.
    pub(crate) fn paste(&mut self, text: &str) {
        if self.paste_secret(text) {
            return;
        }
        self.notice = None;
        self.eager = None;
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

    pub(super) fn quit(&mut self, leaving: bool) -> Vec<Effect> {
        let at_stake = self.at_stake();
        if at_stake > 0 && !leaving {
            let texts = if at_stake == 1 { "1 text stands" } else { &format!("{at_stake} texts stand") };
            self.wrong(format!("{texts} nowhere but here and would be lost. Press Ctrl-Q again to leave."));
            self.leaving = true;
            return Vec::new();
        }
        let files = self.transfers_under_way();
        if files > 0 && !leaving {
            let files = if files == 1 { "1 file is" } else { &format!("{files} files are") };
            self.wrong(format!("{files} on the way; what has come is kept. Press Ctrl-Q again to leave."));
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

    fn ask_remove(&mut self) {
        match &self.selected {
            Some(entry @ (Entry::Person(_) | Entry::Room(_))) => {
                self.cover = Some(Cover::Confirm { entry: entry.clone() });
            }
            Some(_) => self.wrong("Press y to accept or n to decline."),
            None => self.wrong("Nobody is in the list yet: a adds a contact."),
        }
    }

    /// What a picture showed that was to be read.
    pub(crate) fn pictured(&mut self, found: Result<Link, String>) -> Vec<Effect> {
        let added = found.and_then(slash::on_card).and_then(|newcomer| self.add(newcomer));
        added.unwrap_or_else(|problem| {
            self.wrong(problem);
            Vec::new()
        })
    }

    pub(super) fn add(&mut self, newcomer: Newcomer) -> Result<Vec<Effect>, String> {
        let (who, card) = match newcomer {
            Newcomer::Named(who) => (who, None),
            Newcomer::OnCard(card) => (card.identifier.clone(), Some(card)),
            Newcomer::Pictured(path) => return Ok(vec![Effect::Read(self.places.expand(&path))]),
        };
        if who == self.me.identifier {
            return Err("That is you.".to_owned());
        }
        let person = self.person_mut(&who);
        person.contact = true;
        let met = person.peer.as_ref().map(|peer| (peer.device, peer.endorsed_by.clone()));
        // With whom one talks already, by that device.
        let about = met.map(|(device, endorsed_by)| {
            person.about.devices.meet(device, &endorsed_by);
            Effect::About(who.clone(), Box::new(person.about.clone()))
        });
        self.select(Entry::Person(who.clone()));
        self.pane = Pane::Message;
        let mut effects = vec![Effect::Engine(Command::AddContact { who: who.to_string() }), Effect::Remember(who)];
        effects.extend(about);
        if let Some(card) = card {
            // First of all: who comes online a moment later is judged by it.
            effects.insert(0, Effect::Take(card));
        }
        Ok(effects)
    }

    pub(super) fn create_room(&mut self, name: String, suite: RoomSuite) -> Vec<Effect> {
        self.awaited_names.insert(name.clone());
        vec![Effect::Engine(Command::RoomCreate { name, suite })]
    }

    pub(super) fn invite(&mut self, room: RoomId, who: &Identifier) -> Vec<Effect> {
        self.said(format!("Asking {who} in …"));
        vec![Effect::Engine(Command::RoomInvite { room, who: who.to_string() })]
    }

    /// The room that is open.
    pub(crate) fn room(&self) -> Option<RoomId> {
        match &self.selected {
            Some(Entry::Room(room)) if self.writable() => Some(*room),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, entry: Entry) -> Vec<Effect> {
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
    pub(super) fn answer(&mut self, yes: bool) -> Vec<Effect> {
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
