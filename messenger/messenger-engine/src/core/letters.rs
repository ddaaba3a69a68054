//! Letters: what goes to a member by way of another one, because no connection to her stands (rules R-41 to R-46 of
//! docs/spec/rooms.md). Written and signed here, passed on for others, and opened.
//!
//! ```text
//! author ──Pass──► who hears both ──Pass, as it is──► receiver        (a text: the receiver answers by a letter of hers, Passed)
//!        ◄─NotPassed──
//! ```
//! Nothing is kept on the way: a letter goes on at once or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::carrying::LETTERS;
use super::counted::Counted;
use super::inside::Inside;
use super::lapse::NOT_ACCEPTED;
use super::rooms::{Part, Room};
use super::ways::AT_ONCE;
use super::{Core, SessionId};
use crate::api::RoomId;
use crate::room::{DeviceKey, Person, is_signed, sign};
use crate::time::Now;
use crate::wire::{Channel, Enclosed, Letter, RoomFrame, Signature, decode};

/// What a letter adds to what is in it, at most.
const ENVELOPE_BYTES: usize = 1024;
/// How many room frames may wait for a device's word that they came, if more are to be passed on to it. As many again are left
/// for what this device has to say to it.
const MAX_WAITING: usize = 128;
/// The same in a large room, where hundreds of devices may answer one by way of a hub.
const MAX_WAITING_IN_LARGE: usize = 1024;
/// How many bytes of them.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;

/// How something came that is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// Under a number, in a session.
    Numbered {
        /// The session.
        session: SessionId,
        /// The number.
        number: u64,
    },
    /// In a letter.
    Enclosed {
        /// The room.
        room: RoomId,
        /// Who wrote it.
        from: DeviceKey,
        /// Its number.
        number: u64,
        /// Who passed it on.
        by: DeviceKey,
    },
    /// In a circular.
    Spread {
        /// The room.
        room: RoomId,
        /// Who wrote it.
        from: DeviceKey,
        /// Its number.
        number: u64,
        /// The hub by way of which it came.
        by: DeviceKey,
    },
}

/// The letters of one room.
pub(super) struct Letters {
    /// Those of others.
    pub(super) counted: Counted,
    /// The number of the last letter to each device.
    written: BTreeMap<DeviceKey, u64>,
}

impl Letters {
    pub(super) fn new(since: u64) -> Self {
        Self { counted: Counted::new(since, &LETTERS), written: BTreeMap::new() }
    }

    fn next_number(&mut self, to: DeviceKey) -> u64 {
        let number = self.written.entry(to).or_default();
        *number += 1;
        *number
    }

    /// Who is in the room no longer is forgotten.
    pub(super) fn keep(&mut self, devices: &BTreeSet<DeviceKey>) {
        self.written.retain(|device, _| devices.contains(device));
        self.counted.keep(devices);
    }
}

impl Core {
    /// Writes a letter and hands it to whom it may go by way of. Returns its number and who has it, if anybody has.
    pub(super) fn write_letter(
        &mut self,
        id: RoomId,
        to: DeviceKey,
        enclosed: Enclosed,
    ) -> Option<(u64, BTreeSet<DeviceKey>)> {
        let vias = self.vias(id, to).to_vec();
        self.write_letter_by(id, to, &vias, enclosed)
    }

    /// The same, by way of these.
    fn write_letter_by(
        &mut self,
        id: RoomId,
        to: DeviceKey,
        vias: &[DeviceKey],
        enclosed: Enclosed,
    ) -> Option<(u64, BTreeSet<DeviceKey>)> {
        let sessions: BTreeMap<DeviceKey, SessionId> =
            vias.iter().take(AT_ONCE).filter_map(|via| Some((*via, self.session_to(*via)?))).collect();
        if sessions.is_empty() || enclosed.size() > Channel::Rooms.max_body_bytes() - ENVELOPE_BYTES {
            return None;
        }
        let from = self.me.person.device;
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return None };
        let (epoch, number) = (inside.group.epoch(), inside.letters.next_number(to));
        let letter = Letter { room: id.0, epoch, from: from.0, to: to.0, number, enclosed };
        let signature = sign(&letter, &self.me.leaf).ok()?;
        let frame = RoomFrame::Pass { letter: Box::new(letter), signature };
        for session in sessions.values() {
            self.send_room(*session, &frame);
        }
        Some((number, sessions.into_keys().collect()))
    }

    /// Encloses a room frame in a letter, if it may be.
    pub(super) fn enclose(&mut self, id: RoomId, to: DeviceKey, frame: &RoomFrame) {
        if frame.may_be_enclosed() {
            let frame = minicbor::to_vec(frame).expect("writing to a vector cannot fail");
            self.write_letter(id, to, Enclosed::Frame { frame });
        }
    }

    /// The same, by way of one.
    pub(super) fn enclose_by(&mut self, id: RoomId, to: DeviceKey, by: DeviceKey, frame: &RoomFrame) {
        let frame = minicbor::to_vec(frame).expect("writing to a vector cannot fail");
        self.write_letter_by(id, to, &[by], Enclosed::Frame { frame });
    }

    /// A letter came from a device: it is for this one, or written by that one for another.
    pub(super) fn letter_came(&mut self, session: SessionId, person: &Person, pass: (Letter, Signature), now: Now) {
        let (to, from) = (DeviceKey(pass.0.to), DeviceKey(pass.0.from));
        if to == self.me.person.device {
            let carries = |inside: &Inside| inside.is_or_was(person.device);
            if self.inside(RoomId(pass.0.room)).is_some_and(|inside| carries(inside)) {
                self.open_letter(pass, person.device, now);
            }
        } else if from == person.device {
            self.carry(session, pass, now);
        }
        // What was carried once is carried no further (R-41).
    }

    /// R-44, R-45: passes a member's letter on as it is, at once, or says that it does not.
    fn carry(&mut self, session: SessionId, (letter, signature): (Letter, Signature), now: Now) {
        let (id, to, number) = (RoomId(letter.room), DeviceKey(letter.to), letter.number);
        match self.way_on(&letter, now) {
            Ok(onward) => self.send_room(onward, &RoomFrame::Pass { letter: Box::new(letter), signature }),
            Err(reason) => {
                let refused = RoomFrame::NotPassed { room: id.0, to: to.0, number, reason: reason.to_owned() };
                self.send_room(session, &refused);
            }
        }
    }

    fn way_on(&mut self, letter: &Letter, now: Now) -> Result<SessionId, &'static str> {
        let (from, to) = (DeviceKey(letter.from), DeviceKey(letter.to));
        let is_large = self.rooms.get(&RoomId(letter.room)).is_some_and(Room::is_large);
        let frames = if is_large { MAX_WAITING_IN_LARGE } else { MAX_WAITING };
        let onward = self.session_to(to).filter(|session| self.takes_more(*session, (frames, MAX_WAITING_BYTES)));
        let Some(inside) = self.inside(RoomId(letter.room)) else { return Err("not in that room") };
        if !inside.is_or_was(from) || !inside.is_or_was(to) {
            return Err("both have to be in the room");
        }
        if inside.lapsed.has(to) && matches!(letter.enclosed, Enclosed::Text { .. }) {
            return Err(NOT_ACCEPTED);
        }
        let onward = onward.ok_or("no connection to that device that takes more")?;
        match inside.letters.counted.may_carry(from, letter.enclosed.size() + ENVELOPE_BYTES, now) {
            true => Ok(onward),
            false => Err("too much for one member"),
        }
    }

    /// Whether a session has a connection, and no more frames and bytes of what was sent on it wait for its word.
    pub(super) fn takes_more(&self, session: SessionId, at_most: (usize, usize)) -> bool {
        self.links.get(&session).is_some_and(|link| {
            let (frames, bytes) = link.session.room_frames_waiting();
            link.connection.is_some() && frames < at_most.0 && bytes < at_most.1
        })
    }

    /// R-42: whatever carried it, it counts as what its author has signed, once.
    fn open_letter(&mut self, (letter, signature): (Letter, Signature), by: DeviceKey, now: Now) {
        let (id, from) = (RoomId(letter.room), DeviceKey(letter.from));
        let me = self.me.person.device;
        let Some(inside) = self.inside(id) else { return };
        let author = inside.group.members().find(|person| person.device == from && from != me).cloned();
        let epoch = inside.group.epoch();
        let Some(author) = author else {
            // She may have come in by what this device has not followed yet: then her text is early, as it would be from a session.
            if let Enclosed::Text { run, message } = &letter.enclosed
                && letter.epoch > epoch
                && message.len() <= Channel::Talk.max_body_bytes()
                && is_signed(&letter, &signature, from)
            {
                let came = Came::Enclosed { room: id, from, number: letter.number, by };
                self.room_text_arrived(came, (from, *run), id, message.clone(), now);
            }
            return;
        };
        let counts = inside.letters.counted.is_new(from, (letter.epoch, letter.number), epoch);
        if !counts || !is_signed(&letter, &signature, from) {
            return;
        }
        inside.letters.counted.note(from, letter.number);
        // From now on she is lost when no way to her is left.
        inside.linked.insert(from);
        let number = letter.number;
        match letter.enclosed {
            Enclosed::Frame { frame } => match decode::<RoomFrame>(&frame) {
                Ok(Some(frame)) if frame.may_be_enclosed() && frame.room() == id.0 => {
                    self.enclosed_frame(id, &author, frame, now);
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%id, %error, "a letter"),
            },
            // As long as one may be that comes in a session.
            Enclosed::Text { message, .. } if message.len() > Channel::Talk.max_body_bytes() => {}
            Enclosed::Text { run, message } => {
                inside.heard.insert(from, now.instant);
                self.room_text_arrived(Came::Enclosed { room: id, from, number, by }, (from, run), id, message, now);
            }
        }
    }

    fn enclosed_frame(&mut self, id: RoomId, author: &Person, frame: RoomFrame, now: Now) {
        match frame {
            RoomFrame::Passed { number, refused, .. } => self.letter_answered(id, author.device, (number, refused)),
            RoomFrame::Taken { number, refused, .. } => self.circular_answered(id, author.device, (number, refused)),
            RoomFrame::Leave { .. } => self.member_leaves(id, author, now),
            frame => self.enclosed_order_frame(id, author, frame, now),
        }
    }

    /// A letter of this device's was not passed on.
    pub(super) fn not_passed(&mut self, id: RoomId, by: DeviceKey, (to, number): (DeviceKey, u64), now: Now) {
        let Some(inside) = self.inside(id).filter(|inside| inside.group.has(by)) else { return };
        inside.ways.is_none(by, to);
        self.text_not_passed(id, by, (to, number), now);
        self.tend_room(id, now);
    }

    /// What came has been taken.
    pub(super) fn acknowledge(&mut self, came: Came) {
        match came {
            Came::Numbered { session, number } => {
                if let Some(link) = self.links.get_mut(&session) {
                    link.session.acknowledge(number);
                    self.send_later(session);
                }
            }
            Came::Enclosed { room, from, number, .. } => {
                self.say(from, &RoomFrame::Passed { room: room.0, number, refused: None });
            }
            Came::Spread { room, from, number, by } => {
                self.answer_circular(room, (from, by), &RoomFrame::Taken { room: room.0, number, refused: None });
            }
        }
    }

    /// What came is refused.
    pub(super) fn refuse(&mut self, came: Came, reason: &str) {
        match came {
            Came::Numbered { session, number } => {
                if let Some(link) = self.links.get_mut(&session) {
                    link.session.refuse(number, reason);
                    self.send_later(session);
                }
            }
            Came::Enclosed { room, from, number, .. } => {
                self.say(from, &RoomFrame::Passed { room: room.0, number, refused: Some(reason.to_owned()) });
            }
            Came::Spread { room, from, number, by } => {
                let refused = Some(reason.to_owned());
                self.answer_circular(room, (from, by), &RoomFrame::Taken { room: room.0, number, refused });
            }
        }
    }
}
