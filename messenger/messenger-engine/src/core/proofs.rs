//! What others have signed about the order of commits: kept for its epoch, quoted to who has to see it, and after the epoch
//! kept as the decision that ended it, for who is behind (rule R-06) and against forks (rule R-14).

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use room_order::{Ballot, CommitId, Leaf, MAX_BALLOTS};

use crate::room::{DeviceKey, Leaves};
use crate::wire::{Head, QuotedAck, RoomFrame, Signature, SignedGrant, SignedHead};

/// How many heads of one epoch are kept that one leaf has signed: nobody uses up what is there for the others'.
const HEADS_OF_ONE: usize = 16;
/// In how many ballots of a past epoch two offers are shown to all: who is named for four is known well enough.
const SHOWN_LATE: usize = 4;
/// How many decisions of past epochs are kept. Each holds a commit.
const MAX_PAST: usize = 16;

/// The decision that ended an epoch.
pub(super) struct Decision {
    /// The epoch it ended.
    pub(super) parent: CommitId,
    /// The commit, and the epoch it began.
    pub(super) commit: CommitId,
    /// Who was who in the epoch it ended.
    pub(super) leaves: Leaves,
    /// The go, with its proofs.
    pub(super) go: RoomFrame,
    /// What was seen first in each ballot of that epoch.
    firsts: BTreeMap<Ballot, SignedHead>,
    /// In which of them two offers were shown to all, of which one came after the epoch had ended.
    shown: BTreeSet<Ballot>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Proofs {
    heads: BTreeMap<(Ballot, CommitId), SignedHead>,
    acks: BTreeMap<(Ballot, CommitId), BTreeMap<Leaf, Signature>>,
    /// Of one's own claim.
    grants: BTreeMap<Leaf, SignedGrant>,
    gos: BTreeMap<CommitId, RoomFrame>,
    /// Of which offers an acknowledgement was shown to all, because there is another one in their ballot.
    shown: BTreeSet<(Ballot, CommitId)>,
    past: VecDeque<Decision>,
}

/// The ballot in which a head was offered.
pub(super) fn ballot(head: &Head) -> Ballot {
    Ballot { term: head.term, leaf: Leaf(head.leaf) }
}

fn key(head: &Head) -> (Ballot, CommitId) {
    (ballot(head), CommitId(head.commit))
}

impl Proofs {
    /// Keeps a head whose signature holds. Returns whether it was kept or known.
    pub(super) fn keep_head(&mut self, head: &SignedHead) -> bool {
        let leaf = Leaf(head.head.leaf);
        if self.heads.keys().filter(|(ballot, _)| ballot.leaf == leaf).count() < HEADS_OF_ONE {
            self.heads.entry(key(&head.head)).or_insert_with(|| head.clone());
        }
        self.heads.contains_key(&key(&head.head))
    }

    /// Whether this very head is kept: then its signature has been looked at.
    pub(super) fn has_head(&self, head: &SignedHead) -> bool {
        self.heads.get(&key(&head.head)) == Some(head)
    }

    /// Whether this very acknowledgement of a head that is kept is kept: then its signature has been looked at.
    pub(super) fn has_ack(&self, head: &SignedHead, ack: &QuotedAck) -> bool {
        let known = self.acks.get(&key(&head.head)).and_then(|acks| acks.get(&Leaf(ack.from)));
        self.has_head(head) && known == Some(&ack.signature)
    }

    /// The head of an offer in this epoch.
    pub(super) fn head(&self, ballot: Ballot, commit: CommitId) -> Option<&SignedHead> {
        self.heads.get(&(ballot, commit))
    }

    /// Keeps an acknowledgement of a head that is kept; its signature holds.
    pub(super) fn keep_ack(&mut self, head: &Head, ack: &QuotedAck) {
        if self.heads.contains_key(&key(head)) {
            self.acks.entry(key(head)).or_default().insert(Leaf(ack.from), ack.signature);
        }
    }

    /// What the acknowledgements of these leaves were signed with.
    pub(super) fn acks(&self, ballot: Ballot, commit: CommitId, leaves: impl Iterator<Item = Leaf>) -> Vec<QuotedAck> {
        let Some(known) = self.acks.get(&(ballot, commit)) else { return Vec::new() };
        let quote = |leaf: Leaf| known.get(&leaf).map(|signature| QuotedAck { from: leaf.0, signature: *signature });
        leaves.filter_map(quote).collect()
    }

    /// Of two offers in one ballot of this epoch that were acknowledged by others than who made them, an acknowledgement of each, with
    /// its head: each once.
    pub(super) fn not_shown_yet(&mut self, ballot: Ballot) -> Vec<(SignedHead, QuotedAck)> {
        let least = (ballot, CommitId([0; 32]));
        let of_ballot = self.acks.range(least..).take_while(|((by, _), _)| *by == ballot);
        let by_others = of_ballot.filter_map(|(key, acks)| {
            let (from, signature) = acks.iter().find(|(from, _)| **from != ballot.leaf)?;
            Some((*key, self.heads.get(key)?.clone(), QuotedAck { from: from.0, signature: *signature }))
        });
        let known: Vec<_> = by_others.collect();
        if known.len() < 2 {
            return Vec::new();
        }
        known.into_iter().filter(|(key, ..)| self.shown.insert(*key)).map(|(_, head, ack)| (head, ack)).collect()
    }

    /// Another claim of one's own begins.
    pub(super) fn forget_grants(&mut self) {
        self.grants.clear();
    }

    pub(super) fn keep_grant(&mut self, grant: SignedGrant) {
        // The first one counts: it is what the rules have counted.
        self.grants.entry(Leaf(grant.granted.from)).or_insert(grant);
    }

    pub(super) fn grant(&self, from: Leaf) -> Option<&SignedGrant> {
        self.grants.get(&from)
    }

    /// Keeps a go whose proofs hold; one for each commit that is staged, and there are few.
    pub(super) fn keep_go(&mut self, commit: CommitId, go: RoomFrame) {
        self.gos.insert(commit, go);
    }

    /// Whether a go is kept for a commit of this epoch.
    pub(super) fn has_go(&self, commit: CommitId) -> bool {
        self.gos.contains_key(&commit)
    }

    /// The epoch has ended by this commit; `first_in` is what was seen first in a ballot of it.
    pub(super) fn decided(
        &mut self,
        (parent, commit): (CommitId, CommitId),
        leaves: Leaves,
        first_in: impl Fn(Ballot) -> Option<CommitId>,
    ) {
        let (go, heads) = (self.gos.remove(&commit), std::mem::take(&mut self.heads));
        let past = std::mem::take(&mut self.past);
        *self = Self { past, ..Self::default() };
        let Some(go) = go else { return };
        if self.past.len() == MAX_PAST {
            self.past.pop_front();
        }
        let first = heads.into_iter().filter(|((ballot, commit), _)| first_in(*ballot) == Some(*commit));
        let mut firsts: BTreeMap<Ballot, SignedHead> = first.map(|((ballot, _), head)| (ballot, head)).collect();
        if let RoomFrame::Go { head, .. } = &go {
            firsts.entry(ballot(&head.head)).or_insert_with(|| head.clone());
        }
        self.past.push_back(Decision { parent, commit, leaves, go, firsts, shown: BTreeSet::new() });
    }

    /// What was offered before this in the same ballot of an epoch that is over, if that was another commit. Where nothing was, this
    /// is kept.
    pub(super) fn contradicted_by(&mut self, head: &SignedHead) -> Option<SignedHead> {
        let by = ballot(&head.head);
        let firsts = &mut self.past.iter_mut().find(|decision| decision.parent.0 == head.head.parent)?.firsts;
        if let Some(first) = firsts.get(&by) {
            return (first.head.commit != head.head.commit).then(|| first.clone());
        }
        let of_leaf = firsts.keys().filter(|ballot| ballot.leaf == by.leaf).count();
        if of_leaf < HEADS_OF_ONE && firsts.len() < MAX_BALLOTS {
            firsts.insert(by, head.clone());
        }
        None
    }

    /// Whether two offers in a ballot of an epoch that is over are to be shown to all: once.
    pub(super) fn is_to_be_shown(&mut self, parent: CommitId, ballot: Ballot) -> bool {
        let decision = self.past.iter_mut().find(|decision| decision.parent == parent);
        decision.is_some_and(|decision| decision.shown.len() < SHOWN_LATE && decision.shown.insert(ballot))
    }

    /// The decision that ended an epoch of this name.
    pub(super) fn after(&self, parent: CommitId) -> Option<&Decision> {
        self.past.iter().find(|decision| decision.parent == parent)
    }

    /// The decision that began an epoch of this name.
    pub(super) fn leading_to(&self, commit: CommitId) -> Option<&RoomFrame> {
        self.past.iter().find(|decision| decision.commit == commit).map(|decision| &decision.go)
    }

    /// Who was who in the epoch that this commit ended.
    pub(super) fn leaves_before(&self, commit: CommitId) -> Option<&Leaves> {
        self.past.iter().find(|decision| decision.commit == commit).map(|decision| &decision.leaves)
    }

    /// Whether a device was in the epoch before this one.
    pub(super) fn knew_last(&self, device: DeviceKey) -> bool {
        self.past.back().is_some_and(|decision| decision.leaves.leaf(device).is_some())
    }

    /// Whether a device was in one of the epochs of which the decision is kept.
    pub(super) fn knew(&self, device: DeviceKey) -> bool {
        self.past.iter().any(|decision| decision.leaves.leaf(device).is_some())
    }

    /// The decisions that are kept, oldest first.
    #[cfg(test)]
    pub(super) fn past(&self) -> impl Iterator<Item = &Decision> {
        self.past.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_is_known_by_its_signature_alone() {
        let head = Head { room: [1; 16], parent: [2; 32], term: 3, leaf: 4, commit: [5; 32] };
        let signed = |head: &Head, by: u8| SignedHead { head: head.clone(), signature: [by; 64] };
        let (mut proofs, ack) = (Proofs::default(), QuotedAck { from: 6, signature: [7; 64] });
        proofs.keep_ack(&head, &ack);
        assert!(!proofs.has_ack(&signed(&head, 8), &ack), "of a head that is not kept");
        assert!(proofs.keep_head(&signed(&head, 8)));
        proofs.keep_ack(&head, &ack);
        assert!(proofs.has_head(&signed(&head, 8)) && proofs.has_ack(&signed(&head, 8), &ack));
        assert!(!proofs.has_head(&signed(&head, 9)) && !proofs.has_ack(&signed(&head, 9), &ack), "another signature");
        let elsewhere = Head { room: [9; 16], ..head.clone() };
        assert!(!proofs.has_head(&signed(&elsewhere, 8)), "another room's, in the same ballot");
        for other in [QuotedAck { from: 5, ..ack.clone() }, QuotedAck { signature: [8; 64], ..ack.clone() }] {
            assert!(!proofs.has_ack(&signed(&head, 8), &other), "{other:?}");
        }
        proofs.decided((CommitId([2; 32]), CommitId([5; 32])), Leaves::default(), |_| None);
        assert!(!proofs.has_head(&signed(&head, 8)), "of an epoch that has ended");
    }
}
