//! Epochs, and the commits that lead from one to the next.

use std::collections::BTreeSet;

use crate::Refused;

/// Where a device stands in the group's tree (RFC 9420 section 4.2). Within an epoch it names one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf(pub u32);

/// A collision-resistant digest of a commit as it was sent. An epoch has the name of the commit that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub [u8; 32]);

/// Somebody's right to offer commits in an epoch. The higher one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// How often the room has changed its host, and tried to.
    pub term: u32,
    /// Who offers.
    pub leaf: Leaf,
}

/// What a commit does, as far as the order of commits depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// Leaves that enter.
    pub adds: BTreeSet<Leaf>,
    /// Leaves that are removed.
    pub removes: BTreeSet<Leaf>,
    /// The host from the next epoch on, if another than now.
    pub host: Option<Ballot>,
    /// An external commit (RFC 9420 section 12.4.3.2): the epoch for which its sender was invited.
    pub invited: Option<CommitId>,
}

/// A commit by value: it holds all its proposals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit {
    /// Its digest.
    pub id: CommitId,
    /// The epoch it ends.
    pub parent: CommitId,
    /// Who made it: a member, or by an external commit the newcomer.
    pub committer: Leaf,
    /// What it does.
    pub change: Change,
}

/// What every member of an epoch knows alike, since it stands in the group's context and tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Counted from the room's beginning.
    pub number: u64,
    /// The commit that began it.
    pub id: CommitId,
    /// Who is in it.
    pub members: BTreeSet<Leaf>,
    /// The host of record: she may offer without asking.
    pub host: Ballot,
}

impl Epoch {
    /// Whether a commit may end this epoch (rule R-03).
    ///
    /// # Errors
    /// [`Refused`] says which part of the rule it breaks.
    pub fn check(&self, commit: &Commit) -> Result<(), Refused> {
        let Change { adds, removes, host, invited } = &commit.change;
        if commit.parent != self.id {
            return Err(Refused::AnotherEpoch { expected: self.id, found: commit.parent });
        }
        let member = self.members.contains(&commit.committer);
        let external = invited.is_some() && adds.len() == 1 && adds.contains(&commit.committer);
        if !(member && invited.is_none() || !member && external) {
            return Err(Refused::Committer(commit.committer));
        }
        if !removes.is_subset(&self.members) || !adds.is_disjoint(&self.members) {
            return Err(Refused::Members);
        }
        match host {
            Some(next) if next.leaf != commit.committer || next.term <= self.host.term => Err(Refused::NextHost(*next)),
            _ if !self.after(commit).members.contains(&host.unwrap_or(self.host).leaf) => Err(Refused::NoHost),
            _ => Ok(()),
        }
    }

    /// The epoch after a commit that [`Self::check`] let pass.
    #[must_use]
    pub fn after(&self, commit: &Commit) -> Self {
        let Change { adds, removes, host, .. } = &commit.change;
        Self {
            number: self.number + 1,
            id: commit.id,
            members: self.members.difference(removes).chain(adds).copied().collect(),
            host: host.unwrap_or(self.host),
        }
    }
}
