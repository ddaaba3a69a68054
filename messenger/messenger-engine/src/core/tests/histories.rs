//! Rooms in random histories: frames are late and overtake each other, connections break, programs crash, networks fall
//! apart. Whatever happens, no two devices follow two commits from one epoch (S-1 of docs/spec/rooms.md), and when everything
//! is well again, whoever is in the room is in one and the same epoch under a host who is there (L-1).

use std::collections::BTreeMap;
use std::time::Duration;

use room_order::CommitId;

use super::world::{World, address};
use crate::api::{Command, Event, Role, RoomId};
use crate::core::hubs::rooms_are_large_above;
use crate::room::Person;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A recorded generator: xorshift, of a seed that names the history.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }

    fn two(&mut self) -> (&'static str, &'static str) {
        let one = self.below(NAMES.len());
        (NAMES[one], NAMES[(one + 1 + self.below(NAMES.len() - 1)) % NAMES.len()])
    }
}

struct History {
    world: World,
    room: RoomId,
    chance: Chance,
    /// What people change of the room beside, if they do.
    deeds: Option<Chance>,
    seed: u64,
    /// Which commit ended which epoch, as anybody followed it.
    ended: BTreeMap<CommitId, (CommitId, String)>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut world = World::of(&NAMES);
        let room = world.room(&NAMES);
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        Self { world, room, chance, deeds: None, seed, ended: BTreeMap::new() }
    }

    /// S-1.
    fn check(&mut self) {
        for name in self.world.names() {
            for (parent, commit) in self.world.core_of(&name).decided_in(self.room) {
                let (first, by) = self.ended.entry(parent).or_insert((commit, name.clone()));
                assert_eq!(*first, commit, "seed {}: {by} and {name} followed two commits", self.seed);
            }
        }
    }

    fn pass(&mut self, tenths: usize) {
        for _ in 0..tenths.div_ceil(5) {
            self.world.pass(Duration::from_millis(500));
            for _ in 0..self.chance.below(12) {
                let number = self.chance.below(64);
                self.world.let_arrive(number);
                self.check();
            }
        }
    }

    fn happen(&mut self) {
        let (room, (a, b)) = (self.room, self.chance.two());
        match self.chance.below(16) {
            0 => self.world.cut(a, b),
            1 => self.world.end(a, b),
            2 => self.world.stall(a, b),
            3 => self.world.be_deaf(a, b),
            4 => self.world.network = !self.world.network,
            5 => self.world.command(a, Command::RoomLeave { room }),
            6 if self.chance.below(4) == 0 => self.world.restart(a),
            7 => {
                // The room falls apart.
                self.world.network = false;
                for one in &NAMES[..2] {
                    for other in &NAMES[2..] {
                        self.world.end(one, other);
                    }
                }
            }
            8 => {
                self.world.network = false;
                NAMES.iter().filter(|other| **other != a).for_each(|other| self.world.end(a, other));
            }
            9 => self.world.network = true,
            10 => self.world.command(a, Command::RoomSend { room, text: "all?".into(), id: None, reply_to: None }),
            _ => {
                self.world.command(a, Command::RoomInvite { room, who: address(b) });
                self.world.command(b, Command::RoomAccept { room });
            }
        }
        self.change();
        let tenths = 1 + self.chance.below(60);
        self.pass(tenths);
        self.check();
    }

    /// Somebody changes something of the room, whether she may or not.
    fn change(&mut self) {
        let Some(deeds) = &mut self.deeds else { return };
        let (room, (a, b)) = (self.room, deeds.two());
        let command = match deeds.below(8) {
            0 => Command::RoomTopic { room, topic: format!("{a} at {:?}", self.world.time) },
            1 => Command::RoomLock { room, locked: deeds.below(2) == 0 },
            2 => Command::RoomRole { room, who: address(b), role: Role::Owner },
            3 => Command::RoomRole { room, who: address(b), role: Role::Moderator },
            4 if deeds.below(3) == 0 => Command::RoomRemove { room, who: address(b) },
            _ => return,
        };
        self.world.command(a, command);
    }

    /// Who is in the room, in which epoch, and who hosts it.
    fn inside(&self) -> Vec<(&'static str, (u64, CommitId, Person))> {
        NAMES.iter().filter_map(|name| Some((*name, self.world.core_of(name).in_room(self.room)?))).collect()
    }

    /// Whether the room's host is in it, if anybody is.
    fn host_is_there(&self) -> bool {
        let inside = self.inside();
        let is_host = |name: &str, host: &Person| address(name) == host.identifier.as_str();
        inside.first().is_none_or(|(_, (.., host))| inside.iter().any(|(name, _)| is_host(name, host)))
    }

    /// Everything is well again. Returns how many are in the room then.
    fn heal(&mut self) -> usize {
        self.world.network = true;
        self.world.slow_down(false);
        for (at, one) in NAMES.iter().enumerate() {
            for other in &NAMES[at + 1..] {
                // What leads nowhere is given up.
                self.world.end(one, other);
            }
        }
        self.check();
        self.world.pass(Duration::from_secs(240));
        self.check();
        if !self.host_is_there() {
            // What a host had offered before she was gone may be decided late: whoever is left behind by it ends after a minute
            //
            self.world.pass(Duration::from_secs(90));
            self.check();
        }
        let inside = self.inside();
        if let Some((_, first)) = inside.first() {
            for (name, at) in &inside {
                assert_eq!((at.0, at.1), (first.0, first.1), "seed {}: {name} is in another epoch", self.seed);
            }
            assert!(self.host_is_there(), "seed {}: the host {} is not there", self.seed, first.2.identifier);
        }
        for name in NAMES {
            let forked = |event: &Event| matches!(event, Event::Error { message, .. } if message.contains("forked") || message.contains("two different changes") || message.contains("another epoch than"));
            assert!(!self.world.events(name).iter().any(forked), "seed {}: {name} was warned", self.seed);
        }
        inside.len()
    }
}

/// How many commits were handed in by which somebody came back: a frame of three members, of the kind 25.
fn handed_in_by_guests(world: &World) -> usize {
    world.tapped.iter().filter(|(_, _, bytes)| bytes[4..].starts_with(&[0x83, 0x18, 25])).count()
}

fn play(seeds: std::ops::Range<u64>, changing: bool) {
    let (mut epochs, mut together, mut returns) = (0, 0, 0);
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let mut history = History::new(seed);
        history.deeds = changing.then(|| Chance(seed.wrapping_mul(0xd134_2543_de82_ef95) | 1));
        history.world.slow_down(true);
        for _ in 0..14 {
            history.happen();
        }
        together += u64::from(history.heal() > 1);
        returns += handed_in_by_guests(&history.world);
        epochs += history.ended.len() as u64;
    }
    assert!(epochs > 4 * count, "{epochs} epochs ended in {count} histories");
    assert!(returns > 0, "nobody came back in {count} histories");
    assert!(together * 4 > count, "in {together} of {count} histories people are together in the end");
}

/// In two halves, since there are two processors as a rule.
#[test]
fn no_epoch_ends_twice_in_the_first_100_histories() {
    play(0..100, false);
}

#[test]
fn no_epoch_ends_twice_in_100_histories_more() {
    play(100..200, false);
}

/// The same in a large room: two of the four are hubs.
#[test]
fn no_epoch_ends_twice_in_60_histories_of_a_large_room() {
    rooms_are_large_above(2, 2);
    play(0..60, false);
}

#[test]
#[ignore = "takes a quarter of an hour; run by ./test --all"]
fn no_epoch_ends_twice_in_1000_histories_of_a_large_room() {
    rooms_are_large_above(2, 2);
    play(1_000..2_000, false);
}

#[test]
#[ignore = "takes half an hour; run by ./test --all"]
fn no_epoch_ends_twice_in_2000_histories() {
    play(1_000..3_000, false);
}

#[test]
#[ignore = "takes half an hour; run by ./test --all"]
fn no_epoch_ends_twice_in_2000_histories_more() {
    play(3_000..5_000, false);
}

/// Roles, the lock and removals come on top: commits that members hand in, and others that overtake them.
#[test]
fn no_epoch_ends_twice_where_people_change_the_room() {
    play(200..230, true);
}

#[test]
#[ignore = "takes minutes; run by ./test --all"]
fn no_epoch_ends_twice_in_600_histories_in_which_people_change_the_room() {
    play(5_000..5_600, true);
}

/// A history in which an even split is healed after a host whose offer is decided late has gone for good.
#[test]
fn whoever_is_left_behind_by_a_late_decision_ends() {
    let mut history = History::new(4_552);
    history.world.slow_down(true);
    for _ in 0..14 {
        history.happen();
    }
    assert_eq!(history.heal(), 0);
}
