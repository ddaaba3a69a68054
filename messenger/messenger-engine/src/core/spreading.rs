//! What one says oneself to members of a large room to whom no connection stands: handed to hubs in circulars, a text by way of
//! another hub where one is silent (R-52, R-53 and R-55 of docs/spec/rooms.md).

use std::collections::{BTreeMap, BTreeSet};

use super::rooms::{Part, Room};
use super::{Core, ways};
use crate::api::RoomId;
use crate::room::{DeviceKey, sign};
use crate::time::Now;
use crate::wire::{Circular, Circulated, RoomFrame};

impl Core {
    /// it goes once by way of a hub who reaches them: by way of another one than before, if there is one.
    pub(super) fn spread_text(
        &mut self,
        id: RoomId,
        (text, far): (u64, BTreeSet<DeviceKey>),
        message: &[u8],
        now: Now,
    ) {
        let mut by_hub: BTreeMap<DeviceKey, BTreeSet<DeviceKey>> = BTreeMap::new();
        let Some(fanout) = self.rooms.get(&id).and_then(|room| room.fanouts.get(&text)) else { return };
        for device in far {
            if let Some(hub) = fanout.next_hub(device, self.vias(id, device)) {
                by_hub.entry(hub).or_default().insert(device);
            }
        }
        for (hub, devices) in by_hub {
            let content = Circulated::Text { run: self.run, message: message.to_vec() };
            let Some(circular) = self.write_circular(id, hub, &devices, content) else { continue };
            if let Some(fanout) = self.rooms.get_mut(&id).and_then(|room| room.fanouts.get_mut(&text)) {
                fanout.goes_in_circular(&devices, circular, hub, now);
            }
        }
    }

    /// Hands something to a hub for these members. Returns its number, and the epoch whose leaves name them, if the hub has it.
    fn write_circular(
        &mut self,
        id: RoomId,
        by: DeviceKey,
        to: &BTreeSet<DeviceKey>,
        content: Circulated,
    ) -> Option<(u64, u64)> {
        let session = self.session_to(by)?;
        let from = self.me.person.device.0;
        let inside = self.inside(id)?;
        let to = ways::bits_of(inside.group.leaves().iter().filter(|(_, device)| to.contains(device)));
        let (number, epoch) = (inside.circulars.next_number(), inside.order.epoch());
        let (name, epoch) = (epoch.id.0, inside.group.epoch());
        let circular = Circular { room: id.0, epoch, name, from, to, number, content };
        let signature = sign(&circular, &self.me.leaf).ok()?;
        self.send_room(session, &RoomFrame::Spread { circular: Box::new(circular), signature });
        Some((number, epoch))
    }

    /// that one is writing goes to these by way of the first hub who reaches them. It is not tried again.
    pub(super) fn spread_typing(&mut self, id: RoomId, far: BTreeSet<DeviceKey>) {
        let mut by_hub: BTreeMap<DeviceKey, BTreeSet<DeviceKey>> = BTreeMap::new();
        for device in far {
            if let Some(hub) = self.vias(id, device).first() {
                by_hub.entry(*hub).or_default().insert(device);
            }
        }
        for (hub, devices) in by_hub {
            self.write_circular(id, hub, &devices, Circulated::Typing);
        }
    }

    /// Whoever got a circular answers: that counts, and nobody else's word.
    pub(super) fn circular_answered(
        &mut self,
        id: RoomId,
        device: DeviceKey,
        (number, refused): (u64, Option<String>),
    ) {
        let Some(room) = self.rooms.get(&id) else { return };
        let found = room.fanouts.iter().find(|(_, fanout)| fanout.is_in_circular_to(device, number));
        if let Some(text) = found.map(|(text, _)| *text) {
            self.text_answered(id, (text, device), refused);
        }
    }

    /// A hub did not pass a circular of this device's on to some.
    pub(super) fn not_spread(&mut self, id: RoomId, by: DeviceKey, (number, to): (u64, &[u8]), now: Now) {
        if self.inside(id).is_some_and(|inside| inside.group.has(by)) {
            self.text_not_spread(id, by, (number, to), now);
            self.tend_room(id, now);
        }
    }

    /// A hub did not pass a circular on to those at these leaves.
    fn text_not_spread(&mut self, id: RoomId, by: DeviceKey, (number, to): (u64, &[u8]), now: Now) {
        let Some(Room { part: Part::Inside(inside), fanouts, .. }) = self.rooms.get_mut(&id) else { return };
        let Some((text, fanout)) = fanouts.iter_mut().find(|(_, fanout)| fanout.is_in_circular(number)) else { return };
        let (text, epoch) = (*text, inside.group.epoch());
        let named = ways::named_by(to, &inside.leaves());
        // Leaves of an epoch that is over may be other devices now: then it goes once more to all of them.
        let is_missed = |device: DeviceKey| !fanout.is_of_epoch(number, epoch) || named.contains(&device);
        let missed: Vec<DeviceKey> = fanout.went_by(by).filter(|device| is_missed(*device)).collect();
        for device in &missed {
            inside.ways.is_none(by, *device);
        }
        if fanout.leave_hubs(now.instant, |device, hub, _| hub == by && missed.contains(&device)) {
            self.push_fanout(id, text, now);
        }
    }

    /// What is not answered by way of one hub goes by way of another, and the client is told what it was not told yet.
    pub(super) fn tend_circulars(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let (mut again, mut untold) = (Vec::new(), Vec::new());
        for (text, fanout) in &mut room.fanouts {
            if fanout.leave_hubs(now.instant, |_, _, until| until <= now.instant) {
                again.push(*text);
            }
            if fanout.is_told_now(now.instant) {
                untold.push(*text);
            }
        }
        for text in again {
            self.push_fanout(id, text, now);
        }
        for text in untold {
            self.tell_fanout(id, text);
        }
    }
}
