//! Which of two rooms that were one the devices go on in (rules ).

use std::cmp::{Ordering, Reverse};

use crate::Rules;

/// A group identifier, chosen at random when a room begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 16]);

/// What a room was when it began. It never changes, it stands in the group's context, and rooms are compared by it
/// alone: what changes (who is in a room now) two devices may know differently, and then change places for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Birth {
    /// The room itself.
    pub room: RoomId,
    /// The room it all began with: only rooms with the same one are ever compared.
    pub root: RoomId,
    /// How many splits lie between them: 0 is the root itself.
    pub splits: u32,
    /// How many devices founded it.
    pub founders: u32,
}

impl Birth {
    /// A room that begins as one.
    #[must_use]
    pub fn root(room: RoomId) -> Self {
        Self { room, root: room, splits: 0, founders: 1 }
    }

    /// A room of those who cannot reach a quorum any more.
    #[must_use]
    pub fn split<R: Rules>(&self, room: RoomId, founders: u32) -> Self {
        Self { room, root: self.root, splits: self.splits.saturating_add(u32::from(R::MARK_SPLITS)), founders }
    }

    /// Whether people are told that this room is a part of another.
    #[must_use]
    pub fn is_split(&self) -> bool {
        self.splits > 0
    }

    /// Whether a device of this room goes over to `other`, having met one of its devices. `sizes` are how many are in
    /// this room and in the other, as far as this device knows; a rule that looked at them would be wrong.
    #[must_use]
    pub fn yields_to<R: Rules>(&self, other: &Self, sizes: (u32, u32)) -> bool {
        if !R::GO_OVER || self.root != other.root || self.room == other.room {
            return false;
        }
        if !R::PREFER_BY_BIRTH && sizes.0 != sizes.1 {
            return sizes.1 > sizes.0;
        }
        self.rank().cmp(&other.rank()) == Ordering::Greater
    }

    fn rank(&self) -> (u32, Reverse<u32>, RoomId) {
        (self.splits, Reverse(self.founders), self.room)
    }
}
