//! The keys of a room are renewed while it lives: each member's leaf once an hour, so that whoever got hold of a device's keys
//! once reads no longer what is said an hour later; and her certificate is replaced in the room when she has a newer one.
//!
//! The host makes the commit for her own leaf, and the others hand theirs in (rule R-23 of docs/spec/rooms.md): one after the
//! other, so that a room of many does not spend its time on it.

use std::time::Duration;

use room_order::{Commit, Input};

use super::Core;
use super::inside::Inside;
use super::rooms::{Part, Room};
use crate::api::RoomId;
use crate::room::{DeviceKey, Person, Wanted};
use crate::time::Now;

/// How old the keys of a leaf become.
pub(super) const KEYS_LAST: Duration = Duration::from_secs(3600);
/// How far apart members other than the host renew theirs; in a room of more than 30 they become so much older.
const APART: Duration = Duration::from_secs(120);
/// How long after her last renewal a member with a newer certificate brings it into the room.
const NEWER: Duration = Duration::from_secs(60);

impl Core {
    /// This device has a newer certificate: its rooms get it.
    pub(super) fn renew_in_rooms(&mut self, now: Now) {
        let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in ids {
            self.renew_keys_if_due(id, now);
        }
    }

    /// Renews the keys of this device's leaf, if it is time and nothing else is under way.
    pub(super) fn renew_keys_if_due(&mut self, id: RoomId, now: Now) {
        let person = self.me.person.clone();
        let Some(host) = self.inside(id).map(|inside| inside.group.host().device) else { return };
        let reaches_host = self.reaches(id, host);
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        let heard = inside.group.is_host() || reaches_host && !inside.handed_in && !inside.host_leaves();
        let idle = inside.is_idle() && inside.order.staged().is_none() && inside.wishes.is_empty();
        let stays = inside.leaving.is_none() && inside.host_lost.is_none() && !inside.told_stalled;
        let newer = inside.own().is_some_and(|own| own.certificate.digest != person.certificate.digest);
        if !(heard && idle && stays && inside.is_renewal_due(newer, now)) {
            return;
        }
        match inside.group.make(Wanted::Update(Box::new(person)), &self.me.leaf) {
            Ok(commit) => {
                inside.handed_in = !inside.group.is_host();
                inside.update = Some(commit.id);
                self.order(id, Input::Propose(commit), None, now);
            }
            Err(error) => self.room_trouble(id, "this device's keys could not be renewed", &error),
        }
    }
}

/// How old the keys of the host's leaf become, or of another's, in a room of so many: the host's renewal makes the room's epochs
/// advance.
fn lasts(members: usize, of_the_host: bool) -> Duration {
    let all = APART.saturating_mul(u32::try_from(members).unwrap_or(u32::MAX));
    if of_the_host { KEYS_LAST } else { KEYS_LAST.max(all) }
}

impl Inside {
    /// This device's person, as the certificate in its leaf says.
    fn own(&self) -> Option<&Person> {
        let me = self.me();
        self.group.members().find(|person| person.device == me)
    }

    /// Whether it is time for this device's leaf, and its turn among those for whose leaves it is time.
    fn is_renewal_due(&self, newer: bool, now: Now) -> bool {
        let (me, host, members) = (self.me(), self.group.host().device, self.group.size());
        let due = |device| self.keys_since.get(&device).map(|since| *since + lasts(members, device == host));
        let is_due = |device: DeviceKey| due(device).is_some_and(|due| due <= now.instant);
        if newer && self.keys_since.get(&me).is_none_or(|since| *since + NEWER <= now.instant) {
            return true;
        }
        let Some(mine) = due(me).filter(|mine| *mine <= now.instant) else { return false };
        if me == host {
            return true;
        }
        let before = self.group.leaves().iter().take_while(|(_, device)| *device != me);
        let before = before.filter(|(_, device)| *device != host && is_due(*device)).count();
        let turn = APART.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        mine.max(self.renewed_at + APART) + turn <= now.instant
    }

    /// Whether the host offers a commit by which a member renews her keys: members wait for twice as long as this.
    pub(super) fn may_update(&self, commit: &Commit, now: Now) -> bool {
        let Some(person) = self.group.updates(commit.id) else { return false };
        let known = self.group.members().find(|known| known.device == person.device);
        let newer = known.is_some_and(|known| known.certificate.digest != person.certificate.digest);
        let apart = if newer { NEWER / 2 } else { KEYS_LAST / 2 };
        self.keys_since.get(&person.device).is_none_or(|since| *since + apart <= now.instant)
    }

    /// A commit has renewed these devices' keys, or let them in with new ones.
    pub(super) fn note_new_keys(&mut self, devices: impl Iterator<Item = DeviceKey>, now: Now) {
        for device in devices {
            self.keys_since.insert(device, now.instant);
        }
        let group = &self.group;
        self.keys_since.retain(|device, _| group.has(*device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-23, as it is written.
    #[test]
    fn in_a_large_room_members_have_their_keys_for_longer_and_epochs_do_not_last_longer() {
        let minutes = |members, of_the_host| lasts(members, of_the_host).as_secs() / 60;
        assert_eq!([1, 30, 31, 32].map(|members| minutes(members, false)), [60, 60, 62, 64]);
        assert_eq!([1, 32, usize::MAX].map(|members| minutes(members, true)), [60; 3]);
    }
}
