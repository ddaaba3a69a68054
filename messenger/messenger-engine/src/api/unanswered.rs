//! How a call of one's own ended without anybody taking it.

use identity::Identifier;
use serde::{Deserialize, Serialize};

/// What the caller was told, as on a phone. A call to somebody whom one does not see ends with `no_answer`, whatever she does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unanswered {
    /// She does not want to talk now.
    Declined,
    /// All her devices are taken.
    Busy,
    /// Nobody took it within 30 s.
    NoAnswer,
    /// She is not there, or went while it rang.
    Offline,
}

impl Unanswered {
    /// What happened, for people.
    pub fn message(self, who: &Identifier) -> String {
        match self {
            Self::Declined => format!("{who} declined"),
            Self::Busy => format!("{who} is busy"),
            Self::NoAnswer => format!("{who} did not answer; nothing was sent and nothing is kept"),
            Self::Offline => format!("{who} is not online; nothing was sent and nothing is kept"),
        }
    }

    /// What to try.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Declined => "another time, or ask them when it suits them",
            Self::Busy => "try again in a few minutes",
            Self::NoAnswer => {
                "try again later; if they have never answered, ask them in another way to add you to their contacts"
            }
            Self::Offline => "send it again when they are online: presence says when they come",
        }
    }
}
