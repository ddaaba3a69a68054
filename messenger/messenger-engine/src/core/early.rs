//! Room texts that come: those of an epoch to come wait for it, and each is opened once, however often and by whatever way it
//! comes.

use std::time::{Duration, Instant};

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use super::Core;
use super::early_places::Share;
use super::lapse::NOT_ACCEPTED;
use super::letters::Came;
use super::rooms::{Part, Room};
use crate::api::RoomId;
use crate::room::{DeviceKey, Group, GroupError};
use crate::time::Now;

/// How long a text of an epoch to come waits for the commit that overtook it on another stream or at another member.
const EARLY_LIFE: Duration = Duration::from_secs(2);
/// How many texts are known again that come once more: in letters, and then over a connection.
const KNOWN_AGAIN: usize = 4096;

/// How something came, from which device in which run of its program, and for which room.
pub(super) struct Arrived {
    pub(super) came: Came,
    pub(super) from: (DeviceKey, [u8; 8]),
    pub(super) room: RoomId,
}

/// A text that came before its epoch.
pub(super) struct Early {
    pub(super) came: Came,
    /// The device it is from, and the run of its program.
    pub(super) from: (DeviceKey, [u8; 8]),
    pub(super) message: Vec<u8>,
    /// Whose place it takes.
    pub(super) share: Share,
    until: Instant,
}

impl Early {
    /// When it is refused.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}

/// Which texts of a room were opened, by what was sealed; whose they are, and their ids: MLS opens each but once (RFC 9420 section 9.1), and one that went in a
/// letter is sent again where nobody knows what became of it.
pub(super) struct OpenedTexts(LruCache<[u8; 32], (DeviceKey, u64)>);

impl Default for OpenedTexts {
    fn default() -> Self {
        Self(LruCache::new(KNOWN_AGAIN.try_into().expect("not zero")))
    }
}

impl OpenedTexts {
    /// Under which id it was said, if it was opened before.
    fn id_of(&mut self, message: &[u8], by: DeviceKey) -> Option<u64> {
        self.0.get(&digest(message)).filter(|(device, _)| *device == by).map(|(_, id)| *id)
    }

    fn add(&mut self, message: &[u8], (by, id): (DeviceKey, u64)) {
        self.0.put(digest(message), (by, id));
    }
}

fn digest(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

impl Core {
    /// A room text came in from a device, in a run of its program: opened if it is of this epoch or a past one, kept a moment if it
    /// is of one to come.
    pub(super) fn room_text_arrived(
        &mut self,
        came: Came,
        from: (DeviceKey, [u8; 8]),
        id: RoomId,
        message: Vec<u8>,
        now: Now,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return self.refuse(came, "not in that room") };
        let early = match (&room.part, Group::epoch_of(&message)) {
            (Part::Asked { .. } | Part::Dropped(_), _) => return self.refuse(came, "not in that room"),
            _ if !room.is_open() => return self.refuse(came, "not in that room any more"),
            (_, Err(_)) => return self.refuse(came, "not a message of a room"),
            (Part::Entering { .. }, Ok(_)) => true,
            (Part::Inside(_), Ok(epoch)) => room.group().is_some_and(|group| epoch > group.epoch()),
        };
        if !early {
            return self.open_room_text(Arrived { came, from, room: id }, &message, now);
        }
        let share = room.share_of(came, from.0);
        if !room.has_early_place(share, from.0, message.len()) {
            return self.refuse(came, "too many texts of an epoch to come");
        }
        room.early.push_back(Early { came, from, message, share, until: now.instant + EARLY_LIFE });
    }

    fn open_room_text(&mut self, at: Arrived, message: &[u8], now: Now) {
        let Some(Room { part: Part::Inside(inside), opened: texts, .. }) = self.rooms.get_mut(&at.room) else {
            return self.refuse(at.came, "not in that room");
        };
        if let Some(said) = texts.id_of(message, at.from.0) {
            return self.comes_again(at, said);
        }
        if inside.lapsed.has(at.from.0) {
            return self.refuse(at.came, NOT_ACCEPTED);
        }
        match inside.group.open(message, at.from.0) {
            Ok(opened) => {
                texts.add(message, (at.from.0, opened.plaintext.id()));
                self.heard_in_room(at, opened, now);
            }
            Err(GroupError::UnknownKind) => self.refuse(at.came, "their messenger does not know this"),
            Err(error) => {
                tracing::debug!(%error, "a room text cannot be opened");
                self.refuse(at.came, "it cannot be opened in this epoch");
            }
        }
    }

    /// What was opened came once more: it is answered as it was the first time.
    pub(super) fn comes_again(&mut self, at: Arrived, said: u64) {
        if !self.overtakes_again(&at, said) {
            let Arrived { came, from, room } = at;
            self.show_from(came, from, (Some(room), said), |_| Err("it came before, and was refused"));
        }
    }

    /// Opens texts whose epoch has come, and refuses those whose time is up.
    pub(super) fn take_early(&mut self, id: RoomId, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Some(epoch) = room.group().map(Group::epoch) else { return };
        let is_due = |early: &Early| Group::epoch_of(&early.message).is_ok_and(|of| of <= epoch);
        let (due, waiting): (Vec<Early>, Vec<Early>) = std::mem::take(&mut room.early).into_iter().partition(is_due);
        let (late, waiting): (Vec<Early>, Vec<Early>) =
            waiting.into_iter().partition(|early| early.until <= now.instant);
        room.early = waiting.into();
        for early in due {
            let Early { came, from, message, .. } = early;
            self.open_room_text(Arrived { came, from, room: id }, &message, now);
        }
        for early in late {
            self.refuse(early.came, "the epoch it was sealed for did not come");
        }
    }
}
