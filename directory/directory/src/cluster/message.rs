//! What nodes say to each other, as `docs/spec/cluster.cddl` describes it.
//!
//! The *door* is the node that a person is connected to, the *keeper* the one that owns her shard. Most of what passes between
//! them are frames of the directory's own protocol: the keeper does for a guest what a single directory does for a connection.

use super::link::Packet;
use super::membership::Beat;
use super::shards::NodeId;
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
    /// Door to keeper: what do you still have from me, of the shards you own in this view? `anew`: what you sent may not have come.
    #[n(0)]
    Begin {
        #[n(0)]
        view: u64,
        #[n(1)]
        anew: bool,
    },
    /// Keeper to door: complete are these.
    #[n(1)]
    Have {
        #[n(0)]
        view: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        shards: Vec<u8>,
    },
    /// Door to keeper: now you have all of mine.
    #[n(2)]
    Complete {
        #[n(0)]
        view: u64,
    },
    /// A device is connected that has to do with you. `again`: it begins anew, what you know of its lists does not count.
    #[n(3)]
    Open {
        #[n(0)]
        connection: u64,
        #[cbor(n(1), with = "who")]
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
        #[cbor(n(4), with = "maybe_who", has_nil)]
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

/// An identifier: text, canonical. Nodes trust each other; a damaged one is refused all the same.
mod who {
    use identity::Identifier;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        who: &Identifier,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(who.as_str())?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Identifier, DecodeError> {
        Identifier::from_canonical(d.str()?).map_err(|_| DecodeError::message("identifier not canonical"))
    }
}

/// An identifier or nothing.
mod maybe_who {
    use identity::Identifier;
    use minicbor::data::Type;
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        who: &Option<Identifier>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match who {
            Some(who) => super::who::encode(who, e, ctx),
            None => e.null()?.ok(),
        }
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Option<Identifier>, DecodeError> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(None);
        }
        super::who::decode(d, ctx).map(Some)
    }

    pub(super) fn nil<T>() -> Option<Option<T>> {
        Some(None)
    }

    pub(super) fn is_nil(who: &Option<Identifier>) -> bool {
        who.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were() {
        let who = Identifier::parse("alice@example.org").unwrap();
        let messages = [
            Message::Open { connection: 1 << 40, who: who.clone(), key: [3; 32], again: true },
            Message::Spends { connection: 1, ticket: 2, what: Spent::Invites, count: 1, callee: Some(who.clone()) },
            Message::Spends { connection: 1, ticket: 2, what: Spent::Watches, count: 9, callee: None },
            Message::Asks { connection: 1, ticket: 2, request: Request::LookUp { id: 7, who } },
            Message::Reply { ticket: 2, verdict: Verdict::Refused { error: ErrorCode::TooOften, wait_ms: 5 } },
            Message::Back { call_id: [4; 16], device: Device { node: 2, connection: 3 } },
        ];
        for message in messages {
            let bytes = minicbor::to_vec(&message).unwrap();
            assert_eq!(minicbor::decode::<Message>(&bytes).unwrap(), message);
            for end in 0..bytes.len() {
                assert!(minicbor::decode::<Message>(&bytes[..end]).is_err());
            }
        }
    }
}
