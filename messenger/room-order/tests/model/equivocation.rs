//! Three members, whose host breaks the rules: she offers one commit here and another there, sends decisions to whom
//! she likes, and lies about what she staged. She cannot sign for others.

use std::marker::PhantomData;
use std::sync::Arc;

use room_order::{Ack, Alarm, AllRules, Ballot, Commit, Go, Grant, Input, Leaf, Member, Message, Offer, Rules, Staged};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::mutants::without;
use crate::progress::{Waits, settle};
use crate::rooms::{ONE_COMMIT, next, one_commit};
use crate::world::{Action, Post, Want, World, commit};

without!(Unheeding, HEED_CONTRADICTIONS);
without!(NoWait, WAIT_FOR_WHO_IS_REACHED);
without!(Silent, WARN);

const FAULTY: Leaf = Leaf(0);
const HONEST: [Leaf; 2] = [Leaf(1), Leaf(2)];
const NAMED: &str = "two offers are noticed by all and name the host alone (B-2)";
const SEEN: &str = "a fork is noticed by both sides as soon as they talk (B-3)";
const FORKS: &str = "two who cannot talk can be forked";

#[derive(Clone, Debug)]
struct Equivocation<R> {
    /// Whether the honest two reach each other.
    linked: bool,
    claims: u32,
    rules: PhantomData<R>,
}

impl<R: Rules + Send + Sync + 'static> Equivocation<R> {
    fn new(linked: bool, claims: u32) -> Self {
        Self { linked, claims, rules: PhantomData }
    }

    /// R-07 waits at least twice as long as a message takes between members who reach each other. So when the wait is
    /// over, an honest member who had left the epoch has answered how that ended. One who is in it still has the offer,
    /// if an honest member made it, and acknowledges nothing in lower ballots any more; so what she acknowledged there
    /// has arrived. What the other acknowledged in a higher ballot has arrived too, or was offered by who knew of the
    /// acknowledgement here, and then it is the same commit: what liars grant does not count with her.
    fn may_be_over(&self, world: &World<R>, at: Leaf, ballot: Ballot) -> bool {
        let Some(member) = world.member(at).filter(|_| self.linked) else { return true };
        let epoch = member.epoch().id;
        let others = HONEST.iter().filter(|leaf| **leaf != at).filter_map(|leaf| world.member(*leaf));
        let ready = |other: &Member<R>| match other.end_of(epoch) {
            Some(end) => member.decisions().any(|known| known == end),
            None => other.epoch().id != epoch || ballot.leaf == FAULTY || other.promised() >= ballot,
        };
        let arrived = |ack: &Ack| {
            HONEST.iter().filter_map(|leaf| world.member(*leaf)).all(|member| {
                member.epoch().id != ack.parent
                    || member.leaf() == ack.from
                    || ack.from == ack.ballot.leaf && member.first_seen(ack.ballot).is_some()
                    || member.acknowledged(ack.ballot).any(|leaf| leaf == ack.from)
            })
        };
        let acks = world.sent.iter().filter_map(|post| match &**post {
            Post::Message(_, Message::Ack(ack)) if ack.parent == epoch => Some(ack),
            _ => None,
        });
        others.into_iter().all(ready) && acks.into_iter().all(arrived)
    }

    /// Whom a member may take for lost. Two who are to talk do not both lose each other; that one of them does for a
    /// moment is not excluded.
    fn may_lose<'a>(&self, world: &'a World<R>, member: &'a Member<R>) -> impl Iterator<Item = Leaf> + 'a {
        let (me, linked) = (member.leaf(), self.linked);
        let others = [FAULTY, HONEST[0], HONEST[1]].into_iter().filter(move |other| *other != me);
        others.filter(move |other| {
            let lost_there = world.member(*other).is_some_and(|there| there.lost().contains(&me));
            !(member.lost().contains(other) || linked && lost_there)
        })
    }
}

fn two_commits<R: Rules>(world: &World<R>) -> [Commit; 2] {
    let (first, _) = world.merged.iter().find(|(epoch, _)| epoch.number == 0).expect("the room has begun");
    [commit(first, FAULTY, Want::Update), commit(first, Leaf(1), Want::Update)]
}

/// Whatever the host can sign, or pass on, to a member who is still in the first epoch.
fn lies<R: Rules>(world: &World<R>) -> Vec<Message> {
    let commits = two_commits(world);
    let own = Ballot { term: 1, leaf: FAULTY };
    let mut lies = Vec::new();
    for commit in &commits {
        lies.push(Message::Offer(Offer { ballot: own, commit: commit.clone(), grants: Default::default() }));
    }
    let mut offered: Vec<(Ballot, Commit)> = commits.iter().map(|commit| (own, commit.clone())).collect();
    for post in &world.sent {
        match &**post {
            Post::Message(_, Message::Offer(offer)) if offer.commit.parent == commits[0].parent => {
                offered.push((offer.ballot, offer.commit.clone()));
                let Offer { ballot, commit, .. } = offer;
                lies.push(Message::Ack(Ack { from: FAULTY, parent: commit.parent, ballot: *ballot, id: commit.id }));
            }
            Post::Message(_, Message::Claim(claim)) if claim.parent == commits[0].parent => {
                let staged = commits.iter().map(|commit| Some(Staged { ballot: own, commit: commit.clone() }));
                for staged in staged.chain([None]) {
                    let (parent, ballot) = (claim.parent, claim.ballot);
                    lies.push(Message::Grant(Grant { from: FAULTY, parent, ballot, staged }));
                }
            }
            _ => {}
        }
    }
    for (ballot, commit) in offered {
        let mut acks: std::collections::BTreeSet<Leaf> = [FAULTY].into();
        acks.extend(world.sent.iter().filter_map(|post| match &**post {
            Post::Message(_, Message::Ack(ack)) if ack.ballot == ballot && ack.id == commit.id => Some(ack.from),
            _ => None,
        }));
        lies.push(Message::Go(Go { ballot, commit, acks }));
    }
    lies
}

/// Everything honest arrives between the honest two, and they tell each other where they are.
fn talk<R: Rules>(world: &World<R>) -> World<R> {
    let mut world = world.clone();
    for _ in 0..2 {
        for leaf in HONEST {
            world.step(leaf, Input::Beat);
        }
        // Decisions are passed on, whoever made them.
        let decisions: Vec<Arc<Post>> =
            world.sent.iter().filter(|post| matches!(***post, Post::Message(_, Message::Go(_)))).cloned().collect();
        settle(&mut world, &HONEST.into(), Waits::End);
        for post in decisions {
            for leaf in HONEST {
                world.deliver(leaf, &post);
            }
        }
    }
    world
}

fn accusations_are_right<R: Rules>(world: &World<R>) -> bool {
    world.alarms.iter().all(|(_, alarm)| match alarm {
        Alarm::TwoOffers { ballot, .. } => ballot.leaf == FAULTY,
        Alarm::Forked { both, .. } => both.is_empty() || both.contains(&FAULTY),
    })
}

fn two_offers_are_noticed<R: Rules>(world: &World<R>) -> bool {
    let own = Ballot { term: 1, leaf: FAULTY };
    let acked: std::collections::BTreeSet<_> = world
        .sent
        .iter()
        .filter_map(|post| match &**post {
            Post::Message(_, Message::Ack(ack)) if ack.ballot == own => Some(ack.id),
            _ => None,
        })
        .collect();
    let after = talk(world);
    let noticed = HONEST
        .iter()
        .any(|leaf| after.alarms.iter().any(|(by, alarm)| by == leaf && matches!(alarm, Alarm::TwoOffers { .. })));
    accusations_are_right(&after) && (acked.len() < 2 || noticed)
}

fn forks_are_noticed<R: Rules>(world: &World<R>) -> bool {
    one_commit(world) || {
        let after = talk(world);
        accusations_are_right(&after)
            && HONEST.iter().all(|leaf| {
                after.member(*leaf).is_none()
                    || after.alarms.iter().any(|(by, alarm)| by == leaf && matches!(alarm, Alarm::Forked { .. }))
            })
    }
}

impl<R: Rules + Send + Sync + 'static> Model for Equivocation<R> {
    type State = World<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<World<R>> {
        let mut world = World::new(3, 0);
        world.members[0] = None;
        vec![world]
    }

    fn actions(&self, world: &World<R>, actions: &mut Vec<Action>) {
        let lies = lies(world);
        for leaf in HONEST {
            let Some(member) = world.member(leaf) else { continue };
            if self.linked {
                actions.extend(world.sent.iter().map(|post| Action::Deliver(leaf, Arc::clone(post))));
            }
            if member.epoch().number == 0 {
                actions.extend(lies.iter().map(|lie| Action::Faulty(leaf, Box::new(lie.clone()))));
            }
            let waiting = member.ballots().filter(|(ballot, waited)| !waited && self.may_be_over(world, leaf, *ballot));
            actions.extend(waiting.map(|(ballot, _)| Action::Waited(leaf, ballot)));
            if world.claims < self.claims {
                actions.push(Action::Claim(leaf));
            }
            actions.extend(self.may_lose(world, member).map(|other| Action::Lose(leaf, other)));
        }
    }

    fn next_state(&self, world: &World<R>, action: Action) -> Option<World<R>> {
        // Waits end by steps of their own here, when they may.
        let Action::Deliver(to, post) = &action else { return next(world, &[], action) };
        let mut next = world.clone();
        if let Post::Message(_, Message::Claim(_)) = &**post {
            next.step(*to, Input::HostLost);
        }
        next.deliver(*to, post).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.linked {
            vec![
                Property::always(ONE_COMMIT, |_, world: &World<R>| one_commit(world)),
                Property::always(NAMED, |_, world| two_offers_are_noticed(world)),
            ]
        } else {
            vec![
                Property::always(SEEN, |_, world: &World<R>| forks_are_noticed(world)),
                Property::sometimes(FORKS, |_, world| !one_commit(world)),
            ]
        }
    }
}

fn explore(name: &str, linked: bool, claims: u32) {
    let done = Equivocation::<AllRules>::new(linked, claims).checker().spawn_bfs().join();
    println!("{name}: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    done.assert_properties();
}

fn must_break<R: Rules + Send + Sync + Clone + std::fmt::Debug + 'static>(
    _without: R,
    property: &'static str,
    linked: bool,
    claims: u32,
) {
    let model = Equivocation::<R>::new(linked, claims);
    let found = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let path = found.discovery(property).unwrap_or_else(|| panic!("{property} cannot fail"));
    println!("{}: {property} fails in {} steps", std::any::type_name::<R>(), path.into_actions().len());
}

#[test]
fn two_who_talk_are_not_forked() {
    explore("an equivocating host, two who talk", true, 0);
}

#[test]
fn two_who_cannot_talk_notice_the_fork_later() {
    explore("an equivocating host, two who cannot talk", false, 0);
}

#[test]
fn contradictions_are_not_heeded() {
    must_break(Unheeding, ONE_COMMIT, true, 0);
}

#[test]
fn nobody_waits_for_contradictions() {
    must_break(NoWait, ONE_COMMIT, true, 0);
}

#[test]
fn nobody_warns_of_two_offers() {
    must_break(Silent, NAMED, true, 0);
}

#[test]
fn nobody_warns_of_a_fork() {
    must_break(Silent, SEEN, false, 0);
}
