//! Rooms that were one: who goes over to whom. Entering is one step here; that it is one step is what the other models
//! show.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use room_order::{AllRules, Birth, RoomId, Rules};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::mutants::without;

without!(LargerWins, PREFER_BY_BIRTH);
without!(NobodyGoes, GO_OVER);
without!(SilentSplits, MARK_SPLITS);

const ONE_ROOM: &str = "who meet again end in one room (H-1)";
const SAYS_SO: &str = "of two rooms at most one does not say that it is a split (H-3)";
/// How many devices have been told of a room and have not heard it yet.
const UNDER_WAY: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Devices {
    /// The room of each device.
    rooms: Vec<Birth>,
    /// Devices with the same number reach one another.
    sides: Vec<u8>,
    /// Told and not heard yet: to whom, of which room, and how many were in it then.
    told: BTreeSet<(usize, Birth, u32)>,
    begun: u8,
    cuts: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Cut(Vec<u8>),
    Split(u32),
    Tell(usize, usize),
    Hear(usize, Birth, u32),
}

#[derive(Clone, Debug)]
struct Healing<R> {
    devices: usize,
    splits: u8,
    cuts: u8,
    rules: PhantomData<R>,
}

impl Devices {
    fn size(&self, room: &Birth) -> u32 {
        self.rooms.iter().filter(|other| *other == room).count() as u32
    }

    fn tell(&mut self, from: usize, to: usize) {
        let room = self.rooms[from];
        self.told.insert((to, room, self.size(&room)));
    }

    /// goes over, if somebody of the preferred room is reached and lets it in.
    fn hear<R: Rules>(&mut self, device: usize, room: Birth, size: u32) {
        let here = self.rooms[device];
        let lets_in =
            (0..self.rooms.len()).any(|other| self.rooms[other] == room && self.sides[other] == self.sides[device]);
        if lets_in && here.yields_to::<R>(&room, (self.size(&here), size)) {
            self.rooms[device] = room;
        }
    }

    /// the devices of one room that reach one another and are not a quorum of it begin a new one.
    fn may_split(&self, mask: u32) -> bool {
        let part: Vec<usize> = (0..self.rooms.len()).filter(|device| mask & 1 << device != 0).collect();
        let room = self.rooms[part[0]];
        let together =
            part.iter().all(|device| self.rooms[*device] == room && self.sides[*device] == self.sides[part[0]]);
        together && part.len() as u32 * 2 <= self.size(&room) && self.size(&room) > 1
    }
}

impl<R: Rules + Send + Sync + 'static> Model for Healing<R> {
    type State = Devices;
    type Action = Action;

    fn init_states(&self) -> Vec<Devices> {
        let rooms = vec![Birth::root(RoomId([0; 16])); self.devices];
        vec![Devices { rooms, sides: vec![0; self.devices], told: BTreeSet::new(), begun: 0, cuts: 0 }]
    }

    fn actions(&self, state: &Devices, actions: &mut Vec<Action>) {
        if state.cuts < self.cuts {
            for cut in 0..1u32 << (self.devices - 1) {
                actions.push(Action::Cut((0..self.devices).map(|at| (cut >> at & 1) as u8).collect()));
            }
        }
        if state.begun < self.splits {
            actions.extend((1..1u32 << self.devices).filter(|mask| state.may_split(*mask)).map(Action::Split));
        }
        for from in (0..self.devices).filter(|_| state.told.len() < UNDER_WAY) {
            let reached = (0..self.devices).filter(|to| *to != from && state.sides[*to] == state.sides[from]);
            actions.extend(reached.map(|to| Action::Tell(from, to)));
        }
        actions.extend(state.told.iter().map(|(to, room, size)| Action::Hear(*to, *room, *size)));
    }

    fn next_state(&self, state: &Devices, action: Action) -> Option<Devices> {
        let mut next = state.clone();
        match action {
            Action::Cut(sides) => {
                next.sides = sides;
                next.cuts += 1;
            }
            Action::Split(mask) => {
                next.begun += 1;
                let mut id = [0; 16];
                id[0] = next.begun;
                let part: Vec<usize> = (0..self.devices).filter(|device| mask & 1 << device != 0).collect();
                let room = state.rooms[part[0]].split::<R>(RoomId(id), part.len() as u32);
                part.into_iter().for_each(|device| next.rooms[device] = room);
            }
            Action::Tell(from, to) => next.tell(from, to),
            Action::Hear(to, room, size) => {
                next.told.remove(&(to, room, size));
                next.hear::<R>(to, room, size);
            }
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_ROOM, |_, state: &Devices| ends_in_one_room::<R>(state.clone())),
            Property::always(SAYS_SO, |_, state: &Devices| {
                let silent: BTreeSet<_> = state.rooms.iter().filter(|room| !room.is_split()).collect();
                silent.len() <= 1
            }),
        ]
    }
}

/// Everybody reaches everybody again, and all tell and then all hear at the same time, over and over: what keeps
/// devices changing places is worst then.
fn ends_in_one_room<R: Rules>(mut state: Devices) -> bool {
    state.sides.fill(0);
    for _ in 0..2 * state.rooms.len() {
        let all = state.rooms.len();
        (0..all)
            .flat_map(|from| (0..all).map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
            .for_each(|(from, to)| state.tell(from, to));
        let before = state.clone();
        for (to, room, size) in std::mem::take(&mut state.told) {
            let mut alone = before.clone();
            alone.hear::<R>(to, room, size);
            if alone.rooms[to] != before.rooms[to] {
                state.rooms[to] = alone.rooms[to];
            }
        }
    }
    state.rooms.windows(2).all(|pair| pair[0] == pair[1])
}

#[test]
fn three_devices() {
    let model = Healing::<AllRules> { devices: 3, splits: 2, cuts: 2, rules: PhantomData };
    let done = model.checker().spawn_bfs().join();
    println!("healing: {} states, at most {} steps deep", done.unique_state_count(), done.max_depth());
    done.assert_properties();
}

fn must_break<R: Rules + Send + Sync + Clone + std::fmt::Debug + 'static>(_without: R, property: &'static str) {
    let model = Healing::<R> { devices: 3, splits: 2, cuts: 2, rules: PhantomData };
    let found = model.checker().finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    let path = found.discovery(property).unwrap_or_else(|| panic!("{property} cannot fail"));
    println!("{}: {property} fails in {} steps", std::any::type_name::<R>(), path.into_actions().len());
}

/// H-2: whatever two devices believe of the sizes, they do not change places.
fn may_change_places<R: Rules>() -> bool {
    let root = Birth::root(RoomId([0; 16]));
    let split = root.split::<R>(RoomId([1; 16]), 2);
    let rooms = [root, split, root.split::<R>(RoomId([2; 16]), 1), split.split::<R>(RoomId([3; 16]), 1)];
    let sizes: Vec<(u32, u32)> = (1..5).flat_map(|here| (1..5).map(move |there| (here, there))).collect();
    rooms.iter().flat_map(|one| rooms.iter().map(move |other| (one, other))).any(|(one, other)| {
        let goes = |from: &Birth, to: &Birth| sizes.iter().any(|sizes| from.yields_to::<R>(to, *sizes));
        goes(one, other) && goes(other, one)
    })
}

#[test]
fn nobody_changes_places() {
    assert!(!may_change_places::<AllRules>());
}

#[test]
fn the_larger_room_wins() {
    assert!(may_change_places::<LargerWins>(), "H-2 cannot fail");
}

#[test]
fn nobody_goes_over() {
    must_break(NobodyGoes, ONE_ROOM);
}

#[test]
fn a_split_says_nothing() {
    must_break(SilentSplits, SAYS_SO);
}
