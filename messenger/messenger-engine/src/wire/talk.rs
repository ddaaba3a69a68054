//! Frames of the talk channel.

use minicbor::{Decode, Encode};

use super::{MailChain, Mark, Target, Views, Vouchers};

/// Bits of `Hello`'s capabilities.
pub mod capability {
    /// Takes texts.
    pub const TEXT: u64 = 1;
    /// Takes invitations to rooms.
    pub const ROOMS: u64 = 2;
    /// A program answers, not a person. Bots do not answer bots.
    pub const BOT: u64 = 4;
    /// Takes views of logs and policies.
    pub const GOSSIP: u64 = 8;
    /// Goes on with a session on another connection.
    pub const RESUME: u64 = 16;
    /// Takes marks: reactions, edits, deletions, nudges.
    pub const MARKS: u64 = 32;
    /// Takes the word that somebody is typing.
    pub const TYPING: u64 = 64;
    /// Wants to know what was read, and tells it.
    pub const READ: u64 = 128;
    /// Takes the marks of who goes on at another device.
    pub const MOVES: u64 = 256;
    /// Takes files.
    pub const FILES: u64 = 512;
    /// Keeps a history of this conversation.
    pub const KEEPS: u64 = 1024;
    /// Takes the mark of who keeps one from now on, or no longer.
    pub const HISTORY: u64 = 2048;
    /// Takes certificates for mail.
    pub const MAIL: u64 = 4096;
}

/// A frame of the talk channel: a CBOR array of its kind and its members. Members that a later version appends are
/// ignored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum TalkFrame {
    /// The first frame of each side.
    #[n(0)]
    Hello {
        /// The newest version the sender speaks; the lower of both is spoken.
        #[n(0)]
        version: u16,
        /// Drawn at random when the sender's program started: message ids are unique within it.
        #[cbor(n(1), with = "minicbor::bytes")]
        run: [u8; 8],
        /// See [`capability`].
        #[n(2)]
        capabilities: u64,
        /// The session that goes on here; absent if a new one begins.
        #[n(3)]
        resume: Option<Resume>,
        /// What other devices of the sender's person say of this one; absent if there is nothing.
        #[n(4)]
        endorsements: Option<Vouchers>,
    },
    /// A one-to-one text.
    #[n(1)]
    Text {
        /// Counts texts, room texts and marks of this side in this session, from 1, without a gap.
        #[n(0)]
        number: u64,
        /// The sender's id: the same when she sends the same text again.
        #[n(1)]
        id: u64,
        /// The text.
        #[n(2)]
        text: String,
        /// The text that it answers, if it answers one.
        #[n(3)]
        reply: Option<Target>,
    },
    /// A room text: an MLS PrivateMessage (RFC 9420 section 6.3) whose plaintext is a [`super::RoomPlaintext`].
    #[n(2)]
    RoomText {
        /// As in `Text`.
        #[n(0)]
        number: u64,
        /// The room.
        #[cbor(n(1), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(2), with = "minicbor::bytes")]
        message: Vec<u8>,
    },
    /// What the sender's application has taken or refused.
    #[n(3)]
    Ack {
        /// At most 256.
        #[n(0)]
        acks: Vec<Ack>,
    },
    /// What the sender has seen of the logs and policies that both trust. Only to who said that she takes it.
    #[n(4)]
    Views {
        /// At most 8 checkpoints, 8 policies and 2 contradictions.
        #[n(0)]
        views: Views,
    },
    /// How many frames of the other side's room channel have come in, since the session began. Only to who resumes.
    #[n(5)]
    RoomFrames {
        /// The count.
        #[n(0)]
        count: u64,
    },
    /// What is said about texts, and what is no text. Only to who said that she takes it.
    #[n(6)]
    Mark {
        /// As in `Text`.
        #[n(0)]
        number: u64,
        /// As in `Text`.
        #[n(1)]
        id: u64,
        /// What.
        #[n(2)]
        mark: Mark,
    },
    /// The sender's person is writing a text, or no longer. Only to who said that she takes it.
    #[n(7)]
    Typing {
        /// Whether.
        #[n(0)]
        typing: bool,
    },
    /// The certificate for mail of the sender's person. Only to who said that she takes it.
    #[n(8)]
    MailCertificate {
        /// Empty where there is none, or none is told.
        #[n(0)]
        chain: MailChain,
    },
    /// The sender's person is writing a text in a room that both are in, or no longer. Only to who said that she takes it.
    #[n(9)]
    RoomTyping {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// Whether.
        #[n(1)]
        typing: bool,
    },
}

/// The frames of [`TalkFrame`] that have a number, of what stays where it is until it is answered.
#[derive(Encode)]
#[cbor(flat)]
pub enum NumberedFrame<'a> {
    /// [`TalkFrame::Text`].
    #[n(1)]
    Text {
        /// As there.
        #[n(0)]
        number: u64,
        /// As there.
        #[n(1)]
        id: u64,
        /// As there.
        #[n(2)]
        text: &'a str,
        /// As there.
        #[n(3)]
        reply: Option<Target>,
    },
    /// [`TalkFrame::RoomText`].
    #[n(2)]
    RoomText {
        /// As there.
        #[n(0)]
        number: u64,
        /// As there.
        #[cbor(n(1), with = "minicbor::bytes")]
        room: [u8; 16],
        /// As there.
        #[cbor(n(2), with = "minicbor::bytes")]
        message: &'a [u8],
    },
    /// [`TalkFrame::Mark`].
    #[n(6)]
    Mark {
        /// As there.
        #[n(0)]
        number: u64,
        /// As there.
        #[n(1)]
        id: u64,
        /// As there.
        #[n(2)]
        mark: &'a Mark,
    },
}

impl TalkFrame {
    /// Says in a Hello what other devices say of this one.
    pub(crate) fn endorse(&mut self, vouchers: Option<Vouchers>) {
        if let Self::Hello { endorsements, .. } = self {
            *endorsements = vouchers;
        }
    }
}

/// The session that a connection continues, and how far its sender got in it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Resume {
    /// Its name; see [`crate::session::SessionKey`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub session: [u8; 16],
    /// Proves that the sender is the one with whom it began, and is at this connection.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub proof: [u8; 32],
    /// How far the sender got.
    #[n(2)]
    pub progress: Progress,
}

/// How far one side got in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// The last number it received; all before came, too.
    #[n(0)]
    pub received: u64,
    /// The first of its own numbers that it has no answer to, or the next one it will use.
    #[n(1)]
    pub unanswered: u64,
    /// How many frames of the room channel it received.
    #[n(2)]
    pub room_frames: u64,
}

/// The fate of one numbered frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ack {
    /// The number of the text or room text.
    #[n(0)]
    pub number: u64,
    /// Absent: shown to the person. Present: not shown, and why (at most 256 bytes).
    #[n(1)]
    pub refused: Option<String>,
}

/// Without content.
impl std::fmt::Debug for TalkFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hello { version, capabilities, resume, .. } => {
                let how = if resume.is_some() { ", resumes" } else { "" };
                write!(f, "Hello {{ version: {version}, capabilities: {capabilities:#x}{how} }}")
            }
            Self::Text { number, id, .. } => write!(f, "Text {{ number: {number}, id: {id} }}"),
            Self::RoomText { number, .. } => write!(f, "RoomText {{ number: {number} }}"),
            Self::Ack { acks } => write!(f, "Ack {{ {} }}", acks.len()),
            Self::Views { views } => write!(f, "Views {{ {} }}", views.checkpoints.len()),
            Self::Mark { number, id, mark } => write!(f, "Mark {{ number: {number}, id: {id}, {mark:?} }}"),
            Self::Typing { .. } => f.write_str("Typing"),
            Self::RoomTyping { .. } => f.write_str("RoomTyping"),
            Self::MailCertificate { chain } => write!(f, "MailCertificate {{ {} }}", chain.0.len()),
            Self::RoomFrames { count } => write!(f, "RoomFrames {{ {count} }}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Author, Channel, encode};

    #[test]
    fn what_stays_where_it_is_goes_out_as_the_same_bytes() {
        let target = Target { author: Author::Receiver, id: 9 };
        let same = |frame: &TalkFrame, kept: &NumberedFrame<'_>| {
            assert_eq!(encode(frame, Channel::Talk), encode(kept, Channel::Talk), "{frame:?}");
        };
        for reply in [None, Some(target)] {
            let (number, id, text) = (300, 1 << 40, "at seven");
            same(
                &TalkFrame::Text { number, id, text: text.into(), reply },
                &NumberedFrame::Text { number, id, text, reply },
            );
        }
        let (number, id, room, message) = (1, 7, [3; 16], vec![5; 300]);
        let kept = NumberedFrame::RoomText { number, room, message: &message };
        same(&TalkFrame::RoomText { number, room, message: message.clone() }, &kept);
        let mark = Mark::Nudge;
        let kept = NumberedFrame::Mark { number, id, mark: &mark };
        same(&TalkFrame::Mark { number, id, mark: mark.clone() }, &kept);
    }
}
