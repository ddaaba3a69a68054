//! Devices that are cut off from one another and meet again: who goes on, whose room ends, and who comes back. That a
//! quorum decides, and that an epoch ends in one way, is what the other models show; so a decision is one step here. Who
//! makes it knows of it, the others hear of it or not.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::time::Duration;

use room_order::{AllRules, HOPELESS, Leaf, Left, Outlook, Removal, Rules, STALLED, is_quorum};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::mutants::without;

without!(NeverFrozen, FREEZE_WITHOUT_QUORUM);
without!(NeverOver, END_WITHOUT_QUORUM);
without!(NobodyInvites, INVITE_THE_LOST);
without!(AnybodyReturns, RETURN_OF_THE_LOST_ALONE);
without!(AnyEpoch, RETURN_TO_A_LATER_EPOCH);
without!(AnyCompany, RETURN_TO_WHO_WAS_THERE);

const ONE_ROOM: &str = "who meet again end in one room, or were told that theirs ended (H-1)";
const NO_CIRCLE: &str = "nobody comes back into an earlier epoch (H-2)";
const SILENT: &str = "nobody seals who heard no quorum for 10 s (H-3)";
const FOR_GOOD: &str = "nobody who was removed for good comes back (H-4)";
const NO_STRANGERS: &str = "nobody comes back to whom she was not with (H-5)";
/// Nobody's leaf: somebody whom none of the devices has been in a room with.
const STRANGER: Leaf = Leaf(99);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Inside {
        /// The first epoch that it was in, since it is inside.
        since: usize,
        epoch: usize,
        without_quorum: Duration,
        /// Who was removed as lost, as far as it saw.
        lost: BTreeSet<Leaf>,
    },
    /// The person was told, and the device asks to be let in again.
    Out(Left<Leaf>),
    /// Removed for good, and told so. That her program does not ask is not relied on.
    Removed,
    /// Its program started again.
    Restarted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Epoch {
    members: BTreeSet<Leaf>,
    host: Leaf,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Devices {
    /// Everything that was decided, in order.
    epochs: Vec<Epoch>,
    for_good: BTreeSet<Leaf>,
    places: Vec<Place>,
    /// Devices with the same number reach one another.
    sides: Vec<u8>,
    cuts: u8,
    restarts: u8,
    sealed_late: bool,
    went_back: bool,
    met_strangers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Cut(Vec<u8>),
    /// Time passes for one device.
    Pass(Leaf, Duration),
    Seal(Leaf),
    Restart(Leaf),
    /// A device hears from another what ended its epoch.
    Hear(Leaf),
    /// A quorum removes these members, whom it does not reach.
    Lose(Leaf, BTreeSet<Leaf>),
    /// The host's person removes somebody.
    Remove(Leaf),
    /// A quorum of an earlier epoch decides again what was decided in it.
    Again(Leaf),
    /// Somebody asks the host to be let in again.
    Return(Leaf),
    /// A former fellow who breaks the rules invites into a room of her own making.
    Forged(Leaf, u64, BTreeSet<Leaf>),
}

#[derive(Clone, Debug)]
struct Healing<R> {
    devices: u32,
    cuts: u8,
    epochs: usize,
    restarts: u8,
    rules: PhantomData<R>,
}

impl Devices {
    fn all(&self) -> impl Iterator<Item = Leaf> + use<> {
        (0..self.places.len() as u32).map(Leaf)
    }

    fn epoch_of(&self, leaf: Leaf) -> Option<usize> {
        match &self.places[leaf.0 as usize] {
            Place::Inside { epoch, .. } => Some(*epoch),
            _ => None,
        }
    }

    fn newest(&self) -> usize {
        self.epochs.len() - 1
    }

    fn reach(&self, one: Leaf, other: Leaf) -> bool {
        self.sides[one.0 as usize] == self.sides[other.0 as usize]
    }

    /// Of the members of an epoch those whom this device reaches and who are in the room, be it in another epoch.
    fn present(&self, at: Leaf, epoch: usize) -> BTreeSet<Leaf> {
        let members = self.epochs[epoch].members.iter().copied();
        members.filter(|leaf| self.reach(at, *leaf) && self.epoch_of(*leaf).is_some()).collect()
    }

    /// Whether who leads here, the host or in her place the lowest, can decide the end of her epoch.
    fn leads(&self, leaf: Leaf) -> Option<usize> {
        let epoch = self.epoch_of(leaf)?;
        let Epoch { members, host } = &self.epochs[epoch];
        let part: BTreeSet<Leaf> =
            self.present(leaf, epoch).into_iter().filter(|other| self.epoch_of(*other) == Some(epoch)).collect();
        let leader = if part.contains(host) { *host } else { *part.first()? };
        (leader == leaf && is_quorum::<AllRules>(&part, members)).then_some(epoch)
    }

    fn is_served(&self, leaf: Leaf) -> bool {
        let Some(epoch) = self.epoch_of(leaf) else { return true };
        is_quorum::<AllRules>(&self.present(leaf, epoch), &self.epochs[epoch].members)
    }

    fn pass<R: Rules>(&mut self, leaf: Leaf, time: Duration) {
        let is_served = self.is_served(leaf);
        let Place::Inside { epoch, without_quorum, .. } = &mut self.places[leaf.0 as usize] else { return };
        *without_quorum = if is_served { Duration::ZERO } else { time.max(*without_quorum) };
        if Outlook::after::<R>(*without_quorum) == Outlook::Over {
            let left = Left::new(self.epochs[*epoch].members.clone(), *epoch as u64);
            self.places[leaf.0 as usize] = Place::Out(left);
        }
    }

    /// A device follows what ended its epoch.
    fn follow<R: Rules>(&mut self, leaf: Leaf) {
        let for_good = self.for_good.clone();
        let Place::Inside { epoch, lost, without_quorum, .. } = &mut self.places[leaf.0 as usize] else { return };
        let (before, after) = (&self.epochs[*epoch].members, &self.epochs[*epoch + 1].members);
        let how = |leaf: &Leaf| if for_good.contains(leaf) { Removal::ForGood } else { Removal::Lost };
        if after.contains(&leaf) {
            lost.extend(before.difference(after).filter(|leaf| how(leaf).may_return::<R>()));
            lost.retain(|leaf| !after.contains(leaf));
            *epoch += 1;
            *without_quorum = Duration::ZERO;
        } else {
            let left = Left::new(before.clone(), *epoch as u64);
            let is_lost = how(&leaf) == Removal::Lost;
            self.places[leaf.0 as usize] = if is_lost { Place::Out(left) } else { Place::Removed };
        }
    }

    /// A decision in the newest epoch, known to who made it.
    fn decide<R: Rules>(&mut self, leader: Leaf, members: BTreeSet<Leaf>) {
        self.epochs.push(Epoch { members, host: leader });
        self.follow::<R>(leader);
    }

    fn leads_newest(&self, leaf: Leaf) -> bool {
        self.leads(leaf) == Some(self.newest())
    }

    fn whom_it_lost(&self, leader: Leaf) -> BTreeSet<Leaf> {
        &self.epochs[self.newest()].members - &self.present(leader, self.newest())
    }

    /// R-17, by the host, and by the device that comes back.
    fn lets_back<R: Rules>(&self, leaf: Leaf) -> Option<Leaf> {
        let host = self.epochs[self.newest()].host;
        let Place::Inside { lost, .. } = &self.places[host.0 as usize] else { return None };
        let invites = self.leads_newest(host) && self.reach(host, leaf) && lost.contains(&leaf);
        let accepts = match &self.places[leaf.0 as usize] {
            Place::Out(left) => {
                let members = self.epochs[self.newest()].members.iter().chain([&leaf]);
                left.goes_on_as::<R, Leaf>(self.epochs.len() as u64, members)
            }
            Place::Removed => true,
            Place::Inside { .. } | Place::Restarted => false,
        };
        (invites && accepts).then_some(host)
    }

    fn let_back<R: Rules>(&mut self, leaf: Leaf) {
        let Some(host) = self.lets_back::<R>(leaf) else { return };
        let members = &self.epochs[self.newest()].members | &[leaf].into();
        self.decide::<R>(host, members);
        let (epoch, lost) = (self.newest(), BTreeSet::new());
        self.places[leaf.0 as usize] = Place::Inside { since: epoch, epoch, without_quorum: Duration::ZERO, lost };
    }

    fn may_hear(&self, leaf: Leaf) -> bool {
        let Some(epoch) = self.epoch_of(leaf) else { return false };
        self.all().any(|other| self.reach(leaf, other) && self.epoch_of(other).is_some_and(|theirs| theirs > epoch))
    }
}

impl<R: Rules + Send + Sync + 'static> Model for Healing<R> {
    type State = Devices;
    type Action = Action;

    fn init_states(&self) -> Vec<Devices> {
        let inside = Place::Inside { since: 0, epoch: 0, without_quorum: Duration::ZERO, lost: BTreeSet::new() };
        vec![Devices {
            epochs: vec![Epoch { members: (0..self.devices).map(Leaf).collect(), host: Leaf(0) }],
            for_good: BTreeSet::new(),
            places: vec![inside; self.devices as usize],
            sides: vec![0; self.devices as usize],
            cuts: 0,
            restarts: 0,
            sealed_late: false,
            went_back: false,
            met_strangers: false,
        }]
    }

    fn actions(&self, state: &Devices, actions: &mut Vec<Action>) {
        if state.cuts < self.cuts {
            for cut in 0..1u32 << (self.devices - 1) {
                actions.push(Action::Cut((0..self.devices).map(|at| (cut >> at & 1) as u8).collect()));
            }
        }
        for leaf in state.all() {
            actions.extend([STALLED, HOPELESS].map(|time| Action::Pass(leaf, time)));
            actions.push(Action::Seal(leaf));
            if state.restarts < self.restarts {
                actions.push(Action::Restart(leaf));
            }
            if state.may_hear(leaf) {
                actions.push(Action::Hear(leaf));
            }
            if state.leads(leaf).is_some_and(|epoch| epoch < state.newest()) {
                actions.push(Action::Again(leaf));
            }
            if let Place::Out(_) = state.places[leaf.0 as usize] {
                let known = state.epochs[0].members.clone();
                actions.push(Action::Forged(leaf, 0, known.clone()));
                actions.push(Action::Forged(leaf, 99, &known | &[STRANGER].into()));
            }
            if state.epochs.len() >= self.epochs {
                continue;
            }
            actions.push(Action::Return(leaf));
            if state.leads_newest(leaf) {
                let lost: Vec<Leaf> = state.whom_it_lost(leaf).into_iter().collect();
                for mask in 1u32..1 << lost.len() {
                    let some = lost.iter().enumerate().filter(|(at, _)| mask & 1 << at != 0).map(|(_, leaf)| *leaf);
                    actions.push(Action::Lose(leaf, some.collect()));
                }
                let others = state.epochs[state.newest()].members.iter().filter(|other| **other != leaf);
                actions.extend(others.map(|other| Action::Remove(*other)));
            }
        }
    }

    fn next_state(&self, state: &Devices, action: Action) -> Option<Devices> {
        let mut next = state.clone();
        let newest = state.newest();
        match action {
            Action::Cut(sides) => {
                next.sides = sides;
                next.cuts += 1;
            }
            Action::Pass(leaf, time) => next.pass::<R>(leaf, time),
            Action::Seal(leaf) => {
                if let Place::Inside { without_quorum, .. } = &state.places[leaf.0 as usize] {
                    let seals = Outlook::after::<R>(*without_quorum) == Outlook::Open;
                    next.sealed_late |= seals && *without_quorum >= STALLED;
                }
            }
            Action::Restart(leaf) => {
                next.places[leaf.0 as usize] = Place::Restarted;
                next.restarts += 1;
            }
            Action::Hear(leaf) | Action::Again(leaf) => next.follow::<R>(leaf),
            Action::Lose(leader, lost) => {
                let host = state.epochs[newest].host;
                // who takes the host's place removes her.
                if host == leader || lost.contains(&host) {
                    next.decide::<R>(leader, &state.epochs[newest].members - &lost);
                }
            }
            Action::Remove(leaf) => {
                let host = state.epochs[newest].host;
                if state.leads_newest(host) && leaf != host {
                    next.for_good.insert(leaf);
                    next.decide::<R>(host, &state.epochs[newest].members - &[leaf].into());
                }
            }
            Action::Return(leaf) => next.let_back::<R>(leaf),
            Action::Forged(leaf, epoch, members) => {
                if let Place::Out(left) = &state.places[leaf.0 as usize]
                    && left.goes_on_as::<R, Leaf>(epoch, members.iter())
                {
                    next.went_back |= epoch == 0;
                    next.met_strangers |= members.contains(&STRANGER);
                }
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ROOM, |_, state: &Devices| ends_in_one_room::<R>(state.clone())),
            Property::always(NO_CIRCLE, |_, state: &Devices| !state.went_back),
            Property::always(SILENT, |_, state: &Devices| !state.sealed_late),
            Property::always(FOR_GOOD, |_, state: &Devices| {
                state.epochs[state.newest()].members.is_disjoint(&state.for_good)
            }),
            Property::always(NO_STRANGERS, |_, state: &Devices| !state.met_strangers),
        ]
    }
}

/// Everybody reaches everybody again, and everything that is due is done: in the end whoever is inside is in the newest
/// epoch, which can be ended, and with them whom its host was with in the room, and saw lost, unless her person has to be asked.
/// (Who is out was told when she left.)
fn ends_in_one_room<R: Rules>(mut state: Devices) -> bool {
    state.sides.fill(0);
    loop {
        let before = state.clone();
        for leaf in before.all() {
            while state.may_hear(leaf) || state.leads(leaf).is_some_and(|epoch| epoch < state.newest()) {
                state.follow::<R>(leaf);
            }
            let gone = state.whom_it_lost(leaf);
            if state.leads_newest(leaf) && !gone.is_empty() {
                let members = &state.epochs[state.newest()].members - &gone;
                state.decide::<R>(leaf, members);
            }
            if !state.for_good.contains(&leaf) {
                state.let_back::<R>(leaf);
            }
        }
        if state == before {
            before.all().for_each(|leaf| state.pass::<R>(leaf, HOPELESS));
        }
        if state == before {
            break;
        }
    }
    let newest = state.newest();
    state.all().all(|leaf| match &state.places[leaf.0 as usize] {
        Place::Inside { epoch, .. } => *epoch == newest && state.is_served(leaf),
        // The host was never out since they were in one room, so she saw how it ended.
        Place::Out(left) => match &state.places[state.epochs[newest].host.0 as usize] {
            Place::Inside { since, lost, .. } => {
                let was_with = state.epochs[*since..].iter().any(|epoch| epoch.members.contains(&leaf));
                // Who is invited to others than she left asks her person.
                let is_asked = lost.contains(&leaf) && !left.is_of::<R, Leaf>(state.epochs[newest].members.iter());
                !was_with || is_asked || state.for_good.contains(&leaf)
            }
            _ => true,
        },
        Place::Removed | Place::Restarted => true,
    })
}

fn explore(devices: u32, cuts: u8, epochs: usize, restarts: u8) {
    let model = Healing::<AllRules> { devices, cuts, epochs, restarts, rules: PhantomData };
    let done = model.checker().spawn_bfs().join();
    println!("healing, {devices}: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    assert!(done.is_done(), "the exploration is not complete");
    done.assert_properties();
}

#[test]
fn three_devices() {
    explore(3, 2, 4, 1);
}

fn must_break<R: Rules + Send + Sync + Clone + std::fmt::Debug + 'static>(_without: R, property: &'static str) {
    let model = Healing::<R> { devices: 3, cuts: 2, epochs: 4, restarts: 1, rules: PhantomData };
    let found = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let path = found.discovery(property).unwrap_or_else(|| panic!("{property} cannot fail"));
    println!("{}: {property} fails in {} steps", std::any::type_name::<R>(), path.into_actions().len());
}

#[test]
fn who_hears_no_quorum_goes_on_sealing() {
    must_break(NeverFrozen, SILENT);
}

#[test]
fn a_room_without_a_quorum_never_ends() {
    must_break(NeverOver, ONE_ROOM);
}

#[test]
fn nobody_invites_the_lost() {
    must_break(NobodyInvites, ONE_ROOM);
}

#[test]
fn whoever_asks_is_let_in_again() {
    must_break(AnybodyReturns, FOR_GOOD);
}

#[test]
fn one_comes_back_into_an_earlier_epoch() {
    must_break(AnyEpoch, NO_CIRCLE);
}

#[test]
fn one_comes_back_to_strangers() {
    must_break(AnyCompany, NO_STRANGERS);
}
