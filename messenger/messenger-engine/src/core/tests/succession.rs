//! A room outlives its creator, whoever hosts it, and the loss of any of its members.

use std::time::Duration;

use super::rooms::{last_delivery, say, view};
use super::world::{World, address, room_texts};
use crate::api::{Command, Event, RoomId};

fn host(world: &World, name: &str, room: RoomId) -> String {
    world.core_of(name).in_room(room).expect("in the room").2.identifier.to_string()
}

fn is_closed(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::RoomClosed { .. }))
}

/// the next one hands in that she takes over, and the one who leaves offers it.
#[test]
fn a_room_survives_its_creators_leaving() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    world.command("alice", Command::RoomLeave { room });
    assert!(is_closed(&world.events("alice")));
    for name in ["bob", "carol"] {
        let events = world.events(name);
        assert!(events.contains(&Event::RoomLeft { room, who: address("alice").parse().unwrap() }), "{events:?}");
        assert!(!is_closed(&events));
        assert_eq!(view(&events).2, ["bob", "carol"].map(address));
        assert_eq!(host(&world, name, room), address("bob"));
    }
    say(&mut world, "carol", room, "we go on");
    assert_eq!(last_delivery(&world.events("carol")), (1, vec![]));
    assert!(room_texts(&world.events("alice")).is_empty());
    // The new host lets somebody in, and the old one may come back.
    for guest in ["dave", "alice"] {
        world.command("bob", Command::RoomInvite { room, who: address(guest) });
        world.command(guest, Command::RoomAccept { room });
    }
    assert_eq!(view(&world.events("carol")).2.len(), 4);
    say(&mut world, "alice", room, "here I am again");
    assert_eq!(last_delivery(&world.events("alice")), (3, vec![]));
}

/// of two the higher leaf decides nothing alone, so whoever leaves helps.
#[test]
fn of_two_the_one_who_stays_has_the_room() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob"]);
    world.command("alice", Command::RoomLeave { room });
    assert_eq!(view(&world.events("bob")).2, [address("bob")]);
    world.command("bob", Command::RoomInvite { room, who: address("carol") });
    world.command("carol", Command::RoomAccept { room });
    assert_eq!(view(&world.events("carol")).2.len(), 2);
}

/// nobody helps, and a majority takes over.
#[test]
fn a_host_who_goes_offline_is_replaced() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    world.command("alice", Command::GoOffline);
    world.pass(Duration::from_secs(7));
    for name in ["bob", "carol"] {
        assert_eq!(view(&world.events(name)).2, ["bob", "carol"].map(address), "{name}");
        assert_eq!(host(&world, name, room), address("bob"));
    }
    say(&mut world, "carol", room, "still here");
    assert_eq!(last_delivery(&world.events("carol")), (1, vec![]));
}

#[test]
fn a_host_whose_program_is_silent_is_replaced_and_comes_back() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    for other in ["bob", "carol"] {
        world.be_deaf("alice", other);
    }
    world.pass(Duration::from_secs(5));
    assert_eq!(host(&world, "bob", room), address("alice"), "a moment of silence is none");
    world.pass(Duration::from_secs(9));
    for name in ["bob", "carol"] {
        assert_eq!(view(&world.events(name)).2, ["bob", "carol"].map(address), "{name}");
        assert_eq!(host(&world, name, room), address("bob"));
    }
    // she learns that she was removed, and is let in again without anybody's doing anything.
    for other in ["bob", "carol"] {
        world.end("alice", other);
    }
    world.pass(Duration::from_secs(90));
    for name in ["alice", "bob", "carol"] {
        assert_eq!(host(&world, name, room), address("bob"), "{name}");
    }
    assert_eq!(view(&world.events("carol")).2.len(), 3);
}

#[test]
fn who_is_blocked_meanwhile_is_not_let_in_again_and_who_was_lost_follows_nobody_whom_she_blocked() {
    for (who, whom) in [("bob", "alice"), ("alice", "bob")] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let room = world.room(&["alice", "bob", "carol"]);
        for other in ["bob", "carol"] {
            world.be_deaf("alice", other);
        }
        world.pass(Duration::from_secs(14));
        assert_eq!(host(&world, "bob", room), address("bob"));
        for other in ["bob", "carol"] {
            world.end("alice", other);
        }
        world.command(who, Command::Block { who: address(whom) });
        world.pass(Duration::from_secs(90));
        assert_eq!(host(&world, "carol", room), address("bob"));
        assert_eq!(view(&world.events("carol")).2, ["bob", "carol"].map(address), "{who} has blocked {whom}");
    }
}

/// nobody asks the person, so what her device follows into is the room that she was in.
#[test]
fn who_was_lost_is_asked_where_somebody_is_in_the_room_who_was_not() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    for other in ["alice", "bob"] {
        world.be_deaf("carol", other);
    }
    world.pass(Duration::from_secs(14));
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    world.pass(Duration::from_secs(8));
    assert_eq!(view(&world.events("dave")).2, ["alice", "bob", "dave"].map(address));
    world.forget_events();
    for other in ["alice", "bob"] {
        world.end("carol", other);
    }
    world.pass(Duration::from_secs(90));
    let asked = |event: &Event| matches!(event, Event::RoomInvitation { .. });
    assert!(world.events("carol").iter().any(asked));
    assert!(world.core_of("carol").in_room(room).is_none());
    world.command("carol", Command::RoomAccept { room });
    assert_eq!(view(&world.events("carol")).2.len(), 4);
}

/// a promise to who lost the host for a moment stays one, and the host claims above it.
#[test]
fn a_host_who_was_lost_to_one_member_for_a_moment_goes_on() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.carries_nothing.insert("carol".into());
    world.be_deaf("alice", "bob");
    world.pass(Duration::from_secs(7));
    let order = &world.core("bob").inside(room).unwrap().order;
    assert_ne!(order.promised(), order.epoch().host, "bob has claimed");
    world.be_heard("alice", "bob");
    world.pass(Duration::from_secs(3));
    assert_eq!(host(&world, "bob", room), address("alice"), "nobody else has lost her");
    world.network = false;
    // Had she lost the host before bob, she would have granted him what he claimed.
    world.end("bob", "carol");
    world.end("alice", "carol");
    world.leave("carol");
    world.network = true;
    world.pass(Duration::from_secs(40));
    for name in ["alice", "bob"] {
        assert_eq!(view(&world.events(name)).2, ["alice", "bob"].map(address), "{name}");
        assert_eq!(host(&world, name, room), address("alice"), "{name}");
    }
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    world.pass(Duration::from_secs(8));
    for name in ["alice", "bob", "dave"] {
        assert_eq!(view(&world.events(name)).2.len(), 3, "{name}");
    }
}

/// nothing is said where nothing can be decided, and the room ends.
#[test]
fn who_reaches_no_quorum_is_told_and_leaves_after_a_minute() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    world.network = false;
    for other in ["alice", "bob"] {
        world.end("carol", other);
    }
    world.pass(Duration::from_secs(20));
    let events = world.events("carol");
    let told = |event: &&Event| matches!(event, Event::Error { message, .. } if message.contains("cannot be reached"));
    assert_eq!(events.iter().filter(told).count(), 1, "{events:?}");
    say(&mut world, "carol", room, "anybody?");
    assert!(matches!(&world.events("carol")[..], [Event::Error { about, .. }] if about == "room_send"));
    assert_eq!(view(&world.events("bob")).2, ["alice", "bob"].map(address), "the others go on");
    world.pass(Duration::from_secs(60));
    assert!(is_closed(&world.events("carol")));
    world.network = true;
    world.send("carol", "alice", "the network was gone", 1);
    world.pass(Duration::from_secs(10));
    assert_eq!(view(&world.events("carol")).2.len(), 3, "she is let in again");
}

/// a program that starts again is nobody's member.
#[test]
fn a_member_whose_program_starts_again_is_removed_and_asked_in_by_a_person() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.restart("bob");
    world.send("bob", "alice", "I am back", 1);
    world.pass(Duration::from_secs(60));
    assert!(world.core_of("bob").in_room(room).is_none());
    assert_eq!(view(&world.events("carol")).2, ["alice", "carol"].map(address));
}
