//! How a person appears to those who may see her.

use super::Status;
use crate::limits::MAX_NOTE_BYTES;
use std::fmt;

/// How a device wants to appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Appearance {
    /// With this status, to the people of its audience.
    As(Status),
    /// Not at all. Watching, calling and being knocked at go on; a call shows one to its callee.
    Invisible,
}

/// What a device can be reached for: a set of bits, of which those that nobody knows yet are passed on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// Written words.
    pub const TEXT: Self = Self(1);
    /// Rooms.
    pub const ROOMS: Self = Self(2);
    /// Voice.
    pub const VOICE: Self = Self(4);
    /// Video.
    pub const VIDEO: Self = Self(8);
    /// Files.
    pub const FILES: Self = Self(16);
    /// A program answers, not a person.
    pub const BOT: Self = Self(32);

    /// Each known capability with its name.
    pub const NAMES: [(Self, &'static str); 6] = [
        (Self::TEXT, "text"),
        (Self::ROOMS, "rooms"),
        (Self::VOICE, "voice"),
        (Self::VIDEO, "video"),
        (Self::FILES, "files"),
        (Self::BOT, "bot"),
    ];

    /// What one or the other can.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the known ones.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(bit, _)| self.0 & bit.0 != 0).map(|(_, name)| name)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What is told beside the status.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Details {
    /// What the person can be reached for, on all devices that are visible together.
    pub capabilities: Capabilities,
    /// Seconds since she last used the device; 0 while she uses it.
    pub idle_s: u32,
    /// A few words of hers, at most [`MAX_NOTE_BYTES`]; empty if she says nothing.
    pub note: String,
}

impl Details {
    /// Whether the note is one that may be announced.
    pub fn note_is_acceptable(&self) -> bool {
        is_acceptable_note(&self.note)
    }
}

/// Whether a note may be announced: short, and one line without control characters. (Unicode's own separators of lines and
/// paragraphs, U+2028 and U+2029, are no control characters.)
pub fn is_acceptable_note(note: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    note.len() <= MAX_NOTE_BYTES && !note.contains(breaks)
}

/// What one person may know of another's presence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Not connected, unknown, or hidden from the asker: deliberately one value.
    Offline,
    /// Connected, and willing to let the asker know.
    Online(Status, Details),
}

impl Presence {
    /// Somebody who is there and says no more than how she is doing.
    pub fn plain(status: Status) -> Self {
        Self::Online(status, Details::default())
    }

    /// Whether the person is there, as far as the asker may know.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online(..))
    }

    /// The status of somebody who is there.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Offline => None,
            Self::Online(status, _) => Some(*status),
        }
    }

    pub(super) fn into_parts(self) -> (Option<Status>, Option<Details>) {
        match self {
            Self::Offline => (None, None),
            Self::Online(status, details) => (Some(status), Some(details)),
        }
    }

    /// From what a frame carries. A note that breaks the rules is left out: whoever shows it could not know better.
    pub(crate) fn from_parts(status: Option<Status>, details: Option<Details>) -> Self {
        let Some(status) = status else { return Self::Offline };
        let mut details = details.unwrap_or_default();
        if !details.note_is_acceptable() {
            details.note.clear();
        }
        Self::Online(status, details)
    }
}
