//! What members of a room sign about the order of its commits (docs/spec/rooms.md), as it travels in room frames.
//!
//! A signature is by the leaf's key over a context of the kind's own, a zero byte, and the signed part as it is encoded here.

use minicbor::{Decode, Encode};

/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// Which commit an offer is about: what its author signs, and what every acknowledgement of it quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Head {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The name of the epoch to be ended.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub parent: [u8; 32],
    /// The ballot's term.
    #[n(2)]
    pub term: u32,
    /// The ballot's owner: the leaf that offers.
    #[n(3)]
    pub leaf: u32,
    /// The commit's name.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub commit: [u8; 32],
}

/// A head and its author's signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct SignedHead {
    /// What is signed.
    #[n(0)]
    pub head: Head,
    /// By the leaf in it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: Signature,
}

/// What is signed by who acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Acknowledged {
    /// The offer's head.
    #[n(0)]
    pub head: Head,
    /// Who has staged it.
    #[n(1)]
    pub from: u32,
}

/// An acknowledgement as a go quotes it, beside the head.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct QuotedAck {
    /// Whose.
    #[n(0)]
    pub from: u32,
    /// Over [`Acknowledged`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: Signature,
}

/// What is signed by who claims a ballot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claimed {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The name of the epoch it is for.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub parent: [u8; 32],
    /// The ballot's term.
    #[n(2)]
    pub term: u32,
    /// Its owner, who claims it.
    #[n(3)]
    pub leaf: u32,
}

/// What is signed by who grants a ballot.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Granted {
    /// The room, the epoch and the ballot.
    #[n(0)]
    pub claim: Claimed,
    /// Who grants.
    #[n(1)]
    pub from: u32,
    /// What she acknowledged last in this epoch, with its author's signature.
    #[n(2)]
    pub staged: Option<SignedHead>,
}

/// A grant and the signature of who grants.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedGrant {
    /// What is signed.
    #[n(0)]
    pub granted: Granted,
    /// By the leaf that grants.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: Signature,
}

/// In which epoch somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Whereabouts {
    /// The room.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub room: [u8; 16],
    /// The epoch's number.
    #[n(1)]
    pub number: u64,
    /// Its name: that of the commit that began it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub epoch: [u8; 32],
    /// The first 16 bytes of SHA-256 over `"inperson-room-code-v1" ‖ 0 ‖ epoch authenticator` (RFC 9420 section 8.7).
    #[cbor(n(3), with = "minicbor::bytes")]
    pub digest: [u8; 16],
}
