//! The signed invitation to enter a room by a commit of one's own (rule R-09 of docs/spec/rooms.md). It travels in that commit,
//! so that whoever sees the one sees the other.

use minicbor::{Decode, Encode};

use super::order::Signature;

/// What is signed by the host of record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Invited {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The number of the epoch that the commit ends.
    #[n(1)]
    pub number: u64,
    /// Its name.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub parent: [u8; 32],
    /// The term of the host of record.
    #[n(3)]
    pub term: u32,
    /// Her leaf.
    #[n(4)]
    pub leaf: u32,
    /// The guest's device: its Ed25519 key.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub device: [u8; 32],
}

/// It, and the signature of the leaf in it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedInvitation {
    /// What is signed.
    #[n(0)]
    pub invited: Invited,
    /// By the host of record.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: Signature,
}

impl SignedInvitation {
    /// As the commit carries it, in its authenticated data (RFC 9420 section 6).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a vector cannot fail")
    }

    /// Out of a commit. There is one encoding, as of all that is signed.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok().filter(|invitation: &Self| invitation.to_bytes() == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_read_as_it_was_written_and_in_no_other_encoding() {
        let invited = Invited { room: [1; 16], number: 2, parent: [3; 32], term: 4, leaf: 5, device: [6; 32] };
        let invitation = SignedInvitation { invited, signature: [7; 64] };
        let bytes = invitation.to_bytes();
        // Field by field, for whoever writes it with another implementation.
        let expected = [
            &[0x82, 0x86][..],                     // signed-invitation, invited
            &[&[0x50][..], &[1; 16]].concat(),     // room
            &[2],                                  // epoch
            &[&[0x58, 32][..], &[3; 32]].concat(), // parent
            &[4, 5],                               // term, leaf
            &[&[0x58, 32][..], &[6; 32]].concat(), // device
            &[&[0x58, 64][..], &[7; 64]].concat(), // signature
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(SignedInvitation::from_bytes(&bytes), Some(invitation));
        let longer = [&bytes[..], &[0]].concat();
        let another = [&[0x98, 2][..], &bytes[1..]].concat();
        for (name, bytes) in [("none", &[][..]), ("cut", &bytes[1..]), ("longer", &longer), ("another", &another)] {
            assert_eq!(SignedInvitation::from_bytes(bytes), None, "{name}");
        }
    }
}
