//! That somebody is writing in a room: told to the members who are connected, and forgotten by itself. It is not sealed, since
//! it is said to each over her own connection, and nobody has to be shown later who said it; it has no number, and nobody
//! answers it. In a large room it goes to whom no connection stands in a circular, which is signed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use identity::Identifier;

use super::rooms::Room;
use super::typing::{AGAIN, LIFE, PAUSE};
use super::{Core, SessionId};
use crate::api::{Event, RoomId};
use crate::room::DeviceKey;
use crate::time::Now;
use crate::wire::{TalkFrame, capability};

/// Who is writing in a room.
#[derive(Default)]
pub(super) struct RoomTyping {
    /// When it was told last that one is writing oneself; nothing if one is not.
    told: Option<Instant>,
    /// When it last went in a circular.
    spread: Option<Instant>,
    /// Members who have been writing: as many as there are, at most.
    writing: BTreeMap<DeviceKey, Writing>,
}

struct Writing {
    who: Identifier,
    /// Until when she counts as writing.
    until: Option<Instant>,
    /// When it began last.
    began: Instant,
}

impl RoomTyping {
    /// What one wrote is said: whoever shows it knows that one writes no more.
    pub(super) fn stopped_oneself(&mut self) {
        self.told = None;
    }

    /// When the next of them is forgotten.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.writing.values().filter_map(|writing| writing.until).min()
    }

    /// She writes no more; who she is, if she did.
    fn stops(&mut self, device: DeviceKey) -> Option<Identifier> {
        let writing = self.writing.get_mut(&device)?;
        writing.until.take().map(|_| writing.who.clone())
    }
}

impl Core {
    /// One is writing in a room, or no longer.
    pub(super) fn type_in_room(&mut self, id: RoomId, typing: bool, now: Now) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.is_open() && room.group().is_some()) else {
            return self.no_such_room("room_typing", id);
        };
        let told = &mut room.typing.told;
        let due = told.map_or(typing, |told| !typing || now.instant >= told + AGAIN);
        if self.settings.typing && due {
            *told = typing.then_some(now.instant);
            self.tell_typing_in(id, typing);
            if typing {
                self.spread_typing_in(id, now);
            }
        }
    }

    /// in a large room also to whom no session stands, however often one begins and ends no more often than this: each of them
    /// looks at a signature for it. That it is over is not told them.
    fn spread_typing_in(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get(&id).filter(|room| room.is_large()) else { return };
        if room.typing.spread.is_some_and(|spread| now.instant < spread + AGAIN) {
            return;
        }
        let Some(inside) = room.inside() else { return };
        let mut far: BTreeSet<DeviceKey> = inside.others().into_iter().collect();
        far.retain(|device| !inside.lapsed.has(*device) && self.session_to(*device).is_none());
        self.spread_typing(id, far);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.typing.spread = Some(now.instant);
        }
    }

    fn tell_typing_in(&mut self, id: RoomId, typing: bool) {
        let inside = self.rooms.get(&id).and_then(Room::inside);
        let mut others = inside.map(|inside| inside.others()).unwrap_or_default();
        others.retain(|device| inside.is_some_and(|inside| !inside.lapsed.has(*device)));
        for device in others {
            let Some(session) = self.session_to(device) else { continue };
            let listens =
                |link: &super::links::Link| link.session.shares(capability::TYPING) && !link.session.is_paused();
            if self.links.get(&session).is_some_and(listens) {
                self.send_talk(session, &TalkFrame::RoomTyping { room: id.0, typing });
            }
        }
    }

    /// One does not tell it any more.
    pub(super) fn stop_telling_of_typing_in_rooms(&mut self) {
        let told = |(id, room): (&RoomId, &mut Room)| room.typing.told.take().map(|_| *id);
        let rooms: Vec<RoomId> = self.rooms.iter_mut().filter_map(told).collect();
        for id in rooms {
            self.tell_typing_in(id, false);
        }
    }

    /// Somebody is writing in a room, or no longer, by her own word.
    pub(super) fn room_typing_arrived(&mut self, session: SessionId, id: RoomId, typing: bool, now: Now) {
        if let Some(device) = self.links.get(&session).map(|link| link.person.device) {
            self.is_typing_in_room(id, device, typing, now);
        }
    }

    /// The same, however it came; of who is no member nothing is told.
    pub(super) fn is_typing_in_room(&mut self, id: RoomId, device: DeviceKey, typing: bool, now: Now) {
        let Some(room) = self.rooms.get_mut(&id).filter(|room| room.is_open()) else { return };
        let author = room.group().and_then(|group| group.members().find(|person| person.device == device));
        let Some(who) = author.map(|person| person.identifier.clone()) else { return };
        if !typing || room.inside().is_some_and(|inside| inside.lapsed.has(device)) {
            return self.stops_typing_in_room(id, device);
        }
        let until = Some(now.instant + LIFE);
        match room.typing.writing.get_mut(&device) {
            Some(writing) if writing.until.is_some() => writing.until = until,
            Some(writing) if now.instant < writing.began + PAUSE => {}
            _ => {
                let writing = Writing { who: who.clone(), until, began: now.instant };
                room.typing.writing.insert(device, writing);
                self.emit(Event::RoomTyping { room: id, who, typing: true });
            }
        }
    }

    /// She writes no more; told if she did.
    pub(super) fn stops_typing_in_room(&mut self, id: RoomId, device: DeviceKey) {
        if let Some(who) = self.rooms.get_mut(&id).and_then(|room| room.typing.stops(device)) {
            self.emit(Event::RoomTyping { room: id, who, typing: false });
        }
    }

    /// Nobody hears from her device any more.
    pub(super) fn stops_typing_in_rooms(&mut self, device: DeviceKey) {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in rooms {
            self.stops_typing_in_room(id, device);
        }
    }

    /// She is a member no more.
    pub(super) fn forget_typing_in_room(&mut self, id: RoomId, device: DeviceKey) {
        self.stops_typing_in_room(id, device);
        if let Some(room) = self.rooms.get_mut(&id) {
            room.typing.writing.remove(&device);
        }
    }

    pub(super) fn expire_typing_in(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return };
        let over = |writing: &Writing| writing.until.is_some_and(|until| until <= now.instant);
        let late: Vec<DeviceKey> =
            room.typing.writing.iter().filter(|(_, writing)| over(writing)).map(|(device, _)| *device).collect();
        for device in late {
            self.stops_typing_in_room(id, device);
        }
    }
}
