//! Letters: what a member of a room has for another one to whom she has no connection, and hands to a third who may have one
//! (rules of docs/spec/rooms.md).

use minicbor::{Decode, Encode};

/// What is signed by its author, so that whoever carries it can neither alter it nor make one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Letter {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The number of the epoch in which it was written.
    #[n(1)]
    pub epoch: u64,
    /// The key of its author's device.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub from: [u8; 32],
    /// The key of the device that it is for.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub to: [u8; 32],
    /// Counts her letters to that device, from 1 on, since she came into the room.
    #[n(4)]
    pub number: u64,
    /// What is in it.
    #[n(5)]
    pub enclosed: Enclosed,
}

/// What a letter brings.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Enclosed {
    /// A room frame, encoded, without padding: one about the order of commits, Leave or Passed.
    #[n(0)]
    Frame {
        /// Its bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        frame: Vec<u8>,
    },
    /// A text.
    #[n(1)]
    Text {
        /// Her program's run, as her Hello would say it.
        #[cbor(n(0), with = "minicbor::bytes")]
        run: [u8; 8],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        message: Vec<u8>,
    },
}

impl Enclosed {
    /// How long it is.
    pub fn size(&self) -> usize {
        match self {
            Self::Frame { frame } => frame.len(),
            Self::Text { message, .. } => message.len(),
        }
    }
}

/// Without content.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letter {{ number: {}, size: {} }}", self.number, self.enclosed.size())
    }
}
