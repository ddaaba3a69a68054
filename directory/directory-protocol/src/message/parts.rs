//! The small values frames are made of.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Names one call: 16 random bytes drawn by the caller.
pub type CallId = [u8; 16];

/// How a person who is there is doing. In order of availability: of several devices the most available one is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ready to talk.
    #[n(0)]
    Available,
    /// Not at the device.
    #[n(1)]
    Away,
    /// Occupied.
    #[n(2)]
    Busy,
    /// Wants no calls.
    #[n(3)]
    DoNotDisturb,
}

/// A set of people, by rule or by reference to a list sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum AudienceKind {
    /// No one.
    #[n(0)]
    Nobody,
    /// Everyone whose certificate the directory accepts.
    #[n(1)]
    Everyone,
    /// The people on the list [`ListName::Contacts`].
    #[n(2)]
    Contacts,
    /// The people on this audience's own list.
    #[n(3)]
    Named,
}

/// The lists that LIST fills and ANNOUNCE brings into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ListName {
    /// The person's contacts.
    #[n(0)]
    Contacts,
    /// The people named by *visible to*.
    #[n(1)]
    VisibleTo,
    /// The people named by *may knock*.
    #[n(2)]
    MayKnock,
    /// The people to whom she is never there and whose calls never reach her, whatever the audiences say.
    #[n(3)]
    Blocked,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Written words.
    #[n(0)]
    Text,
    /// Voice or video.
    #[n(1)]
    Call,
    /// A connection between two members of a room.
    #[n(2)]
    Room,
}

/// How a device answers a call, on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum AnswerKind {
    /// Yes: exchange addresses.
    #[n(0)]
    Accept,
    /// No, on behalf of the person: the call ends on all her devices.
    #[n(1)]
    Decline,
    /// This device cannot take it; others may.
    #[n(2)]
    Busy,
}

/// What became of a call, as far as the one who is told may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The call is being placed. Says nothing about whether anybody is there.
    #[n(0)]
    Ringing,
    /// The person said no.
    #[n(1)]
    Declined,
    /// All her devices are occupied.
    #[n(2)]
    Busy,
    /// Nobody answered in time. Says nothing about why.
    #[n(3)]
    NoAnswer,
    /// The person, who was visible, has gone.
    #[n(4)]
    Offline,
    /// Withdrawn: by the caller, by another device that answered first, or because both called each other at once.
    #[n(5)]
    Cancelled,
}

/// Who opens the connection after GO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Connects: the caller.
    #[n(0)]
    Dialler,
    /// Awaits the connection: the callee.
    #[n(1)]
    Listener,
}

/// Authenticates the probes between the two devices of one call: told to them by GO, and to nobody else.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ProbeKey(pub [u8; 32]);

impl fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProbeKey(…)")
    }
}

/// Why a request was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ErrorCode {
    /// The directory does not know this request.
    #[n(1)]
    UnknownRequest,
    /// A list would become longer than allowed.
    #[n(2)]
    ListTooLong,
    /// Too many such requests: wait as long as the answer says.
    #[n(3)]
    TooOften,
    /// A candidate address that no device can have, or too many of them.
    #[n(4)]
    BadCandidates,
    /// No such call rings here, any more.
    #[n(5)]
    NoSuchCall,
    /// This call id is in use.
    #[n(6)]
    CallIdInUse,
    /// Too many calls of this connection are waiting for an answer.
    #[n(7)]
    TooManyCalls,
    /// One cannot call oneself. No directory says so any more: such a call is for one's other devices.
    #[n(8)]
    CallsOneself,
    /// The note is too long, or has characters that a line cannot have.
    #[n(9)]
    BadNote,
    /// This connection has not announced itself yet.
    #[n(10)]
    NotAnnounced,
    /// How somebody is is not known at the moment, whoever she is: ask again.
    #[n(11)]
    UnknownForNow,
}

impl ErrorCode {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::UnknownRequest,
        Self::ListTooLong,
        Self::TooOften,
        Self::BadCandidates,
        Self::NoSuchCall,
        Self::CallIdInUse,
        Self::TooManyCalls,
        Self::CallsOneself,
        Self::BadNote,
        Self::NotAnnounced,
        Self::UnknownForNow,
    ];
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownRequest => "the directory does not know this request",
            Self::ListTooLong => "the list is longer than the directory allows",
            Self::TooOften => "too many such requests in a short time",
            Self::BadCandidates => "an offered address is one no device can have, or there are too many",
            Self::NoSuchCall => "this call is over",
            Self::CallIdInUse => "the call id is already in use",
            Self::TooManyCalls => "too many calls are waiting for an answer",
            Self::CallsOneself => "one cannot call oneself",
            Self::BadNote => "the note beside the status is too long, or has characters that a line cannot have",
            Self::NotAnnounced => "this connection has not announced itself yet",
            Self::UnknownForNow => "the directory does not know at the moment, whoever was asked for",
        })
    }
}
