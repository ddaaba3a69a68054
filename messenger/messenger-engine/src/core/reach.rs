//! Who in a room is reached now, for the client: whoever is not lost to this device (R-07 of docs/spec/rooms.md).

use std::collections::BTreeSet;

use super::Core;
use crate::api::{Event, RoomId};
use crate::room::DeviceKey;

impl Core {
    /// Tells which members are not reached, if it is others than were told: with each beat of the room.
    pub(super) fn tell_reach(&mut self, id: RoomId) {
        let Some(inside) = self.inside(id).filter(|inside| inside.leaving.is_none()) else { return };
        if inside.order.lost().is_empty() && inside.told_unreached.is_empty() {
            return;
        }
        let leaves = inside.leaves();
        let lost: BTreeSet<DeviceKey> = inside.order.lost().iter().filter_map(|leaf| leaves.device(*leaf)).collect();
        if lost == inside.told_unreached {
            return;
        }
        let members = inside.group.members().filter(|person| lost.contains(&person.device));
        let not_reached = members.map(|person| person.identifier.clone()).collect();
        inside.told_unreached = lost;
        self.emit(Event::RoomReach { room: id, not_reached });
    }
}
