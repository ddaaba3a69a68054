//! Texts on their way out: sent, sent again, knocked with; and commands typed instead of them.

use jiff::civil::DateTime;
use messenger_engine::Command;

use super::conversation::{Line, State};
use super::remarks::About;
use super::slash::{self, Slash};
use super::{App, Connection, Cover, Effect, Entry};

impl App {
    /// Sends the draft, or does the command it is.
    pub(super) fn send(&mut self, now: DateTime) -> Vec<Effect> {
        let Some(entry) = self.selected.clone().filter(|_| self.writable()) else { return Vec::new() };
        let conversation = self.conversation_mut(&entry);
        let text = conversation.draft.text().to_owned();
        // What came back unchanged was a text the first time, whatever it begins with.
        let returned = conversation.returned.as_ref().is_some_and(|returned| returned.text == text);
        if text.trim().is_empty() {
            return Vec::new();
        }
        if text.starts_with('/') && !text.starts_with("//") && !text.contains('\n') && !returned {
            return self.typed_command(&text, &entry, now);
        }
        if let Some(reason) = self.nobody_to_hear(&entry) {
            self.wrong(reason);
            return Vec::new();
        }
        if self.connection == Connection::Connecting {
            self.said("It goes as soon as you are online; any key keeps it here.");
            self.eager = Some(entry);
            return Vec::new();
        }
        let (text, id) = self.conversation_mut(&entry).take_draft();
        let text = match text.strip_prefix('/') {
            Some(rest) if rest.starts_with('/') && !returned => rest.to_owned(),
            _ => text,
        };
        self.send_text(&entry, text, id, now)
    }

    /// Sends what was to go before there was a connection, if nothing else was done since: whoever types at once after the
    /// start is not told that nobody can be reached.
    pub(super) fn send_eagerly(&mut self, now: DateTime) -> Vec<Effect> {
        match self.eager.take() {
            Some(entry) if self.selected.as_ref() == Some(&entry) => {
                self.notice = None;
                self.send(now)
            }
            _ => Vec::new(),
        }
    }

    /// Why a text to `entry` would reach nobody, where the model knows better than the engine.
    pub(super) fn nobody_to_hear(&self, entry: &Entry) -> Option<String> {
        let Entry::Room(room) = entry else { return None };
        let alone = self.rooms.get(room).is_some_and(|room| room.members.len() < 2);
        alone.then(|| "Nobody else is in this room yet. Ask somebody in: /invite bob@example.org".to_owned())
    }

    pub(super) fn send_text(&mut self, entry: &Entry, text: String, id: Option<u64>, now: DateTime) -> Vec<Effect> {
        let new = self.next_id;
        let (id, command) = match entry {
            Entry::Person(who) => {
                let id = id.unwrap_or(new);
                (id, Command::Send { to: who.to_string(), text: text.clone(), id: Some(id), reply_to: None })
            }
            Entry::Room(room) => {
                (new, Command::RoomSend { room: *room, text: text.clone(), id: Some(new), reply_to: None })
            }
            Entry::Knock(_) | Entry::Invitation(_) => return Vec::new(),
        };
        self.next_id += 1;
        let conversation = self.conversation_mut(entry);
        conversation.push(Line::Mine { id, text, at: now, state: State::Sending, about: About::default() });
        conversation.scroll = 0;
        conversation.unread = 0;
        vec![Effect::Engine(command)]
    }

    /// Sends again: what came back into the input, else the oldest text that failed.
    pub(super) fn send_again(&mut self, now: DateTime) -> Vec<Effect> {
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
    pub(super) fn knock(&mut self, now: DateTime) -> Vec<Effect> {
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

    fn typed_command(&mut self, line: &str, entry: &Entry, now: DateTime) -> Vec<Effect> {
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

    pub(super) fn run(&mut self, command: Slash, now: DateTime) -> Result<Vec<Effect>, String> {
        let not_a_room = || "This is no room. Open one with /room create NAME.".to_owned();
        Ok(match command {
            Slash::Add(newcomer) => self.add(newcomer)?,
            Slash::Card => {
                self.cover = Some(Cover::Card);
                Vec::new()
            }
            Slash::Remove(who) => {
                let entry = who.map(Entry::Person).or(self.selected.clone()).filter(|entry| match entry {
                    Entry::Person(who) => self.people.contains_key(who),
                    _ => false,
                });
                self.cover = Some(Cover::Confirm { entry: entry.ok_or("There is no such contact.")? });
                Vec::new()
            }
            Slash::CreateRoom(name, suite) => self.create_room(name, suite),
            Slash::Invite(who) => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.invite(room, &who)
            }
            Slash::Roles => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.tell_roles(room);
                Vec::new()
            }
            Slash::Who => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.cover = Some(Cover::Members { room, scroll: 0 });
                Vec::new()
            }
            Slash::Room(wish) => {
                let room = self.room().ok_or_else(not_a_room)?;
                self.wish_for_room(room, wish)
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
            Slash::Remark(remark) => self.remark(remark, now)?,
            Slash::Status(None) => {
                self.tell_appearance();
                Vec::new()
            }
            Slash::Status(Some((status, text))) => {
                vec![Effect::Engine(Command::SetStatus { status, text: Some(text) })]
            }
            Slash::Visible(wish) => {
                let visible_to = Some(wish.fulfilled(&self.settings.visible_to)?);
                vec![Effect::Engine(Command::SetAudience { visible_to, may_knock: None })]
            }
            Slash::Reachable(wish) => {
                let may_knock = Some(wish.fulfilled(&self.settings.may_knock)?);
                vec![Effect::Engine(Command::SetAudience { visible_to: None, may_knock })]
            }
            Slash::Name(name) => self.rename(name)?,
            Slash::Group(group) => self.regroup(group)?,
            Slash::Alert(alert) => self.set_alert(alert)?,
            Slash::Find(needle) => self.find(&needle)?,
            Slash::History(wish) => self.wish_history(wish)?,
            Slash::Lock(wish) => self.wish_lock(wish),
            Slash::Notify(notify) => self.set_notify(notify),
            Slash::Mail(told) => self.tell_mail_certificate(told),
            Slash::Files(paths) => self.offer_files(&paths)?,
            Slash::File(deed, number) => self.deal_with_file(deed, number)?,
            Slash::Downloads(folder) => self.choose_downloads(folder)?,
            Slash::Devices(wish) => self.wish_devices(wish),
            Slash::Export(path) => vec![Effect::Export(path)],
            Slash::Import(path) => vec![Effect::Import(path)],
            Slash::Verify => {
                self.show_identity();
                Vec::new()
            }
            Slash::Verified => self.compared(now),
            Slash::Lists => {
                self.cover = Some(Cover::Lists { scroll: 0 });
                Vec::new()
            }
            Slash::Block(who) => self.block(who)?,
            Slash::Ask(who) => self.ask_first(who)?,
            Slash::Unask(who) => vec![Effect::Engine(Command::AskFirst { who: who.to_string(), ask: false })],
            Slash::Unblock(who) => vec![Effect::Engine(Command::Unblock { who: who.to_string() })],
            Slash::Offline => vec![Effect::Engine(Command::GoOffline)],
            Slash::Online => vec![Effect::Engine(Command::GoOnline)],
            Slash::Help => {
                self.cover = Some(Cover::Help { scroll: 0 });
                Vec::new()
            }
            Slash::Quit => {
                self.drop_command();
                self.quit(false)
            }
        })
    }

    /// If the command itself is the draft, only lines that failed are meant. It may come from the palette, too: then the draft
    /// is one.
    fn drop_command(&mut self) {
        let command = |text: &str| text.starts_with('/') && slash::parse(text).is_ok();
        if let Some(conversation) = self.open_conversation().filter(|one| command(one.draft.text())) {
            conversation.draft.take();
            conversation.returned = None;
        }
    }
}
