//! Staging a commit, acknowledging it, and merging it when it is decided (rules ).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use crate::member::MAX_BALLOTS;
use crate::{
    Ack, Alarm, Ballot, Change, Commit, CommitId, Go, Leaf, Member, Message, Offer, Output, Refused, Rules, Staged,
    is_quorum,
};

/// What became known of one ballot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Seen {
    /// The first commit seen in it, in an offer, an acknowledgement or a decision.
    pub(crate) id: CommitId,
    /// Who acknowledged what, its owner apart: she may say one thing here and another there.
    pub(crate) acks: BTreeMap<Leaf, CommitId>,
    /// Whether the time for contradictions is over.
    pub(crate) waited: bool,
    /// Which commits were shown to be decided in it; more than two tell no more than two do.
    pub(crate) decided: BTreeSet<CommitId>,
    /// Which commits its owner showed that a quorum granted her to offer in it; of these, too, two tell all.
    pub(crate) offered: BTreeSet<CommitId>,
    /// Whether its owner offered another commit in it too.
    pub(crate) two: bool,
}

impl<R: Rules> Member<R> {
    pub(crate) fn take_offer(&mut self, offer: Offer) -> Result<Vec<Output>, Refused> {
        let Offer { ballot, commit, grants } = offer;
        if let Some(go) = self.decision_after(commit.parent) {
            return Ok(vec![send(Some(ballot.leaf), Message::Go(go.clone()))]);
        }
        self.check_commit(&commit)?;
        self.check_right(ballot, &commit, &grants)?;
        let barred = R::KEEP_PROMISES && ballot < self.promised;
        if barred && !R::RIGHTFUL_OFFERS_CONTRADICT {
            return Err(Refused::Promised { expected: self.promised, found: ballot });
        }
        // Also where it is not acknowledged: it shows that nothing else was decided in a lower ballot.
        let mut outputs = self.see(ballot, commit.id)?;
        let is_claimed = ballot > self.epoch.host;
        if let Some(seen) = self.seen.get_mut(&ballot).filter(|seen| is_claimed && seen.offered.len() < 2) {
            seen.offered.insert(commit.id);
        }
        if barred || self.first_seen(ballot) != Some(commit.id) {
            return Ok(outputs);
        }
        let ack = Ack { from: self.me, parent: commit.parent, ballot, id: commit.id };
        self.note_ack(&ack);
        self.promised = self.promised.max(ballot);
        self.staged = Some(Staged { ballot, commit: commit.clone() });
        outputs.push(send(None, Message::Ack(ack)));
        if !R::MERGE_AFTER_GO {
            outputs.extend(self.merge(Go { ballot, commit, acks: [self.me].into() }));
        }
        Ok(outputs)
    }

    pub(crate) fn take_ack(&mut self, ack: &Ack) -> Result<Vec<Output>, Refused> {
        if let Some(past) = self.ended(ack.parent) {
            let mut outputs = vec![send(Some(ack.from), Message::Go(past.go.clone()))];
            if let Some(first) = past.seen.get(&ack.ballot).filter(|first| R::WARN && **first != ack.id) {
                outputs.push(two_offers(ack.parent, ack.ballot, (*first, ack.id)));
            }
            return Ok(outputs);
        }
        self.check_parent(ack.parent)?;
        if !self.epoch.members.contains(&ack.from) {
            return Err(Refused::Committer(ack.from));
        }
        let mut outputs = self.see(ack.ballot, ack.id)?;
        self.note_ack(ack);
        outputs.extend(self.count(ack));
        Ok(outputs)
    }

    pub(crate) fn take_go(&mut self, go: Go) -> Result<Vec<Output>, Refused> {
        if let Some(mine) = self.decision_after(go.commit.parent) {
            return Ok(if mine.commit.id == go.commit.id || !R::WARN {
                Vec::new()
            } else {
                vec![self.forked(mine, &go)]
            });
        }
        self.check_commit(&go.commit)?;
        if !is_quorum::<R>(&go.acks, &self.epoch.members) {
            return Err(Refused::Grants);
        }
        let mut outputs = self.see(go.ballot, go.commit.id)?;
        for from in &go.acks {
            self.note_ack(&Ack { from: *from, parent: go.commit.parent, ballot: go.ballot, id: go.commit.id });
        }
        if let Some(seen) = self.seen.get_mut(&go.ballot).filter(|seen| seen.decided.len() < 2) {
            seen.decided.insert(go.commit.id);
        }
        if self.first_seen(go.ballot) == Some(go.commit.id) {
            self.go = Some(go);
            outputs.extend(self.merge_if_ready());
        }
        Ok(outputs)
    }

    pub(crate) fn waited(&mut self, ballot: Ballot) -> Vec<Output> {
        let Some(seen) = self.seen.get_mut(&ballot) else { return Vec::new() };
        seen.waited = true;
        self.go_on()
    }

    pub(crate) fn lose(&mut self, leaves: BTreeSet<Leaf>) -> Vec<Output> {
        self.lost = leaves;
        self.go_on()
    }

    /// Follows or makes the decision for which nobody has to be waited for any longer.
    fn go_on(&mut self) -> Vec<Output> {
        let outputs = self.merge_if_ready();
        if outputs.is_empty() { self.decide_if_ready() } else { outputs }
    }

    /// at once if nobody is missing but who is lost; else when the wait is over. Never against a contradiction.
    pub(crate) fn may_trust(&self, ballot: Ballot, acks: &BTreeSet<Leaf>) -> bool {
        let Some(seen) = self.seen.get(&ballot) else { return false };
        // Where another commit is known of, whoever is lost may have followed it: then nobody is passed over.
        let passes_over = R::PASS_OVER_THE_LOST && !self.knows_another(seen.id);
        let is_missed = |leaf: &Leaf| {
            // What this member itself has acknowledged it knows.
            let is_lost = passes_over && self.lost.contains(leaf) || *leaf == self.me;
            !acks.contains(leaf) && seen.acks.get(leaf) != Some(&seen.id) && !is_lost
        };
        let waits = R::WAIT_FOR_WHO_IS_REACHED && self.epoch.members.iter().any(is_missed);
        !(R::HEED_CONTRADICTIONS && self.is_contradicted(ballot, seen.id)) && (seen.waited || !waits)
    }

    /// What was decided in a ballot is the only commit that anybody acknowledges in it or in a higher one, and that a
    /// quorum's grants give the right to offer in a higher one. So another one, acknowledged by somebody else than its
    /// ballot's owner or by oneself, or offered so, shows that somebody lied; and so does another decision.
    fn is_contradicted(&self, ballot: Ballot, id: CommitId) -> bool {
        let another = |found: &CommitId| *found != id;
        let decided = R::DECISIONS_CONTRADICT && self.seen.values().any(|seen| seen.decided.iter().any(another));
        let staged = self.staged.iter().any(|staged| staged.ballot > ballot && another(&staged.commit.id));
        let above = (Excluded(ballot), Unbounded);
        let offered =
            R::RIGHTFUL_OFFERS_CONTRADICT && self.seen.range(above).any(|(_, seen)| seen.offered.iter().any(another));
        decided || staged || offered || self.seen.range(ballot..).any(|(_, seen)| seen.acks.values().any(another))
    }

    /// Whether another commit for this epoch was offered or acknowledged, in whatever ballot.
    fn knows_another(&self, id: CommitId) -> bool {
        self.seen.values().any(|seen| seen.two || seen.id != id || seen.acks.values().any(|found| *found != id))
    }

    /// The commits for this epoch that are known of, in whatever ballot.
    pub fn known(&self) -> impl Iterator<Item = CommitId> + '_ {
        self.seen.values().flat_map(|seen| seen.acks.values().chain([&seen.id])).copied()
    }

    fn merge_if_ready(&mut self) -> Vec<Output> {
        match self.go.take() {
            Some(go) if self.may_trust(go.ballot, &go.acks) => self.merge(go),
            waiting => {
                self.go = waiting;
                Vec::new()
            }
        }
    }

    ///
    pub(crate) fn check_commit(&self, commit: &Commit) -> Result<(), Refused> {
        self.epoch.check(commit)?;
        match commit.change.invited {
            Some(epoch) if R::INVITED_FOR_THIS_EPOCH && epoch != self.epoch.id => Err(Refused::NotInvited),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_parent(&self, found: CommitId) -> Result<(), Refused> {
        let expected = self.epoch.id;
        if found == expected { Ok(()) } else { Err(Refused::AnotherEpoch { expected, found }) }
    }

    /// Notes the first commit of a ballot; a second one is evidence against the ballot's owner.
    pub(crate) fn see(&mut self, ballot: Ballot, id: CommitId) -> Result<Vec<Output>, Refused> {
        let first = match self.seen.get(&ballot) {
            Some(seen) => seen.id,
            // The host's own ballot has its place whatever others fill the rest with.
            None if self.seen.len() >= MAX_BALLOTS && ballot != self.epoch.host => return Err(Refused::TooManyBallots),
            None => {
                let (acks, decided) = (BTreeMap::new(), BTreeSet::new());
                self.seen
                    .insert(ballot, Seen { id, acks, waited: false, decided, offered: BTreeSet::new(), two: false });
                id
            }
        };
        if first == id {
            return Ok(Vec::new());
        }
        if let Some(seen) = self.seen.get_mut(&ballot) {
            seen.two = true;
        }
        if ballot.leaf == self.epoch.host.leaf {
            self.host_lost = true;
        }
        Ok(if R::WARN { vec![two_offers(self.epoch.id, ballot, (first, id))] } else { Vec::new() })
    }

    /// Whether it is known that this member offered two commits in one ballot of this epoch.
    pub(crate) fn has_lied(&self, leaf: Leaf) -> bool {
        self.seen.iter().any(|(ballot, seen)| ballot.leaf == leaf && seen.two)
    }

    fn note_ack(&mut self, ack: &Ack) {
        if let Some(seen) = self.seen.get_mut(&ack.ballot)
            && ack.from != ack.ballot.leaf
        {
            // A contradiction stays one: whoever acknowledged two has broken a rule herself.
            let noted = seen.acks.entry(ack.from).or_insert(ack.id);
            if *noted == seen.id {
                *noted = ack.id;
            }
        }
    }

    fn forked(&self, mine: &Go, theirs: &Go) -> Output {
        Output::Alarm(Alarm::Forked {
            number: self.number_after(mine),
            mine: mine.commit.id,
            theirs: theirs.commit.id,
            both: mine.acks.intersection(&theirs.acks).copied().collect(),
        })
    }

    /// The number of the epoch that a decision of the past began.
    fn number_after(&self, go: &Go) -> u64 {
        let later = self.past.iter().rev().take_while(|past| past.go.commit.id != go.commit.id).count();
        self.epoch.number.saturating_sub(later as u64)
    }

    pub(crate) fn beat(&self) -> Output {
        send(None, Message::Beat { from: self.me, number: self.epoch.number, id: self.epoch.id })
    }

    /// whoever names another commit for an epoch of one's past has forked. Who is behind is helped on.
    pub(crate) fn take_beat(&self, from: Leaf, number: u64, id: CommitId) -> Vec<Output> {
        let began = |go: &&Go| self.number_after(go) == number;
        let mut outputs = Vec::new();
        if let Some(mine) = self.past.iter().map(|past| &past.go).find(began)
            && mine.commit.id != id
        {
            let alarm = Alarm::Forked { number, mine: mine.commit.id, theirs: id, both: BTreeSet::new() };
            outputs.extend(R::WARN.then_some(Output::Alarm(alarm)));
            outputs.push(send(Some(from), Message::Go(mine.clone())));
        } else if let Some(go) = self.decision_after(id) {
            outputs.push(send(Some(from), Message::Go(go.clone())));
        }
        outputs
    }
}

pub(crate) fn send(to: Option<Leaf>, message: Message) -> Output {
    Output::Send { to, message }
}

fn two_offers(parent: CommitId, ballot: Ballot, (one, other): (CommitId, CommitId)) -> Output {
    Output::Alarm(Alarm::TwoOffers { parent, ballot, one, other })
}

/// Who enters by a commit is told when it is decided.
pub(crate) fn newcomers(change: &Change) -> impl Iterator<Item = Leaf> + '_ {
    change.adds.iter().copied()
}
