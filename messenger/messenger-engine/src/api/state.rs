//! How something stands, as [events](super::Event) tell it, and what a connection is for.

use identity::Identifier;
use serde::{Deserialize, Serialize};

/// How far a text got. There is no "sent": a text is on the other device or it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// On its way; one of the others follows. Told at most 100 ms late, so that a client is not woken twice for a text that
    /// arrives at once.
    Sending,
    /// The other device's application has taken it: it is on the screen there, or was written out.
    Delivered,
    /// It is nowhere but here.
    NotDelivered,
    /// It left, but the acknowledgement was lost. Sending again with the same id shows it once.
    Unknown,
}

/// What is with one's own certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateState {
    /// There is a newer one for the same key, and it is shown from now on.
    Renewed,
    /// It should be renewed, and was not; that is tried again.
    NotRenewed,
    /// It is not accepted, by the rules that others go by.
    NotAccepted,
}

/// How a look into the logs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchVerdict {
    /// All is known again; told after one of the others.
    Clean,
    /// There is something in one's name that is not known here.
    Alarm,
    /// The authority, or the log, does not let one see: nothing is known.
    Blind,
    /// It could not be looked.
    Failed,
}

/// How a conversation stands whose connection does not carry it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It looks for another connection.
    Reconnecting,
    /// It goes on; nothing was lost.
    Resumed,
    /// It found none. The states of the texts that were under way follow.
    Lost,
}

/// A member who lacks a room text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The member.
    pub who: Identifier,
    /// Why, for people.
    pub reason: String,
}

/// What a connection is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// One-to-one text.
    Text,
    /// Voice or video.
    Call,
    /// A room.
    Room,
}

impl From<directory_protocol::Purpose> for Purpose {
    fn from(purpose: directory_protocol::Purpose) -> Self {
        match purpose {
            directory_protocol::Purpose::Text => Self::Text,
            directory_protocol::Purpose::Call => Self::Call,
            directory_protocol::Purpose::Room => Self::Room,
        }
    }
}

impl From<Purpose> for directory_protocol::Purpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Text => Self::Text,
            Purpose::Call => Self::Call,
            Purpose::Room => Self::Room,
        }
    }
}
