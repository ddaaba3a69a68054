//! What is said about a text that has not come yet: somebody who has read it already may be quicker, and so may what comes over a
//! connection than what is in a letter. It waits a moment for that text (rule R-26 of docs/spec/rooms.md).

use std::time::{Duration, Instant};

use super::Core;
use super::early::Arrived;
use super::letters::Came;
use super::rooms::Room;
use crate::api::RoomId;
use crate::room::Opened;
use crate::time::Now;
use crate::wire::RoomPlaintext;

/// How long.
const LIFE: Duration = Duration::from_secs(2);
/// How many of them per room.
const MAX_WAITING: usize = 64;
/// In how many ways the same one is answered.
const MAX_AGAIN: usize = 16;

/// A mark whose text is not known.
pub(super) struct Overtaking {
    at: Arrived,
    opened: Opened,
    until: Instant,
    /// It came again meanwhile.
    again: Vec<Came>,
}

impl Overtaking {
    /// When it is refused.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// How it came, and came again.
    pub(super) fn came(self) -> impl Iterator<Item = Came> {
        std::iter::once(self.at.came).chain(self.again)
    }
}

impl Core {
    /// A member has sealed something: it is told, or waits for the text that it is about.
    pub(super) fn heard_in_room(&mut self, at: Arrived, opened: Opened, now: Now) {
        let id = at.room;
        let is_text = matches!(opened.plaintext, RoomPlaintext::Text { .. });
        let waits = !self.knows_what_it_is_about(id, &opened);
        match self.rooms.get_mut(&id) {
            Some(room) if waits && room.overtaking.len() < MAX_WAITING => {
                let until = now.instant + LIFE;
                room.overtaking.push_back(Overtaking { at, opened, until, again: Vec::new() });
            }
            _ => self.tell_heard(at, opened),
        }
        if is_text {
            self.tell_overtaking(id, now);
        }
    }

    /// The same came again. Returns whether it waits for its text.
    pub(super) fn overtakes_again(&mut self, at: &Arrived, said: u64) -> bool {
        let Some(room) = self.rooms.get_mut(&at.room) else { return false };
        let is_same = |one: &&mut Overtaking| one.at.from == at.from && one.opened.plaintext.id() == said;
        let Some(one) = room.overtaking.iter_mut().find(is_same) else { return false };
        if one.again.len() < MAX_AGAIN {
            one.again.push(at.came);
        }
        true
    }

    /// Tells what is about texts that have come, and refuses what has waited too long.
    pub(super) fn tell_overtaking(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let waiting = std::mem::take(&mut room.overtaking);
        let (due, waiting): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|one| one.until <= now.instant || self.knows_what_it_is_about(id, &one.opened));
        if let Some(room) = self.rooms.get_mut(&id) {
            room.overtaking = waiting.into();
        }
        for Overtaking { at, opened, again, .. } in due {
            let (from, said) = (at.from, opened.plaintext.id());
            self.tell_heard(at, opened);
            for came in again {
                self.comes_again(Arrived { came, from, room: id }, said);
            }
        }
    }

    /// Whether what a mark is about is known here; a text is about nothing.
    fn knows_what_it_is_about(&self, id: RoomId, opened: &Opened) -> bool {
        let RoomPlaintext::Mark { mark, .. } = &opened.plaintext else { return true };
        let is_member = self.rooms.get(&id).and_then(Room::group).is_some();
        !is_member || self.named_in_room(id, &mark.about(opened.sender.device.0)).is_some()
    }
}
