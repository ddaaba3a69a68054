//! Texts that wait for an epoch: where a decision is known that is not followed yet, whoever has followed it would soon not
//! read what is sealed for the epoch before.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Core;
use super::room_talk::SaidInRoom;
use super::rooms::Room;
use crate::api::{Event, Missing, RoomId};
use crate::time::Now;

/// How long at most: longer than anybody waits for contradictions (R-07 of docs/spec/rooms.md).
const LIFE: Duration = Duration::from_secs(6);

/// A text of one's own that is not sealed yet.
pub(super) struct Held {
    id: u64,
    said: SaidInRoom,
    until: Instant,
}

impl Held {
    /// When it is given up.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

impl Room {
    /// Whether an epoch is decided that this device has not come to.
    pub(super) fn is_between_epochs(&self) -> bool {
        let order = self.inside().map(|inside| &inside.order);
        order.is_some_and(|order| order.waits_to_follow() || order.may_decide_after_waiting().is_some())
    }
}

impl Core {
    /// Keeps what is said until the room has come to its next epoch.
    pub(super) fn hold_said(&mut self, id: RoomId, (said_id, said): (u64, SaidInRoom), now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.held.push_back(Held { id: said_id, said, until: now.instant + LIFE });
        let (delivered, missing) = (Vec::new(), Vec::new());
        self.emit(Event::RoomMessageState { room: id, id: said_id, delivered, missing, order: None });
    }

    /// The epoch has come: what waited for it is sealed, in the order in which it was said.
    pub(super) fn send_held(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.is_open()) else { return };
        for held in std::mem::take(&mut room.held) {
            self.fan_out(id, (held.id, held.said), now);
        }
    }

    /// What has waited for too long is given up.
    pub(super) fn expire_held(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let due = room.held.iter().take_while(|held| held.until <= now.instant).count();
        let late: VecDeque<Held> = room.held.drain(..due).collect();
        self.give_up_held(id, late, "the room did not come to its next epoch");
    }

    pub(super) fn give_up_held(&mut self, id: RoomId, held: VecDeque<Held>, reason: &str) {
        let me = self.me.person.device;
        let group = self.rooms.get(&id).and_then(Room::group);
        let others = group.into_iter().flat_map(|group| group.members()).filter(|person| person.device != me);
        let missing: Vec<Missing> =
            others.map(|person| Missing { who: person.identifier.clone(), reason: reason.to_owned() }).collect();
        for held in held {
            let (delivered, missing) = (Vec::new(), missing.clone());
            self.emit(Event::RoomMessageState { room: id, id: held.id, delivered, missing, order: None });
        }
    }
}
