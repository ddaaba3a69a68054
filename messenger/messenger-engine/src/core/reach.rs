//! Who in a room is reached now, and by way of whom (R-40 of docs/spec/rooms.md): looked at in [`super::ways`], and told to the
//! client. Who is lost to this device is not reached.

use std::collections::BTreeSet;

use super::Core;
use super::inside::Inside;
use super::rooms::{Part, Room};
use crate::api::{Event, RoomId, Via};
use crate::room::DeviceKey;
use crate::time::Now;

impl Core {
    /// Devices to which a connection stands.
    fn to_whom_connected(&self) -> BTreeSet<DeviceKey> {
        let connected = self.links.values().filter(|link| link.connection.is_some());
        connected.map(|link| link.person.device).collect()
    }

    /// Whom this device hears in a room without anybody between, for its beats.
    pub(super) fn hears_in(&self, inside: &Inside, now: Now) -> Vec<u8> {
        inside.ways.heard_by_me(inside.group.leaves(), &self.to_whom_connected(), now)
    }

    /// looks by way of whom members are reached to whom no connection stands. To who is reached so now and was not, goes
    /// what goes to whom a session begins with.
    pub(super) fn look_for_ways(&mut self, id: RoomId, now: Now) {
        let connected = self.to_whom_connected();
        let Some(inside) = self.inside(id) else { return };
        let host = inside.group.host().device;
        let mut others = inside.others();
        others.sort_by_key(|device| *device != host);
        // Whoever carries a text can open it, and nothing is sent to whose certificate has lapsed.
        let may_carry = |by: &DeviceKey| !inside.lapsed.has(*by) && connected.contains(by);
        let carriers: Vec<DeviceKey> = others.iter().copied().filter(may_carry).collect();
        let is_large = inside.is_large();
        let new = inside.ways.look((&others, &carriers), &connected, now);
        self.tell_ways(id);
        // In a large room whoever is no hub has nothing to say to who is none.
        let told = if is_large && !new.is_empty() { self.hearers(id) } else { Vec::new() };
        for device in new.into_iter().filter(|device| !is_large || told.contains(device)) {
            self.greet_in_room(id, device, now);
        }
        if is_large {
            return self.push_waiting(id, now);
        }
        // Also to who was reached so before: a text may have waited for a connection that did not come.
        let reached: Vec<DeviceKey> =
            self.inside(id).into_iter().flat_map(|inside| inside.ways.firsts()).map(|(to, _)| to).collect();
        for device in reached {
            self.push_fanouts(id, device, now);
        }
    }

    /// Tells the client who is reached by way of whom, if that has changed.
    fn tell_ways(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.is_open()) else { return };
        let Part::Inside(inside) = &mut room.part else { return };
        let who = |device: DeviceKey| inside.group.members().find(|person| person.device == device);
        let named = |(to, by)| Some(Via { who: who(to)?.identifier.clone(), by: who(by)?.identifier.clone() });
        // In a large room nobody is an exception: all go by way of hubs.
        let ways = inside.ways.firsts().take_while(|_| !inside.is_large());
        let via: Vec<Via> = ways.filter_map(named).collect();
        if inside.told_via != via {
            inside.told_via.clone_from(&via);
            self.emit(Event::RoomVia { room: id, via });
        }
    }

    /// By way of whom letters to a member go; nobody if a connection to her stands and something comes over it.
    pub(super) fn vias(&self, id: RoomId, to: DeviceKey) -> &[DeviceKey] {
        self.rooms.get(&id).and_then(Room::inside).map_or(&[], |inside| inside.ways.vias(to))
    }

    /// Whether a member is reached, by a session or by way of somebody.
    pub(super) fn reaches(&self, id: RoomId, device: DeviceKey) -> bool {
        self.session_to(device).is_some() || !self.vias(id, device).is_empty()
    }

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
