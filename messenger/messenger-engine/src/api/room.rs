//! With what a room is made, who may do what in it, and what members change of it.

use identity::Identifier;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// With which cryptography a room is made, for as long as there is that room.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomSuite {
    /// Holds against who records today and has a quantum computer one day.
    #[default]
    Hybrid,
    /// Does not: for a room into which somebody is to come whose program knows no other.
    Classical,
}

impl RoomSuite {
    /// Whether nobody has to be told which it is.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What somebody may do in a room: each may what those before her may.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Role {
    /// Talks, and hosts if it is her turn.
    #[n(0)]
    #[default]
    Member,
    /// Sets the topic, locks the room, removes members.
    #[n(1)]
    Moderator,
    /// Gives and takes roles, names the room, removes anybody.
    #[n(2)]
    Owner,
}

/// As a sentence goes on after "takes".
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Member => "a member",
            Self::Moderator => "a moderator",
            Self::Owner => "an owner",
        })
    }
}

/// Who is reached by way of whom, because no connection to her stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// Who is reached.
    pub who: Identifier,
    /// Who passes on, as it is, what is said to her.
    pub by: Identifier,
}

/// What a member has changed of a room.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum RoomChange {
    /// It is called otherwise.
    Name {
        /// What it is called now.
        name: String,
    },
    /// It is about something else.
    Topic {
        /// What it is about now, as sent; empty: nothing is said of that any more.
        topic: String,
    },
    /// Nobody new is let in from now on, or somebody may be again.
    Lock {
        /// Whether it is locked.
        locked: bool,
    },
    /// Somebody has another role.
    Role {
        /// Who.
        who: Identifier,
        /// Which.
        role: Role,
    },
    /// Somebody was removed, and does not come back by herself; `room_left` follows.
    Remove {
        /// Who.
        who: Identifier,
    },
    /// Somebody who had been removed may be let in again.
    Readmit,
}

/// Without what people write.
impl std::fmt::Debug for RoomChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name { .. } => "name",
            Self::Topic { .. } => "topic",
            Self::Lock { .. } => "lock",
            Self::Role { .. } => "role",
            Self::Remove { .. } => "remove",
            Self::Readmit => "readmit",
        })
    }
}
