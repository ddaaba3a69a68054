//! Coming back: who was removed as lost is let in again without an invitation by a person (rule R-17).

use std::time::{Duration, Instant};

use super::inside::Inside;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, RoomId};
use crate::room::{DeviceKey, MAX_MEMBERS, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

/// For how long.
const RETURN: Duration = Duration::from_secs(600);

/// A room that went on without this device.
pub(super) struct Dropped {
    /// Who was in it.
    pub(super) fellows: Vec<DeviceKey>,
    pub(super) until: Instant,
}

impl Inside {
    pub(super) fn note_lost(&mut self, person: &Person, now: Now) {
        if self.lost.len() < MAX_MEMBERS {
            self.lost.insert(person.device, (person.clone(), now.instant));
        }
    }

    pub(super) fn forget_lost(&mut self, now: Now) {
        self.lost.retain(|_, (_, since)| now.instant < *since + RETURN);
    }
}

impl Core {
    /// A commit has removed this device.
    pub(super) fn was_removed(&mut self, id: RoomId, now: Now) {
        if self.inside(id).is_some_and(|inside| inside.leaving.is_some()) {
            self.rooms.remove(&id);
            return;
        }
        self.drop_room(id, "the others had lost this device, or the host removed it", now);
    }

    /// Gives a room up that may go on elsewhere: its keys are forgotten, and this device asks to be let in again.
    pub(super) fn drop_room(&mut self, id: RoomId, reason: &str, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let fellows = inside.others();
        let Some(name) = self.rooms.get(&id).filter(|room| room.is_open()).map(|room| room.name.clone()) else {
            self.rooms.remove(&id);
            return;
        };
        self.close_room(id, reason, now);
        let dropped = Dropped { fellows: fellows.clone(), until: now.instant + RETURN };
        self.rooms.insert(id, Room::new(name, Part::Dropped(dropped)));
        for device in fellows {
            self.say(device, &RoomFrame::Return { room: id.0 });
        }
    }

    /// A session has begun with a device that may be in rooms which this one was dropped from.
    pub(super) fn return_to_rooms(&mut self, device: DeviceKey) {
        let knows = |room: &Room| matches!(&room.part, Part::Dropped(dropped) if dropped.fellows.contains(&device));
        let ids: Vec<RoomId> = self.rooms.iter().filter(|(_, room)| knows(room)).map(|(id, _)| *id).collect();
        for id in ids {
            self.say(device, &RoomFrame::Return { room: id.0 });
        }
    }

    /// Somebody who was lost asks to be let in again.
    pub(super) fn wants_back(&mut self, id: RoomId, person: &Person, session: SessionId) {
        if self.is_blocked(&person.identifier) {
            return;
        }
        let Some(inside) = self.inside(id) else { return };
        let known = inside.lost.get(&person.device).is_some_and(|(lost, _)| lost.identifier == person.identifier);
        if known && inside.group.is_host() && inside.leaving.is_none() {
            self.send_invitation(session, id);
        }
    }

    /// Whether an invitation is into a room that this device was dropped from, by somebody who was in it: then it is accepted.
    pub(super) fn comes_back(&mut self, id: RoomId, host: &Person, now: Now) -> bool {
        if self.is_blocked(&host.identifier) {
            return false;
        }
        let Some(Room { part, .. }) = self.rooms.get_mut(&id) else { return false };
        match part {
            Part::Dropped(dropped) if dropped.fellows.contains(&host.device) => {
                *part = Part::Asked { host: host.clone() };
                self.accept_invitation(id, now);
                true
            }
            _ => false,
        }
    }

    /// Forgets rooms one was dropped from long ago.
    pub(super) fn forget_dropped(&mut self, now: Now) {
        let old = |room: &Room| matches!(&room.part, Part::Dropped(dropped) if dropped.until <= now.instant);
        self.rooms.retain(|_, room| !old(room));
    }

    /// Whether this is one's own word that one left a room for good.
    pub(super) fn forget_if_dropped(&mut self, id: RoomId) -> bool {
        let dropped = matches!(self.rooms.get(&id), Some(Room { part: Part::Dropped(_), .. }));
        if dropped {
            self.rooms.remove(&id);
            self.emit(Event::RoomClosed { room: id, reason: "you left".to_owned() });
        }
        dropped
    }
}
