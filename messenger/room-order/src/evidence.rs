//! What members warn of, with what proves it (rule R-14).

use std::collections::BTreeSet;

use crate::{Ballot, CommitId, Leaf};

/// Something that cannot happen while everybody keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// The ballot's owner signed two commits in one ballot of one epoch. Both heads are at hand.
    TwoOffers {
        /// The epoch that both were to end.
        parent: CommitId,
        /// Whose ballot it is: she is named.
        ballot: Ballot,
        /// The commit seen first.
        one: CommitId,
        /// The other.
        other: CommitId,
    },
    /// Two decisions ended one epoch: the room has forked.
    Forked {
        /// The number of the epoch that both begin.
        number: u64,
        /// The commit merged here.
        mine: CommitId,
        /// The commit merged there.
        theirs: CommitId,
        /// Who acknowledged both: among them is whoever broke the rules. Empty until both decisions are at hand.
        both: BTreeSet<Leaf>,
    },
}
