//! Certificates in leaves that end, or are accepted no longer, while a room lives (rules of docs/spec/rooms.md).
//!
//! A connection shows the newest certificate of a device, and is closed when that ends. Its leaf has the one with which it was let
//! in, until the device itself brings a newer one; whoever does not is found out here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use room_order::{Commit, Leaf};

use super::Core;
use super::inside::Inside;
use super::rooms::Room;
use crate::api::{Event, RoomId};
use crate::room::DeviceKey;
use crate::time::Now;

/// How often every leaf's certificate is looked at; the end of one is noticed at once.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

/// Why a device of the room gets and says nothing in it.
pub(super) const NOT_ACCEPTED: &str = "the certificate of that device in the room is accepted no longer";

/// Whose certificates in a room hold no longer.
pub(super) struct Lapsed {
    why: BTreeMap<DeviceKey, String>,
    /// When all are looked at again.
    due: Instant,
}

impl Lapsed {
    /// Whoever comes into a room has verified all of them.
    pub(super) fn none(now: Now) -> Self {
        Self { why: BTreeMap::new(), due: now.instant + AGAIN }
    }

    pub(super) fn has(&self, device: DeviceKey) -> bool {
        self.why.contains_key(&device)
    }

    /// Whose they are.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceKey> {
        self.why.keys().copied()
    }

    /// When all are looked at again.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Forgets who is in the room no longer.
    pub(super) fn keep(&mut self, devices: &BTreeSet<DeviceKey>) {
        self.why.retain(|device, _| devices.contains(device));
    }

    /// Somebody's leaf has another certificate: it is looked at soon.
    pub(super) fn renewed(&mut self, device: DeviceKey, now: Now) {
        if self.has(device) {
            self.due = now.instant;
        }
    }
}

#[cfg(test)]
impl Lapsed {
    /// Looked at when that is.
    pub(super) fn look_at(&mut self, due: Instant) {
        self.due = due;
    }

    pub(super) fn look_now(&mut self, now: Now) {
        self.due = now.instant;
    }

    /// Takes this one for good, whatever it says.
    pub(super) fn look_no_more(&mut self, device: DeviceKey) {
        self.why.insert(device, String::new());
        self.due += Duration::from_secs(1_000_000);
    }
}

impl Core {
    /// A certificate that was accepted is so no longer: those in rooms are looked at as well.
    pub(super) fn review_rooms(&mut self, now: Now) {
        let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in ids {
            if let Some(inside) = self.inside(id) {
                inside.lapsed.due = now.instant;
            }
            self.tend_room(id, now);
        }
    }

    /// what was verified once costs no signature here, since `identity` remembers it.
    pub(super) fn review_leaves(&mut self, id: RoomId, now: Now) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id).filter(|inside| inside.leaving.is_none()) else { return };
        if now.instant < inside.lapsed.due && !inside.has_lapsed(now) {
            return;
        }
        let me = inside.me();
        let found: BTreeMap<DeviceKey, String> = inside.group.lapsed(&*credentials, now).into_iter().collect();
        let new: Vec<(DeviceKey, String)> =
            found.iter().filter(|(device, _)| !inside.lapsed.has(**device)).map(|(d, why)| (*d, why.clone())).collect();
        inside.lapsed = Lapsed { why: found, due: now.instant + AGAIN };
        if inside.lapsed.has(me)
            && let Err(why) = self.me.leaf.verify(&*credentials, now)
        {
            let reason = format!("this device's own certificate is accepted no longer: {why}; renew it, and come back");
            return self.drop_room(id, &reason, now);
        }
        for (device, reason) in new.iter().filter(|(device, _)| *device != me) {
            self.tell_lapsed(id, *device, reason.clone());
            self.offers_nothing_more(id, *device, NOT_ACCEPTED);
        }
        if !new.is_empty() {
            self.advance(id, now);
        }
    }

    fn tell_lapsed(&mut self, id: RoomId, device: DeviceKey, reason: String) {
        let Some(group) = self.rooms.get(&id).filter(|room| room.is_open()).and_then(Room::group) else { return };
        let who = group.members().find(|person| person.device == device).map(|person| person.identifier.clone());
        if let Some(who) = who {
            self.emit(Event::RoomLapsed { room: id, who, reason });
        }
    }

    /// Why a commit that removes this device does so, if that is because its own leaf would not be taken any more.
    pub(super) fn own_lapse(&mut self, id: RoomId, commit: &Commit, now: Now) -> Option<String> {
        let (credentials, me) = (self.credentials.clone(), self.me.person.device);
        let inside = self.inside(id).filter(|inside| commit.change.removes.contains(&inside.group.leaf()))?;
        let lapsed = inside.group.lapsed(&*credentials, now);
        lapsed.into_iter().find(|(device, _)| *device == me).map(|(_, why)| why)
    }
}

impl Inside {
    /// Whether a certificate has ended since they were looked at.
    fn has_lapsed(&self, now: Now) -> bool {
        let ended = |until: u64| until < now.unix.as_secs();
        self.group.members().any(|person| ended(person.not_after) && !self.lapsed.has(person.device))
    }

    /// whose certificate holds no longer offers nothing but another one for her own leaf.
    pub(super) fn is_hers_to_offer(&self, leaf: Leaf, commit: &Commit) -> bool {
        let renews = || self.group.updates(commit.id).map(|person| person.device) == self.leaves().device(leaf);
        !self.is_lapsed(leaf) || renews()
    }

    /// Whether the device with this leaf has a certificate there that holds no longer.
    pub(super) fn is_lapsed(&self, leaf: Leaf) -> bool {
        self.leaves().device(leaf).is_some_and(|device| self.lapsed.has(device))
    }
}
