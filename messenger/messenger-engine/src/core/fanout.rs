//! A room text's way: out to every member's device, and in when its epoch has come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use identity::Identifier;

use super::lapse::NOT_ACCEPTED;
use super::links::Token;
use super::room_talk::SaidInRoom;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, Missing, RoomId, RoomOrder};
use crate::room::{DeviceKey, Group, GroupError};
use crate::session::Content;
use crate::time::Now;

/// How long a text waits, on its sender's device, for a link to a member that is being made.
const LINK_WAIT: Duration = Duration::from_secs(6);
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
    sent: bool,
}

impl Fanout {
    /// When those are given up to whom no link came about.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.pending.keys().any(|device| self.awaits(*device)).then_some(self.deadline)
    }

    /// Whether it waits for a link to this device.
    pub(super) fn awaits(&self, device: DeviceKey) -> bool {
        self.pending.get(&device).is_some_and(|pending| !pending.sent)
    }

    fn miss(&mut self, device: DeviceKey, reason: &str) -> bool {
        let Some(pending) = self.pending.remove(&device) else { return false };
        self.missing.push(Missing { who: pending.who, reason: reason.to_owned() });
        true
    }

    pub(super) fn give_up_all(&mut self, reason: &str) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            let reason = if pending.sent { format!("unknown: {reason}") } else { reason.to_owned() };
            self.missing.push(Missing { who: pending.who, reason });
        }
    }

    pub(super) fn state(&self, room: RoomId, id: u64) -> Event {
        let (delivered, missing) = (self.delivered.clone(), self.missing.clone());
        Event::RoomMessageState { room, id, delivered, missing, order: self.is_text.then_some(self.order) }
    }
}

/// On what session, under which number and for which room something came.
pub(super) struct Arrived {
    pub(super) session: SessionId,
    pub(super) number: u64,
    pub(super) room: RoomId,
}

/// A text that came before its epoch.
pub(super) struct Early {
    pub(super) session: SessionId,
    pub(super) number: u64,
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
            others.map(|person| (person.device, Pending { who: person.identifier.clone(), sent: false })).collect();
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
            let Some(session) = self.session_to(device) else { continue };
            let content = Content::Room { room: id, message: message.clone() };
            match self.put(session, content, Token::Room { room: id, id: text, device }, now) {
                Ok(()) => {
                    let pending = self
                        .rooms
                        .get_mut(&id)
                        .and_then(|room| room.fanouts.get_mut(&text))
                        .and_then(|f| f.pending.get_mut(&device));
                    if let Some(pending) = pending {
                        pending.sent = true;
                    }
                }
                Err(reason) => self.room_text_missed(id, text, device, &reason),
            }
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
        let late = room.fanouts.iter().filter(|(_, fanout)| fanout.deadline <= now.instant);
        let missed: Vec<(u64, DeviceKey)> = late
            .flat_map(|(text, fanout)| {
                fanout.pending.keys().filter(|device| fanout.awaits(**device)).map(|device| (*text, *device))
            })
            .collect();
        for (text, device) in missed {
            self.room_text_missed(id, text, device, "no direct connection");
        }
    }

    /// A room text came in: opened if it is of this epoch or a past one, kept a moment if it is of one to come.
    pub(super) fn room_text_arrived(
        &mut self,
        session: SessionId,
        number: u64,
        id: RoomId,
        message: Vec<u8>,
        now: Now,
    ) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let Some(room) = self.rooms.get_mut(&id) else { return link.session.refuse(number, "not in that room") };
        let early = match (&room.part, Group::epoch_of(&message)) {
            (Part::Asked { .. } | Part::Dropped(_), _) => return link.session.refuse(number, "not in that room"),
            _ if !room.is_open() => return link.session.refuse(number, "not in that room any more"),
            (_, Err(_)) => return link.session.refuse(number, "not a message of a room"),
            (Part::Entering { .. }, Ok(_)) => true,
            (Part::Inside(_), Ok(epoch)) => room.group().is_some_and(|group| epoch > group.epoch()),
        };
        if !early {
            return self.open_room_text(session, number, id, &message);
        }
        if room.early.len() >= MAX_EARLY {
            return link.session.refuse(number, "too many texts of an epoch to come");
        }
        room.early.push_back(Early { session, number, message, until: now.instant + EARLY_LIFE });
    }

    fn open_room_text(&mut self, session: SessionId, number: u64, id: RoomId, message: &[u8]) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else {
            return link.session.refuse(number, "not in that room");
        };
        match inside.group.open(message, link.person.device) {
            Ok(opened) if inside.lapsed.has(opened.sender.device) => link.session.refuse(number, NOT_ACCEPTED),
            Ok(opened) => self.heard_in_room(Arrived { session, number, room: id }, opened),
            Err(GroupError::UnknownKind) => link.session.refuse(number, "their messenger does not know this"),
            Err(error) => {
                tracing::debug!(%error, "a room text cannot be opened");
                link.session.refuse(number, "it cannot be opened in this epoch");
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
            self.open_room_text(early.session, early.number, id, &early.message);
            self.flush(early.session);
        }
        for early in late {
            if let Some(link) = self.links.get_mut(&early.session) {
                link.session.refuse(early.number, "the epoch it was sealed for did not come");
            }
            self.flush(early.session);
        }
    }

    /// A link stands: what waited for it goes out.
    pub(super) fn link_ready(&mut self, session: SessionId, now: Now) {
        let Some(device) = self.links.get(&session).map(|link| link.person.device) else { return };
        let mut waiting: Vec<(RoomOrder, RoomId, u64)> = self
            .rooms
            .iter()
            .flat_map(|(id, room)| {
                let awaited = room.fanouts.iter().filter(|(_, fanout)| fanout.awaits(device));
                awaited.map(|(text, fanout)| (fanout.order, *id, *text))
            })
            .collect();
        // As they were sealed: what is said about a text comes after it.
        waiting.sort_unstable();
        for (_, room, text) in waiting {
            self.push_fanout(room, text, now);
        }
        self.greet_in_rooms(device, now);
        self.return_to_rooms(device);
    }
}
