//! Offering commits: in the host's own ballot, or after a claim in her place (rules ).

use std::collections::BTreeSet;

use crate::member::MAX_AHEAD;
use crate::staging::{newcomers, send};
use crate::{
    Ack, Ballot, Claim, Commit, Go, Grant, Leaf, Member, Message, Offer, Output, Refused, Rules, Staged, is_quorum,
};

/// What a member is doing as the owner of a ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lead {
    #[default]
    Idle,
    Claiming {
        ballot: Ballot,
        grants: BTreeSet<Grant>,
    },
    Elected {
        ballot: Ballot,
        grants: BTreeSet<Grant>,
    },
    Offering {
        ballot: Ballot,
        commit: Commit,
        acks: BTreeSet<Leaf>,
        grants: BTreeSet<Grant>,
    },
}

impl<R: Rules> Member<R> {
    /// A commit made here.
    pub(crate) fn propose(&mut self, commit: Commit) -> Result<Vec<Output>, Refused> {
        self.check_commit(&commit)?;
        match self.entitled() {
            Some((ballot, grants)) => self.offer(ballot, commit, grants),
            None if self.epoch.host.leaf == self.me => Err(Refused::NotEntitled(self.promised)),
            None => Ok(vec![send(Some(self.epoch.host.leaf), Message::Propose(commit))]),
        }
    }

    /// A commit that somebody else made: the first one for this epoch is offered, others are stale.
    pub(crate) fn take_proposal(&mut self, commit: Commit) -> Result<Vec<Output>, Refused> {
        self.check_commit(&commit)?;
        let (ballot, grants) = self.entitled().ok_or(Refused::NotEntitled(self.promised))?;
        self.offer(ballot, commit, grants)
    }

    /// The ballot in which one may offer a commit of one's choice now.
    fn entitled(&self) -> Option<(Ballot, BTreeSet<Grant>)> {
        match &self.lead {
            Lead::Elected { ballot, grants } => Some((*ballot, grants.clone())),
            Lead::Idle => {
                let mine = self.epoch.host;
                let free = mine.leaf == self.me && self.promised == mine && !self.seen.contains_key(&mine);
                free.then(|| (mine, BTreeSet::new()))
            }
            Lead::Claiming { .. } | Lead::Offering { .. } => None,
        }
    }

    fn offer(&mut self, ballot: Ballot, commit: Commit, grants: BTreeSet<Grant>) -> Result<Vec<Output>, Refused> {
        let offer = Offer { ballot, commit: commit.clone(), grants: grants.clone() };
        let staged = self.take_offer(offer.clone())?;
        let mut outputs = vec![send(None, Message::Offer(offer))];
        outputs.extend(staged);
        if !R::WELCOME_AFTER_GO {
            outputs.extend(self.welcomes(&commit));
        }
        if R::MERGE_AFTER_GO {
            self.lead = Lead::Offering { ballot, commit, acks: [self.me].into(), grants };
            outputs.extend(self.decide_if_ready());
        }
        Ok(outputs)
    }

    /// Counts an acknowledgement of what one offers.
    pub(crate) fn count(&mut self, ack: &Ack) -> Vec<Output> {
        match &mut self.lead {
            Lead::Offering { ballot, commit, acks, .. } if *ballot == ack.ballot && commit.id == ack.id => {
                acks.insert(ack.from);
                self.decide_if_ready()
            }
            _ => Vec::new(),
        }
    }

    /// a quorum has acknowledged, and nobody is waited for any longer.
    pub(crate) fn decide_if_ready(&mut self) -> Vec<Output> {
        let Lead::Offering { ballot, commit, acks, .. } = &self.lead else { return Vec::new() };
        if !is_quorum::<R>(acks, &self.epoch.members) || !self.may_trust(*ballot, acks) {
            return Vec::new();
        }
        let go = Go { ballot: *ballot, commit: commit.clone(), acks: acks.clone() };
        let mut outputs = vec![send(None, Message::Go(go.clone()))];
        outputs.extend(self.welcomes(&go.commit));
        outputs.extend(self.merge(go));
        outputs
    }

    /// The ballot in which one would decide if nobody were waited for.
    #[must_use]
    pub fn may_decide_after_waiting(&self) -> Option<Ballot> {
        match &self.lead {
            Lead::Offering { ballot, acks, .. } if is_quorum::<R>(acks, &self.epoch.members) => Some(*ballot),
            _ => None,
        }
    }

    fn welcomes(&self, commit: &Commit) -> Vec<Output> {
        let epoch = self.epoch.after(commit);
        newcomers(&commit.change).map(|to| Output::Welcome { to, epoch: epoch.clone() }).collect()
    }

    pub(crate) fn claim(&mut self, above: u32) -> Vec<Output> {
        let highest = self.promised.term.max(self.epoch.host.term).max(above);
        // A lost host is given up then: nobody can claim more than the last term.
        let Some(term) = highest.checked_add(1) else {
            return vec![Output::Refused(Refused::Promised { expected: self.promised, found: self.promised })];
        };
        let ballot = Ballot { term, leaf: self.me };
        self.promised = ballot;
        let mine = self.grant(ballot);
        self.lead = Lead::Claiming { ballot, grants: [mine].into() };
        let mut outputs = vec![send(None, Message::Claim(Claim { parent: self.epoch.id, ballot }))];
        outputs.extend(self.elect_if_granted());
        outputs
    }

    fn grant(&self, ballot: Ballot) -> Grant {
        Grant { from: self.me, parent: self.epoch.id, ballot, staged: self.staged.clone() }
    }

    /// a higher ballot is promised to the host, and to whoever claims it while she is lost here too.
    pub(crate) fn take_claim(&mut self, claim: Claim) -> Result<Vec<Output>, Refused> {
        let Claim { parent, ballot } = claim;
        if let Some(go) = self.decision_after(parent) {
            return Ok(vec![send(Some(ballot.leaf), Message::Go(go.clone()))]);
        }
        self.check_parent(parent)?;
        if !self.epoch.members.contains(&ballot.leaf) || ballot.term <= self.epoch.host.term || ballot.leaf == self.me {
            return Err(Refused::NotEntitled(ballot));
        }
        if ballot.term > self.promised.term.max(self.epoch.host.term).saturating_add(MAX_AHEAD) {
            return Err(Refused::NotEntitled(ballot));
        }
        let barred = !R::GRANT_HIGHER_BALLOTS && self.promised != self.epoch.host && ballot != self.promised;
        if ballot < self.promised || barred {
            return Err(Refused::Promised { expected: self.promised, found: ballot });
        }
        // The host claims where a promise to somebody else, who lost her for a moment, bars her own ballot.
        if !self.host_lost && ballot.leaf != self.epoch.host.leaf {
            return Err(Refused::HostIsHere);
        }
        if ballot > self.promised {
            self.promised = ballot;
            self.lead = Lead::Idle;
        }
        Ok(vec![send(Some(ballot.leaf), Message::Grant(self.grant(ballot)))])
    }

    pub(crate) fn take_grant(&mut self, grant: Grant) -> Result<Vec<Output>, Refused> {
        self.check_parent(grant.parent)?;
        if !self.epoch.members.contains(&grant.from) {
            return Err(Refused::NotEntitled(grant.ballot));
        }
        if let Some(staged) = &grant.staged {
            self.check_commit(&staged.commit)?;
        }
        match &mut self.lead {
            Lead::Claiming { ballot, grants } if *ballot == grant.ballot => {
                let staged = grant.staged.clone();
                if !grants.iter().any(|known| known.from == grant.from) {
                    grants.insert(grant);
                }
                // It quotes what the ballot's owner signed: evidence, if that was another commit here.
                let seen = staged.map(|staged| self.see(staged.ballot, staged.commit.id));
                let mut outputs = seen.and_then(Result::ok).unwrap_or_default();
                outputs.extend(self.elect_if_granted());
                Ok(outputs)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Whether it says that less was staged than its sender is known to have offered or acknowledged before it.
    fn is_less_than_known(&self, grant: &Grant) -> bool {
        let Grant { from, ballot, staged, .. } = grant;
        let highest =
            self.seen.range(..*ballot).rev().find(|(by, seen)| by.leaf == *from || seen.acks.contains_key(from));
        highest.is_some_and(|(by, _)| staged.as_ref().is_none_or(|staged| staged.ballot < *by))
    }

    fn elect_if_granted(&mut self) -> Vec<Output> {
        let Lead::Claiming { ballot, grants } = &self.lead else { return Vec::new() };
        // the word of who is known to lie is not needed, and could be another lie.
        let counts =
            |grant: &&Grant| !R::COUNT_OUT_WHO_LIED || !self.has_lied(grant.from) && !self.is_less_than_known(grant);
        let (ballot, grants) = (*ballot, grants.iter().filter(counts).cloned().collect::<BTreeSet<Grant>>());
        if !is_quorum::<R>(&granters(&grants), &self.epoch.members) {
            return Vec::new();
        }
        let staged = to_offer_again::<R>(&grants).cloned();
        self.lead = Lead::Elected { ballot, grants: grants.clone() };
        match staged {
            Some(staged) => {
                self.offer(ballot, staged.commit, grants).unwrap_or_else(|refused| vec![Output::Refused(refused)])
            }
            None => vec![Output::Elected(ballot)],
        }
    }

    /// whether a ballot gives the right to offer this commit. Every member checks it, so that nobody who was
    /// elected can pass over what had been decided.
    pub(crate) fn check_right(&self, ballot: Ballot, commit: &Commit, grants: &BTreeSet<Grant>) -> Result<(), Refused> {
        if ballot == self.epoch.host {
            return Ok(());
        }
        let theirs =
            |grant: &Grant| grant.ballot == ballot && (grant.parent == self.epoch.id || !R::CLAIMS_END_WITH_THE_EPOCH);
        let is_theirs = ballot.term > self.epoch.host.term && self.epoch.members.contains(&ballot.leaf);
        if !is_theirs || !grants.iter().all(theirs) {
            return Err(Refused::NotEntitled(ballot));
        }
        if !R::CLAIMS_END_WITH_THE_EPOCH && grants.iter().any(|grant| grant.parent != self.epoch.id) {
            return Ok(());
        }
        let right_choice = match to_offer_again::<R>(grants) {
            Some(staged) => staged.commit.id == commit.id,
            None => !R::OFFER_WHAT_WAS_STAGED || commit.change.host == Some(ballot),
        };
        if right_choice && is_quorum::<R>(&granters(grants), &self.epoch.members) {
            Ok(())
        } else {
            Err(Refused::Grants)
        }
    }

    /// nothing is left of a mandate when the epoch ends.
    pub(crate) fn mandate_beyond_the_epoch(&mut self) -> Lead {
        match std::mem::take(&mut self.lead) {
            Lead::Offering { ballot, grants, .. } if !R::CLAIMS_END_WITH_THE_EPOCH && !grants.is_empty() => {
                Lead::Elected { ballot, grants }
            }
            _ => Lead::Idle,
        }
    }
}

fn granters(grants: &BTreeSet<Grant>) -> BTreeSet<Leaf> {
    grants.iter().map(|grant| grant.from).collect()
}

/// What may have been decided already: the staged commit of the highest ballot among those who granted.
fn to_offer_again<R: Rules>(grants: &BTreeSet<Grant>) -> Option<&Staged> {
    if !R::OFFER_WHAT_WAS_STAGED {
        return None;
    }
    let staged = grants.iter().filter_map(|grant| grant.staged.as_ref());
    if R::HIGHEST_BALLOT_FIRST { staged.max() } else { staged.min() }
}
