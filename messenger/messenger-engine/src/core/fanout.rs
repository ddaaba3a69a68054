//! What has become of a text of one's own in a room at each other member's device: how it goes there, and what is known of it. It goes out
//! in [`super::sending`], and to hubs of a large room in [`super::spreading`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use identity::Identifier;

use crate::api::{Event, Missing, RoomId, RoomOrder};
use crate::room::DeviceKey;
use crate::time::Now;

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

/// See the module.
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
    /// Whether something has.
    untold: bool,
}

/// A device that has not said yet that it has it.
pub(super) struct Pending {
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
    pub(super) fn new(who: Identifier) -> Self {
        Self { who, sent: Sent::No, letters: Vec::new(), hubs: Vec::new(), until: None }
    }

    /// Whether it may have come to the device.
    fn may_have_come(&self) -> bool {
        !matches!(self.sent, Sent::No) || self.was_carried()
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
        match self.may_have_come() {
            true => self.unknown(reason),
            false => Missing { who: self.who, reason: reason.to_owned() },
        }
    }
}

/// How a text goes to one device.
pub(super) enum Sent {
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
    /// What was sealed, for these; with as many of them as there are in a large room the client is told of several words at once.
    pub(super) fn new(
        pending: BTreeMap<DeviceKey, Pending>,
        (message, order, is_text): (Vec<u8>, RoomOrder, bool),
        is_large: bool,
        now: Now,
    ) -> Self {
        Self {
            pending,
            delivered: Vec::new(),
            missing: Vec::new(),
            message,
            deadline: now.instant + LINK_WAIT,
            order,
            is_text,
            circulars: Vec::new(),
            tell: is_large.then_some(now.instant + TELL),
            untold: false,
        }
    }

    /// What was sealed.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Where it stands among the texts of the room.
    pub(super) fn order(&self) -> RoomOrder {
        self.order
    }

    /// Whether nobody is waited for any more.
    pub(super) fn is_over(&self) -> bool {
        self.pending.is_empty()
    }

    /// For whom it waits for a way.
    pub(super) fn waiting(&self) -> impl Iterator<Item = DeviceKey> {
        self.pending.iter().filter(|(_, pending)| matches!(pending.sent, Sent::No)).map(|(device, _)| *device)
    }

    /// It goes to a device now.
    pub(super) fn goes(&mut self, device: DeviceKey, sent: Sent) {
        if let Some(pending) = self.pending.get_mut(&device) {
            pending.sent = sent;
        }
    }

    /// It goes to a device in a letter with this number, which these were handed.
    pub(super) fn goes_in_letter(&mut self, device: DeviceKey, (number, by): (u64, BTreeSet<DeviceKey>), now: Now) {
        if let Some(pending) = self.pending.get_mut(&device) {
            pending.letters.push(number);
            pending.sent = Sent::Enclosed { by, until: now.instant + ANSWER };
        }
    }

    /// It goes to these in a circular with this number, by the leaves of this epoch, by way of a hub.
    pub(super) fn goes_in_circular(
        &mut self,
        devices: &BTreeSet<DeviceKey>,
        (number, epoch): (u64, u64),
        hub: DeviceKey,
        now: Now,
    ) {
        self.circulars.push((number, epoch));
        for (_, pending) in self.pending.iter_mut().filter(|(device, _)| devices.contains(device)) {
            let until = *pending.until.get_or_insert(now.instant + ANSWER);
            pending.hubs.push(hub);
            pending.sent = Sent::Spread { by: hub, until: until.min(now.instant + ANOTHER_HUB) };
        }
    }

    /// By way of which of these hubs it goes next to a device: of those to whom it was handed, the one for whom that is longest ago.
    pub(super) fn next_hub(&self, device: DeviceKey, hubs: &[DeviceKey]) -> Option<DeviceKey> {
        let pending = self.pending.get(&device).filter(|pending| pending.hubs.len() < ROUNDS)?;
        let last = |hub: &&DeviceKey| pending.hubs.iter().rposition(|before| before == *hub).map_or(0, |at| at + 1);
        hubs.iter().min_by_key(last).copied()
    }

    /// A member did not pass on the letter with this number. Whether nobody else has it, so that it waits for another way.
    pub(super) fn is_left_by(&mut self, via: DeviceKey, (to, letter): (DeviceKey, u64)) -> bool {
        let last = self.pending.get_mut(&to).filter(|pending| pending.letters.last() == Some(&letter));
        let Some(Sent::Enclosed { by, .. }) = last.map(|pending| &mut pending.sent) else { return false };
        by.remove(&via) && by.is_empty()
    }

    /// The device has it.
    pub(super) fn taken(&mut self, device: DeviceKey) -> bool {
        let taken = self.pending.remove(&device).map(|pending| pending.who);
        let is_new = taken.is_some();
        self.delivered.extend(taken);
        is_new
    }

    /// Something has become known. Whether the client is told at once.
    pub(super) fn changed(&mut self) -> bool {
        self.untold = self.tell.is_some() && !self.is_over();
        !self.untold
    }

    /// Whether the client is to be told now what it was not told at once.
    pub(super) fn is_told_now(&mut self, now: Instant) -> bool {
        let is_due = self.untold && self.tell.is_some_and(|tell| tell <= now);
        if is_due {
            self.untold = false;
            self.tell = Some(now + TELL);
        }
        is_due
    }

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
    pub(super) fn is_in_letter(&self, device: DeviceKey, letter: u64) -> bool {
        self.pending.get(&device).is_some_and(|pending| pending.letters.contains(&letter))
    }

    /// Whether it went in the circular with this number.
    pub(super) fn is_in_circular(&self, number: u64) -> bool {
        self.circulars.iter().any(|(of, _)| *of == number)
    }

    /// Whether it went in the circular with this number to a device from which there is no word.
    pub(super) fn is_in_circular_to(&self, device: DeviceKey, number: u64) -> bool {
        self.is_in_circular(number) && self.pending.contains_key(&device)
    }

    /// Whether the circular with this number names its receivers by the leaves of this epoch.
    pub(super) fn is_of_epoch(&self, number: u64, epoch: u64) -> bool {
        self.circulars.contains(&(number, epoch))
    }

    /// To whom it is under way by way of this hub.
    pub(super) fn went_by(&self, hub: DeviceKey) -> impl Iterator<Item = DeviceKey> {
        let is_hers = move |pending: &Pending| matches!(pending.sent, Sent::Spread { by, .. } if by == hub);
        self.pending.iter().filter(move |(_, pending)| is_hers(pending)).map(|(device, _)| *device)
    }

    /// A connection to this device stands: what went to it in letters and has no answer goes over that as well.
    pub(super) fn goes_again(&mut self, device: DeviceKey) {
        let is_carried = |pending: &&mut Pending| matches!(pending.sent, Sent::Enclosed { .. } | Sent::Spread { .. });
        if let Some(pending) = self.pending.get_mut(&device).filter(is_carried) {
            pending.sent = Sent::No;
        }
    }

    /// Those to whom it may not have come, and why; their time is up.
    pub(super) fn late(&self, now: Instant) -> Vec<(DeviceKey, &'static str)> {
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
    pub(super) fn leave_hubs(&mut self, now: Instant, is_over: impl Fn(DeviceKey, DeviceKey, Instant) -> bool) -> bool {
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
    pub(super) fn miss(&mut self, device: DeviceKey, reason: &str) -> bool {
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
    pub(super) fn refused(&mut self, device: DeviceKey, reason: &str) {
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
