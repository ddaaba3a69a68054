//! The model that is explored: honest members, any network, claims at any time.

use std::marker::PhantomData;
use std::sync::Arc;

use room_order::{Input, Leaf, Message, Rules};
use stateright::{Model, Property};

use crate::progress;
use crate::world::{Action, Post, Want, World};

/// How far the model is explored.
#[derive(Clone, Debug)]
pub(crate) struct Rooms<R> {
    pub(crate) members: u32,
    pub(crate) guests: u32,
    pub(crate) wants: Vec<(u32, Want)>,
    /// How many claims, by anybody.
    pub(crate) claims: u32,
    /// Whether progress is looked at too, in every state.
    pub(crate) progress: bool,
    pub(crate) rules: PhantomData<R>,
}

impl<R: Rules + Send + Sync + 'static> Rooms<R> {
    pub(crate) fn new(members: u32, wants: &[(u32, Want)], claims: u32) -> Self {
        let guests = wants.iter().filter(|(_, want)| matches!(want, Want::Add(_))).count() as u32;
        Self { members, guests, wants: wants.to_vec(), claims, progress: false, rules: PhantomData }
    }

    /// Whether a step that delivers this can change anything but what others' acknowledgements are known: with an
    /// honest host all are for the same commit.
    fn concerns(post: &Post, to: Leaf) -> bool {
        match post {
            Post::Welcome(newcomer, _) => *newcomer == to,
            Post::Message(_, Message::Ack(ack)) => ack.ballot.leaf == to && ack.from != to,
            Post::Message(_, Message::Offer(offer)) => offer.ballot.leaf != to,
            Post::Message(_, Message::Claim(claim)) => claim.ballot.leaf != to,
            Post::Message(one, _) => one.is_none_or(|one| one == to),
        }
    }
}

/// The next state after an action, if it changed anything.
pub(crate) fn next<R: Rules>(world: &World<R>, wants: &[(u32, Want)], action: Action) -> Option<World<R>> {
    let mut next = world.clone();
    let changed = match action {
        Action::Want(index) => {
            next.wanted |= 1 << index;
            let (by, want) = wants[index];
            next.want(by, want)
        }
        Action::Deliver(to, post) => {
            let went_on = ready(&mut next, to, &post);
            next.deliver(to, &post) || went_on
        }
        Action::Refuse(to, post) => next.deliver(to, &post),
        Action::Faulty(to, message) => next.step(to, Input::Receive(*message)),
        Action::Waited(leaf, ballot) => next.step(leaf, Input::Waited(ballot)),
        Action::Claim(leaf) => {
            next.claims += 1;
            next.step(leaf, Input::Claim)
        }
        Action::Lose(leaf, other) => {
            let lost = next.member(leaf).map(|member| member.lost().iter().copied().chain([other]).collect());
            lost.is_some_and(|lost| next.step(leaf, Input::Lost(lost)))
        }
    };
    changed.then_some(next)
}

/// Time may have passed before anything is delivered: the host counts as lost, and nobody is waited for any longer.
/// Whether a decision that had come before was followed then.
fn ready<R: Rules>(world: &mut World<R>, to: Leaf, post: &Post) -> bool {
    match post {
        Post::Message(_, Message::Claim(_)) => {
            world.step(to, Input::HostLost);
            false
        }
        Post::Message(_, Message::Go(go)) => world.step(to, Input::Waited(go.ballot)),
        _ => false,
    }
}

impl<R: Rules + Send + Sync + 'static> Model for Rooms<R> {
    type State = World<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<World<R>> {
        vec![World::new(self.members, self.guests)]
    }

    fn actions(&self, world: &World<R>, actions: &mut Vec<Action>) {
        let wanted = |index: &usize| world.wanted & 1 << index == 0;
        actions.extend((0..self.wants.len()).filter(wanted).map(Action::Want));
        for leaf in (0..self.members + self.guests).map(Leaf) {
            let theirs = world.sent.iter().filter(|post| Self::concerns(post, leaf));
            actions.extend(theirs.map(|post| Action::Deliver(leaf, Arc::clone(post))));
            let Some(member) = world.member(leaf) else { continue };
            actions.extend(member.may_decide_after_waiting().into_iter().map(|ballot| Action::Waited(leaf, ballot)));
            if world.claims < self.claims {
                actions.push(Action::Claim(leaf));
            }
        }
    }

    fn next_state(&self, world: &World<R>, action: Action) -> Option<World<R>> {
        next(world, &self.wants, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_COMMIT, |_, world: &World<R>| one_commit(world)),
            Property::always(NOBODY_REMOVED_READS, |_, world| nobody_removed_reads(world)),
            Property::always(ENTERED_WHAT_IS_DECIDED, |_, world| entered_what_is_decided(world)),
        ];
        if self.progress {
            properties.push(Property::always(MAJORITY_GOES_ON, |_, world| progress::every_majority_goes_on(world)));
            properties
                .push(Property::always(GOES_ON_AT_ONCE, |_, world| progress::every_majority_goes_on_at_once(world)));
        }
        properties
    }
}

pub(crate) const ONE_COMMIT: &str = "never two commits merged for one epoch (S-1)";
pub(crate) const NOBODY_REMOVED_READS: &str = "nobody removed reads later (S-2)";
pub(crate) const ENTERED_WHAT_IS_DECIDED: &str = "nobody enters what is not decided (S-3)";
pub(crate) const MAJORITY_GOES_ON: &str = "a majority that can talk goes on (L-1)";
pub(crate) const GOES_ON_AT_ONCE: &str = "a majority that has lost the others does not wait for them (L-2)";

pub(crate) fn one_commit<R>(world: &World<R>) -> bool {
    let mut numbers: Vec<u64> = world.merged.iter().map(|(epoch, _)| epoch.number).collect();
    numbers.sort_unstable();
    numbers.windows(2).all(|pair| pair[0] != pair[1])
}

/// Whoever holds the keys of an epoch is in it, and was not removed before (nobody is invited again here).
pub(crate) fn nobody_removed_reads<R: Rules>(world: &World<R>) -> bool {
    world.inside().all(|member| {
        let epoch = member.epoch();
        let removed_before = |(earlier, removed): &(_, std::collections::BTreeSet<Leaf>)| {
            let earlier: &room_order::Epoch = earlier;
            earlier.number <= epoch.number && removed.contains(&member.leaf())
        };
        epoch.members.contains(&member.leaf()) && !world.merged.iter().any(removed_before)
    })
}

pub(crate) fn entered_what_is_decided<R: Rules>(world: &World<R>) -> bool {
    world.inside().all(|member| world.merged.iter().any(|(epoch, _)| epoch.id == member.epoch().id))
}
