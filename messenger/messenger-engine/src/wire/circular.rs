//! Circulars: a text of a large room, handed to a hub for all to whom its author has no connection (rules of
//! docs/spec/rooms.md).

use minicbor::{Decode, Encode};

/// What is signed by its author, so that the hub that carries it can neither alter it nor make one.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Circular {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The number of the epoch in which it was written.
    #[n(1)]
    pub epoch: u64,
    /// The name of that epoch: the digest of the commit that began it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub name: [u8; 32],
    /// The key of its author's device.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub from: [u8; 32],
    /// For whom it is: the bit 0x80 >> n % 8 of the byte n / 8 for the leaf n of that epoch.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub to: Vec<u8>,
    /// Counts her circulars, from 1 on, since she came into the room.
    #[n(5)]
    pub number: u64,
    /// Her program's run, as her Hello would say it.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub run: [u8; 8],
    /// The text: an MLSMessage.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub message: Vec<u8>,
}

/// Without content.
impl std::fmt::Debug for Circular {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Circular {{ number: {}, size: {} }}", self.number, self.message.len())
    }
}
