//! Circulars: what is said to all in a large room, handed to a hub for those to whom its author has no connection (rules R-50 to
//! R-55 of docs/spec/rooms.md).

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
    /// What is in it.
    #[n(6)]
    pub content: Circulated,
}

/// What a circular brings.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Circulated {
    /// A text.
    #[n(0)]
    Text {
        /// Her program's run, as her Hello would say it.
        #[cbor(n(0), with = "minicbor::bytes")]
        run: [u8; 8],
        /// The MLSMessage.
        #[cbor(n(1), with = "minicbor::bytes")]
        message: Vec<u8>,
    },
    /// Its author's person is writing (rule R-55).
    #[n(1)]
    Typing,
}

impl Circulated {
    /// How long it is.
    pub fn size(&self) -> usize {
        match self {
            Self::Text { message, .. } => message.len(),
            Self::Typing => 0,
        }
    }
}

/// Without content.
impl std::fmt::Debug for Circular {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Circular {{ number: {}, size: {} }}", self.number, self.content.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{RoomFrame, decode};

    #[test]
    fn the_bytes_of_a_circular() {
        let text = Circulated::Text { run: [8; 8], message: vec![3; 4] };
        let cases = [
            // a text: the run of 8 bytes, a message of 4
            (text, [&[0x83, 0x00, 0x48][..], &[8; 8], &[0x44], &[3; 4]].concat()),
            (Circulated::Typing, vec![0x81, 0x01]),
        ];
        for (content, bytes) in cases {
            let bytes = [
                &[0x83, 0x18, 30, 0x87, 0x50][..], // kind 30; seven members: the room of 16 bytes
                &[1; 16],
                &[0x07, 0x58, 0x20], // epoch 7, its name of 32 bytes
                &[5; 32],
                &[0x58, 0x20], // the author's key
                &[2; 32],
                &[0x41, 0xff, 0x09], // for the first eight leaves; number 9
                &bytes,
                &[0x58, 0x40], // the signature
                &[7; 64],
            ]
            .concat();
            let circular =
                Circular { room: [1; 16], epoch: 7, name: [5; 32], from: [2; 32], to: vec![0xff], number: 9, content };
            let frame = RoomFrame::Spread { circular: Box::new(circular), signature: [7; 64] };
            assert_eq!(minicbor::to_vec(&frame).unwrap(), bytes);
            assert_eq!(decode(&bytes), Ok(Some(frame)));
        }
    }
}
