//! What nodes say to each other, as `docs/spec/cluster.cddl` describes it.
//!
//! The *door* is the node that a person is connected to, the *keeper* the one that owns her shard. Most of what passes between
//! them are frames of the directory's own protocol: the keeper does for a guest what a single directory does for a connection.

use super::link::Packet;
use super::membership::Beat;
use super::shards::NodeId;
use super::wire;
use crate::state::quota::Used;
use directory_protocol::message::{CallId, ErrorCode, Request, Response};
use identity::Identifier;
use minicbor::{Decode, Encode};

/// A connection, in the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub(super) struct Device {
    #[n(0)]
    pub(super) node: NodeId,
    #[n(1)]
    pub(super) connection: u64,
}

/// A call that was hung up, by the caller's connection to the node that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub(super) struct Ended {
    #[n(0)]
    pub(super) connection: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) call_id: CallId,
}

/// What is in a sealed packet, beside the sender's incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(super) enum Sealed {
    #[n(0)]
    Beat {
        #[n(0)]
        incarnation: u64,
        #[n(1)]
        beat: Beat,
    },
    #[n(1)]
    Packet {
        #[n(0)]
        incarnation: u64,
        #[n(1)]
        packet: Packet,
    },
}

/// From node to node.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(super) enum Message {
    /// Door to keeper: what do you still have from me, of the shards you own in this view, since your view last changed (`epoch`)?
    /// `anew`: what you sent may not have come.
    #[n(0)]
    Begin {
        #[n(0)]
        view: u64,
        #[n(1)]
        epoch: u64,
        #[n(2)]
        anew: bool,
    },
    /// Keeper to door: complete are these.
    #[n(1)]
    Have {
        #[n(0)]
        view: u64,
        #[n(1)]
        epoch: u64,
        #[cbor(n(2), with = "minicbor::bytes")]
        shards: Vec<u8>,
    },
    /// Door to keeper: now you have all of mine.
    #[n(2)]
    Complete {
        #[n(0)]
        view: u64,
        #[n(1)]
        epoch: u64,
    },
    /// A device is connected that has to do with you. `again`: it begins anew, what you know of its lists does not count.
    #[n(3)]
    Open {
        #[n(0)]
        connection: u64,
        #[cbor(n(1), with = "wire::who")]
        who: Identifier,
        #[cbor(n(2), with = "minicbor::bytes")]
        key: [u8; 32],
        #[n(3)]
        again: bool,
    },
    /// It has gone.
    #[n(4)]
    Closed {
        #[n(0)]
        connection: u64,
    },
    /// LIST, ANNOUNCE or APPEAR, to the keeper of who says it. `restored`: said before; no answer is wanted.
    #[n(5)]
    Says {
        #[n(0)]
        connection: u64,
        #[n(1)]
        ticket: u64,
        #[n(2)]
        request: Request,
        #[n(3)]
        restored: bool,
    },
    /// May she, by her rates? And does she show herself to whom she calls?
    #[n(6)]
    Spends {
        #[n(0)]
        connection: u64,
        #[n(1)]
        ticket: u64,
        #[n(2)]
        what: Spent,
        #[n(3)]
        count: u32,
        #[cbor(n(4), with = "wire::maybe_who", has_nil)]
        callee: Option<Identifier>,
    },
    /// LOOK-UP or WATCH, to the keeper of whom it asks for.
    #[n(7)]
    Asks {
        #[n(0)]
        connection: u64,
        #[n(1)]
        ticket: u64,
        #[n(2)]
        request: Request,
    },
    /// UNWATCH.
    #[n(8)]
    Unwatches {
        #[n(0)]
        connection: u64,
        #[n(1)]
        request: Request,
    },
    /// INVITE, to the keeper of the callee.
    #[n(9)]
    Invites {
        #[n(0)]
        connection: u64,
        #[n(1)]
        ticket: u64,
        #[n(2)]
        request: Request,
        /// The caller shows herself to the callee.
        #[n(3)]
        shows: bool,
        /// The callee's device that calls the caller.
        #[n(4)]
        back: Option<Device>,
        #[n(5)]
        round_trip_us: u32,
    },
    /// ANSWER, to the keeper of who answers.
    #[n(10)]
    Answers {
        #[n(0)]
        connection: u64,
        #[n(1)]
        ticket: u64,
        #[n(2)]
        request: Request,
        #[n(3)]
        round_trip_us: u32,
    },
    /// A call is withdrawn, or its time is up.
    #[n(11)]
    Cancels {
        #[n(0)]
        connection: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        call_id: CallId,
    },
    /// A call of this node's has met the callee's own: it goes back to where she calls from, in any case.
    #[n(12)]
    Back {
        #[cbor(n(0), with = "minicbor::bytes")]
        call_id: CallId,
        #[n(1)]
        device: Device,
    },
    /// Door to door: these calls of this node's were hung up, and their keeper may be gone.
    #[n(13)]
    Ends {
        #[n(0)]
        calls: Vec<Ended>,
    },
    /// Door to keeper: what this was taken from her rate for was not answered.
    #[n(14)]
    Returns {
        #[n(0)]
        connection: u64,
        #[n(1)]
        what: Spent,
        #[n(2)]
        count: u32,
    },
    /// Keeper to door: the answer to the message with this ticket.
    #[n(16)]
    Reply {
        #[n(0)]
        ticket: u64,
        #[n(1)]
        verdict: Verdict,
    },
    /// A frame for a connection.
    #[n(17)]
    Tells {
        #[n(0)]
        connection: u64,
        #[n(1)]
        response: Response,
    },
    /// INCOMING, and where it comes from.
    #[n(18)]
    Rings {
        #[n(0)]
        connection: u64,
        #[n(1)]
        response: Response,
        #[n(2)]
        from: Device,
    },
    /// A connection has to end: she has too many.
    #[n(19)]
    TooMany {
        #[n(0)]
        connection: u64,
    },
    /// All doors have told it all: now it can say of its people how they are. `absence`: of every one of them, also that she is
    /// nowhere.
    #[n(20)]
    Speaks {
        #[n(0)]
        epoch: u64,
        #[n(1)]
        absence: bool,
    },
}

/// What a rate is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum Spent {
    #[n(0)]
    LookUps,
    #[n(1)]
    Watches,
    #[n(2)]
    Invites,
}

impl Spent {
    /// As a keeper counts it.
    pub(super) fn used(self) -> Used {
        match self {
            Self::LookUps => Used::LookUps,
            Self::Watches => Used::Watches,
            Self::Invites => Used::Invites,
        }
    }
}

/// A keeper's answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(super) enum Verdict {
    #[n(0)]
    Done,
    /// Not known at the moment: ask again.
    #[n(1)]
    Unknown,
    #[n(2)]
    Refused {
        #[n(0)]
        error: ErrorCode,
        #[n(1)]
        wait_ms: u32,
    },
    /// She may, and (to INVITE) shows herself to the callee.
    #[n(3)]
    May {
        #[n(0)]
        shows: bool,
    },
    /// FOUND.
    #[n(4)]
    Found {
        #[n(0)]
        response: Response,
    },
}
