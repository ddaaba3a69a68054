//! Three members, whose host breaks the rules: she offers one commit here and another there, sends decisions to whom
//! she likes, and lies about what she staged. She cannot sign for others.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::Arc;

use room_order::{Alarm, AllRules, Ballot, Input, Leaf, Member, Message, Rules};
use stateright::{Checker, HasDiscoveries, Model, Property, StateRecorder};

use crate::lies::{FAULTY, OWN, lies};
use crate::mutants::without;
use crate::progress::{Waits, settle};
use crate::rooms::{ONE_COMMIT, next, one_commit};
use crate::timing::Timing;
use crate::world::{Action, BEGINNING, Post, World};

without!(Unheeding, HEED_CONTRADICTIONS);
without!(NoWait, WAIT_FOR_WHO_IS_REACHED);
without!(AnyWord, WAIT_SINCE_AN_ACKNOWLEDGEMENT);
without!(Silent, WARN);

pub(crate) const HONEST: [Leaf; 2] = [Leaf(1), Leaf(2)];
const NAMED: &str = "two offers are noticed by all and name the host alone (B-2)";
const SEEN: &str = "a fork is noticed by both sides as soon as they talk (B-3)";
const FORKS: &str = "two who cannot talk can be forked";

#[derive(Clone, Debug)]
pub(crate) struct Equivocation<R> {
    /// Whether the honest two reach each other.
    linked: bool,
    /// How many claims, by the honest.
    claims: u32,
    /// The term that the host claims, if she does.
    claimed: Option<u32>,
    /// How many things the host says at most.
    lies: usize,
    /// Whether steps are left out that give nothing more.
    reduced: bool,
    rules: PhantomData<R>,
}

impl<R: Rules + Send + Sync + 'static> Equivocation<R> {
    pub(crate) fn new(linked: bool, claims: u32, claimed: Option<u32>) -> Self {
        Self { linked, claims, claimed, lies: usize::MAX, reduced: linked, rules: PhantomData }
    }

    /// What arrived once changes something again where it was refused for a reason that may be over: a claim, while the
    /// host was not lost; a decision, while another was waiting.
    fn may_matter(&self, timing: &Timing, to: Leaf, post: &Arc<Post>) -> bool {
        let again = matches!(&**post, Post::Message(_, Message::Claim(_) | Message::Go(_)));
        again || timing.is_under_way(to, post)
    }

    /// Whether a member may take the other for lost, if both are to talk: then not each of them loses the other. That the
    /// host is lost gives nothing more, since she acknowledges whatever is waited for when she likes.
    fn may_lose(&self, world: &World<R>, member: &Member<R>, other: Leaf) -> bool {
        let lost_there = world.member(other).is_some_and(|there| there.lost().contains(&member.leaf()));
        !(member.lost().contains(&other) || self.linked && lost_there)
    }
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
    let acked: BTreeSet<_> = world
        .sent
        .iter()
        .filter_map(|post| match &**post {
            Post::Message(_, Message::Ack(ack)) if ack.ballot == OWN => Some(ack.id),
            _ => None,
        })
        .collect();
    let noticed = |world: &World<R>| {
        world.alarms.iter().any(|(by, alarm)| HONEST.contains(by) && matches!(alarm, Alarm::TwoOffers { .. }))
    };
    accusations_are_right(world) && (acked.len() < 2 || noticed(world) || noticed(&talk(world)))
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
    type State = (World<R>, Timing);
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        let mut world = World::new(3, 0);
        world.members[0] = None;
        // Who ever takes the other for lost does so from the beginning. Of what a loss decides, whether a decision may be
        // followed or made at once, nothing comes too early by that: what would wait for the loss comes of what the host
        // says, who may say it later, or holds the word of whoever is lost.
        let mut worlds = vec![world.clone()];
        for (leaf, other) in HONEST.into_iter().zip(HONEST.into_iter().rev()).filter(|_| self.reduced) {
            let mut world = world.clone();
            world.step(leaf, Input::Lost([other].into()));
            worlds.push(world);
        }
        worlds.into_iter().map(|world| (world, Timing::default())).collect()
    }

    fn actions(&self, (world, timing): &Self::State, actions: &mut Vec<Action>) {
        // Whoever has left the epoch in which the host lies has only to answer; and all is done when both have.
        let lied_to = |leaf: &Leaf| world.member(*leaf).is_some_and(|member| member.epoch().number == 0);
        if !HONEST.iter().any(lied_to) {
            return;
        }
        let lies = if timing.lies() >= self.lies {
            Vec::new()
        } else {
            lies(world, self.claimed.map(|term| Ballot { term, leaf: FAULTY }))
        };
        for (leaf, other) in HONEST.into_iter().zip(HONEST.into_iter().rev()) {
            let Some(member) = world.member(leaf) else { continue };
            for post in world.sent.iter().filter(|_| self.linked) {
                if self.reduced && !self.may_matter(timing, leaf, post) {
                    continue;
                }
                actions.push(Action::Deliver(leaf, Arc::clone(post)));
                // A claim that comes before its reason does changes nothing.
                if matches!(**post, Post::Message(_, Message::Claim(_))) {
                    actions.push(Action::Refuse(leaf, Arc::clone(post)));
                }
            }
            if !lied_to(&leaf) {
                continue;
            }
            actions.extend(lies.iter().map(|lie| Action::Faulty(leaf, Box::new(lie.clone()))));
            let waiting = member.ballots().filter(|(ballot, waited)| !waited && timing.may_be_over(leaf, *ballot));
            actions.extend(waiting.map(|(ballot, _)| Action::Waited(leaf, ballot)));
            // Whichever of the two it is, the other's part is the same.
            if world.claims < self.claims && leaf == HONEST[0] {
                actions.push(Action::Claim(leaf));
            }
            if !self.reduced && self.may_lose(world, member, other) {
                actions.push(Action::Lose(leaf, other));
            }
        }
    }

    fn next_state(&self, (world, timing): &Self::State, action: Action) -> Option<Self::State> {
        let (mut timing, by) = (timing.clone(), action.by()?);
        let mut after = world.clone();
        let changed = match &action {
            Action::Deliver(to, post) | Action::Refuse(to, post) => {
                let awaited = timing.is_under_way(*to, post);
                timing.arrives(*to, post);
                if let (Action::Deliver(..), Post::Message(_, Message::Claim(_))) = (&action, &**post) {
                    after.step(*to, Input::HostLost);
                }
                // Waits end by steps of their own here, when they may.
                after.deliver(*to, post) || awaited
            }
            Action::Faulty(to, message) if world.is_idle(*to, &Input::Receive((**message).clone())) => return None,
            _ => {
                if matches!(action, Action::Faulty(..)) && self.lies < usize::MAX {
                    timing.count_lie();
                }
                after = next(world, &[], action)?;
                true
            }
        };
        if self.linked {
            timing.after(by, &HONEST, world, &after);
        }
        changed.then_some((after, timing))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.linked {
            vec![
                Property::always(ONE_COMMIT, |_, (world, _): &Self::State| one_commit(world)),
                Property::always(NAMED, |_, (world, _)| two_offers_are_noticed(world)),
            ]
        } else {
            vec![
                Property::always(SEEN, |_, (world, _): &Self::State| forks_are_noticed(world)),
                Property::sometimes(FORKS, |_, (world, _)| !one_commit(world)),
            ]
        }
    }
}

fn explore(name: &str, linked: bool, claims: u32, claimed: Option<u32>) {
    let done = Equivocation::<AllRules>::new(linked, claims, claimed).checker().spawn_bfs().join();
    println!("{name}: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    done.assert_properties();
}

fn must_break<R: Rules + Send + Sync + Clone + std::fmt::Debug + 'static>(
    _without: R,
    property: &'static str,
    linked: bool,
    claims: u32,
) {
    let model = Equivocation::<R>::new(linked, claims, None);
    let found = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let path = found.discovery(property).unwrap_or_else(|| panic!("{property} cannot fail"));
    println!("{}: {property} fails in {} steps", std::any::type_name::<R>(), path.into_actions().len());
}

/// A claim, while the host says so many things at most.
fn explore_few(name: &str, claimed: Option<u32>, lies: usize) {
    let model = Equivocation { lies, ..Equivocation::<AllRules>::new(true, 1, claimed) };
    let done = model.checker().spawn_bfs().join();
    println!("{name}, {lies} lies: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    assert!(done.is_done(), "the exploration is not complete");
    done.assert_properties();
}

/// What the two can have staged and followed, in all reachable states, with who is accused where.
fn outcomes(model: Equivocation<AllRules>) -> BTreeSet<String> {
    let (recorder, states) = StateRecorder::new_with_accessor();
    model.checker().visitor(recorder).spawn_bfs().join();
    let of = |(world, _): &(World<AllRules>, Timing)| {
        let each = HONEST.map(|leaf| {
            let member = world.members[leaf.0 as usize].as_ref().expect("both are there");
            (member.promised(), member.staged().cloned(), member.end_of(BEGINNING))
        });
        format!("{each:?} {:?}", world.alarms)
    };
    states().iter().map(of).collect()
}

/// Fewer steps, and the same ends.
#[test]
fn what_is_left_out_gives_nothing_more() {
    for (claims, claimed, lies) in [(0, None, usize::MAX), (1, None, 1), (1, Some(3), 1)] {
        let [all, fewer] = [false, true]
            .map(|reduced| outcomes(Equivocation { lies, reduced, ..Equivocation::new(true, claims, claimed) }));
        assert_eq!(all, fewer);
        println!("{claims} claims of the honest, {claimed:?} of the host's: {} outcomes", fewer.len());
    }
}

#[test]
fn a_host_who_lies_twice_while_somebody_claims() {
    explore_few("an equivocating host, a claim", None, 2);
    explore_few("an equivocating host who claims, and a claim", Some(3), 1);
}

#[test]
#[ignore = "minutes; run by ./test --all"]
fn a_host_who_lies_more_often_while_somebody_claims() {
    explore_few("an equivocating host, a claim", None, 3);
    explore_few("an equivocating host who claims less, and a claim", Some(2), 2);
    explore_few("an equivocating host who claims more, and a claim", Some(3), 2);
}

#[test]
fn two_who_talk_are_not_forked() {
    explore("an equivocating host, two who talk", true, 0, None);
}

#[test]
fn two_who_cannot_talk_notice_the_fork_later() {
    explore("an equivocating host, two who cannot talk", false, 0, None);
}

#[test]
fn contradictions_are_not_heeded() {
    must_break(Unheeding, ONE_COMMIT, true, 0);
}

#[test]
fn nobody_waits_for_contradictions() {
    must_break(NoWait, ONE_COMMIT, true, 0);
}

/// The host says that she has acknowledged what she offers to nobody before the wait that this begins is over.
#[test]
fn what_the_host_alone_says_begins_a_wait() {
    must_break(AnyWord, ONE_COMMIT, true, 0);
}

#[test]
fn nobody_warns_of_two_offers() {
    must_break(Silent, NAMED, true, 0);
}

#[test]
fn nobody_warns_of_a_fork() {
    must_break(Silent, SEEN, false, 0);
}
