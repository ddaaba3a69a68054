//! Whatever a host who breaks the rules can sign, or pass on, in the room's first epoch. She cannot sign for others.

use std::collections::{BTreeMap, BTreeSet};

use room_order::{
    Ack, Ballot, Change, Claim, Commit, CommitId, Epoch, Go, Grant, Input, Leaf, Member, Message, Offer, Output, Rules,
    Staged,
};

use crate::world::{Post, Want, World, commit, named};

pub(crate) const FAULTY: Leaf = Leaf(0);
/// The ballot that is hers from the beginning.
pub(crate) const OWN: Ballot = Ballot { term: 1, leaf: FAULTY };

/// What she lies with: two commits in her own ballot, and two more where she claims another.
struct Lies<'a, R> {
    world: &'a World<R>,
    /// The ballot that she claims, if she does.
    claimed: Option<Ballot>,
    offered: BTreeSet<(Ballot, Commit)>,
}

/// Everything that she can tell a member who is still in the first epoch. `claimed` is the ballot that she claims, if she does.
pub(crate) fn lies<R: Rules>(world: &World<R>, claimed: Option<Ballot>) -> Vec<Message> {
    let (epoch, _) = world.merged.iter().find(|(epoch, _)| epoch.number == 0).expect("the room has begun");
    let own = [commit(epoch, FAULTY, Want::Update), commit(epoch, Leaf(1), Want::Update)].map(|commit| (OWN, commit));
    // Whichever of the two she begins with, the other's part is the same, unless two grants of one ballot are compared.
    let has_begun = |member: &Member<R>| member.epoch().number > 0 || member.first_seen(OWN) == Some(own[0].1.id);
    let either = claimed.is_some() || world.inside().any(has_begun);
    let own = own.into_iter().take(if either { 2 } else { 1 });
    let in_claimed = claimed.into_iter().flat_map(|ballot| takeovers(epoch, ballot).map(|commit| (ballot, commit)));
    let by_others = messages(world).filter_map(|message| match message {
        Message::Offer(offer) if offer.commit.parent == epoch.id => Some((offer.ballot, offer.commit.clone())),
        _ => None,
    });
    let offered = own.chain(in_claimed).chain(by_others).collect();
    let lies = Lies { world, claimed, offered };
    let claim = claimed.map(|ballot| Message::Claim(Claim { parent: epoch.id, ballot }));
    lies.offers(epoch).chain(lies.acks()).chain(lies.decisions()).chain(lies.grants(epoch)).chain(claim).collect()
}

/// Two commits by which she stays the host, in another term.
fn takeovers(epoch: &Epoch, ballot: Ballot) -> [Commit; 2] {
    [None, Some(Leaf(3))].map(|adds| {
        named(epoch, FAULTY, Change { adds: adds.into_iter().collect(), host: Some(ballot), ..Change::default() })
    })
}

fn messages<R>(world: &World<R>) -> impl Iterator<Item = &Message> {
    world.sent.iter().filter_map(|post| match &**post {
        Post::Message(_, message) => Some(message),
        Post::Welcome(..) => None,
    })
}

impl<R: Rules> Lies<'_, R> {
    fn offers(&self, epoch: &Epoch) -> impl Iterator<Item = Message> {
        let own = self.offered.iter().filter(|(ballot, _)| *ballot == OWN);
        let own = own.map(|(_, commit)| Offer { ballot: OWN, commit: commit.clone(), grants: BTreeSet::new() });
        let in_claimed = self.claimed.into_iter().flat_map(|ballot| self.offers_in(ballot, epoch));
        own.chain(in_claimed).map(Message::Offer)
    }

    /// With every grant of hers, and what others granted: all of it or one. What a member makes of an offer depends on its
    /// commit, and on whether the grants give the right to it, which all members judge alike: so each commit is offered
    /// once, by grants that do.
    fn offers_in(&self, ballot: Ballot, epoch: &Epoch) -> Vec<Offer> {
        let granted: Vec<Grant> = messages(self.world)
            .filter_map(|message| match message {
                Message::Grant(grant) if grant.ballot == ballot => Some(grant.clone()),
                _ => None,
            })
            .collect();
        let all: BTreeSet<Grant> = granted.iter().cloned().collect();
        let quoted: BTreeSet<BTreeSet<Grant>> =
            granted.into_iter().map(|grant| [grant].into()).chain([all]).filter(|quoted| !quoted.is_empty()).collect();
        let with_own = |quoted: &BTreeSet<Grant>| {
            let all = self.grants_of(ballot, epoch.id).map(|own| quoted.iter().cloned().chain([own]).collect());
            all.collect::<Vec<BTreeSet<Grant>>>()
        };
        let offers = quoted.iter().flat_map(with_own).flat_map(|grants| {
            let last = grants.iter().filter_map(|grant| grant.staged.clone()).max();
            let commits = last.map_or_else(|| takeovers(epoch, ballot).to_vec(), |staged| vec![staged.commit]);
            commits.into_iter().map(move |commit| Offer { ballot, commit, grants: grants.clone() })
        });
        let judge = Member::<R>::new(FAULTY, epoch.clone());
        let rightful = |offer: &Offer| {
            let outputs = judge.clone().step(Input::Receive(Message::Offer(offer.clone())));
            !outputs.iter().any(|output| matches!(output, Output::Refused(_)))
        };
        let by_commit: BTreeMap<CommitId, Offer> =
            offers.filter(rightful).map(|offer| (offer.commit.id, offer)).collect();
        by_commit.into_values().collect()
    }

    fn acks(&self) -> impl Iterator<Item = Message> {
        self.offered.iter().map(|(ballot, commit)| {
            Message::Ack(Ack { from: FAULTY, parent: commit.parent, ballot: *ballot, id: commit.id })
        })
    }

    fn decisions(&self) -> impl Iterator<Item = Message> {
        self.offered.iter().filter_map(|(ballot, commit)| {
            let theirs = messages(self.world).filter_map(|message| match message {
                Message::Ack(ack) if ack.ballot == *ballot && ack.id == commit.id => Some(ack.from),
                _ => None,
            });
            let acks: BTreeSet<Leaf> = theirs.chain([FAULTY]).collect();
            (acks.len() > 1).then(|| Message::Go(Go { ballot: *ballot, commit: commit.clone(), acks }))
        })
    }

    fn grants(&self, epoch: &Epoch) -> impl Iterator<Item = Message> {
        let claims = messages(self.world).filter_map(|message| match message {
            Message::Claim(claim) if claim.parent == epoch.id => Some(*claim),
            _ => None,
        });
        claims.flat_map(|claim| self.grants_of(claim.ballot, claim.parent).map(Message::Grant))
    }

    /// She says that she staged whatever was offered in a lower ballot, or nothing.
    fn grants_of(&self, ballot: Ballot, parent: CommitId) -> impl Iterator<Item = Grant> {
        let lower = self.offered.iter().filter(move |(by, _)| *by < ballot);
        let staged = lower.map(|(by, commit)| Some(Staged { ballot: *by, commit: commit.clone() }));
        staged.chain([None]).map(move |staged| Grant { from: FAULTY, parent, ballot, staged })
    }
}
