//! What members of a room say to each other, sealed as MLS application messages: texts, what is said about them, and in a large
//! room which files there are to be had.

use minicbor::{Decode, Encode};

use super::{Outline, is_emoji};
use crate::{MAX_EMOJI_BYTES, MAX_TEXT_BYTES};

/// The largest id that anything said in a room may have: JSON numbers are exact up to here in every language.
pub const MAX_ROOM_TEXT_ID: u64 = (1 << 53) - 1;

/// What an MLS application message of a room carries: a CBOR array of its kind and its members. Members that a later
/// version appends are ignored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum RoomPlaintext {
    /// A text.
    #[n(0)]
    Text {
        /// The sender's id for it; unique among what her device says in the room.
        #[n(0)]
        id: u64,
        /// The greatest count of its epoch that the sender knew (rule R-25); its own count is the next.
        #[n(1)]
        seen: u32,
        /// The text.
        #[n(2)]
        text: String,
        /// The text that it answers, if it answers one.
        #[n(3)]
        reply: Option<RoomTarget>,
    },
    /// What is said about a text.
    #[n(1)]
    Mark {
        /// As in `Text`.
        #[n(0)]
        id: u64,
        /// As in `Text`.
        #[n(1)]
        seen: u32,
        /// What.
        #[n(2)]
        mark: RoomMark,
    },
    /// What is said of a file or folder that is offered to all in a large room (rules ).
    #[n(2)]
    File {
        /// As in `Text`.
        #[n(0)]
        id: u64,
        /// As in `Text`.
        #[n(1)]
        seen: u32,
        /// What.
        #[n(2)]
        said: RoomFile,
    },
}

/// What is said to all of something that the sender's device has to give. Whoever wants it asks that device itself.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum RoomFile {
    /// It is to be had.
    #[n(0)]
    Offer {
        /// By which it is asked for.
        #[cbor(n(0), with = "minicbor::bytes")]
        offer: [u8; 16],
        /// What.
        #[n(1)]
        what: Outline,
    },
    /// It is to be had no longer.
    #[n(1)]
    Withdrawn {
        /// Which.
        #[cbor(n(0), with = "minicbor::bytes")]
        offer: [u8; 16],
    },
}

/// A text of a member's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RoomTarget {
    /// The key of the device that sealed it.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub device: [u8; 32],
    /// That device's id for it.
    #[n(1)]
    pub id: u64,
}

/// What is said about a text in a room.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum RoomMark {
    /// The sender's reaction to a text: it replaces her last one, and an empty one takes it away.
    #[n(0)]
    Reaction {
        /// The text.
        #[n(0)]
        on: RoomTarget,
        /// At most [`MAX_EMOJI_BYTES`], none that `is_emoji` does not take.
        #[n(1)]
        emoji: String,
    },
    /// The sender asks to show another text in place of one that the same device has sealed: it can name no other (rule R-26).
    #[n(1)]
    Edit {
        /// Its id for it.
        #[n(0)]
        of: u64,
        /// The other text; at most [`MAX_TEXT_BYTES`].
        #[n(1)]
        text: String,
    },
    /// The sender asks to delete a text that the same device has sealed.
    #[n(2)]
    Delete {
        /// Its id for it.
        #[n(0)]
        of: u64,
    },
}

impl RoomMark {
    /// The text that it is about, where this device has sealed it.
    pub fn about(&self, sealed_by: [u8; 32]) -> RoomTarget {
        match self {
            Self::Reaction { on, .. } => *on,
            Self::Edit { of, .. } | Self::Delete { of } => RoomTarget { device: sealed_by, id: *of },
        }
    }
}

impl RoomPlaintext {
    /// What is not within its limit, if anything is not.
    pub fn out_of_bounds(&self) -> Option<&'static str> {
        let (id, long) = match self {
            Self::Text { id, text, .. } => (*id, text.len() > MAX_TEXT_BYTES),
            Self::Mark { id, mark: RoomMark::Edit { text, .. }, .. } => (*id, text.len() > MAX_TEXT_BYTES),
            Self::Mark { id, mark: RoomMark::Reaction { emoji, .. }, .. } => (*id, emoji.len() > MAX_EMOJI_BYTES),
            Self::Mark { id, .. } | Self::File { id, .. } => (*id, false),
        };
        let outline = matches!(self, Self::File { said: RoomFile::Offer { what, .. }, .. } if !what.is_bounded());
        let emoji = matches!(self, Self::Mark { mark: RoomMark::Reaction { emoji, .. }, .. } if !is_emoji(emoji));
        let problems =
            [(id > MAX_ROOM_TEXT_ID, "its id"), (long, "its length"), (emoji, "its emoji"), (outline, "its outline")];
        problems.into_iter().find_map(|(wrong, what)| wrong.then_some(what))
    }

    /// The sender's id for it.
    pub fn id(&self) -> u64 {
        let (Self::Text { id, .. } | Self::Mark { id, .. } | Self::File { id, .. }) = self;
        *id
    }

    /// The greatest count of its epoch that the sender knew.
    pub fn seen(&self) -> u32 {
        let (Self::Text { seen, .. } | Self::Mark { seen, .. } | Self::File { seen, .. }) = self;
        *seen
    }

    /// The kind's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Mark { mark: RoomMark::Reaction { .. }, .. } => "reaction",
            Self::Mark { mark: RoomMark::Edit { .. }, .. } => "edit",
            Self::Mark { mark: RoomMark::Delete { .. }, .. } => "delete",
            Self::File { said: RoomFile::Offer { .. }, .. } => "offer",
            Self::File { said: RoomFile::Withdrawn { .. }, .. } => "withdrawn",
        }
    }
}

/// Without content.
impl std::fmt::Debug for RoomPlaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomPlaintext {{ {}, id: {}, seen: {} }}", self.name(), self.id(), self.seen())
    }
}

/// Without content.
impl std::fmt::Debug for RoomMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reaction { .. } => "reaction",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(mark: RoomMark) -> RoomPlaintext {
        RoomPlaintext::Mark { id: 7, seen: 3, mark }
    }

    fn file(said: RoomFile) -> RoomPlaintext {
        RoomPlaintext::File { id: 7, seen: 3, said }
    }

    fn outline(name: &str) -> Outline {
        Outline { name: name.into(), folder: false, files: 1, bytes: 9, media_type: None, room: None }
    }

    #[test]
    fn the_bytes_of_what_is_said_in_a_room() {
        let on = RoomTarget { device: [0xde; 32], id: 9 };
        let target = [&[0x82, 0x58, 0x20][..], &[0xde; 32], &[0x09]].concat(); // [a device of 32 bytes, 9]
        let plain = RoomPlaintext::Text { id: 7, seen: 3, text: "x".into(), reply: None };
        let answer = RoomPlaintext::Text { id: 7, seen: 3, text: "x".into(), reply: Some(on) };
        let cases = [
            (plain, vec![0x84, 0x00, 0x07, 0x03, 0x61, b'x']),
            (answer, [&[0x85, 0x00, 0x07, 0x03, 0x61, b'x'][..], &target].concat()),
            (
                mark(RoomMark::Reaction { on, emoji: "👍".into() }),
                [&[0x84, 0x01, 0x07, 0x03, 0x83, 0x00][..], &target, &[0x64, 0xf0, 0x9f, 0x91, 0x8d]].concat(),
            ),
            (
                mark(RoomMark::Edit { of: 9, text: "x".into() }),
                vec![0x84, 0x01, 0x07, 0x03, 0x83, 0x01, 0x09, 0x61, b'x'],
            ),
            (mark(RoomMark::Delete { of: 9 }), vec![0x84, 0x01, 0x07, 0x03, 0x82, 0x02, 0x09]),
            // [the offer of 16 bytes, [name, no folder, one file, nine bytes]]
            (
                file(RoomFile::Offer { offer: [0xab; 16], what: outline("tea") }),
                [
                    &[0x84, 0x02, 0x07, 0x03, 0x83, 0x00, 0x50][..],
                    &[0xab; 16],
                    &[0x84, 0x63, b't', b'e', b'a', 0xf4, 0x01, 0x09],
                ]
                .concat(),
            ),
            (
                file(RoomFile::Withdrawn { offer: [0xab; 16] }),
                [&[0x84, 0x02, 0x07, 0x03, 0x82, 0x01, 0x50][..], &[0xab; 16]].concat(),
            ),
        ];
        for (plaintext, bytes) in cases {
            assert_eq!(minicbor::to_vec(&plaintext).unwrap(), bytes, "{plaintext:?}");
            assert_eq!(minicbor::decode::<RoomPlaintext>(&bytes).unwrap(), plaintext);
        }
    }

    #[test]
    fn unknown_kinds_are_known_as_such_and_unknown_members_ignored() {
        let kinds = [&[0x84, 0x09, 0x07, 0x03, 0x00][..], &[0x84, 0x01, 0x07, 0x03, 0x82, 0x09, 0x00]];
        for unknown in kinds.into_iter().chain([&[0x84, 0x02, 0x07, 0x03, 0x82, 0x09, 0x00][..]]) {
            assert!(minicbor::decode::<RoomPlaintext>(unknown).unwrap_err().is_unknown_variant(), "{unknown:x?}");
        }
        // A text that answers none, with a member of a later version.
        let later = [0x86, 0x00, 0x07, 0x03, 0x61, b'x', 0xf6, 0x00];
        let plain = RoomPlaintext::Text { id: 7, seen: 3, text: "x".into(), reply: None };
        assert_eq!(minicbor::decode::<RoomPlaintext>(&later).unwrap(), plain);
        // What texts were in the fourth version of rooms.
        assert!(minicbor::decode::<RoomPlaintext>(&[0x82, 0x07, 0x61, b'x']).is_err());
        // A count that no epoch comes to.
        let vast = [&[0x84, 0x00, 0x07, 0x1b][..], &[0xff; 8], &[0x61, b'x']].concat();
        assert!(minicbor::decode::<RoomPlaintext>(&vast).is_err());
    }

    #[test]
    fn limits() {
        let text = |id, length| RoomPlaintext::Text { id, seen: u32::MAX, text: "x".repeat(length), reply: None };
        let on = RoomTarget { device: [1; 32], id: u64::MAX };
        let reaction = |emoji: String| mark(RoomMark::Reaction { on, emoji });
        for good in [
            text(MAX_ROOM_TEXT_ID, MAX_TEXT_BYTES),
            reaction("x".repeat(MAX_EMOJI_BYTES)),
            reaction(String::new()),
            mark(RoomMark::Edit { of: u64::MAX, text: "x".repeat(MAX_TEXT_BYTES) }),
            mark(RoomMark::Delete { of: 0 }),
            file(RoomFile::Offer { offer: [1; 16], what: outline(&"x".repeat(255)) }),
        ] {
            assert_eq!(good.out_of_bounds(), None, "{good:?}");
        }
        for (bad, what) in [
            (text(MAX_ROOM_TEXT_ID + 1, 1), "its id"),
            (RoomPlaintext::Mark { id: u64::MAX, seen: 0, mark: RoomMark::Delete { of: 0 } }, "its id"),
            (text(1, MAX_TEXT_BYTES + 1), "its length"),
            (reaction("x".repeat(MAX_EMOJI_BYTES + 1)), "its length"),
            (reaction("\u{1b}[2J".into()), "its emoji"),
            (mark(RoomMark::Edit { of: 1, text: "x".repeat(MAX_TEXT_BYTES + 1) }), "its length"),
            (file(RoomFile::Offer { offer: [1; 16], what: outline(&"x".repeat(256)) }), "its outline"),
        ] {
            assert_eq!(bad.out_of_bounds(), Some(what), "{bad:?}");
        }
    }
}
