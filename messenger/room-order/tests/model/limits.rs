//! What one member says must not harm another, however far it lies outside what rooms come to.

use std::collections::BTreeSet;

use room_order::{
    Ack, AllRules, Ballot, Change, Claim, Commit, CommitId, Epoch, Input, Leaf, MAX_AHEAD, MAX_BALLOTS, Member,
    Message, Offer, Output, Refused,
};

use crate::world::World;

#[test]
fn after_the_last_term_nobody_claims_and_no_promise_is_taken_back() {
    let begun = World::<AllRules>::new(3, 0).member(Leaf(2)).expect("three are inside").epoch().clone();
    let late = Epoch { host: Ballot { term: u32::MAX - 1, leaf: Leaf(0) }, ..begun };
    let mut member = Member::<AllRules>::new(Leaf(2), late);
    let last = Ballot { term: u32::MAX, leaf: Leaf(1) };
    let _ = member.step(Input::HostLost);
    let _ = member.step(Input::Receive(Message::Claim(Claim { parent: member.epoch().id, ballot: last })));
    assert_eq!(member.promised(), last);
    let outputs = member.step(Input::Claim);
    assert!(matches!(outputs[..], [Output::Refused(_)]), "{outputs:?}");
    assert_eq!(member.promised(), last);
}

#[test]
fn nobody_is_granted_a_term_far_above_what_was_promised() {
    let world = World::<AllRules>::new(3, 0);
    let mut member = world.member(Leaf(2)).expect("three are inside").clone();
    let (host, parent) = (member.epoch().host, member.epoch().id);
    let _ = member.step(Input::HostLost);
    let mut claim = |term: u32| {
        let ballot = Ballot { term, leaf: Leaf(1) };
        let outputs = member.step(Input::Receive(Message::Claim(Claim { parent, ballot })));
        (matches!(outputs[..], [Output::Send { message: Message::Grant(_), .. }]), member.promised())
    };
    for term in [u32::MAX, host.term + MAX_AHEAD + 1] {
        assert_eq!(claim(term), (false, host));
    }
    let highest = Ballot { term: host.term + MAX_AHEAD, leaf: Leaf(1) };
    assert_eq!(claim(highest.term), (true, highest));
    assert!(claim(highest.term + 1).0, "it is counted from what was promised last");
}

#[test]
fn ballots_of_others_take_no_place_from_the_hosts() {
    let world = World::<AllRules>::new(3, 0);
    let mut member = world.member(Leaf(2)).expect("three are inside").clone();
    let (host, parent) = (member.epoch().host, member.epoch().id);
    let ack = |term: u32| {
        let (from, ballot) = (Leaf(1), Ballot { term: host.term + term, leaf: Leaf(1) });
        Input::Receive(Message::Ack(Ack { from, parent, ballot, id: CommitId([9; 32]) }))
    };
    for term in 1..=MAX_BALLOTS as u32 {
        assert!(member.step(ack(term)).is_empty());
    }
    assert_eq!(member.step(ack(MAX_BALLOTS as u32 + 1)), [Output::Refused(Refused::TooManyBallots)]);
    let commit = Commit { id: CommitId([7; 32]), parent, committer: host.leaf, change: Change::default() };
    let offer = Offer { ballot: host, commit, grants: BTreeSet::new() };
    let outputs = member.step(Input::Receive(Message::Offer(offer)));
    assert!(matches!(outputs[..], [Output::Send { message: Message::Ack(_), .. }]), "{outputs:?}");
}

/// a promise to who lost the host for a moment outlives that; the host's own claim is granted all the same.
#[test]
fn who_has_not_lost_the_host_grants_her_claim_and_nobody_elses() {
    let world = World::<AllRules>::new(3, 0);
    let mut member = world.member(Leaf(2)).expect("three are inside").clone();
    let (host, parent) = (member.epoch().host, member.epoch().id);
    let claim =
        |leaf: Leaf| Input::Receive(Message::Claim(Claim { parent, ballot: Ballot { term: host.term + 1, leaf } }));
    assert_eq!(member.step(claim(Leaf(1))), [Output::Refused(Refused::HostIsHere)]);
    let outputs = member.step(claim(host.leaf));
    assert!(matches!(outputs[..], [Output::Send { message: Message::Grant(_), .. }]), "{outputs:?}");
}
