//! A guest who is let in, and does not hear of it: she comes in without anybody's being asked once more.

use std::time::Duration;

use super::world::{World, address};
use crate::api::{Command, Event, RoomId};

const ALL: [&str; 4] = ["alice", "bob", "carol", "dave"];
const SECOND: Duration = Duration::from_secs(1);

/// How her connections are lost: ended, or broken.
#[derive(Debug, Clone, Copy)]
enum How {
    Ended,
    Broken,
}

/// Frames take their time until alice, the host, counts carol as a member, and what says so to her is lost: nobody reaches her for so
/// long.
fn loses_everybody(world: &mut World, room: RoomId, (how, gap): (How, u64)) {
    while !world.core_of("alice").members_of(room).contains(&address("carol")) {
        match world.slow.as_ref().is_some_and(|slow| !slow.is_empty()) {
            true => world.let_arrive(0),
            false => world.pass(Duration::from_millis(100)),
        }
    }
    world.network = false;
    for other in ["alice", "bob", "dave"] {
        match how {
            How::Ended => world.end("carol", other),
            How::Broken => world.cut("carol", other),
        }
    }
    world.slow_down(false);
    assert!(world.core_of("carol").in_room(room).is_none());
    world.pass(Duration::from_secs(gap));
    world.network = true;
}

fn times_asked(world: &mut World, name: &str) -> usize {
    world.events(name).iter().filter(|event| matches!(event, Event::RoomInvitation { .. })).count()
}

/// All are together, and she was asked by nobody.
fn comes_in(world: &mut World, room: RoomId, how: How, gap: u64) {
    for name in ALL {
        let (at, _, _) = world.core_of(name).in_room(room).unwrap_or_else(|| panic!("{name}: {how:?} for {gap} s"));
        assert_eq!(at, world.core_of("alice").in_room(room).unwrap().0, "{name}: {how:?} for {gap} s");
        assert_eq!(world.core_of(name).members_of(room), ALL.map(address), "{name}: {how:?} for {gap} s");
    }
    assert_eq!(times_asked(world, "carol"), 0, "{how:?} for {gap} s");
}

#[test]
fn whose_own_commit_is_decided_while_nobody_reaches_her_comes_in() {
    for how in [How::Ended, How::Broken] {
        for gap in [2, 9, 13, 20, 45] {
            let mut world = World::of(&ALL);
            let room = world.room(&ALL);
            for other in ["alice", "bob", "dave"] {
                world.be_deaf("carol", other);
            }
            world.pass(14 * SECOND);
            world.forget_all();
            world.slow_down(true);
            for other in ["alice", "bob", "dave"] {
                world.end("carol", other);
            }
            loses_everybody(&mut world, room, (how, gap));
            world.pass(60 * SECOND);
            comes_in(&mut world, room, how, gap);
        }
    }
}

#[test]
fn who_was_asked_in_and_let_in_while_nobody_reaches_her_comes_in() {
    for how in [How::Ended, How::Broken] {
        for gap in [2, 9, 13, 20, 45] {
            let mut world = World::of(&ALL);
            let room = world.room(&["alice", "bob", "dave"]);
            world.command("alice", Command::RoomInvite { room, who: address("carol") });
            world.forget_all();
            world.slow_down(true);
            world.command("carol", Command::RoomAccept { room });
            loses_everybody(&mut world, room, (how, gap));
            world.pass(60 * SECOND);
            comes_in(&mut world, room, how, gap);
        }
    }
}

/// Alice asks carol in, whose person has said yes if she `accepts`, and no connection to her is left.
fn asked_and_lost(accepts: bool) -> (World, RoomId) {
    let mut world = World::of(&ALL);
    let room = world.room(&["alice", "bob"]);
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.slow_down(true);
    if accepts {
        world.command("carol", Command::RoomAccept { room });
    }
    world.network = false;
    world.end("alice", "carol");
    world.slow_down(false);
    world.pass(SECOND);
    (world, room)
}

/// Nothing of it comes about where she was not let in, nor where her person has not said yes.
#[test]
fn who_was_not_let_in_is_asked_once_more() {
    for accepts in [true, false] {
        let (mut world, room) = asked_and_lost(accepts);
        world.network = true;
        world.forget_events();
        world.pass(60 * SECOND);
        assert!(world.core_of("carol").in_room(room).is_none());
        assert_eq!(world.core_of("alice").members_of(room), ["alice", "bob"].map(address));
        assert_eq!(times_asked(&mut world, "carol"), 0, "nobody wants her yet");
        world.command("alice", Command::RoomInvite { room, who: address("carol") });
        world.pass(10 * SECOND);
        let asked = times_asked(&mut world, "carol");
        // To the same people's room her person has said yes.
        assert_eq!(
            (asked, world.core_of("carol").in_room(room).is_some()),
            if accepts { (0, true) } else { (1, false) }
        );
    }
}

/// R-17, H-5: to a room in which there is somebody whom the invitation did not name she has not said yes.
#[test]
fn where_somebody_else_is_in_it_by_then_her_person_is_asked() {
    let (mut world, room) = asked_and_lost(true);
    world.network = true;
    world.forget_events();
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    world.pass(10 * SECOND);
    assert_eq!(world.core_of("alice").members_of(room), ["alice", "bob", "dave"].map(address));
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.pass(10 * SECOND);
    assert_eq!(times_asked(&mut world, "carol"), 1);
    assert!(world.core_of("carol").in_room(room).is_none());
}
