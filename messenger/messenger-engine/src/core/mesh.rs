//! The mesh: links between the members of a room, so that texts need nobody in the middle.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use identity::Identifier;

use super::Core;
use super::errands::Errand;
use super::fanout::Fanout;
use super::inside::Inside;
use super::rooms::{Part, Room};
use crate::api::{Purpose, RoomId};
use crate::room::{DeviceKey, Person};
use crate::time::Now;

/// After so many tries the pause grows no longer: members reach each other by way of others meanwhile.
const LONGEST_AFTER: u32 = 10;
/// The pause before the first repair of a link; the newcomer dials without it.
const GRACE: Duration = Duration::from_secs(6);

/// In a large room the first try waits up to 255 times this long.
const APART: Duration = Duration::from_millis(8);

/// So long a link that is being made is waited for, before a text goes by way of others.
const SOON_THERE: Duration = Duration::from_secs(3);

/// Attempts to link up with one fellow member.
pub(super) struct Attempt {
    tries: u32,
    next: Instant,
    /// Whether this device dials, whosever key is the lower one.
    dials: bool,
}

impl Attempt {
    /// When this device tries next, if it is the one that does.
    fn next(&self, me: DeviceKey, other: DeviceKey) -> Option<Instant> {
        let mine = self.dials || me < other;
        mine.then_some(self.next)
    }

    /// Until when the first try has only begun.
    fn young_until(&self) -> Option<Instant> {
        self.next.checked_sub(GRACE - SOON_THERE).filter(|_| self.tries <= 1)
    }
}

impl Core {
    /// The newcomer links up with every member but the host, to whom a link stands.
    pub(super) fn gather(&mut self, id: RoomId, now: Now) {
        let me = self.me.person.device;
        let Some(inside) = self.rooms.get(&id).and_then(Room::inside) else { return };
        let host = inside.group.host().device;
        let mut devices = self.to_be_linked(inside);
        devices.retain(|device| *device != me && *device != host);
        for device in devices {
            self.mesh.insert(device, Attempt { tries: 0, next: now.instant, dials: true });
        }
        self.tend_mesh(now);
    }

    /// Makes missing links between members: the newcomer dials, the host whom she has lost, and who was lost those who may host
    /// the room now; later the device with the lower key repairs.
    pub(super) fn tend_mesh(&mut self, now: Now) {
        let me = self.me.person.device;
        let may_dial = self.why_unreachable().is_none();
        let fellows = self.fellows();
        self.mesh.retain(|device, _| fellows.contains_key(device));
        for (device, person) in fellows {
            let begun = self.attempt_at(device, now);
            let dials = begun.dials;
            let attempt = self.mesh.entry(device).or_insert(begun);
            attempt.dials |= dials;
            // Without a directory no try counts: what comes due meanwhile is tried as soon as it is there again.
            if !may_dial || attempt.next(me, device).is_none_or(|next| next > now.instant) {
                continue;
            }
            attempt.tries = (attempt.tries + 1).min(LONGEST_AFTER);
            attempt.next = now.instant + GRACE * attempt.tries;
            let key = person.device.spki_digest();
            if !self.is_calling(&person.identifier, key, Purpose::Room) {
                self.call_device(person.identifier, Some(key), Purpose::Room, Errand::Mesh, now);
            }
        }
        // A try that came due may have widened whom to link.
        for device in self.fellows().into_keys() {
            let begun = self.attempt_at(device, now);
            self.mesh.entry(device).or_insert(begun);
        }
    }

    /// What has been tried in vain is tried again at once.
    pub(super) fn link_anew(&mut self, now: Now) {
        for attempt in self.mesh.values_mut() {
            (attempt.tries, attempt.next) = (0, now.instant);
        }
    }

    /// The first try to link up with somebody. Not all of a large room come to a new hub at once.
    fn attempt_at(&self, device: DeviceKey, now: Now) -> Attempt {
        let to_hub = self.both_dial(device);
        let wait = if to_hub { APART * u32::from(self.me.person.device.0[0]) } else { GRACE };
        Attempt { tries: 0, next: now.instant + wait, dials: to_hub || self.looks_for(device) }
    }

    /// Whether a link to a fellow member is missing since a moment ago, and is mostly there in another one.
    pub(super) fn is_being_linked(&self, device: DeviceKey, now: Now) -> bool {
        self.session_to(device).is_none() && self.young_until(device).is_some_and(|until| until > now.instant)
    }

    fn young_until(&self, device: DeviceKey) -> Option<Instant> {
        self.mesh.get(&device).and_then(Attempt::young_until)
    }

    /// When the next text that waits for a link which is being made goes by way of others.
    pub(super) fn next_of_waiting(&self, now: Now) -> Option<Instant> {
        let texts = self.rooms.values().flat_map(|room| room.fanouts.values());
        let links = texts.flat_map(Fanout::waiting).filter_map(|device| self.young_until(device));
        links.filter(|until| *until > now.instant).min()
    }

    /// Whether a link was tried, and did not come about before it was time to try again.
    pub(super) fn has_tried_in_vain(&self, device: DeviceKey) -> bool {
        self.session_to(device).is_none() && self.mesh.get(&device).is_some_and(|attempt| attempt.tries > 1)
    }

    /// When a missing link is tried next, if it can be; at once where one has come, or is missing since a moment ago.
    pub(super) fn next_of_mesh(&self, now: Now) -> Option<Instant> {
        let (me, fellows) = (self.me.person.device, self.fellows());
        let is_kept = fellows.len() == self.mesh.len() && fellows.keys().all(|device| self.mesh.contains_key(device));
        match is_kept {
            true if self.why_unreachable().is_some() => None,
            true => self.mesh.iter().filter_map(|(device, attempt)| attempt.next(me, *device)).min(),
            false => Some(now.instant),
        }
    }

    /// Members of rooms to whom no link stands, and who may host a room that went on without this device.
    fn fellows(&self) -> BTreeMap<DeviceKey, Person> {
        let me = self.me.person.device;
        let insides = self.rooms.values().filter(|room| room.is_open()).filter_map(Room::inside);
        // The host looks for who was lost as well (rule R-17).
        let lost = |inside: &'_ Inside| -> Vec<Person> {
            let wanted = inside.lost.values().filter(|_| inside.group.is_host());
            let wanted = wanted.filter(|(person, _)| !self.is_blocked(&person.identifier));
            wanted.map(|(person, _)| person.clone()).collect()
        };
        let members = |inside: &'_ Inside| -> Vec<Person> {
            let devices: BTreeSet<DeviceKey> = self.to_be_linked(inside).into_iter().collect();
            inside.group.members().filter(|person| devices.contains(&person.device)).cloned().collect()
        };
        let asked = self.rooms.values().flat_map(|room| match &room.part {
            Part::Dropped(dropped) => &dropped.hosts[..],
            _ => &[],
        });
        let asked = asked.filter(|person| !self.is_blocked(&person.identifier)).cloned();
        insides
            .flat_map(|inside| members(inside).into_iter().chain(lost(inside)).collect::<Vec<_>>())
            .chain(asked)
            .filter(|person| person.device != me)
            .filter(|person| self.session_to(person.device).is_none())
            .map(|person| (person.device, person))
            .collect()
    }

    /// Whether this device dials whosever key is the lower one: the other, who is in no room with it, may not dial at all.
    fn looks_for(&self, device: DeviceKey) -> bool {
        self.rooms.values().any(|room| match &room.part {
            Part::Inside(inside) => inside.group.is_host() && inside.lost.contains_key(&device),
            Part::Dropped(dropped) => dropped.hosts.iter().any(|person| person.device == device),
            Part::Asked { .. } | Part::Entering { .. } => false,
        })
    }

    pub(super) fn mesh_failed(&mut self, who: &Identifier, reason: &str, _now: Now) {
        tracing::debug!(%who, reason, "no link to a fellow member yet");
    }

    /// Whether the device whose key has this digest is in a room with us, or was until it was lost.
    pub(super) fn shares_room_with(&self, key: [u8; 32]) -> bool {
        let is_meant = |device: &DeviceKey| device.spki_digest() == key;
        self.rooms.values().any(|room| match &room.part {
            Part::Inside(inside) => {
                inside.group.members().any(|person| is_meant(&person.device)) || inside.lost.keys().any(is_meant)
            }
            Part::Dropped(dropped) | Part::Entering { dropped: Some(dropped), .. } => {
                dropped.fellows.iter().any(is_meant)
            }
            Part::Asked { .. } | Part::Entering { .. } => false,
        })
    }

    /// Whether a room needs the link to this device that was made for something else: in a large one not everybody is linked.
    pub(super) fn is_to_be_linked(&self, device: DeviceKey) -> bool {
        let me = self.me.person.device;
        self.rooms.values().any(|room| match &room.part {
            Part::Inside(inside) if inside.is_large() && inside.group.has(device) => {
                inside.is_hub(me) || self.to_be_linked(inside).contains(&device)
            }
            Part::Inside(inside) => inside.group.has(device) || inside.hosting.invited.contains_key(&device),
            Part::Dropped(_) => false,
            Part::Asked { host, .. } | Part::Entering { host, .. } => host.device == device,
        })
    }

    /// Whether a room needs the link to this device.
    pub(super) fn needed_by_room(&self, device: DeviceKey) -> bool {
        self.rooms.values().any(|room| match &room.part {
            Part::Inside(inside) => inside.group.has(device) || inside.hosting.invited.contains_key(&device),
            Part::Dropped(_) => false,
            Part::Asked { host, .. } | Part::Entering { host, .. } => host.device == device,
        })
    }
}
