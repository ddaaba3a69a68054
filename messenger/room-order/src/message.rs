//! What members send one another. Each message is signed by its sender's leaf key; here the signatures are verified
//! already, and what is quoted from others (grants in an offer, acknowledgements in a go) too.

use std::collections::BTreeSet;

use crate::{Ballot, Commit, CommitId, Leaf};

/// A commit that somebody offered, staged and not merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Staged {
    /// In which ballot it was acknowledged.
    pub ballot: Ballot,
    /// The commit.
    pub commit: Commit,
}

/// "Stage this commit": from whom the ballot belongs to, to all members.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offer {
    /// The right by which it is offered.
    pub ballot: Ballot,
    /// The commit.
    pub commit: Commit,
    /// What gives the right; empty in the ballot of the host of record.
    pub grants: BTreeSet<Grant>,
}

/// "I have staged it": to all members. It quotes the head of the offer with its signature, so that it proves what was
/// offered as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ack {
    /// Who staged it.
    pub from: Leaf,
    /// The epoch to be ended.
    pub parent: CommitId,
    /// In which ballot it was offered.
    pub ballot: Ballot,
    /// The commit.
    pub id: CommitId,
}

/// "It is decided": with the acknowledgements that prove it. Anybody may pass it on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Go {
    /// In which ballot it was decided.
    pub ballot: Ballot,
    /// The commit.
    pub commit: Commit,
    /// Whose acknowledgements it quotes.
    pub acks: BTreeSet<Leaf>,
}

/// "I want to offer in place of the host": to all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The epoch the claim is for, and no other.
    pub parent: CommitId,
    /// The ballot claimed.
    pub ballot: Ballot,
}

/// "You may": and what its sender has staged in this epoch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// Who grants.
    pub from: Leaf,
    /// The epoch it is for, and no other.
    pub parent: CommitId,
    /// The ballot granted.
    pub ballot: Ballot,
    /// What its sender acknowledged last.
    pub staged: Option<Staged>,
}

/// Anything members send one another about the order of commits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A commit for the host to offer.
    Propose(Commit),
    /// See [`Offer`].
    Offer(Offer),
    /// See [`Ack`].
    Ack(Ack),
    /// See [`Go`].
    Go(Go),
    /// See [`Claim`].
    Claim(Claim),
    /// See [`Grant`].
    Grant(Grant),
    /// "I am in this epoch."
    Beat {
        /// Who says so.
        from: Leaf,
        /// The epoch's number.
        number: u64,
        /// The commit that began it.
        id: CommitId,
    },
}
