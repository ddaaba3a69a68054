//! One device's part in ordering the commits of a room.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use crate::leading::Lead;
use crate::staging::Seen;
use crate::{Alarm, AllRules, Ballot, Commit, CommitId, Epoch, Go, Leaf, Message, Refused, Rules, Staged};

/// Most ballots of one epoch that a member keeps count of.
pub const MAX_BALLOTS: usize = 64;
/// How far above what was promised a claim may reach: nobody drives the terms to their end.
pub const MAX_AHEAD: u32 = 1024;
/// How many decisions are kept for members who lag, and to notice forks.
const MAX_PAST: usize = 64;

/// What happens to a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A commit was made here: offer it, or let the host offer it.
    Propose(Commit),
    /// A message came; its signatures hold.
    Receive(Message),
    /// The time to wait for contradictions, since [`Member::ballots`] had this ballot, is over.
    Waited(Ballot),
    /// No member reaches the host any more.
    HostLost,
    /// The host is heard again.
    HostBack,
    /// These members, and no others, are lost here now: no connection is left, or nothing came for long.
    Lost(BTreeSet<Leaf>),
    /// It is this member's turn to take the host's place.
    Claim,
    /// The same, with a term above this one, which somebody else is known to have claimed.
    ClaimAbove(u32),
    /// It is time to tell the others where one is.
    Beat,
}

/// What a member does about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// To one member, or to all others of the epoch.
    Send {
        /// One, or all.
        to: Option<Leaf>,
        /// What.
        message: Message,
    },
    /// The claim was granted and nothing is staged: make a commit by which one becomes the host, and propose it.
    Elected(Ballot),
    /// Merge this commit: it is decided.
    Merged(Commit),
    /// Who enters may have the welcome to this epoch now.
    Welcome {
        /// The newcomer.
        to: Leaf,
        /// The epoch she enters.
        epoch: Epoch,
    },
    /// The commit removed this device: forget the room's keys.
    Removed,
    /// Warn the person.
    Alarm(Alarm),
    /// The input changed nothing.
    Refused(Refused),
}

/// A member of a room, in memory only: who restarts is nobody's member any more and enters anew (rule R-10).
#[derive(Debug)]
pub struct Member<R = AllRules> {
    pub(crate) me: Leaf,
    pub(crate) epoch: Epoch,
    pub(crate) inside: bool,
    pub(crate) host_lost: bool,
    /// Who is not waited for.
    pub(crate) lost: BTreeSet<Leaf>,
    /// Nothing in a lower ballot is acknowledged.
    pub(crate) promised: Ballot,
    pub(crate) staged: Option<Staged>,
    pub(crate) seen: BTreeMap<Ballot, Seen>,
    /// A decision that waits for contradictions.
    pub(crate) go: Option<Go>,
    pub(crate) lead: Lead,
    /// The decisions that ended the latest epochs, oldest first.
    pub(crate) past: Vec<Past>,
    rules: PhantomData<R>,
}

/// What is kept of an epoch that is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Past {
    /// The decision that ended it.
    pub(crate) go: Go,
    /// The first commit seen in each ballot of it: who offered another one there is found out later, too.
    pub(crate) seen: BTreeMap<Ballot, CommitId>,
}

impl<R: Rules> Member<R> {
    /// The device at leaf `me`, in this epoch: it created the room, or has processed a welcome.
    #[must_use]
    pub fn new(me: Leaf, epoch: Epoch) -> Self {
        Self {
            me,
            promised: epoch.host,
            epoch,
            inside: true,
            host_lost: false,
            lost: BTreeSet::new(),
            staged: None,
            seen: BTreeMap::new(),
            go: None,
            lead: Lead::Idle,
            past: Vec::new(),
            rules: PhantomData,
        }
    }

    /// The device that entered by a commit of its own (rule R-09), which was decided so: it has the decision, and passes it on to
    /// who is behind (rule R-06). `before` is the epoch that the commit ended.
    #[must_use]
    pub fn entered(go: Go, before: &Epoch) -> Self {
        let epoch = before.after(&go.commit);
        let past = vec![Past { go: go.clone(), seen: BTreeMap::new() }];
        Self { past, ..Self::new(go.commit.committer, epoch) }
    }

    /// Where it stands.
    #[must_use]
    pub fn leaf(&self) -> Leaf {
        self.me
    }

    /// The epoch it is in, or was removed by leaving.
    #[must_use]
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Whether it is in the room: false once it was removed.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// The highest ballot it promised something in.
    #[must_use]
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// What it staged last in this epoch.
    #[must_use]
    pub fn staged(&self) -> Option<&Staged> {
        self.staged.as_ref()
    }

    /// The ballots in which the wait for contradictions has begun, and whether it is over.
    pub fn ballots(&self) -> impl Iterator<Item = (Ballot, bool)> + '_ {
        let begun = |(ballot, seen): &(&Ballot, &Seen)| {
            // What a ballot's owner alone has said begins nothing: nobody could have contradicted it yet.
            !R::WAIT_SINCE_AN_ACKNOWLEDGEMENT || ballot.leaf == self.me || !seen.acks.is_empty()
        };
        self.seen.iter().filter(begun).map(|(ballot, seen)| (*ballot, seen.waited))
    }

    /// The commit first seen in a ballot of this epoch.
    #[must_use]
    pub fn first_seen(&self, ballot: Ballot) -> Option<CommitId> {
        self.seen.get(&ballot).map(|seen| seen.id)
    }

    /// The commit first seen in a ballot of an epoch that is over, by its name.
    #[must_use]
    pub fn first_seen_before(&self, parent: CommitId, ballot: Ballot) -> Option<CommitId> {
        self.ended(parent)?.seen.get(&ballot).copied()
    }

    /// Whether this commit is known to have been offered in a ballot of this epoch by who had the right to.
    #[must_use]
    pub fn was_offered(&self, ballot: Ballot, commit: CommitId) -> bool {
        let is_hers = |seen: &Seen| seen.offered.contains(&commit) || ballot == self.epoch.host && seen.id == commit;
        self.seen.get(&ballot).is_some_and(is_hers)
    }

    /// Whose acknowledgements in a ballot of this epoch are known, its owner's apart.
    pub fn acknowledged(&self, ballot: Ballot) -> impl Iterator<Item = Leaf> + '_ {
        self.seen.get(&ballot).into_iter().flat_map(|seen| seen.acks.keys().copied())
    }

    /// Who is lost here, and not waited for.
    #[must_use]
    pub fn lost(&self) -> &BTreeSet<Leaf> {
        &self.lost
    }

    /// Whether a decision is at hand that is not followed yet: this epoch will end by it, or somebody has lied.
    #[must_use]
    pub fn waits_to_follow(&self) -> bool {
        self.go.is_some()
    }

    /// The decisions for the end of this epoch that are known, followed or not.
    pub fn decisions(&self) -> impl Iterator<Item = CommitId> + '_ {
        self.seen.values().flat_map(|seen| seen.decided.iter().copied())
    }

    /// By which commit this member left an epoch, if it holds the decision.
    #[must_use]
    pub fn end_of(&self, epoch: CommitId) -> Option<CommitId> {
        self.decision_after(epoch).map(|go| go.commit.id)
    }

    /// Whether it holds the decision that ended this epoch, and can help others on with it.
    #[must_use]
    pub fn knows_end_of(&self, epoch: CommitId) -> bool {
        self.decision_after(epoch).is_some()
    }

    /// Takes an input. What is refused changes nothing, and is told for the log alone.
    #[must_use]
    pub fn step(&mut self, input: Input) -> Vec<Output> {
        if !self.inside {
            return Vec::new();
        }
        let outcome = match input {
            Input::Propose(commit) => self.propose(commit),
            Input::Receive(message) => self.receive(message),
            Input::Waited(ballot) => Ok(self.waited(ballot)),
            Input::Claim => Ok(self.claim(0)),
            Input::ClaimAbove(term) => Ok(self.claim(term)),
            Input::Beat => Ok(vec![self.beat()]),
            Input::HostLost => {
                self.host_lost = true;
                Ok(Vec::new())
            }
            Input::HostBack => {
                self.host_lost = false;
                Ok(Vec::new())
            }
            Input::Lost(leaves) => Ok(self.lose(leaves)),
        };
        outcome.unwrap_or_else(|refused| vec![Output::Refused(refused)])
    }

    fn receive(&mut self, message: Message) -> Result<Vec<Output>, Refused> {
        match message {
            Message::Propose(commit) => self.take_proposal(commit),
            Message::Offer(offer) => self.take_offer(offer),
            Message::Ack(ack) => self.take_ack(&ack),
            Message::Go(go) => self.take_go(go),
            Message::Claim(claim) => self.take_claim(claim),
            Message::Grant(grant) => self.take_grant(grant),
            Message::Beat { from, number, id } => Ok(self.take_beat(from, number, id)),
        }
    }

    /// The decision that ended an epoch, for somebody who is still in it.
    pub(crate) fn decision_after(&self, parent: CommitId) -> Option<&Go> {
        self.ended(parent).map(|past| &past.go)
    }

    /// What is kept of an epoch that is over here.
    pub(crate) fn ended(&self, parent: CommitId) -> Option<&Past> {
        self.past.iter().find(|past| past.go.commit.parent == parent)
    }

    /// Leaves the epoch by the decided commit.
    pub(crate) fn merge(&mut self, go: Go) -> Vec<Output> {
        let next = self.epoch.after(&go.commit);
        if next.host.leaf != self.epoch.host.leaf {
            self.host_lost = false;
        }
        let entered = go.commit.change.adds.clone();
        let mandate = self.mandate_beyond_the_epoch();
        let mut outputs = vec![Output::Merged(go.commit.clone())];
        if self.past.len() == MAX_PAST {
            self.past.remove(0);
        }
        let seen = std::mem::take(&mut self.seen).into_iter().map(|(ballot, seen)| (ballot, seen.id)).collect();
        self.past.push(Past { go, seen });
        self.promised = next.host;
        // A leaf that is left by one device may be taken by another.
        self.lost.retain(|leaf| next.members.contains(leaf) && !entered.contains(leaf));
        self.epoch = next;
        self.staged = None;
        self.go = None;
        self.lead = mandate;
        if !self.epoch.members.contains(&self.me) {
            self.inside = false;
            outputs.push(Output::Removed);
        }
        outputs
    }
}

// By hand, so that no bound falls on the rules.
impl<R> Clone for Member<R> {
    fn clone(&self) -> Self {
        Self {
            me: self.me,
            epoch: self.epoch.clone(),
            inside: self.inside,
            host_lost: self.host_lost,
            lost: self.lost.clone(),
            promised: self.promised,
            staged: self.staged.clone(),
            seen: self.seen.clone(),
            go: self.go.clone(),
            lead: self.lead.clone(),
            past: self.past.clone(),
            rules: PhantomData,
        }
    }
}

impl<R> PartialEq for Member<R> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl<R> Eq for Member<R> {}

impl<R> Hash for Member<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

type Parts<'a> = (
    (Leaf, &'a Epoch, bool, bool, &'a BTreeSet<Leaf>, Ballot),
    (&'a Option<Staged>, &'a BTreeMap<Ballot, Seen>, &'a Option<Go>, &'a Lead, &'a Vec<Past>),
);

impl<R> Member<R> {
    fn parts(&self) -> Parts<'_> {
        (
            (self.me, &self.epoch, self.inside, self.host_lost, &self.lost, self.promised),
            (&self.staged, &self.seen, &self.go, &self.lead, &self.past),
        )
    }
}
