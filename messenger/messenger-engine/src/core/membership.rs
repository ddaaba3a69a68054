//! The member's part: verify what the host says, follow, report.

use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, RoomId};
use crate::room::{Changed, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

impl Core {
    /// The welcome: every member's certificate is verified before one is in.
    pub(super) fn welcomed(&mut self, id: RoomId, host: &Person, session: SessionId, welcome: &[u8], now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !matches!(&room.part, Part::Entering { host: expected, .. } if expected.device == host.device) {
            return;
        }
        let Part::Entering { joining, .. } = std::mem::replace(&mut room.part, Part::Asked { host: host.clone() })
        else {
            return;
        };
        match joining.enter(welcome, host.device, &*self.credentials, now) {
            Ok(group) => {
                room.name = group.name().to_owned();
                let (epoch, digest) = (group.epoch(), group.digest());
                room.part = Part::Member(Box::new(group));
                self.send_room(session, &RoomFrame::Reached { room: id.0, epoch, digest });
                self.room_changed(id);
                self.gather(id, now);
                self.take_early(id, now);
            }
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

    /// The host's commit: staged, verified, and only then merged.
    pub(super) fn commit_arrived(&mut self, id: RoomId, host: &Person, epoch: u64, commit: &[u8], now: Now) {
        let credentials = self.credentials.clone();
        let Some(Room { part: Part::Member(group), .. }) = self.rooms.get_mut(&id) else { return };
        if group.host().device != host.device || group.epoch() != epoch {
            return;
        }
        match group.follow(commit, &*credentials, now) {
            Ok(Changed { myself_removed: true, .. }) => self.close_room(id, "the host removed you", now),
            Ok(changed) => {
                let frame = RoomFrame::Reached { room: id.0, epoch: group.epoch(), digest: group.digest() };
                self.say(host.device, &frame);
                for person in changed.removed {
                    self.member_gone(id, &person);
                }
                self.room_changed(id);
                self.take_early(id, now);
            }
            Err(error) => {
                self.say(host.device, &RoomFrame::Leave { room: id.0 });
                let reason = format!("this device refused a change that the host made: {error}");
                self.error("room", reason.clone(), "ask the host whom or what she added");
                self.close_room(id, &reason, now);
            }
        }
    }

    /// A member is gone; what is under way to her stays undelivered.
    pub(super) fn member_gone(&mut self, id: RoomId, person: &Person) {
        if let Some(room) = self.rooms.get_mut(&id) {
            let missed: Vec<u64> =
                room.fanouts.iter().filter(|(_, fanout)| fanout.awaits(person.device)).map(|(text, _)| *text).collect();
            for text in missed {
                self.room_text_missed(id, text, person.device, "left the room");
            }
        }
        self.emit(Event::RoomLeft { room: id, who: person.identifier.clone() });
    }
}
