//! What the engine says, taken into the model.

use identity::Identifier;
use jiff::ToSpan;
use jiff::civil::DateTime;
use messenger_engine::{Command, DeliveryState, Event, RoomId, RoomSuite, RoomTextRef, Seen, SessionState};

use super::alarms::Alarm;
use super::conversation::{Line, State};
use super::list::MAX_WAITING;
use super::remarks::About;
use super::{App, Connection, Effect, Entry, Notice, Person, Room, Waiting, rooms};
use crate::view;

impl App {
    /// Takes in one event that happened at `now`, local time.
    pub(crate) fn hear(&mut self, event: Event, now: DateTime) -> Vec<Effect> {
        match event {
            Event::Online { directory, .. } => {
                self.connection = Connection::Online { directory };
                return self.send_eagerly(now);
            }
            Event::Offline { reason } => return self.hear_offline(reason, now),
            Event::Presence { who, online, seen } => return self.hear_presence(who, online, seen, now),
            Event::Appearance(settings) => self.hear_appearance(settings),
            Event::Incoming { call, from, purpose, .. } => {
                return self.hear_waiting(Waiting::Knock { call, from, purpose });
            }
            Event::IncomingEnded { call, reason } => self.hear_gone(&Entry::Knock(call), &reason),
            Event::RoomInvitation { room, name, from, members, suite } => {
                return self.hear_waiting(Waiting::Invitation { room, name, from, members, suite });
            }
            Event::FirstSeen { who, authority, .. } => {
                let words =
                    format!("{who} is certified by {authority}. From now on nobody else is believed about them");
                self.conversation_mut(&Entry::Person(who)).note(words, now);
            }
            Event::Peer(peer) => return self.hear_peer(peer, now),
            Event::MailCertificate(told) => self.person_mut(&told.who).mail_until = Some(told.not_after),
            // Nothing here asks for one.
            Event::NoMailCertificate { .. } => {}
            Event::Message { id, from, text, bot, reply_to } => {
                self.people.entry(from.clone()).or_default();
                let entry = Entry::Person(from.clone());
                let answers = reply_to.and_then(|text| self.conversation_mut(&entry).quote(text));
                let about = About { id: Some(id), answers, ..About::default() };
                self.await_reading(&from, id);
                return self.hear_text(entry, Line::Theirs { from, text, at: now, bot, about });
            }
            Event::Reaction { from, on, emoji } => self.hear_reaction(from, on, emoji),
            Event::Edited { from, id, text } => self.hear_edit(from, id, text),
            Event::DeleteRequested { from, id } => self.hear_deletion(from, id),
            Event::Nudge { from } => return self.hear_nudge(from, now),
            Event::Continued { from } => self.hear_continued(from, now),
            Event::ContinuedElsewhere { who } => return self.hear_continued_elsewhere(who, now),
            Event::Typing { who, typing } => self.hear_typing(&who, typing),
            Event::History { who, keeps } => self.hear_history(who, keeps, now),
            Event::Read { who, ids } => self.hear_read(who, ids),
            Event::MessageState { id, to, state, reason }
                if self.hear_of_remark(id, &to, state, reason.as_deref(), now) => {}
            Event::MessageState { id, to, state, reason } => {
                if state != DeliveryState::Sending {
                    self.answered_for();
                }
                if state == DeliveryState::NotDelivered {
                    self.hint_at_knocking(&to);
                }
                self.conversation_mut(&Entry::Person(to)).progress(id, State::new(state, reason));
            }
            Event::Session { who, state, reason } => self.hear_session(&who, state, reason, now),
            Event::RoomMessage { room, id, from, text, order, reply_to } => {
                let entry = Entry::Room(room);
                let answers = reply_to.and_then(|text| self.conversation_mut(&entry).quote_in_room(&text));
                let about = About { id: Some(id), answers, place: Some(order), ..About::default() };
                return self.hear_text(entry, Line::Theirs { from, text, at: now, bot: false, about });
            }
            Event::RoomReaction { room, from, on, emoji } => self.hear_room_reaction(room, from, &on, emoji),
            Event::RoomEdited { room, from, id, text } => {
                self.hear_room_edit(room, &RoomTextRef { from: Some(from), id }, text);
            }
            Event::RoomDeleteRequested { room, from, id } => {
                self.hear_room_deletion(room, &RoomTextRef { from: Some(from), id });
            }
            Event::RoomTyping { room, who, typing } => self.hear_room_typing(room, who, typing),
            Event::RoomMessageState { room, id, delivered, missing, order } => {
                let others = self.rooms.get(&room).map_or(0, |room| room.members.len().saturating_sub(1));
                let others = others.max(delivered.len() + missing.len());
                if self.hear_of_room_remark(room, id, (delivered.len(), &missing), others) {
                    return Vec::new();
                }
                let is_over = delivered.len() + missing.len() >= others;
                if self.hear_of_offer_to_all(room, id, &missing, is_over) {
                    return Vec::new();
                }
                let conversation = self.conversation_mut(&Entry::Room(room));
                conversation.progress(id, State::Room { delivered: delivered.len(), missing, others });
                if let Some(order) = order {
                    conversation.placed(id, order, now);
                }
            }
            Event::Room { room, name, host, members, epoch, suite, code, topic, locked, owners, moderators } => {
                let classical = RoomSuite::named(&suite) == Some(RoomSuite::Classical);
                let new = Room::new(name, host);
                let about = Room { members, epoch, code, topic, locked, classical, owners, moderators, ..new };
                return self.hear_room(room, about, now);
            }
            Event::RoomVia { room, via } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.via = via;
                }
            }
            Event::RoomChanged { room, by, change } => {
                let words = rooms::change(self.or_you(&by, "You"), &change, |who| self.or_you(who, "you").to_owned());
                self.room_note(room, words, now);
            }
            Event::Ringing { who } => self.said(format!("Calling {who} …")),
            Event::Unanswered { who, message, remedy, .. } => {
                // Of who never showed herself the hint above says more.
                if !self.people.get(&who).is_some_and(Person::never_showed_herself) {
                    self.said(format!("{message}. What helps: {remedy}."));
                }
            }
            Event::Unreachable { who, message, remedy, .. } => {
                let words = format!("{who} is there, but {message}. What helps: {remedy}");
                self.conversation_mut(&Entry::Person(who)).note(words, now);
            }
            Event::RoomInvitationFailed { room, who, reason } => {
                self.room_note(room, format!("{who} is not coming: {reason}"), now);
            }
            Event::RoomReach { room, not_reached } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.unreached = not_reached;
                }
            }
            Event::RoomLapsed { room, who, reason } => {
                let words = format!("{who} is not shown here any more, and gets nothing: {reason}");
                self.room_note(room, words, now);
            }
            Event::RoomLeft { room, who } => {
                self.room_note(room, format!("{who} left and cannot read what follows"), now);
            }
            Event::RoomClosed { room, reason } => self.hear_closed(room, reason, now),
            event @ (Event::FileOffered { .. }
            | Event::FileState { .. }
            | Event::RoomFileState { .. }
            | Event::FileProgress { .. }) => {
                return self.hear_file(event, now);
            }
            Event::Contradiction { about, message, evidence, remedy } => {
                // What a peer says and nothing proves is told, but it does not stand there for good.
                if evidence.is_some() {
                    self.alarm = Some(Alarm::Contradiction(about));
                }
                let next = evidence.map_or(remedy, |path| format!("certtool verify --evidence {path}"));
                self.wrong(format!("{message}. {next}"));
                return vec![Effect::Bell];
            }
            event @ Event::Certificate { .. } => return self.hear_certificate(event),
            event @ Event::Watch { .. } => return self.hear_watch(event),
            Event::Error { about, message, remedy } => {
                let text = [format!("{about}: {message}"), remedy].join(". ");
                self.wrong(text);
            }
        }
        Vec::new()
    }

    fn hear_offline(&mut self, reason: String, now: DateTime) -> Vec<Effect> {
        self.connection = Connection::Offline { reason };
        if self.eager.take().is_some() {
            self.said("There is no connection: it stays here. Enter sends it when you are online.");
        }
        let seen = self.see_last(now);
        for person in self.people.values_mut() {
            person.online = None;
        }
        if seen.is_empty() { Vec::new() } else { vec![Effect::Seen(seen)] }
    }

    fn hear_presence(&mut self, who: Identifier, online: bool, seen: Seen, now: DateTime) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&who) else { return Vec::new() };
        let before = person.online.replace(online);
        person.seen |= online;
        person.idle_since = seen.idle_s.and_then(|seconds| now.checked_sub(i64::from(seconds).seconds()).ok());
        person.shows = seen;
        if online && !self.touched {
            let first = self.list().into_iter().map(|(_, entry)| entry).find(|entry| matches!(entry, Entry::Person(_)));
            self.selected = first.or(self.selected.take());
        }
        // The first word after connecting is how things stand, not something that happened.
        if before.is_some_and(|before| before != online) {
            let entry = Entry::Person(who.clone());
            let words = if online { "came online" } else { "went offline" };
            if self.conversations.contains_key(&entry) {
                self.conversation_mut(&entry).note(format!("{who} {words}"), now);
            }
        }
        let mut effects = self.alert(&who, before);
        if before == Some(true) && !online {
            effects.extend(self.saw_last(&who, now));
        }
        effects
    }

    fn hear_session(&mut self, who: &Identifier, state: SessionState, reason: Option<String>, now: DateTime) {
        if let Some(person) = self.people.get_mut(who) {
            person.reconnecting = state == SessionState::Reconnecting;
        }
        let entry = Entry::Person(who.clone());
        if state == SessionState::Lost && self.conversations.contains_key(&entry) {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let words = format!("The connection to {who} was lost{reason}");
            self.conversation_mut(&entry).note(words, now);
        }
    }

    /// A contact who was never seen may be there without knowing us.
    fn hint_at_knocking(&mut self, to: &Identifier) {
        if self.people.get(to).is_some_and(Person::never_showed_herself) {
            self.said(format!("{to} may be there and not have added you yet. Ctrl-K knocks, as a stranger would."));
        }
    }

    fn hear_waiting(&mut self, waiting: Waiting) -> Vec<Effect> {
        let (entry, from) = (waiting.entry(), waiting.from().clone());
        self.waiting.retain(|one| one.entry() != entry);
        if self.waiting.len() >= MAX_WAITING {
            return vec![Effect::Engine(decline(&waiting))];
        }
        self.waiting.push(waiting);
        let what = if matches!(entry, Entry::Knock(_)) { "knocks" } else { "invites you into a room" };
        // Strangers can knock again and again: until she looks at the first, she is told of one.
        let first = self.waiting.len() == 1;
        let announced = if first { self.announce(format!("{from} {what}"), String::new()) } else { Vec::new() };
        if from == self.me.identifier {
            self.uncover_for(&entry);
        }
        if self.selected.is_none() {
            self.select(entry);
        }
        self.bell().into_iter().chain(announced).collect()
    }

    /// Takes what waited away; the reason is told once.
    fn hear_gone(&mut self, entry: &Entry, reason: &str) {
        let Some(at) = self.waiting.iter().position(|one| one.entry() == *entry) else { return };
        let gone = self.waiting.remove(at);
        self.said(format!("{} no longer waits: {reason}", gone.from()));
        self.reselect(entry);
    }

    fn hear_text(&mut self, entry: Entry, line: Line) -> Vec<Effect> {
        let announced = match &line {
            Line::Theirs { from, text, .. } => self.announce_text(&entry, from, text),
            _ => Vec::new(),
        };
        let shown = self.shows(&entry);
        let conversation = self.conversation_mut(&entry);
        match &line {
            Line::Theirs { at, .. } => {
                let now = *at;
                conversation.put(line, now);
            }
            _ => conversation.push(line),
        }
        if !shown || conversation.scroll > 0 {
            conversation.unread += 1;
        }
        announced
    }

    /// What was announced has come to an end: "Knocking …", "Entering …".
    fn answered_for(&mut self) {
        if matches!(self.notice, Some(Notice::Said(_))) {
            self.notice = None;
        }
    }

    fn hear_room(&mut self, id: RoomId, mut room: Room, now: DateTime) -> Vec<Effect> {
        self.answered_for();
        let entry = Entry::Room(id);
        let me = self.me.identifier.clone();
        let known = self.rooms.get(&id).map(|before| before.members.as_slice()).unwrap_or_default();
        let came: Vec<_> = room.members.iter().filter(|who| !known.contains(who)).cloned().collect();
        let somebody_new = !came.is_empty();
        match self.rooms.get(&id) {
            None => {
                let words = if room.host == me {
                    format!("You opened the room {}. Ask people in with /invite. {}", room.name, view::SIGNED)
                } else {
                    format!("You are in. {} is the host. Compare the code with the others.", room.host)
                };
                self.conversation_mut(&entry).note(words, now);
                // Both are to be forgotten: a name may be used again.
                if self.awaited_names.remove(&room.name) | self.awaited_rooms.remove(&id) {
                    self.select(entry);
                    self.pane = super::Pane::Message;
                }
            }
            Some(before) => {
                room.via.clone_from(&before.via);
                let host = (before.host != room.host).then(|| room.host.clone());
                for who in came {
                    self.conversation_mut(&entry).note(format!("{who} came in"), now);
                }
                if let Some(host) = host {
                    let words = match host == me {
                        true => "You are the host now: ask people in with /invite".to_owned(),
                        false => format!("{host} is the host now"),
                    };
                    self.conversation_mut(&entry).note(words, now);
                }
            }
        }
        if let Some(before) = self.rooms.get_mut(&id) {
            room.typing = std::mem::take(&mut before.typing);
            room.unreached = std::mem::take(&mut before.unreached);
            room.unreached.retain(|who| room.members.contains(who));
        }
        self.rooms.insert(id, room);
        if somebody_new { self.tell_the_room(&Entry::Room(id), now) } else { Vec::new() }
    }

    fn hear_closed(&mut self, id: RoomId, reason: String, now: DateTime) {
        let entry = Entry::Invitation(id);
        if self.waiting.iter().any(|one| one.entry() == entry) {
            return self.hear_gone(&entry, &reason);
        }
        self.awaited_rooms.remove(&id);
        match self.rooms.get_mut(&id) {
            Some(room) => {
                room.closed = Some(reason.clone());
                room.members.clear();
                room.typing.clear();
                self.room_note(id, format!("The room is closed: {reason}"), now);
                if self.selected == Some(Entry::Room(id)) {
                    self.pane = super::Pane::List;
                }
            }
            None => self.wrong(format!("You did not get into the room: {reason}")),
        }
    }

    fn room_note(&mut self, room: RoomId, text: String, now: DateTime) {
        if self.rooms.contains_key(&room) {
            self.conversation_mut(&Entry::Room(room)).note(text, now);
        }
    }
}

/// The engine's command to refuse what waits.
pub(super) fn decline(waiting: &Waiting) -> Command {
    match waiting {
        Waiting::Knock { call, .. } => Command::Decline { call: *call },
        Waiting::Invitation { room, .. } => Command::RoomDecline { room: *room },
    }
}
