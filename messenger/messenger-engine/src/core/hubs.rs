//! Hubs: in a large room not everybody has a connection to everybody. Each has one to the host and to those who would take her
//! place, and what is for all goes by way of them (rules of docs/spec/rooms.md).

use super::Core;
use super::inside::Inside;
use super::rooms::Room;
use crate::api::RoomId;
use crate::room::{DeviceKey, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

/// Up to so many devices each has a connection to each other one.
pub(super) const FULL_MESH: usize = 32;
/// How many hubs a larger room has: whoever takes the host's place has connections to everybody then.
const HUBS: usize = 4;

impl Inside {
    /// Whether the room is too large for connections between all.
    pub(super) fn is_large(&self) -> bool {
        self.group.size() > full_mesh()
    }

    /// The host, and then everybody else in the order in which they take her place; nobody who leaves, or whose certificate
    /// holds no longer.
    pub(super) fn by_turn(&self) -> impl Iterator<Item = DeviceKey> {
        let host = self.group.host().device;
        let others = self.group.leaves().iter().map(|(_, device)| device).filter(move |device| *device != host);
        let stays = |device: &DeviceKey| !self.gone.contains(device) && !self.lapsed.has(*device);
        std::iter::once(host).chain(others).filter(stays)
    }

    /// Whether a device is a hub.
    pub(super) fn is_hub(&self, device: DeviceKey) -> bool {
        self.by_turn().take(hubs()).any(|hub| hub == device)
    }

    /// Who may host the room when this device is in it no longer: the host and who takes her place, as many as there are hubs.
    pub(super) fn hosts_without(&self, me: &Person) -> Vec<Person> {
        let person = |device| self.group.members().find(|person| person.device == device).cloned();
        let others = self.by_turn().filter(|device| *device != me.device);
        others.filter_map(person).take(hubs()).collect()
    }

    /// Whether as many are heard who claim before this device as there are hubs beside the host. A claim goes to hubs, and
    /// these alone would grant it: whoever grants one waits before it claims itself, and many could keep each other waiting. The host,
    /// whose own ballot is barred, claims to everybody, and nobody who has not lost her does it in her place.
    pub(super) fn leaves_claims_to_others(&self, now: Now) -> bool {
        let (me, host, present) = (self.group.leaf(), self.order.epoch().host.leaf, self.present(now));
        let before = present.range(..me).filter(|leaf| **leaf != host).count();
        // A host whose certificate holds no longer is no hub.
        let hosts = usize::from(self.by_turn().next() == Some(self.group.host().device));
        self.is_large() && !self.group.is_host() && before + hosts >= hubs()
    }

    /// Whether what a device says of whom it hears counts for others: a hub's word does, and where none is heard the word of
    /// who stands in for them.
    pub(super) fn counts_as_hub(&self, device: DeviceKey, now: Now) -> bool {
        // A hub hears everybody itself.
        let is_there = |hub: DeviceKey| hub == self.me() || self.ways.heard_lately(hub, now);
        !self.lapsed.has(device) && (self.is_hub(device) || !self.by_turn().take(hubs()).any(is_there))
    }
}

impl Core {
    /// to whom this device is to have a connection in a room. In a large one that is the hubs, and for each of them to whom
    /// none comes about, or over it nothing comes, one more member by turn; and from whom something is to come that she has offered
    /// to all.
    pub(super) fn to_be_linked(&self, inside: &Inside) -> Vec<DeviceKey> {
        let mut there = 0;
        let hubs = inside.by_turn().take_while(|device| {
            let before = there;
            let is_missing = self.has_tried_in_vain(*device) || inside.ways.was_late(*device);
            there += usize::from(!is_missing);
            before < hubs()
        });
        match inside.is_large() {
            true => hubs.chain(self.files.to_be_asked().filter(|device| inside.group.has(*device))).collect(),
            false => inside.group.members().map(|person| person.device).collect(),
        }
    }

    /// Whether this device dials another one that is to be linked, and that one does as well: they may not agree about who is a hub.
    pub(super) fn both_dial(&self, device: DeviceKey) -> bool {
        let mut insides = self.rooms.values().filter_map(Room::inside);
        insides.any(|inside| inside.is_large() && inside.group.has(device))
    }

    /// to all in a room; in a large one to the hubs and to whomever else a session stands, or, if this device is a hub, to
    /// everybody. To whom no session stands it goes in letters.
    pub(super) fn say_to_all(&mut self, id: RoomId, frame: &RoomFrame) {
        for device in self.hearers(id) {
            self.say(device, frame);
        }
    }

    /// Who they are.
    pub(super) fn hearers(&self, id: RoomId) -> Vec<DeviceKey> {
        let Some(inside) = self.rooms.get(&id).and_then(Room::inside) else { return Vec::new() };
        let mut others = inside.others();
        if inside.is_large() {
            let hubs: Vec<DeviceKey> = inside.by_turn().take(hubs()).collect();
            let is_hub = hubs.contains(&self.me.person.device);
            others.retain(|device| is_hub || hubs.contains(device) || self.session_to(*device).is_some());
        }
        others
    }
}

impl Room {
    /// Whether it is one in which texts go by way of hubs.
    pub(super) fn is_large(&self) -> bool {
        self.inside().is_some_and(Inside::is_large)
    }
}

#[cfg(not(test))]
const fn full_mesh() -> usize {
    FULL_MESH
}

#[cfg(not(test))]
const fn hubs() -> usize {
    HUBS
}

#[cfg(test)]
thread_local! {
    /// Tests make rooms large that have few members: above how many, and with how many hubs.
    static LARGE: std::cell::Cell<(usize, usize)> = const { std::cell::Cell::new((FULL_MESH, HUBS)) };
}

#[cfg(test)]
fn full_mesh() -> usize {
    LARGE.get().0
}

#[cfg(test)]
fn hubs() -> usize {
    LARGE.get().1
}

/// From now on, on this thread, rooms that have more members are large, and have so many hubs.
#[cfg(test)]
pub(super) fn rooms_are_large_above(members: usize, hubs: usize) {
    LARGE.set((members, hubs));
}
