//! From any state: let the faults end, and see whether a quorum whose members reach one another goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use room_order::{AllRules, Go, Input, Leaf, Member, Message, Rules, is_quorum};

use crate::world::{Post, Want, World};

/// How often the turn to claim goes round. Twice is enough where the claims before were of lower terms.
const ROUNDS: u32 = 3;

/// L-1, for every quorum of the newest epoch: nobody else takes a step any more, or sends anything that arrives.
pub(crate) fn every_majority_goes_on<R: Rules>(world: &World<R>) -> bool {
    every_majority(world, Waits::End)
}

/// L-2: the same, where all of the quorum are in that epoch, know of no commit for its end but the one that they staged,
/// have promised nothing to anybody else but the host, and have lost whoever is not of it, and no wait ends.
pub(crate) fn every_majority_goes_on_at_once<R: Rules>(world: &World<R>) -> bool {
    every_majority(world, Waits::Last)
}

/// Whether the time for contradictions is ever over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    End,
    Last,
}

fn every_majority<R: Rules>(world: &World<R>, waits: Waits) -> bool {
    let Some(newest) = world.inside().map(|member| member.epoch()).max_by_key(|epoch| epoch.number) else {
        return true;
    };
    let leaves: Vec<Leaf> = newest.members.iter().copied().collect();
    (1u32..1 << leaves.len()).all(|mask| {
        let part: BTreeSet<Leaf> =
            leaves.iter().enumerate().filter(|(at, _)| mask & 1 << at != 0).map(|(_, leaf)| *leaf).collect();
        let here = part.iter().all(|leaf| world.member(*leaf).is_some());
        let members = || part.iter().filter_map(|leaf| world.member(*leaf));
        let staged = || members().filter_map(Member::staged).max().map(|staged| staged.commit.id);
        let theirs = |member: &Member<R>| part.contains(&member.promised().leaf) || member.promised() == newest.host;
        let together = waits == Waits::End
            || members().all(theirs)
                && members().all(|member| member.epoch().id == newest.id)
                && members().flat_map(Member::known).all(|id| staged() == Some(id));
        let knows = part.iter().filter_map(|leaf| world.member(*leaf)).any(|member| member.epoch().id == newest.id);
        !here
            || !knows
            || !together
            || !is_quorum::<AllRules>(&part, &newest.members)
            || goes_on(world.clone(), &part, newest.number, waits)
    })
}

/// Whether all of `part` that stay in the room come to one later epoch, whose host is among them.
fn goes_on<R: Rules>(mut world: World<R>, part: &BTreeSet<Leaf>, from: u64, waits: Waits) -> bool {
    settle(&mut world, part, waits);
    let hosts: Vec<u32> = part.iter().map(|leaf| leaf.0).collect();
    for leaf in hosts {
        if world.member(Leaf(leaf)).is_some_and(|member| member.epoch().host.leaf == Leaf(leaf)) {
            world.want(leaf, Want::Update);
            settle(&mut world, part, waits);
        }
    }
    for _ in 0..ROUNDS {
        for leaf in part {
            if arrived(&world, part, from) {
                return true;
            }
            part.iter().for_each(|leaf| {
                world.step(*leaf, Input::HostLost);
            });
            world.step(*leaf, Input::Claim);
            settle(&mut world, part, waits);
        }
    }
    arrived(&world, part, from)
}

fn arrived<R: Rules>(world: &World<R>, part: &BTreeSet<Leaf>, from: u64) -> bool {
    let mut epochs = part.iter().filter_map(|leaf| world.member(*leaf)).map(|member| member.epoch());
    let Some(first) = epochs.next() else { return true };
    // Where the change leaves too few of the part in the room, it is no quorum any more.
    let led = part.contains(&first.host.leaf) || !is_quorum::<AllRules>(part, &first.members);
    first.number > from && led && epochs.all(|epoch| epoch.id == first.id)
}

/// Everything sent within `part` arrives, and then the waits end if they do; until nothing changes any more.
pub(crate) fn settle<R: Rules>(world: &mut World<R>, part: &BTreeSet<Leaf>, waits: Waits) {
    loop {
        while exchange(world, part) {}
        let mut changed = false;
        for leaf in part {
            let Some(member) = world.member(*leaf) else { continue };
            match waits {
                Waits::End => {
                    for (ballot, waited) in member.ballots().collect::<Vec<_>>() {
                        changed |= !waited && world.step(*leaf, Input::Waited(ballot));
                    }
                }
                Waits::Last => {
                    let others = &member.epoch().members - part;
                    changed |= world.step(*leaf, Input::Lost(others));
                }
            }
        }
        if !changed {
            return;
        }
    }
}

fn exchange<R: Rules>(world: &mut World<R>, part: &BTreeSet<Leaf>) -> bool {
    let posts: Vec<Arc<Post>> = world.sent.iter().cloned().collect();
    let mut changed = false;
    for post in posts {
        let Post::Message(to, message) = &*post else { continue };
        let known = match message {
            // Whoever holds a decision passes it on to whoever is behind.
            Message::Go(go) => part.iter().any(|leaf| is_passed_on(world, *leaf, go)),
            _ => sender(message).is_none_or(|from| part.contains(&from)),
        };
        if !known {
            continue;
        }
        for leaf in part {
            if to.is_none_or(|to| to == *leaf) {
                changed |= world.deliver(*leaf, &post);
            }
        }
    }
    changed
}

/// Whoever is removed by a decision of her own has sent it to all before; one of another's she passes on no more.
fn is_passed_on<R: Rules>(world: &World<R>, by: Leaf, go: &Go) -> bool {
    let holder = world.members[by.0 as usize].as_ref().filter(|member| member.knows_end_of(go.commit.parent));
    holder.is_some_and(|member| member.is_inside() || go.ballot.leaf == by)
}

fn sender(message: &Message) -> Option<Leaf> {
    match message {
        Message::Propose(commit) => Some(commit.committer),
        Message::Offer(offer) => Some(offer.ballot.leaf),
        Message::Ack(ack) => Some(ack.from),
        Message::Go(_) => None,
        Message::Claim(claim) => Some(claim.ballot.leaf),
        Message::Grant(grant) => Some(grant.from),
        Message::Beat { from, .. } => Some(*from),
    }
}
