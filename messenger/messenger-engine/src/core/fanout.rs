//! A room text's way out to every member's device.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use identity::Identifier;

use super::lapse::NOT_ACCEPTED;
use super::links::Token;
use super::room_talk::SaidInRoom;
use super::rooms::{Part, Room};
use super::{Core, SessionId, ways};
use crate::api::{Event, Missing, RoomId, RoomOrder};
use crate::room::{DeviceKey, Group};
use crate::session::Content;
use crate::time::Now;
use crate::wire::Enclosed;

/// How long a text waits, on its sender's device, for a link to a member that is being made.
const LINK_WAIT: Duration = Duration::from_secs(6);
/// How long the word may take of who was written to by way of others.
const ANSWER: Duration = Duration::from_secs(20);
/// After so long without the word of somebody to whom a circular went by way of one hub it goes by way of another.
const ANOTHER_HUB: Duration = Duration::from_secs(4);
/// How often it goes so to one device: hubs who say again and again that they pass on nothing do not keep their author busy.
const ROUNDS: usize = 8;
/// How often the client is told what became of a text in a large room, where hundreds of devices answer.
const TELL: Duration = Duration::from_millis(250);
/// Why it is not known whether who was written to has it.
const NO_ANSWER: &str = "no acknowledgement came back by way of other members";

/// A room text of one's own on its way to every other member.
pub(super) struct Fanout {
    pending: BTreeMap<DeviceKey, Pending>,
    delivered: Vec<Identifier>,
    missing: Vec<Missing>,
    message: Vec<u8>,
    deadline: Instant,
    order: RoomOrder,
    is_text: bool,
    /// The numbers of the circulars in which it went, and by the leaves of which epoch those name their receivers.
    circulars: Vec<(u64, u64)>,
    /// When the client is told what has become known since it was told last, if it is not told of each word at once.
    tell: Option<Instant>,
    untold: bool,
}

struct Pending {
    who: Identifier,
    sent: Sent,
    /// The numbers of the letters in which it went: whatever carriers say of them, it may have come in each.
    letters: Vec<u64>,
    /// The hubs to whom it was handed in circulars.
    hubs: Vec<DeviceKey>,
    /// Until when its word is waited for, if it was handed to any.
    until: Option<Instant>,
}

impl Pending {
    fn new(who: Identifier) -> Self {
        Self { who, sent: Sent::No, letters: Vec::new(), hubs: Vec::new(), until: None }
    }

    /// Whether it may have come to the device.
    fn may_have_come(&self) -> bool {
        !matches!(self.sent, Sent::No) || !self.letters.is_empty() || !self.hubs.is_empty()
    }

    /// Whether it was handed to somebody who may have passed it on.
    fn was_carried(&self) -> bool {
        !self.letters.is_empty() || !self.hubs.is_empty()
    }

    /// It may be there.
    fn unknown(self, reason: &str) -> Missing {
        let reason = if reason.starts_with("unknown") { reason.to_owned() } else { format!("unknown: {reason}") };
        Missing { who: self.who, reason }
    }

    /// Why it is missing there.
    fn missing(self, reason: &str) -> Missing {
        let reason = if self.may_have_come() { format!("unknown: {reason}") } else { reason.to_owned() };
        Missing { who: self.who, reason }
    }
}

/// How a text goes to one device.
enum Sent {
    /// Not yet.
    No,
    /// In the session with it.
    Directly,
    /// In a letter, the last of them, which these were handed, until the answer is given up.
    Enclosed { by: BTreeSet<DeviceKey>, until: Instant },
    /// In a circular, the last of them, by way of this hub, until it goes by way of another one or the answer is given up.
    Spread { by: DeviceKey, until: Instant },
}

impl Fanout {
    /// When those are given up to whom no link came about, or whose word did not come.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let answers = self.pending.values().filter_map(|pending| match pending.sent {
            Sent::Enclosed { until, .. } | Sent::Spread { until, .. } => Some(until),
            Sent::No => Some(pending.until.unwrap_or(self.deadline)),
            Sent::Directly => None,
        });
        answers.chain(self.tell.filter(|_| self.untold)).min()
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
        self.pending.get(&device).is_some_and(|pending| pending.letters.contains(&letter))
    }

    fn is_in_circular(&self, number: u64) -> bool {
        self.circulars.iter().any(|(of, _)| *of == number)
    }

    /// To whom it is under way by way of this hub.
    fn went_by(&self, hub: DeviceKey) -> impl Iterator<Item = DeviceKey> {
        let is_hers = move |pending: &Pending| matches!(pending.sent, Sent::Spread { by, .. } if by == hub);
        self.pending.iter().filter(move |(_, pending)| is_hers(pending)).map(|(device, _)| *device)
    }

    /// A connection to this device stands: what went to it in letters and has no answer goes over that as well.
    fn goes_again(&mut self, device: DeviceKey) {
        let is_carried = |pending: &&mut Pending| matches!(pending.sent, Sent::Enclosed { .. } | Sent::Spread { .. });
        if let Some(pending) = self.pending.get_mut(&device).filter(is_carried) {
            pending.sent = Sent::No;
        }
    }

    /// Those to whom it may not have come, and why; their time is up.
    fn late(&self, now: Instant) -> Vec<(DeviceKey, &'static str)> {
        let late = self.pending.iter().filter_map(|(device, pending)| match pending.sent {
            Sent::No if pending.until.unwrap_or(self.deadline) <= now => {
                Some((*device, "no connection, neither direct nor by way of a member"))
            }
            Sent::Enclosed { until, .. } if until <= now => Some((*device, NO_ANSWER)),
            Sent::Spread { .. } if pending.until.is_some_and(|until| until <= now) => Some((*device, NO_ANSWER)),
            _ => None,
        });
        late.collect()
    }

    /// What is waited for no longer by way of one hub goes by way of another.
    fn leave_hubs(&mut self, now: Instant, is_over: impl Fn(DeviceKey, DeviceKey, Instant) -> bool) -> bool {
        let mut left = false;
        for (device, pending) in &mut self.pending {
            if let Sent::Spread { by, until } = pending.sent
                && is_over(*device, by, until)
                && pending.until.is_some_and(|until| now < until)
            {
                pending.sent = Sent::No;
                left = true;
            }
        }
        left
    }

    /// The device has not got it, or may not have.
    fn miss(&mut self, device: DeviceKey, reason: &str) -> bool {
        let Some(pending) = self.pending.remove(&device) else { return false };
        let missing = match pending.sent {
            // What is said of a session says how much is known.
            Sent::Directly if !pending.was_carried() => Missing { who: pending.who, reason: reason.to_owned() },
            Sent::Directly => pending.unknown(reason),
            Sent::No | Sent::Enclosed { .. } | Sent::Spread { .. } => pending.missing(reason),
        };
        self.missing.push(missing);
        true
    }

    /// The device has refused it.
    fn refused(&mut self, device: DeviceKey, reason: &str) {
        let Some(pending) = self.pending.remove(&device) else { return };
        // Of several that went, another one may have been taken.
        let missing = match pending.letters.len() + pending.hubs.len() > 1 {
            true => pending.unknown(reason),
            false => Missing { who: pending.who, reason: reason.to_owned() },
        };
        self.missing.push(missing);
    }

    pub(super) fn give_up_all(&mut self, reason: &str) {
        let pending = std::mem::take(&mut self.pending);
        self.missing.extend(pending.into_values().map(|pending| pending.missing(reason)));
    }

    pub(super) fn state(&self, room: RoomId, id: u64) -> Event {
        let (delivered, missing) = (self.delivered.clone(), self.missing.clone());
        Event::RoomMessageState { room, id, delivered, missing, order: self.is_text.then_some(self.order) }
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
        let pending = others.map(|person| (person.device, Pending::new(person.identifier.clone()))).collect();
        let (delivered, missing, deadline) = (Vec::new(), Vec::new(), now.instant + LINK_WAIT);
        let tell = inside.is_large().then_some(now.instant + TELL);
        let mut fanout = Fanout {
            pending,
            delivered,
            missing,
            message,
            deadline,
            order,
            is_text,
            circulars: Vec::new(),
            tell,
            untold: false,
        };
        for device in lapsed {
            fanout.miss(device, NOT_ACCEPTED);
        }
        fanouts.insert(text_id, fanout);
        self.push_fanout(id, text_id, now);
        self.tell_fanout(id, text_id);
    }

    /// Sends a text to every member a link stands to, or who is reached by way of others.
    fn push_fanout(&mut self, id: RoomId, text: u64, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let (is_large, mut far) = (room.is_large(), BTreeSet::new());
        let Some(fanout) = room.fanouts.get(&text) else { return };
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
                match is_large {
                    true => drop(far.insert(device)),
                    false => self.enclose_text(id, (text, device), &message, now),
                }
                continue;
            }
            let Some(session) = self.session_to(device) else { continue };
            let content = Content::Room { room: id, message: message.clone() };
            match self.put(session, content, Token::Room { room: id, id: text, device }, now) {
                Ok(()) => self.text_goes(id, (text, device), Sent::Directly),
                Err(reason) => self.room_text_missed(id, text, device, &reason),
            }
        }
        self.spread_text(id, (text, far), &message, now);
    }

    /// to members of a large room to whom no connection stands it goes once, by way of a hub who reaches them: by way of
    /// another one than before, if there is one.
    fn spread_text(&mut self, id: RoomId, (text, far): (u64, BTreeSet<DeviceKey>), message: &[u8], now: Now) {
        let mut by_hub: BTreeMap<DeviceKey, BTreeSet<DeviceKey>> = BTreeMap::new();
        for device in far {
            let fanout = self.rooms.get(&id).and_then(|room| room.fanouts.get(&text));
            let Some(pending) = fanout.and_then(|fanout| fanout.pending.get(&device)) else { continue };
            // Of those to whom it was handed, the one for whom that is longest ago.
            let last = |hub: &&DeviceKey| pending.hubs.iter().rposition(|before| before == *hub).map_or(0, |at| at + 1);
            let hub = self.vias(id, device).iter().min_by_key(last);
            if let Some(hub) = hub.filter(|_| pending.hubs.len() < ROUNDS) {
                by_hub.entry(*hub).or_default().insert(device);
            }
        }
        let epoch = self.rooms.get(&id).and_then(Room::group).map_or(0, Group::epoch);
        for (hub, devices) in by_hub {
            let Some(number) = self.write_circular(id, hub, &devices, message) else { continue };
            let fanout = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text));
            let Some(fanout) = fanout else { return };
            fanout.circulars.push((number, epoch));
            for device in devices {
                if let Some(pending) = fanout.pending.get_mut(&device) {
                    let until = *pending.until.get_or_insert(now.instant + ANSWER);
                    pending.hubs.push(hub);
                    pending.sent = Sent::Spread { by: hub, until: until.min(now.instant + ANOTHER_HUB) };
                }
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
        let Some((number, by)) = self.write_letter(id, device, enclosed) else { return };
        let fanout = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text));
        if let Some(pending) = fanout.and_then(|fanout| fanout.pending.get_mut(&device)) {
            pending.letters.push(number);
            pending.sent = Sent::Enclosed { by, until: now.instant + ANSWER };
        }
    }

    /// Who was written to by way of others answers: that counts, and nobody else's word.
    pub(super) fn letter_answered(&mut self, id: RoomId, device: DeviceKey, (number, refused): (u64, Option<String>)) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let found = room.fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_letter(device, number));
        let Some((text, fanout)) = found else { return };
        let text = *text;
        match refused {
            None => self.room_text_taken(id, text, device),
            Some(reason) => {
                fanout.refused(device, &crate::clip(&reason));
                self.fanout_changed(id, text);
            }
        }
    }

    /// Whoever got a circular answers: that counts, and nobody else's word.
    pub(super) fn circular_answered(
        &mut self,
        id: RoomId,
        device: DeviceKey,
        (number, refused): (u64, Option<String>),
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let went = |fanout: &Fanout| fanout.is_in_circular(number) && fanout.pending.contains_key(&device);
        let Some((text, fanout)) = room.fanouts.iter_mut().find(|(_, fanout)| went(fanout)) else { return };
        let text = *text;
        match refused {
            None => self.room_text_taken(id, text, device),
            Some(reason) => {
                fanout.refused(device, &crate::clip(&reason));
                self.fanout_changed(id, text);
            }
        }
    }

    /// A hub did not pass a circular on to those at these leaves.
    pub(super) fn text_not_spread(&mut self, id: RoomId, by: DeviceKey, (number, to): (u64, &[u8]), now: Now) {
        let Some(Room { part: Part::Inside(inside), fanouts, .. }) = self.rooms.get_mut(&id) else { return };
        let Some((text, fanout)) = fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_circular(number)) else { return };
        let (text, this_epoch) = (*text, (number, inside.group.epoch()));
        let named = ways::named_by(to, &inside.leaves());
        // Leaves of an epoch that is over may be other devices now: then it goes once more to all of them.
        let is_missed = |device: DeviceKey| !fanout.circulars.contains(&this_epoch) || named.contains(&device);
        let missed: Vec<DeviceKey> = fanout.went_by(by).filter(|device| is_missed(*device)).collect();
        for device in &missed {
            inside.ways.is_none(by, *device);
        }
        if fanout.leave_hubs(now.instant, |device, hub, _| hub == by && missed.contains(&device)) {
            self.push_fanout(id, text, now);
        }
    }

    /// What waits for nothing but a way goes out where there is one now.
    pub(super) fn push_waiting(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let waits = |fanout: &Fanout| fanout.pending.values().any(|pending| matches!(pending.sent, Sent::No));
        let waiting = room.fanouts.iter().filter(|(_, fanout)| waits(fanout));
        let mut waiting: Vec<(RoomOrder, u64)> = waiting.map(|(text, fanout)| (fanout.order, *text)).collect();
        waiting.sort_unstable();
        for (_, text) in waiting {
            self.push_fanout(id, text, now);
        }
    }

    /// A member did not pass a letter on. If nobody else has it, its text goes by way of another one, or waits for one.
    pub(super) fn text_not_passed(&mut self, id: RoomId, via: DeviceKey, (to, letter): (DeviceKey, u64), now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let found = room.fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_letter(to, letter));
        let Some((text, fanout)) = found else { return };
        let text = *text;
        let last = fanout.pending.get_mut(&to).filter(|pending| pending.letters.last() == Some(&letter));
        if let Some(Sent::Enclosed { by, .. }) = last.map(|pending| &mut pending.sent)
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

    /// The client is told; where many answer, soon, of several words at once.
    fn fanout_changed(&mut self, id: RoomId, text: u64) {
        let fanout = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text));
        let Some(fanout) = fanout else { return };
        if fanout.tell.is_some() && !fanout.pending.is_empty() {
            fanout.untold = true;
            return;
        }
        self.tell_fanout(id, text);
    }

    /// Tells the client, and forgets the text when nobody is pending.
    fn tell_fanout(&mut self, id: RoomId, text: u64) {
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
        self.tend_circulars(id, now);
    }

    /// What is not answered by way of one hub goes by way of another, and the client is told what it was not told yet.
    fn tend_circulars(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let (mut again, mut untold) = (Vec::new(), Vec::new());
        for (text, fanout) in &mut room.fanouts {
            if fanout.leave_hubs(now.instant, |_, _, until| until <= now.instant) {
                again.push(*text);
            }
            if fanout.untold && fanout.tell.is_some_and(|tell| tell <= now.instant) {
                fanout.untold = false;
                fanout.tell = Some(now.instant + TELL);
                untold.push(*text);
            }
        }
        for text in again {
            self.push_fanout(id, text, now);
        }
        for text in untold {
            self.tell_fanout(id, text);
        }
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
