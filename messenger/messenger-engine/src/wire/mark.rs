//! What is said about texts, and what is no text: reactions, changes, a nudge, a receipt, a conversation that moves, what is
//! said about files.

use minicbor::{Decode, Encode};

use super::{FileWord, capability};
use crate::{MAX_EMOJI_BYTES, MAX_TEXT_BYTES};

/// Most texts that one receipt names.
pub const MAX_READ: usize = 256;

/// Who wrote a text, as the frame's sender sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Author {
    /// The sender of the frame.
    #[n(0)]
    Sender,
    /// Its receiver.
    #[n(1)]
    Receiver,
}

/// A text of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Target {
    /// Who wrote it.
    #[n(0)]
    pub author: Author,
    /// Its author's id for it.
    #[n(1)]
    pub id: u64,
}

/// What is sent under a number and is no text. Only to who said that she takes it.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Mark {
    /// The sender's reaction to a text: it replaces her last one, and an empty one takes it away.
    #[n(0)]
    Reaction {
        /// The text.
        #[n(0)]
        on: Target,
        /// At most [`MAX_EMOJI_BYTES`], none that `is_emoji` does not take.
        #[n(1)]
        emoji: String,
    },
    /// The sender asks to show another text in place of one of hers.
    #[n(1)]
    Edit {
        /// Her id for it.
        #[n(0)]
        of: u64,
        /// The other text; at most [`MAX_TEXT_BYTES`].
        #[n(1)]
        text: String,
    },
    /// The sender asks to delete one of her texts.
    #[n(2)]
    Delete {
        /// Her id for it.
        #[n(0)]
        of: u64,
    },
    /// The sender wants to be noticed.
    #[n(3)]
    Nudge,
    /// The person has seen these texts of the receiver's. Only to who wants receipts and gives them.
    #[n(4)]
    Read {
        /// The receiver's ids for them; at least one, at most [`MAX_READ`].
        #[n(0)]
        ids: Vec<u64>,
    },
    /// The sender's person goes on with the conversation on the sending device. Only to who has [`capability::MOVES`].
    #[n(5)]
    Here,
    /// The receiver's person has said so on another device of hers. Only to who has [`capability::MOVES`].
    #[n(6)]
    Elsewhere,
    /// About a file or a folder. Only to who has [`capability::FILES`].
    #[n(7)]
    File {
        /// Which transfer.
        #[cbor(n(0), with = "minicbor::bytes")]
        transfer: [u8; 16],
        /// What.
        #[n(1)]
        word: FileWord,
    },
    /// The sender's person keeps a history of this conversation from now on, or no longer. Only to who has
    /// [`capability::HISTORY`].
    #[n(8)]
    Keeps {
        /// Whether.
        #[n(0)]
        keeps: bool,
    },
}

impl Mark {
    /// What the other side must have said that it takes.
    pub const fn needs(&self) -> u64 {
        match self {
            Self::Here | Self::Elsewhere => capability::MARKS | capability::MOVES,
            Self::Read { .. } => capability::MARKS | capability::READ,
            Self::File { .. } => capability::MARKS | capability::FILES,
            Self::Keeps { .. } => capability::MARKS | capability::HISTORY,
            _ => capability::MARKS,
        }
    }

    /// Whether every part is within its limit.
    pub fn is_bounded(&self) -> bool {
        match self {
            Self::Reaction { emoji, .. } => emoji.len() <= MAX_EMOJI_BYTES,
            Self::Edit { text, .. } => text.len() <= MAX_TEXT_BYTES,
            Self::Read { ids } => (1..=MAX_READ).contains(&ids.len()),
            Self::File { word, .. } => word.is_bounded(),
            Self::Delete { .. } | Self::Nudge | Self::Here | Self::Elsewhere | Self::Keeps { .. } => true,
        }
    }

    /// The kind's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reaction { .. } => "reaction",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::Nudge => "nudge",
            Self::Read { .. } => "read",
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
            Self::File { word, .. } => word.name(),
            Self::Keeps { .. } => "keeps",
        }
    }
}

/// Without content.
impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether this can stand under a text as a reaction: short, and nothing in it that controls or separates. What shows it
/// makes it harmless all the same.
pub fn is_emoji(text: &str) -> bool {
    text.len() <= MAX_EMOJI_BYTES && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Channel, TalkFrame, decode, encode};

    #[test]
    fn the_bytes_of_marks() {
        let mark = |mark| encode(&TalkFrame::Mark { number: 5, id: 7, mark }, Channel::Talk).unwrap();
        let cases: [(Mark, &[u8]); 9] = [
            (
                Mark::Reaction { on: Target { author: Author::Receiver, id: 9 }, emoji: "👍".into() },
                // a reaction, to text 9 of the receiver's, four bytes
                &[0x83, 0x00, 0x82, 0x01, 0x09, 0x64, 0xf0, 0x9f, 0x91, 0x8d],
            ),
            // text 9, one byte
            (Mark::Edit { of: 9, text: "x".into() }, &[0x83, 0x01, 0x09, 0x61, b'x']),
            (Mark::Delete { of: 9 }, &[0x82, 0x02, 0x09]),
            (Mark::Nudge, &[0x81, 0x03]),
            (Mark::Read { ids: vec![1, 2] }, &[0x82, 0x04, 0x82, 0x01, 0x02]),
            (Mark::Here, &[0x81, 0x05]),
            (Mark::Elsewhere, &[0x81, 0x06]),
            (Mark::Keeps { keeps: true }, &[0x82, 0x08, 0xf5]),
            (Mark::Keeps { keeps: false }, &[0x82, 0x08, 0xf4]),
        ];
        for (one, expected) in cases {
            let bytes = mark(one.clone());
            // length 256; array of 4: kind 6, number 5, id 7
            assert_eq!(bytes[..8], [0x00, 0x00, 0x01, 0x00, 0x84, 0x06, 0x05, 0x07], "{one:?}");
            assert_eq!(bytes[8..][..expected.len()], *expected, "{one:?}");
            assert!(bytes[8 + expected.len()..].iter().all(|byte| *byte == 0), "{one:?}");
            assert_eq!(decode(&bytes[4..]), Ok(Some(TalkFrame::Mark { number: 5, id: 7, mark: one })));
        }
    }

    #[test]
    fn limits() {
        let on = Target { author: Author::Sender, id: 1 };
        let largest = [
            Mark::Reaction { on, emoji: "x".repeat(MAX_EMOJI_BYTES) },
            Mark::Edit { of: 1, text: "x".repeat(MAX_TEXT_BYTES) },
            Mark::Read { ids: vec![u64::MAX; MAX_READ] },
        ];
        for mark in largest {
            assert!(mark.is_bounded(), "{mark:?}");
            assert!(encode(&TalkFrame::Mark { number: u64::MAX, id: u64::MAX, mark }, Channel::Talk).is_ok());
        }
        assert!(!Mark::Reaction { on, emoji: "x".repeat(MAX_EMOJI_BYTES + 1) }.is_bounded());
        assert!(!Mark::Edit { of: 1, text: "x".repeat(MAX_TEXT_BYTES + 1) }.is_bounded());
        assert!(!Mark::Read { ids: vec![1; MAX_READ + 1] }.is_bounded());
        assert!(!Mark::Read { ids: Vec::new() }.is_bounded());
    }

    #[test]
    fn what_can_be_a_reaction() {
        for good in ["", "👍", "👩‍👩‍👧‍👦", "❤️", ":-)", "ok"] {
            assert!(is_emoji(good), "{good}");
        }
        for bad in ["a b", "\u{1b}[2J", "\n", "x\u{0}", &"x".repeat(MAX_EMOJI_BYTES + 1)] {
            assert!(!is_emoji(bad), "{bad:?}");
        }
    }
}
