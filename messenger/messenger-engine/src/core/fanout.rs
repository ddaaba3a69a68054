//! A room text's way: out to every member's device, and in when its epoch has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use identity::Identifier;

use super::lapse::NOT_ACCEPTED;
use super::letters::Came;
use super::links::Token;
use super::room_talk::SaidInRoom;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, Missing, RoomId, RoomOrder};
use crate::room::{DeviceKey, Group, GroupError};
use crate::session::Content;
use crate::time::Now;
use crate::wire::Enclosed;

/// How long a text waits, on its sender's device, for a link to a member that is being made.
const LINK_WAIT: Duration = Duration::from_secs(6);
/// How long the word may take of who was written to by way of others.
const ANSWER: Duration = Duration::from_secs(20);
/// How long a text of an epoch to come waits for the commit that overtook it on another stream or at another member.
const EARLY_LIFE: Duration = Duration::from_secs(2);
/// How many such texts per room.
const MAX_EARLY: usize = 64;

/// A room text of one's own on its way to every other member.
pub(super) struct Fanout {
    pending: BTreeMap<DeviceKey, Pending>,
    delivered: Vec<Identifier>,
    missing: Vec<Missing>,
    message: Vec<u8>,
    deadline: Instant,
    order: RoomOrder,
    is_text: bool,
}

struct Pending {
    who: Identifier,
    sent: Sent,
}

/// How a text goes to one device.
enum Sent {
    /// Not yet.
    No,
    /// In the session with it.
    Directly,
    /// In a letter with this number, which these were handed, until the answer is given up.
    Enclosed { number: u64, by: BTreeSet<DeviceKey>, until: Instant },
}

impl Fanout {
    /// When those are given up to whom no link came about, or whose word did not come.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let link = self.pending.keys().any(|device| self.awaits(*device)).then_some(self.deadline);
        let answers = self.pending.values().filter_map(|pending| match pending.sent {
            Sent::Enclosed { until, .. } => Some(until),
            Sent::No | Sent::Directly => None,
        });
        answers.chain(link).min()
    }

    /// Whether it waits for a link to this device.
    pub(super) fn awaits(&self, device: DeviceKey) -> bool {
        self.pending.get(&device).is_some_and(|pending| matches!(pending.sent, Sent::No))
    }

    /// Whether it waits for a link to this device, or for its word by way of others.
    pub(super) fn awaits_or_wrote_to(&self, device: DeviceKey) -> bool {
        self.pending.get(&device).is_some_and(|pending| !matches!(pending.sent, Sent::Directly))
    }

    /// Whether it went to this device in the letter with this number.
    fn is_in_letter(&self, device: DeviceKey, letter: u64) -> bool {
        let sent = self.pending.get(&device).map(|pending| &pending.sent);
        matches!(sent, Some(Sent::Enclosed { number, .. }) if *number == letter)
    }

    /// Those to whom it may not have come, and why; their time is up.
    fn late(&self, now: Instant) -> Vec<(DeviceKey, &'static str)> {
        let late = self.pending.iter().filter_map(|(device, pending)| match pending.sent {
            Sent::No if self.deadline <= now => Some((*device, "no connection, neither direct nor by way of a member")),
            Sent::Enclosed { until, .. } if until <= now => {
                Some((*device, "no acknowledgement came back by way of other members"))
            }
            _ => None,
        });
        late.collect()
    }

    fn miss(&mut self, device: DeviceKey, reason: &str) -> bool {
        let Some(pending) = self.pending.remove(&device) else { return false };
        let reason = if matches!(pending.sent, Sent::Enclosed { .. }) {
            format!("unknown: {reason}")
        } else {
            reason.to_owned()
        };
        self.missing.push(Missing { who: pending.who, reason });
        true
    }

    pub(super) fn give_up_all(&mut self, reason: &str) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            let reason =
                if !matches!(pending.sent, Sent::No) { format!("unknown: {reason}") } else { reason.to_owned() };
            self.missing.push(Missing { who: pending.who, reason });
        }
    }

    pub(super) fn state(&self, room: RoomId, id: u64) -> Event {
        let (delivered, missing) = (self.delivered.clone(), self.missing.clone());
        Event::RoomMessageState { room, id, delivered, missing, order: self.is_text.then_some(self.order) }
    }
}

/// How something came, from which device in which run of its program, and for which room.
pub(super) struct Arrived {
    pub(super) came: Came,
    pub(super) from: (DeviceKey, [u8; 8]),
    pub(super) room: RoomId,
}

/// A text that came before its epoch.
pub(super) struct Early {
    pub(super) came: Came,
    /// The device it is from, and the run of its program.
    from: (DeviceKey, [u8; 8]),
    message: Vec<u8>,
    until: Instant,
}

impl Early {
    /// When it is refused.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Core {
    /// Seals what is said for the members of this epoch, and sends it to each.
    pub(super) fn fan_out(&mut self, id: RoomId, (text_id, said): (u64, SaidInRoom), now: Now) {
        let me = self.me.person.device;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Room { part: Part::Inside(inside), texts, fanouts, .. } = room else { return };
        let lapsed: Vec<DeviceKey> = inside.lapsed.devices().collect();
        let (group, about, is_text) = (&mut inside.group, said.about(), said.is_text());
        let seen = texts.seen(group.epoch());
        let message = match group.seal(&said.plaintext(text_id, seen), &self.me.leaf) {
            Ok(message) => message,
            Err(error) => return self.error(about, error.to_string(), "leave the room and enter it again"),
        };
        let order = RoomOrder { epoch: group.epoch(), count: u64::from(seen) + 1, leaf: group.leaf().0, id: text_id };
        texts.count(order);
        if is_text {
            texts.add_own(text_id);
        }
        let others = group.members().filter(|person| person.device != me);
        let pending =
            others.map(|person| (person.device, Pending { who: person.identifier.clone(), sent: Sent::No })).collect();
        let (delivered, missing, deadline) = (Vec::new(), Vec::new(), now.instant + LINK_WAIT);
        let mut fanout = Fanout { pending, delivered, missing, message, deadline, order, is_text };
        for device in lapsed {
            fanout.miss(device, NOT_ACCEPTED);
        }
        fanouts.insert(text_id, fanout);
        self.push_fanout(id, text_id, now);
        self.fanout_changed(id, text_id);
    }

    /// Sends a text to every member a link stands to.
    fn push_fanout(&mut self, id: RoomId, text: u64, now: Now) {
        let Some(fanout) = self.rooms.get(&id).and_then(|room| room.fanouts.get(&text)) else { return };
        let message = fanout.message.clone();
        let devices: Vec<DeviceKey> = fanout.pending.keys().copied().filter(|device| fanout.awaits(*device)).collect();
        for device in devices {
            if self.inside(id).is_some_and(|inside| inside.lapsed.has(device)) {
                self.room_text_missed(id, text, device, NOT_ACCEPTED);
                continue;
            }
            if self.is_being_linked(device, now) {
                continue;
            }
            if !self.vias(id, device).is_empty() {
                self.enclose_text(id, (text, device), &message, now);
                continue;
            }
            let Some(session) = self.session_to(device) else { continue };
            let content = Content::Room { room: id, message: message.clone() };
            match self.put(session, content, Token::Room { room: id, id: text, device }, now) {
                Ok(()) => self.text_goes(id, (text, device), Sent::Directly),
                Err(reason) => self.room_text_missed(id, text, device, &reason),
            }
        }
    }

    fn text_goes(&mut self, id: RoomId, (text, device): (u64, DeviceKey), sent: Sent) {
        let fanout = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text));
        if let Some(pending) = fanout.and_then(|fanout| fanout.pending.get_mut(&device)) {
            pending.sent = sent;
        }
    }

    /// To a member who is reached by way of others it goes in a letter.
    fn enclose_text(&mut self, id: RoomId, (text, device): (u64, DeviceKey), message: &[u8], now: Now) {
        let enclosed = Enclosed::Text { run: self.run, message: message.to_vec() };
        if let Some((number, by)) = self.write_letter(id, device, enclosed) {
            let until = now.instant + ANSWER;
            self.text_goes(id, (text, device), Sent::Enclosed { number, by, until });
        }
    }

    /// Who was written to by way of others answers: that counts, and nobody else's word.
    pub(super) fn letter_answered(&mut self, id: RoomId, device: DeviceKey, (number, refused): (u64, Option<String>)) {
        let Some(room) = self.rooms.get(&id) else { return };
        let text = room.fanouts.iter().find(|(_, fanout)| fanout.is_in_letter(device, number)).map(|(text, _)| *text);
        match (text, refused) {
            (Some(text), None) => self.room_text_taken(id, text, device),
            (Some(text), Some(reason)) => {
                self.text_goes(id, (text, device), Sent::Directly);
                self.room_text_missed(id, text, device, &crate::clip(&reason));
            }
            (None, _) => {}
        }
    }

    /// A member did not pass a letter on. If nobody else has it, its text goes by way of another one, or waits for one.
    pub(super) fn text_not_passed(&mut self, id: RoomId, via: DeviceKey, (to, letter): (DeviceKey, u64), now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let found = room.fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_letter(to, letter));
        let Some((text, fanout)) = found else { return };
        let (text, sent) = (*text, fanout.pending.get_mut(&to).map(|pending| &mut pending.sent));
        if let Some(Sent::Enclosed { by, .. }) = sent
            && by.remove(&via)
            && by.is_empty()
        {
            self.text_goes(id, (text, to), Sent::No);
            self.push_fanout(id, text, now);
        }
    }

    /// A device is reached: what waited for it goes out.
    pub(super) fn push_fanouts(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let waiting = room.fanouts.iter().filter(|(_, fanout)| fanout.awaits(device));
        let mut waiting: Vec<(RoomOrder, u64)> = waiting.map(|(text, fanout)| (fanout.order, *text)).collect();
        // As they were sealed: what is said about a text comes after it.
        waiting.sort_unstable();
        for (_, text) in waiting {
            self.push_fanout(id, text, now);
        }
    }

    pub(super) fn room_text_taken(&mut self, id: RoomId, text: u64, device: DeviceKey) {
        let Some(fanout) = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text)) else { return };
        if let Some(pending) = fanout.pending.remove(&device) {
            fanout.delivered.push(pending.who);
            self.fanout_changed(id, text);
        }
    }

    pub(super) fn room_text_missed(&mut self, id: RoomId, text: u64, device: DeviceKey, reason: &str) {
        let Some(fanout) = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text)) else { return };
        if fanout.miss(device, reason) {
            self.fanout_changed(id, text);
        }
    }

    /// Tells the client, and forgets the text when nobody is pending.
    fn fanout_changed(&mut self, id: RoomId, text: u64) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(fanout) = room.fanouts.get(&text) else { return };
        let state = fanout.state(id, text);
        if fanout.pending.is_empty() {
            room.fanouts.remove(&text);
        }
        self.emit(state);
    }

    pub(super) fn expire_fanouts(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let late = room.fanouts.iter().flat_map(|(text, fanout)| {
            fanout.late(now.instant).into_iter().map(|(device, reason)| (*text, device, reason))
        });
        let missed: Vec<(u64, DeviceKey, &str)> = late.collect();
        for (text, device, reason) in missed {
            self.room_text_missed(id, text, device, reason);
        }
    }

    /// A room text came in from a device, in a run of its program: opened if it is of this epoch or a past one, kept a moment if it
    /// is of one to come.
    pub(super) fn room_text_arrived(
        &mut self,
        came: Came,
        from: (DeviceKey, [u8; 8]),
        id: RoomId,
        message: Vec<u8>,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return self.refuse(came, "not in that room") };
        let early = match (&room.part, Group::epoch_of(&message)) {
            (Part::Asked { .. } | Part::Dropped(_), _) => return self.refuse(came, "not in that room"),
            _ if !room.is_open() => return self.refuse(came, "not in that room any more"),
            (_, Err(_)) => return self.refuse(came, "not a message of a room"),
            (Part::Entering { .. }, Ok(_)) => true,
            (Part::Inside(_), Ok(epoch)) => room.group().is_some_and(|group| epoch > group.epoch()),
        };
        if !early {
            return self.open_room_text(came, from, id, &message);
        }
        if room.early.len() >= MAX_EARLY {
            return self.refuse(came, "too many texts of an epoch to come");
        }
        room.early.push_back(Early { came, from, message, until: now.instant + EARLY_LIFE });
    }

    fn open_room_text(&mut self, came: Came, from: (DeviceKey, [u8; 8]), id: RoomId, message: &[u8]) {
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else {
            return self.refuse(came, "not in that room");
        };
        match inside.group.open(message, from.0) {
            Ok(opened) if inside.lapsed.has(opened.sender.device) => self.refuse(came, NOT_ACCEPTED),
            Ok(opened) => self.heard_in_room(Arrived { came, from, room: id }, opened),
            Err(GroupError::UnknownKind) => self.refuse(came, "their messenger does not know this"),
            Err(error) => {
                tracing::debug!(%error, "a room text cannot be opened");
                self.refuse(came, "it cannot be opened in this epoch");
            }
        }
    }

    /// Opens texts whose epoch has come, and refuses those whose time is up.
    pub(super) fn take_early(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(epoch) = room.group().map(Group::epoch) else { return };
        let is_due = |early: &Early| Group::epoch_of(&early.message).is_ok_and(|of| of <= epoch);
        let (due, waiting): (Vec<Early>, Vec<Early>) = std::mem::take(&mut room.early).into_iter().partition(is_due);
        let (late, waiting): (Vec<Early>, Vec<Early>) =
            waiting.into_iter().partition(|early| early.until <= now.instant);
        room.early = waiting.into();
        for early in due {
            self.open_room_text(early.came, early.from, id, &early.message);
        }
        for early in late {
            self.refuse(early.came, "the epoch it was sealed for did not come");
        }
    }

    /// A link stands: what waited for it goes out.
    pub(super) fn link_ready(&mut self, session: SessionId, now: Now) {
        let Some(device) = self.links.get(&session).map(|link| link.person.device) else { return };
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            if let Some(inside) = self.inside(room) {
                inside.ways.linked(device);
            }
            self.push_fanouts(room, device, now);
        }
        self.greet_in_rooms(device, now);
        self.return_to_rooms(device);
    }
}
