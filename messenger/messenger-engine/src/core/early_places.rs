//! Whose place a text takes that waits for an epoch to come: each author has places of her own, so that whoever fills hers takes
//! nobody else's.
//!
//! Of whom this device does not know that she is in the room, since she may have come in by what is not followed here yet, nobody
//! says who she is: any number of keys is quickly made. What is by such, and somebody has passed on, takes places of hers who did.

use super::early::Early;
use super::letters::Came;
use super::rooms::Room;
use crate::room::DeviceKey;

/// How many texts of one author wait in a room.
const OF_ONE: usize = 64;
/// How many bytes: the longest text twice, and whatever else there is of each.
const OF_ONE_BYTES: usize = 2 * 64 * 1024 + OF_ONE * BESIDE_BYTES;
/// How many texts wait of one whom nobody knows, of all that one device has passed on.
const OF_STRANGER: usize = 16;
/// How many bytes of all authors: those of fifty who fill theirs.
const OF_ALL_BYTES: usize = 8 * 1024 * 1024;
/// What is kept of a text beside its bytes, at most.
const BESIDE_BYTES: usize = 256;

/// Whose places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Its author's.
    Author(DeviceKey),
    /// Those of a device that passes on what is by whom nobody knows here.
    Carrier(DeviceKey),
}

impl Room {
    /// Whose places a text takes that came so, and is by this device.
    pub(super) fn share_of(&self, came: Came, author: DeviceKey) -> Share {
        let is_known = || self.group().is_some_and(|group| group.has(author));
        match came {
            Came::Numbered { .. } => Share::Author(author),
            Came::Enclosed { .. } | Came::Spread { .. } if is_known() => Share::Author(author),
            Came::Enclosed { by, .. } | Came::Spread { by, .. } => Share::Carrier(by),
        }
    }

    /// Whether there is a place for another text of an epoch to come.
    pub(super) fn has_early_place(&self, share: Share, author: DeviceKey, bytes: usize) -> bool {
        let (mut of_all, mut of_share, mut of_stranger, mut texts) = (0, 0, 0, 0);
        for early in &self.early {
            let bytes = early.bytes() + BESIDE_BYTES;
            of_all += bytes;
            if early.share == share {
                (of_share, texts) = (of_share + bytes, texts + 1);
                of_stranger += usize::from(early.author() == author);
            }
        }
        let bytes = bytes.saturating_add(BESIDE_BYTES);
        let fits = of_all + bytes <= OF_ALL_BYTES && of_share + bytes <= OF_ONE_BYTES && texts < OF_ONE;
        fits && (matches!(share, Share::Author(_)) || of_stranger < OF_STRANGER)
    }
}

impl Early {
    fn bytes(&self) -> usize {
        self.message.len()
    }

    fn author(&self) -> DeviceKey {
        self.from.0
    }
}
