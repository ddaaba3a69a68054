//! Who claims in a large room: those whose claims reach all.

use std::time::Duration;

use super::hubs::gathered;
use super::rooms::{device, frames};
use super::world::{World, address};
use crate::api::{Command, Role, RoomId};
use crate::core::hubs::rooms_are_large_above;
use crate::wire::RoomFrame;

const NAMES: [&str; 12] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "kim", "lea"];

/// A room of all, large above three, with so many hubs.
fn large(hubs: usize) -> (World, RoomId) {
    rooms_are_large_above(3, hubs);
    gathered(&NAMES)
}

/// They learn that the host's certificate was revoked.
fn learn(world: &mut World, room: RoomId, names: &[&str]) {
    for name in names {
        world.core(name).inside(room).unwrap().lapsed.look_no_more(device("alice"));
    }
}

fn claims(world: &World, by: &str) -> usize {
    frames(world, by).iter().filter(|frame| matches!(frame, RoomFrame::Claim { .. })).count()
}

fn host(world: &World, at: &str, room: RoomId) -> String {
    world.core_of(at).in_room(room).unwrap().2.identifier.to_string()
}

/// The host's certificate is revoked, and everybody but those who would take her place knows it already.
#[test]
fn whose_claim_would_reach_hubs_alone_keeps_nobody_from_claiming() {
    let (mut world, room) = large(2);
    learn(&mut world, room, &NAMES[3..]);
    world.tapped.clear();
    world.pass(Duration::from_secs(40));
    for name in &NAMES[2..] {
        assert_eq!(claims(&world, name), 0, "{name}");
    }
    learn(&mut world, room, &["bob", "carol"]);
    world.pass(Duration::from_secs(3));
    for name in ["bob", "carol", "lea"] {
        assert_eq!(host(&world, name, room), address("bob"), "{name}");
    }
}

/// Those who would take the host's place are lost with her: the next by turn, to whom all link up, does.
#[test]
fn who_stands_in_for_hubs_who_are_lost_claims() {
    for hubs in [2, 3] {
        let (mut world, room) = large(hubs);
        for lost in &NAMES[..hubs] {
            world.leave(lost);
            for name in &NAMES {
                if name != lost {
                    world.end(lost, name);
                }
            }
        }
        world.pass(Duration::from_secs(60));
        let heir = host(&world, "lea", room);
        for name in &NAMES[hubs..] {
            assert_eq!(host(&world, name, room), heir, "{name}, {hubs} hubs");
        }
        assert!(!NAMES[..hubs].iter().any(|lost| address(lost) == heir), "{heir}");
    }
}

/// The host has the last leaf, and what she offers is barred by a promise: nobody who has not lost her claims in her place.
#[test]
fn the_host_leaves_it_to_nobody_whatever_leaf_is_hers() {
    let (mut world, room) = large(2);
    world.command("alice", Command::RoomRole { room, who: address("lea"), role: Role::Owner });
    world.pass(Duration::from_secs(5));
    world.command("lea", Command::RoomRemove { room, who: address("alice") });
    world.pass(Duration::from_secs(10));
    assert_eq!(host(&world, "kim", room), address("lea"));
    let now = world.now();
    let mut leaves = |name: &str| world.core(name).inside(room).unwrap().leaves_claims_to_others(now);
    assert_eq!(["bob", "carol", "kim", "lea"].map(&mut leaves), [false, true, true, false]);
}
