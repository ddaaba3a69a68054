//! The member's part: entering with a welcome, and what is told of who has gone.

use super::entrance::Way;
use super::inside::Inside;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use room_order::CommitId;

use crate::api::{Event, RoomId, RoomSuite};
use crate::room::{GroupError, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

/// nobody asked the person.
pub(super) fn another_room() -> GroupError {
    GroupError::rule("the room that this device was in", "another of the same number")
}

impl Core {
    /// The welcome: every member's certificate is verified before one is in.
    pub(super) fn welcomed(
        &mut self,
        id: RoomId,
        host: &Person,
        session: SessionId,
        (welcome, epoch): (&[u8], Option<[u8; 32]>),
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !matches!(&room.part, Part::Entering { host: expected, way: Way::Welcome(_), .. } if expected.device == host.device)
        {
            return;
        }
        // What stands there meanwhile is replaced below, or closed.
        let asked = Part::Asked { host: host.clone(), suite: RoomSuite::default() };
        let part = std::mem::replace(&mut room.part, asked);
        let Part::Entering { way: Way::Welcome(joining), dropped, .. } = part else { return };
        let entered = match epoch {
            Some(epoch) => joining.enter((welcome, CommitId(epoch)), host.device, &*self.credentials, now),
            None => Err(GroupError::rule("a Welcome that names its epoch", "one of a former version of the program")),
        };
        // Nobody asked the person: what she returns to is what she was in.
        let returned = entered.and_then(|group| match dropped.is_none_or(|dropped| dropped.left.goes_on_as(&group)) {
            true => Ok(group),
            false => Err(another_room()),
        });
        match returned {
            Ok(group) => self.is_in(id, Inside::new(group, now), now),
            Err(error) => {
                self.send_room(session, &RoomFrame::Leave { room: id.0 });
                let reason = format!("the welcome was refused: {error}");
                self.error(
                    "room",
                    reason.clone(),
                    "tell the host; do not enter a room whose members cannot be verified",
                );
                self.close_room(id, &reason, now);
            }
        }
    }

    /// This device is in the room.
    pub(super) fn is_in(&mut self, id: RoomId, inside: Inside, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.name = inside.group.name().to_owned();
        room.part = Part::Inside(Box::new(inside));
        self.room_changed(id);
        self.beat_at_once(id, now);
        self.gather(id, now);
        self.take_early(id, now);
    }

    /// A member is gone; what is under way to her stays undelivered.
    pub(super) fn member_gone(&mut self, id: RoomId, person: &Person) {
        self.forget_typing_in_room(id, person.device);
        self.offers_nothing_more(id, person.device, "who offered it has left the room");
        if let Some(room) = self.rooms.get_mut(&id).filter(|room| room.is_open()) {
            room.texts.forget(person);
            let missed: Vec<u64> = room
                .fanouts
                .iter()
                .filter(|(_, fanout)| fanout.awaits_or_wrote_to(person.device))
                .map(|(text, _)| *text)
                .collect();
            for text in missed {
                self.room_text_missed(id, text, person.device, "left the room");
            }
        }
        if self.rooms.get(&id).is_some_and(Room::is_open) {
            self.emit(Event::RoomLeft { room: id, who: person.identifier.clone() });
        }
    }

    /// Everybody is told where this device is, and whom it hears.
    pub(super) fn beat_at_once(&mut self, id: RoomId, now: Now) {
        if let Some(beat) = self.beat_of(id, now) {
            self.say_to_all(id, &beat);
        }
    }
}
