//! Why a commit or a message is not taken.

use std::fmt;

use crate::{Ballot, CommitId, Leaf};

/// Why a commit, an offer or a claim is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It is about another epoch than the one this member is in.
    AnotherEpoch {
        /// The epoch this member is in.
        expected: CommitId,
        /// The epoch that was named.
        found: CommitId,
    },
    /// The committer is no member, or an external commit adds somebody else than its sender.
    Committer(Leaf),
    /// It removes who is not in, or adds who is.
    Members,
    /// It makes somebody else than its committer the host, or goes back to an earlier term.
    NextHost(Ballot),
    /// It leaves the room without a host.
    NoHost,
    /// An external commit without an invitation for this epoch.
    NotInvited,
    /// Another ballot has been promised.
    Promised {
        /// The ballot promised.
        expected: Ballot,
        /// The ballot of the message.
        found: Ballot,
    },
    /// In this ballot another commit was seen before.
    AnotherCommit {
        /// The commit seen first.
        expected: CommitId,
        /// The commit of the message.
        found: CommitId,
    },
    /// The grants do not give the right to offer this commit.
    Grants,
    /// Whoever asks or offers has no right to.
    NotEntitled(Ballot),
    /// The host is not lost here.
    HostIsHere,
    /// More ballots in one epoch than are kept.
    TooManyBallots,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnotherEpoch { .. } => write!(f, "it is about another epoch"),
            Self::Committer(leaf) => write!(f, "leaf {} may not commit this", leaf.0),
            Self::Members => write!(f, "it removes who is not in, or adds who is"),
            Self::NextHost(host) => write!(f, "leaf {} cannot become the host of term {}", host.leaf.0, host.term),
            Self::NoHost => write!(f, "it leaves the room without a host"),
            Self::NotInvited => write!(f, "no invitation for this epoch"),
            Self::Promised { expected, found } => write!(
                f,
                "expected at least term {} of leaf {}, found term {} of leaf {}",
                expected.term, expected.leaf.0, found.term, found.leaf.0
            ),
            Self::AnotherCommit { .. } => write!(f, "another commit was seen in this term before"),
            Self::Grants => write!(f, "the grants do not give the right to offer this commit"),
            Self::NotEntitled(by) => write!(f, "leaf {} has no right to term {}", by.leaf.0, by.term),
            Self::HostIsHere => write!(f, "the host is not lost here"),
            Self::TooManyBallots => write!(f, "too many terms in one epoch"),
        }
    }
}

impl std::error::Error for Refused {}
