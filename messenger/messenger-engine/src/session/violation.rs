//! How the other side can break the protocol.

use super::{MAX_ACKS, WINDOW};

/// How the other side broke the protocol; the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first frame must be a Hello, and only the first.
    #[error("expected {expected}, found {found}")]
    Order {
        /// What was due.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// A version below 1.
    #[error("expected a version of at least 1, found 0")]
    Version,
    /// Numbers count without a gap.
    #[error("expected number {expected}, found {found}")]
    Number {
        /// The next one.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An answer to something never sent, or answered before.
    #[error("expected the number of something unanswered, found {found}")]
    StrayAck {
        /// The number.
        found: u64,
    },
    /// More acknowledgements in a frame than allowed.
    #[error("expected at most {MAX_ACKS} acknowledgements in a frame, found {found}")]
    TooManyAcks {
        /// How many.
        found: usize,
    },
    /// More sent than may be without an answer.
    #[error("expected at most {WINDOW} texts without an answer, found {found}")]
    TooManyUnanswered {
        /// How many.
        found: usize,
    },
    /// More said of a device by others than allowed.
    #[error("expected endorsements within their limits, found more")]
    Endorsements,
    /// Views with more in them than allowed.
    #[error("expected views within their limits, found more")]
    Views,
    /// A certificate for mail with more around it than allowed.
    #[error("expected a certificate for mail within its limits, found more")]
    MailCertificate,
    /// A mark with more in it than allowed.
    #[error("expected a mark ({kind}) within its limits, found more")]
    Mark {
        /// What kind it is.
        kind: &'static str,
    },
    /// A text above the limit.
    #[error("expected a text of at most {} bytes, found {found}", crate::MAX_TEXT_BYTES)]
    TextTooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The other side says that it got farther in the session than it can have.
    #[error("expected {what} of at most {most}, found {found}")]
    Progress {
        /// What it speaks of.
        what: &'static str,
        /// The most that is possible.
        most: u64,
        /// What it says.
        found: u64,
    },
}

impl Violation {
    /// Whether something told of the session's progress is possible.
    pub(super) fn unless_at_most(what: &'static str, most: u64, found: u64) -> Result<(), Self> {
        if found <= most { Ok(()) } else { Err(Self::Progress { what, most, found }) }
    }
}
