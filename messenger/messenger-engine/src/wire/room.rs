//! Frames of the rooms channel: how a room is entered, changed and left. MLS messages travel as they are (RFC 9420
//! section 6).

use minicbor::{Decode, Encode};

use super::circular::Circular;
use super::invitation::SignedInvitation;
use super::letter::Letter;
use super::order::{Claimed, QuotedAck, Signature, SignedGrant, SignedHead, Whereabouts};

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
        /// The version of rooms (see [`crate::room::ROOM_VERSION`]); a former version of the program does not send it.
        #[n(4)]
        version: Option<u16>,
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
    /// Host to guest: an MLSMessage holding the Welcome, with the ratchet tree in it. Sent when the commit that adds the
    /// guest is decided (rule R-08).
    #[n(3)]
    Welcome {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        welcome: Vec<u8>,
        /// The name of the epoch into which it leads; a former version of the program does not send it.
        #[cbor(n(2), with = "minicbor::bytes")]
        epoch: Option<[u8; 32]>,
    },
    /// Member to all members: I am leaving, remove me.
    #[n(6)]
    Leave {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
    },
    /// Member to host: an MLSMessage holding a commit to be offered (rule R-04).
    #[n(8)]
    Propose {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        commit: Vec<u8>,
    },
    /// A ballot's owner to all members: stage this commit.
    #[n(9)]
    Offer {
        /// What it is about.
        #[n(0)]
        head: SignedHead,
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        commit: Vec<u8>,
        /// What gives the right; none in the ballot of the host of record.
        #[n(2)]
        grants: Vec<SignedGrant>,
    },
    /// To all members: I have staged it.
    #[n(10)]
    Ack {
        /// The offer's head.
        #[n(0)]
        head: SignedHead,
        /// Who has, and her signature.
        #[n(1)]
        ack: QuotedAck,
    },
    /// To whoever is behind: it is decided.
    #[n(11)]
    Go {
        /// The offer's head.
        #[n(0)]
        head: SignedHead,
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        commit: Vec<u8>,
        /// What proves it.
        #[n(2)]
        acks: Vec<QuotedAck>,
    },
    /// To all members: I want to offer in place of the host.
    #[n(12)]
    Claim {
        /// What is claimed.
        #[n(0)]
        claim: Claimed,
        /// By the leaf in it.
        #[cbor(n(1), with = "minicbor::bytes")]
        signature: Signature,
    },
    /// To who claims: you may.
    #[n(13)]
    Grant {
        /// What is granted.
        #[n(0)]
        grant: Box<SignedGrant>,
        /// The commit that its sender has staged, as an MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        commit: Option<Vec<u8>>,
    },
    /// To all members, every 2 s and when a connection begins: I am in this epoch (rule R-14).
    #[n(14)]
    Beat {
        /// Which.
        #[n(0)]
        whereabouts: Whereabouts,
        /// By its sender's leaf.
        #[cbor(n(1), with = "minicbor::bytes")]
        signature: Signature,
        /// Whom she hears without anybody between: the bit 0x80 >> n % 8 of the byte n / 8 for the leaf n of that epoch (rule R-40).
        #[cbor(n(2), with = "minicbor::bytes")]
        hears: Option<Vec<u8>>,
    },
    /// To former fellows: I was removed as lost, let me in again (rule R-17).
    #[n(15)]
    Return {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
    },
    /// To a member who hears another one, and by her to that one: pass this letter on (rule R-41).
    #[n(20)]
    Pass {
        /// The letter.
        #[n(0)]
        letter: Box<Letter>,
        /// By its author's leaf.
        #[cbor(n(1), with = "minicbor::bytes")]
        signature: Signature,
    },
    /// To who wrote a letter with a text, in a letter or directly: this device has it, or refuses it (rule R-43).
    #[n(21)]
    Passed {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The number of the letter.
        #[n(1)]
        number: u64,
        /// Why it is refused, for people; at most 256 bytes.
        #[n(2)]
        refused: Option<String>,
    },
    /// To who handed over a letter: it is not passed on.
    #[n(22)]
    NotPassed {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// For whom it was: the key of the device.
        #[cbor(n(1), with = "minicbor::bytes")]
        to: [u8; 32],
        /// Its number.
        #[n(2)]
        number: u64,
        /// Why, for people; at most 256 bytes.
        #[n(3)]
        reason: String,
    },
    /// Guest to host: yes, and I enter by a commit of my own (rule R-09).
    #[n(23)]
    Approach {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
    },
    /// Host to guest: what you need to enter by a commit that ends this epoch.
    #[n(24)]
    Admission {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// An MLSMessage holding a GroupInfo, with the ratchet tree in it.
        #[cbor(n(1), with = "minicbor::bytes")]
        group_info: Vec<u8>,
        /// For the commit's authenticated data.
        #[n(2)]
        invitation: SignedInvitation,
    },
    /// Guest to host: an MLSMessage holding the commit by which I enter.
    #[n(25)]
    Join {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        commit: Vec<u8>,
    },
    /// To a hub, and by her to those for whom it is: pass this circular on (rule R-52).
    #[n(30)]
    Spread {
        /// The circular.
        #[n(0)]
        circular: Box<Circular>,
        /// By its author's leaf.
        #[cbor(n(1), with = "minicbor::bytes")]
        signature: Signature,
    },
    /// To who wrote a circular, in a letter or directly: this device has it, or refuses it (rule R-53).
    #[n(31)]
    Taken {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The number of the circular.
        #[n(1)]
        number: u64,
        /// Why it is refused, for people; at most 256 bytes.
        #[n(2)]
        refused: Option<String>,
    },
    /// To who handed over a circular: to these it is not passed on.
    #[n(32)]
    NotSpread {
        /// The room.
        #[cbor(n(0), with = "minicbor::bytes")]
        room: [u8; 16],
        /// The number of the circular.
        #[n(1)]
        number: u64,
        /// To whom, by the leaves of the epoch in which it was written, as in the circular.
        #[cbor(n(2), with = "minicbor::bytes")]
        to: Vec<u8>,
        /// Why, for people; at most 256 bytes.
        #[n(3)]
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
            | Self::Leave { room }
            | Self::Propose { room, .. }
            | Self::Passed { room, .. }
            | Self::NotPassed { room, .. }
            | Self::Return { room }
            | Self::Approach { room }
            | Self::Admission { room, .. }
            | Self::Join { room, .. }
            | Self::Taken { room, .. }
            | Self::NotSpread { room, .. } => *room,
            Self::Offer { head, .. } | Self::Ack { head, .. } | Self::Go { head, .. } => head.head.room,
            Self::Claim { claim, .. } => claim.room,
            Self::Grant { grant, .. } => grant.granted.claim.room,
            Self::Beat { whereabouts, .. } => whereabouts.room,
            Self::Pass { letter, .. } => letter.room,
            Self::Spread { circular, .. } => circular.room,
        }
    }

    /// Whether it may go to its receiver in a letter (rule R-41).
    pub fn may_be_enclosed(&self) -> bool {
        match self {
            Self::Leave { .. }
            | Self::Propose { .. }
            | Self::Offer { .. }
            | Self::Ack { .. }
            | Self::Go { .. }
            | Self::Claim { .. }
            | Self::Grant { .. }
            | Self::Beat { .. }
            | Self::Passed { .. }
            | Self::Taken { .. } => true,
            Self::Invite { .. }
            | Self::Enter { .. }
            | Self::Decline { .. }
            | Self::Welcome { .. }
            | Self::Return { .. }
            | Self::Approach { .. }
            | Self::Admission { .. }
            | Self::Join { .. }
            | Self::Pass { .. }
            | Self::NotPassed { .. }
            | Self::Spread { .. }
            | Self::NotSpread { .. } => false,
        }
    }

    /// The kind's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "invite",
            Self::Enter { .. } => "enter",
            Self::Decline { .. } => "decline",
            Self::Welcome { .. } => "welcome",
            Self::Leave { .. } => "leave",
            Self::Propose { .. } => "propose",
            Self::Offer { .. } => "offer",
            Self::Ack { .. } => "ack",
            Self::Go { .. } => "go",
            Self::Claim { .. } => "claim",
            Self::Grant { .. } => "grant",
            Self::Beat { .. } => "beat",
            Self::Return { .. } => "return",
            Self::Approach { .. } => "approach",
            Self::Admission { .. } => "admission",
            Self::Join { .. } => "join",
            Self::Pass { .. } => "pass",
            Self::Passed { .. } => "passed",
            Self::NotPassed { .. } => "not passed",
            Self::Spread { .. } => "spread",
            Self::Taken { .. } => "taken",
            Self::NotSpread { .. } => "not spread",
        }
    }
}

/// Without content.
impl std::fmt::Debug for RoomFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
