//! Frames of the rooms channel: how a room is entered, changed and left. MLS messages travel as they are (RFC 9420
//! section 6).

use minicbor::{Decode, Encode};

/// A frame of the rooms channel: a CBOR array of its kind and its members. Members that a later version appends are
/// ignored.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum RoomFrame {
    /// Host to guest: will you come in?
    #[n(0)]
    Invite {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// Its name.
        #[n(1)]
        name: String,
        /// The MLS ciphersuite (RFC 9420 section 17.1) the room was created with.
        #[n(2)]
        suite: u16,
        /// Who is in it, by the host's word.
        #[n(3)]
        members: Vec<String>,
    },
    /// Guest to host: yes, with an MLSMessage holding a KeyPackage for the room's suite.
    #[n(1)]
    Enter {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        key_package: Vec<u8>,
    },
    /// Either way: no, or no longer.
    #[n(2)]
    Decline {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// Why, for people; at most 256 bytes.
        #[n(1)]
        reason: String,
    },
    /// Host to guest: an MLSMessage holding the Welcome, with the ratchet tree in it. Sent when every member has taken
    /// the commit that adds the guest.
    #[n(3)]
    Welcome {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        welcome: Vec<u8>,
    },
    /// Host to members: an MLSMessage holding the one commit that ends `epoch`.
    #[n(4)]
    Commit {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The epoch it ends.
        #[n(1)]
        epoch: u64,
        /// The MLSMessage.
        #[cbor(n(2), with = "minicbor::bytes")]
        commit: Vec<u8>,
    },
    /// Member to host: I am in `epoch` now, and this is its authenticator's digest.
    #[n(5)]
    Reached {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The epoch.
        #[n(1)]
        epoch: u64,
        /// The first 16 bytes of SHA-256 over `"inperson-room-code-v1" ‖ 0 ‖ epoch authenticator` (RFC 9420 section
        /// 8.7).
        #[cbor(n(2), with = "minicbor::bytes")]
        digest: [u8; 16],
    },
    /// Member to host: remove me.
    #[n(6)]
    Leave {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
    },
    /// Host to members: the room is no more, or you are no longer in it.
    #[n(7)]
    Closed {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// Why, for people; at most 256 bytes.
        #[n(1)]
        reason: String,
    },
}

impl RoomFrame {
    /// The room it is about.
    pub fn room(&self) -> [u8; 16] {
        match self {
            Self::Invite { room, .. }
            | Self::Enter { room, .. }
            | Self::Decline { room, .. }
            | Self::Welcome { room, .. }
            | Self::Commit { room, .. }
            | Self::Reached { room, .. }
            | Self::Leave { room }
            | Self::Closed { room, .. } => *room,
        }
    }

    /// The kind's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "invite",
            Self::Enter { .. } => "enter",
            Self::Decline { .. } => "decline",
            Self::Welcome { .. } => "welcome",
            Self::Commit { .. } => "commit",
            Self::Reached { .. } => "reached",
            Self::Leave { .. } => "leave",
            Self::Closed { .. } => "closed",
        }
    }
}

/// Without content.
impl std::fmt::Debug for RoomFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What an MLS application message of a room carries.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct RoomPlaintext {
    /// The sender's id for it.
    #[n(0)]
    pub id: u64,
    /// The text.
    #[n(1)]
    pub text: String,
}

/// Without content.
impl std::fmt::Debug for RoomPlaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RoomPlaintext {{ id: {} }}", self.id)
    }
}
