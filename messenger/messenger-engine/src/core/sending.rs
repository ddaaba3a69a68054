//! A text's way out to every member's device of a room: over a connection, in a letter, or in a circular.

use std::collections::BTreeSet;

use super::fanout::{Fanout, Pending, Sent};
use super::lapse::NOT_ACCEPTED;
use super::links::Token;
use super::room_talk::SaidInRoom;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{RoomId, RoomOrder};
use crate::room::DeviceKey;
use crate::session::Content;
use crate::time::Now;
use crate::wire::Enclosed;

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
        let pending = others.map(|person| (person.device, Pending::new(person.identifier.clone()))).collect();
        let mut fanout = Fanout::new(pending, (message, order, is_text), inside.is_large(), now);
        for device in lapsed {
            fanout.miss(device, NOT_ACCEPTED);
        }
        fanouts.insert(text_id, fanout);
        self.push_fanout(id, text_id, now);
        self.tell_fanout(id, text_id);
    }

    /// Sends a text to every member a link stands to, or who is reached by way of others.
    pub(super) fn push_fanout(&mut self, id: RoomId, text: u64, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let (is_large, mut far) = (room.is_large(), BTreeSet::new());
        let Some(fanout) = room.fanouts.get(&text) else { return };
        let message = fanout.message().to_vec();
        let devices: Vec<DeviceKey> = fanout.waiting().collect();
        for device in devices {
            if self.inside(id).is_some_and(|inside| inside.lapsed.has(device)) {
                self.room_text_missed(id, text, device, NOT_ACCEPTED);
                continue;
            }
            if self.is_being_linked(device, now) {
                continue;
            }
            if !self.vias(id, device).is_empty() {
                match is_large {
                    true => drop(far.insert(device)),
                    false => self.enclose_text(id, (text, device), &message, now),
                }
                continue;
            }
            let Some(session) = self.session_to(device) else { continue };
            let content = Content::Room { room: id, message: message.clone() };
            match self.put(session, content, Token::Room { room: id, id: text, device }, now) {
                Ok(()) => self.fanout(id, text).into_iter().for_each(|fanout| fanout.goes(device, Sent::Directly)),
                Err(reason) => self.room_text_missed(id, text, device, &reason),
            }
        }
        self.spread_text(id, (text, far), &message, now);
    }

    fn fanout(&mut self, id: RoomId, text: u64) -> Option<&mut Fanout> {
        self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text))
    }

    /// To a member who is reached by way of others it goes in a letter.
    fn enclose_text(&mut self, id: RoomId, (text, device): (u64, DeviceKey), message: &[u8], now: Now) {
        let enclosed = Enclosed::Text { run: self.run, message: message.to_vec() };
        let Some(letter) = self.write_letter(id, device, enclosed) else { return };
        if let Some(fanout) = self.fanout(id, text) {
            fanout.goes_in_letter(device, letter, now);
        }
    }

    /// Who was written to by way of others answers: that counts, and nobody else's word.
    pub(super) fn letter_answered(&mut self, id: RoomId, device: DeviceKey, (number, refused): (u64, Option<String>)) {
        let Some(room) = self.rooms.get(&id) else { return };
        let found = room.fanouts.iter().find(|(_, fanout)| fanout.is_in_letter(device, number));
        if let Some(text) = found.map(|(text, _)| *text) {
            self.text_answered(id, (text, device), refused);
        }
    }

    /// A device says itself that it has a text, or refuses it.
    pub(super) fn text_answered(&mut self, id: RoomId, (text, device): (u64, DeviceKey), refused: Option<String>) {
        match refused {
            None => self.room_text_taken(id, text, device),
            Some(reason) => {
                if let Some(fanout) = self.fanout(id, text) {
                    fanout.refused(device, &crate::clip(&reason));
                    self.fanout_changed(id, text);
                }
            }
        }
    }

    /// A member did not pass a letter on. If nobody else has it, its text goes by way of another one, or waits for one.
    pub(super) fn text_not_passed(&mut self, id: RoomId, via: DeviceKey, (to, letter): (DeviceKey, u64), now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let found = room.fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_letter(to, letter));
        let Some((text, fanout)) = found else { return };
        let text = *text;
        if fanout.is_left_by(via, (to, letter)) {
            fanout.goes(to, Sent::No);
            self.push_fanout(id, text, now);
        }
    }

    /// A device is reached: what waited for it goes out.
    pub(super) fn push_fanouts(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        self.push_those(id, |fanout| fanout.awaits(device), now);
    }

    /// What waits for nothing but a way goes out where there is one now.
    pub(super) fn push_waiting(&mut self, id: RoomId, now: Now) {
        self.push_those(id, |fanout| fanout.waiting().next().is_some(), now);
    }

    /// As they were sealed: what is said about a text comes after it.
    fn push_those(&mut self, id: RoomId, wait: impl Fn(&Fanout) -> bool, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let waiting = room.fanouts.iter().filter(|(_, fanout)| wait(fanout));
        let mut waiting: Vec<(RoomOrder, u64)> = waiting.map(|(text, fanout)| (fanout.order(), *text)).collect();
        waiting.sort_unstable();
        for (_, text) in waiting {
            self.push_fanout(id, text, now);
        }
    }

    pub(super) fn room_text_taken(&mut self, id: RoomId, text: u64, device: DeviceKey) {
        if self.fanout(id, text).is_some_and(|fanout| fanout.taken(device)) {
            self.fanout_changed(id, text);
        }
    }

    pub(super) fn room_text_missed(&mut self, id: RoomId, text: u64, device: DeviceKey, reason: &str) {
        if self.fanout(id, text).is_some_and(|fanout| fanout.miss(device, reason)) {
            self.fanout_changed(id, text);
        }
    }

    /// The client is told; where many answer, soon, of several words at once.
    fn fanout_changed(&mut self, id: RoomId, text: u64) {
        if self.fanout(id, text).is_some_and(Fanout::changed) {
            self.tell_fanout(id, text);
        }
    }

    /// Tells the client, and forgets the text when nobody is pending.
    pub(super) fn tell_fanout(&mut self, id: RoomId, text: u64) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(fanout) = room.fanouts.get(&text) else { return };
        let state = fanout.state(id, text);
        if fanout.is_over() {
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
        self.tend_circulars(id, now);
    }

    /// A link stands: what waited for it goes out.
    pub(super) fn link_ready(&mut self, session: SessionId, now: Now) {
        let Some(device) = self.links.get(&session).map(|link| link.person.device) else { return };
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            if let Some(inside) = self.inside(room).filter(|inside| inside.group.has(device)) {
                inside.ways.linked(device, now);
            }
            if let Some(room) = self.rooms.get_mut(&room) {
                room.fanouts.values_mut().for_each(|fanout| fanout.goes_again(device));
            }
            self.push_fanouts(room, device, now);
        }
        self.greet_in_rooms(device, now);
        self.return_to_rooms(device);
    }
}
