//! The frames as values.
//!
//! Every frame is a CBOR array whose first element is its number. Requests (0 to 31) go from the client to the directory and
//! carry a request id chosen by the client; each is answered by exactly one frame (64 to 95) with that id. Events (96 to 127)
//! come from the directory unasked.
//!
//! A receiver ignores elements beyond those it knows, so that a later version can append some; and answers a request whose
//! number it does not know with [`ErrorCode::UnknownRequest`].

mod parts;
mod presence;
mod wire;

use crate::limits::MAX_FRAME_BYTES;
use identity::Identifier;
use minicbor::{Decode, Encode};
use std::net::SocketAddr;

pub use parts::{AnswerKind, AudienceKind, CallId, ErrorCode, ListName, Outcome, ProbeKey, Purpose, Role, Status};
pub use presence::{Appearance, Capabilities, Details, Presence, is_acceptable_note};

/// From the client to the directory.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Request {
    /// Asks for an answer and nothing else: is the connection accepted, how long is the way?
    #[n(0)]
    Ping {
        /// Request id.
        #[n(0)]
        id: u32,
    },
    /// Appends people to a list that the next ANNOUNCE will bring into force, so that a list of any permitted length can be
    /// sent in frames of bounded size and still changes in one step.
    #[n(1)]
    List {
        /// Request id.
        #[n(0)]
        id: u32,
        /// Which list.
        #[n(1)]
        name: ListName,
        /// The people to append.
        #[cbor(n(2), with = "wire::identifiers")]
        people: Vec<Identifier>,
    },
    /// Makes this connection present, or changes how: replaces status, audiences and lists at once.
    #[n(2)]
    Announce {
        /// Request id.
        #[n(0)]
        id: u32,
        /// How the person is doing, or that she is not to be seen.
        #[cbor(n(1), with = "wire::appearance")]
        appearance: Appearance,
        /// Who is told that this connection is there.
        #[n(2)]
        visible_to: AudienceKind,
        /// Whose calls reach this connection.
        #[n(3)]
        may_knock: AudienceKind,
        /// What else those are told; absent in frames of clients that know nothing of it.
        #[cbor(n(4), with = "wire::details_or_none", has_nil)]
        details: Option<Details>,
    },
    /// Asks for one person's presence, once.
    #[n(3)]
    LookUp {
        /// Request id.
        #[n(0)]
        id: u32,
        /// The person asked about.
        #[cbor(n(1), with = "wire::identifier")]
        who: Identifier,
    },
    /// Adds people to this connection's watch list: their presence is pushed from now on.
    #[n(4)]
    Watch {
        /// Request id.
        #[n(0)]
        id: u32,
        /// The people to watch.
        #[cbor(n(1), with = "wire::identifiers")]
        people: Vec<Identifier>,
    },
    /// Takes people off this connection's watch list.
    #[n(5)]
    Unwatch {
        /// Request id.
        #[n(0)]
        id: u32,
        /// The people no longer watched.
        #[cbor(n(1), with = "wire::identifiers")]
        people: Vec<Identifier>,
    },
    /// Calls somebody.
    #[n(6)]
    Invite {
        /// Request id.
        #[n(0)]
        id: u32,
        /// Drawn at random by the caller.
        #[cbor(n(1), with = "minicbor::bytes")]
        call_id: CallId,
        /// Who is called.
        #[cbor(n(2), with = "wire::identifier")]
        callee: Identifier,
        /// What for.
        #[n(3)]
        purpose: Purpose,
        /// Where the caller can be reached; handed to the callee only in GO.
        #[cbor(n(4), with = "wire::addresses")]
        candidates: Vec<SocketAddr>,
        /// SHA-256 of the SubjectPublicKeyInfo of the one device that is meant; absent if any will do.
        #[cbor(n(5), with = "wire::key_or_none", has_nil)]
        device: Option<[u8; 32]>,
    },
    /// Answers a call that rings here.
    #[n(7)]
    Answer {
        /// Request id.
        #[n(0)]
        id: u32,
        /// The call answered.
        #[cbor(n(1), with = "minicbor::bytes")]
        call_id: CallId,
        /// Accept, decline or busy.
        #[n(2)]
        answer: AnswerKind,
        /// Where this device can be reached; empty unless it accepts.
        #[cbor(n(3), with = "wire::addresses")]
        candidates: Vec<SocketAddr>,
    },
    /// Withdraws a call made on this connection.
    #[n(8)]
    Cancel {
        /// Request id.
        #[n(0)]
        id: u32,
        /// The call withdrawn.
        #[cbor(n(1), with = "minicbor::bytes")]
        call_id: CallId,
    },
    /// Changes how an announced connection appears, and leaves audiences and lists as they are.
    #[n(9)]
    Appear {
        /// Request id.
        #[n(0)]
        id: u32,
        /// How the person is doing, or that she is not to be seen.
        #[cbor(n(1), with = "wire::appearance")]
        appearance: Appearance,
        /// What else those are told to whom she is visible.
        #[cbor(n(2), with = "wire::details")]
        details: Details,
    },
}

impl Request {
    /// The request id, which the answer repeats.
    pub fn id(&self) -> u32 {
        match self {
            Self::Ping { id }
            | Self::List { id, .. }
            | Self::Announce { id, .. }
            | Self::LookUp { id, .. }
            | Self::Watch { id, .. }
            | Self::Unwatch { id, .. }
            | Self::Invite { id, .. }
            | Self::Answer { id, .. }
            | Self::Cancel { id, .. }
            | Self::Appear { id, .. } => *id,
        }
    }
}

/// Bytes of a request with a list, beside the list: array, number, id, list name and the list's own length.
const LIST_OVERHEAD: usize = 16;

/// Cuts a list of people into pieces that fit into one frame each.
pub fn chunks(people: &[Identifier]) -> impl Iterator<Item = &[Identifier]> {
    // CBOR text of up to 254 bytes has a head of at most two.
    let bytes = |who: &Identifier| who.as_str().len() + 2;
    let mut rest = people;
    std::iter::from_fn(move || {
        let mut room = MAX_FRAME_BYTES - LIST_OVERHEAD;
        let fits = |who: &&Identifier| room.checked_sub(bytes(who)).inspect(|left| room = *left).is_some();
        let count = rest.iter().take_while(fits).count();
        let (piece, after) = rest.split_at(count);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// From the directory to the client.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Response {
    /// The request was carried out; there is nothing more to say.
    #[n(64)]
    Done {
        /// The request answered.
        #[n(0)]
        id: u32,
    },
    /// The request was not carried out.
    #[n(65)]
    Refused {
        /// The request answered.
        #[n(0)]
        id: u32,
        /// Why.
        #[n(1)]
        error: ErrorCode,
        /// With [`ErrorCode::TooOften`], milliseconds to wait; otherwise 0.
        #[n(2)]
        wait_ms: u32,
    },
    /// The answer to ANNOUNCE.
    #[n(66)]
    Announced {
        /// The request answered.
        #[n(0)]
        id: u32,
        /// This connection's own address as the directory sees it: a candidate worth offering.
        #[cbor(n(1), with = "wire::address")]
        observed: SocketAddr,
        /// A second UDP port of the directory that answers STUN binding requests, as its first does.
        #[n(2)]
        observation: Option<u16>,
    },
    /// The answer to LOOK-UP.
    #[n(67)]
    Found {
        /// The request answered.
        #[n(0)]
        id: u32,
        /// Her status, if she is there. Offline, unknown and hidden are the same.
        #[cbor(
            n(1),
            encode_with = "wire::status::encode",
            decode_with = "wire::status::decode",
            is_nil = "wire::status::never"
        )]
        status: Option<Status>,
        /// What else she tells, if she is there.
        #[cbor(n(2), with = "wire::details_or_none", has_nil)]
        details: Option<Details>,
    },
    /// A watched person's presence is now this.
    #[n(96)]
    Presence {
        /// The person watched.
        #[cbor(n(0), with = "wire::identifier")]
        who: Identifier,
        /// Her status, if she is there.
        #[cbor(
            n(1),
            encode_with = "wire::status::encode",
            decode_with = "wire::status::decode",
            is_nil = "wire::status::never"
        )]
        status: Option<Status>,
        /// What else she tells, if she is there.
        #[cbor(n(2), with = "wire::details_or_none", has_nil)]
        details: Option<Details>,
    },
    /// Somebody calls.
    #[n(97)]
    Incoming {
        /// The call, to be named in ANSWER.
        #[cbor(n(0), with = "minicbor::bytes")]
        call_id: CallId,
        /// Who calls: proven to the directory by her certificate.
        #[cbor(n(1), with = "wire::identifier")]
        caller: Identifier,
        /// SHA-256 of the caller's SubjectPublicKeyInfo.
        #[cbor(n(2), with = "minicbor::bytes")]
        caller_key: [u8; 32],
        /// What for.
        #[n(3)]
        purpose: Purpose,
    },
    /// What became of a call.
    #[n(98)]
    Outcome {
        /// The call.
        #[cbor(n(0), with = "minicbor::bytes")]
        call_id: CallId,
        /// What became of it.
        #[n(1)]
        outcome: Outcome,
    },
    /// Both agreed: connect now.
    #[n(99)]
    Go {
        /// The call.
        #[cbor(n(0), with = "minicbor::bytes")]
        call_id: CallId,
        /// Who dials and who listens.
        #[n(1)]
        role: Role,
        /// The other person.
        #[cbor(n(2), with = "wire::identifier")]
        peer: Identifier,
        /// SHA-256 of the other device's SubjectPublicKeyInfo.
        #[cbor(n(3), with = "minicbor::bytes")]
        peer_key: [u8; 32],
        /// Where the other device can be reached.
        #[cbor(n(4), with = "wire::addresses")]
        candidates: Vec<SocketAddr>,
        /// Fresh for this call, the same on both sides: authenticates the probes between them.
        #[cbor(n(5), with = "wire::probe_key")]
        probe_key: ProbeKey,
        /// Milliseconds to wait before the first packet, so that both sides begin together.
        #[n(6)]
        delay_ms: u32,
    },
}

impl Response {
    /// The answer to a LOOK-UP.
    pub fn found(id: u32, presence: Presence) -> Self {
        let (status, details) = presence.into_parts();
        Self::Found { id, status, details }
    }

    /// The event of a watched person's presence.
    pub fn presence(who: Identifier, presence: Presence) -> Self {
        let (status, details) = presence.into_parts();
        Self::Presence { who, status, details }
    }
}
