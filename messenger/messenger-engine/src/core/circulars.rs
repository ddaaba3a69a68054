//! Circulars: what is said in a large room goes once to a hub, which passes it on to all for whom it is (rules R-52 to R-55 of
//! docs/spec/rooms.md). Its author writes it in [`super::spreading`].
//!
//! ```text
//! author ──Spread──► hub ──Spread, as it is──► each receiver ──Taken, in a letter by way of that hub──► author
//!        ◄─NotSpread──   (to whom she could not pass it on)
//! ```
//! Nothing is kept on the way, and what a hub says of others counts for nothing: a text is on a device when that device says so.

use std::collections::BTreeMap;

use room_order::{CommitId, Leaf};

use super::carrying::CIRCULARS;
use super::counted::Counted;
use super::lapse::NOT_ACCEPTED;
use super::letters::Came;
use super::{Core, SessionId, ways};
use crate::api::RoomId;
use crate::room::{DeviceKey, Person, is_signed};
use crate::time::Now;
use crate::wire::{Channel, Circular, Circulated, RoomFrame, Signature, capability};

/// Members, at their leaves.
type Named = Vec<(Leaf, DeviceKey)>;

/// What a circular adds to what is in it, at most.
const ENVELOPE_BYTES: usize = 512;
/// How many frames and bytes may wait for a device's word that they came, if circulars are to be passed on to it: with hundreds of devices that
/// is what a hub keeps at most, so many times.
const MAX_WAITING: (usize, usize) = (1024, 512 * 1024);

/// The circulars of one room.
pub(super) struct Circulars {
    /// Those of others.
    pub(super) counted: Counted,
    /// The number of the last one written.
    written: u64,
}

impl Circulars {
    pub(super) fn new(since: u64) -> Self {
        Self { counted: Counted::new(since, &CIRCULARS), written: 0 }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.written += 1;
        self.written
    }
}

impl Core {
    /// A circular came from a device: its author, for whom this device is the hub, or a hub.
    pub(super) fn circular_came(&mut self, session: SessionId, person: &Person, pass: (Circular, Signature), now: Now) {
        let (id, by) = (RoomId(pass.0.room), person.device);
        if pass.0.content.size() > Channel::Talk.max_body_bytes() || pass.0.to.len() > ways::MAX_HEARS_BYTES {
            return;
        }
        if DeviceKey(pass.0.from) == by {
            self.spread(session, pass, now);
        } else if self.inside(id).is_some_and(|inside| inside.is_or_was(by)) {
            self.open_circular(pass, by, now);
        }
    }

    /// R-52: passes it on as it is, at once, and says of a text to whom not; of who is writing nothing is said (R-55).
    fn spread(&mut self, session: SessionId, (circular, signature): (Circular, Signature), now: Now) {
        let (id, from, number) = (RoomId(circular.room), DeviceKey(circular.from), circular.number);
        let is_text = matches!(circular.content, Circulated::Text { .. });
        let (named, receivers) = match self.receivers(&circular, now) {
            Ok(found) => found,
            Err(_) if !is_text => return,
            Err(reason) => {
                let to = circular.to;
                return self
                    .send_room(session, &RoomFrame::NotSpread { room: id.0, number, to, reason: reason.into() });
            }
        };
        let onward: BTreeMap<DeviceKey, SessionId> = receivers
            .iter()
            .filter(|device| **device != from)
            .filter_map(|device| Some((*device, self.session_to(*device)?)))
            .filter(|(_, onward)| self.takes_more(*onward, MAX_WAITING) && (is_text || self.wants_typing(*onward)))
            .collect();
        let frame = RoomFrame::Spread { circular: Box::new(circular), signature };
        for onward in onward.values() {
            self.send_room(*onward, &frame);
        }
        let missed = ways::bits_of(named.into_iter().filter(|(_, device)| !onward.contains_key(device)));
        if is_text && !missed.is_empty() {
            let reason = "no connection to these devices that takes more".into();
            self.send_room(session, &RoomFrame::NotSpread { room: id.0, number, to: missed, reason });
        }
    }

    /// Whether who is at the other end of a session wants to know who is writing.
    fn wants_typing(&self, session: SessionId) -> bool {
        self.links.get(&session).is_some_and(|link| link.session.shares(capability::TYPING))
    }

    /// For whom it is, by the leaves of its epoch, and who of them is to have it, if this device carries it (R-54).
    fn receivers(&mut self, circular: &Circular, now: Now) -> Result<(Named, Vec<DeviceKey>), &'static str> {
        let from = DeviceKey(circular.from);
        let Some(inside) = self.inside(RoomId(circular.room)) else { return Err("not in that room") };
        if !inside.is_or_was(from) {
            return Err("its author has to be in the room");
        }
        if inside.lapsed.has(from) {
            return Err(NOT_ACCEPTED);
        }
        let leaves = inside.leaves_of(CommitId(circular.name)).ok_or("an epoch that is not known here")?;
        let named = ways::named_by(&circular.to, &leaves);
        let may_have = |device: DeviceKey| inside.is_or_was(device) && !inside.lapsed.has(device);
        let receivers: Vec<DeviceKey> = named.iter().copied().filter(|device| may_have(*device)).collect();
        let named: Named = leaves.iter().filter(|(_, device)| named.contains(device)).collect();
        let bytes = (circular.content.size() + ENVELOPE_BYTES).saturating_mul(receivers.len().max(1));
        match inside.circulars.counted.may_carry(from, bytes, now) {
            true => Ok((named, receivers)),
            false => Err("too much for one member"),
        }
    }

    /// R-53: whoever carried it, it is what its author has signed, and counts once.
    fn open_circular(&mut self, (circular, signature): (Circular, Signature), by: DeviceKey, now: Now) {
        let (id, from) = (RoomId(circular.room), DeviceKey(circular.from));
        let me = self.me.person.device;
        let Some(inside) = self.inside(id) else { return };
        let epoch = inside.group.epoch();
        let is_member = inside.group.has(from) && from != me;
        // She may have come in by what this device has not followed yet: then her text is early, as it would be from a session.
        let is_text = matches!(circular.content, Circulated::Text { .. });
        let is_early = || is_text && from != me && circular.epoch > epoch;
        let counted = &inside.circulars.counted;
        let counts =
            if is_member { counted.is_new(from, (circular.epoch, circular.number), epoch) } else { is_early() };
        if !counts || !is_signed(&circular, &signature, from) {
            return;
        }
        let is_latest = inside.circulars.counted.is_latest(from, circular.number);
        if is_member {
            inside.circulars.counted.note(from, circular.number);
            inside.linked.insert(from);
            inside.heard.insert(from, now.instant);
        }
        match circular.content {
            Circulated::Text { run, message } => {
                let came = Came::Spread { room: id, from, number: circular.number, by };
                self.room_text_arrived(came, (from, run), id, message, now);
            }
            // What was written before the text is no news after it.
            Circulated::Typing if is_latest => self.is_typing_in_room(id, from, true, now),
            Circulated::Typing => {}
        }
    }

    /// Answers a circular: over a connection, or by way of the hub from which it came.
    pub(super) fn answer_circular(&mut self, id: RoomId, (from, by): (DeviceKey, DeviceKey), frame: &RoomFrame) {
        let is_there = |link: &super::links::Link| link.connection.is_some();
        let session = self.session_to(from).filter(|session| self.links.get(session).is_some_and(is_there));
        match session {
            Some(session) => self.send_room(session, frame),
            // Nothing is kept about who was never here, whatever is signed by her.
            None if self.inside(id).is_some_and(|inside| inside.is_or_was(from)) => {
                self.enclose_by(id, from, by, frame);
            }
            None => {}
        }
    }
}
