//! Leaving a room. Whoever leaves says so to everybody, and answers for a moment more: her acknowledgement lets the others
//! decide at once, and a host who leaves offers the commit by which the next one takes her place.

use std::time::Duration;

use room_order::Ballot;

use super::Core;
use super::rooms::{Part, Room};
use crate::api::{Event, RoomId};
use crate::room::{Person, Wanted};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How long whoever has left answers.
const ANSWERS: Duration = Duration::from_secs(10);

impl Core {
    /// The person leaves a room: for her it is closed at once.
    pub(super) fn leave_gently(&mut self, id: RoomId, now: Now) {
        if self.forget_if_dropped(id) {
            return;
        }
        let Some(inside) = self.inside(id).filter(|inside| inside.leaving.is_none()) else {
            return match self.rooms.get(&id).is_some_and(Room::is_open) {
                true => self.leave_room(id, "you left", now),
                false => self.no_such_room("room_leave", id),
            };
        };
        let others = inside.others();
        if others.iter().all(|device| !self.reaches(id, *device)) {
            return self.leave_room(id, "you left", now);
        }
        self.say_farewell(id);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let held = std::mem::take(&mut room.held);
        self.give_up_held(id, held, "the room was left");
        self.end_texts(id);
        self.emit(Event::RoomClosed { room: id, reason: "you left".to_owned() });
        if let Some(inside) = self.inside(id) {
            inside.leaving = Some(now.instant + ANSWERS);
            let me = inside.me();
            inside.gone.insert(me);
        }
    }

    /// Tells everybody in a room that this device leaves, and guests that it lets nobody in.
    pub(super) fn say_farewell(&mut self, id: RoomId) {
        let Some(inside) = self.inside(id) else { return };
        let (others, guests) = (inside.others(), std::mem::take(&mut inside.hosting.invited));
        // Also in a large room each is told: who takes the host's place later does not ask her in again.
        for device in others {
            self.say(device, &RoomFrame::Leave { room: id.0 });
        }
        for device in guests.into_keys() {
            self.say(device, &RoomFrame::Decline { room: id.0, reason: "the host left".into() });
        }
    }

    /// A member says that she leaves.
    pub(super) fn member_leaves(&mut self, id: RoomId, person: &Person, now: Now) {
        let Some(inside) = self.inside(id).filter(|inside| inside.group.has(person.device)) else { return };
        inside.gone.insert(person.device);
        self.advance(id, now);
        self.tend_room(id, now);
    }

    /// The host leaves, and it is this device that takes over: it hands in the commit for that.
    pub(super) fn inherit(&mut self, id: RoomId, now: Now) {
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get(&id) else { return };
        let host = inside.order.epoch().host;
        let has_host = self.reaches(id, inside.group.host().device);
        let Some(term) = host.term.checked_add(1).filter(|_| inside.is_heir() && inside.host_leaves() && has_host)
        else {
            return;
        };
        if inside.order.staged().is_none() && inside.order.promised() == host && !inside.handed_in {
            let leaf = inside.group.leaf();
            if let Some(inside) = self.inside(id) {
                inside.handed_in = true;
            }
            self.make_commit(id, Wanted::Host(Ballot { term, leaf }), now);
        }
    }
}
