//! A person goes on with a conversation at another device of hers.

use std::time::Duration;

use super::resumption::final_states;
use super::world::{World, address, last_state, texts};
use crate::api::{Command, DeliveryState, Event, RoomSuite, Side, TextRef};
use crate::wire::{TalkFrame, capability};

fn here(id: u64) -> Command {
    Command::ContinueHere { to: address("alice"), id: Some(id) }
}

fn bob() -> identity::Identifier {
    address("bob").parse().unwrap()
}

/// Alice talks with bob in his study, and he takes his telephone.
fn talking() -> World {
    let mut world = World::of(&["alice"]);
    for device in ["bob/study", "bob/phone"] {
        world.add(device, vec![address("alice").parse().unwrap()]);
    }
    world.go_online("bob/study");
    world.command("alice", Command::AddContact { who: address("bob") });
    world.send("alice", "bob", "to the study", 1);
    world.go_online("bob/phone");
    world.forget_events();
    world
}

fn told(world: &mut World, name: &str, event: &Event) -> usize {
    world.events(name).iter().filter(|told| *told == event).count()
}

#[test]
fn texts_come_to_the_device_at_which_one_goes_on_and_the_other_one_is_told() {
    let mut world = talking();
    world.command("bob/phone", here(7));
    assert_eq!(last_state(&world.events("bob/phone")), Some((DeliveryState::Delivered, None)));
    assert_eq!(told(&mut world, "alice", &Event::Continued { from: bob() }), 1);
    let elsewhere = Event::ContinuedElsewhere { who: address("alice").parse().unwrap() };
    assert_eq!(told(&mut world, "bob/study", &elsewhere), 1);
    world.send("alice", "bob", "to the phone", 2);
    assert_eq!(texts(&world.events("bob/phone")), ["to the phone"]);
    assert!(texts(&world.events("bob/study")).is_empty());
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Delivered)]);

    // And back, over the session that is still there and older.
    world.forget_events();
    world.pass(Duration::from_secs(11));
    world.command("bob/study", here(8));
    assert_eq!(told(&mut world, "bob/phone", &elsewhere), 1);
    world.send("alice", "bob", "to the study again", 3);
    assert_eq!(texts(&world.events("bob/study")), ["to the study again"]);
    // Nobody is told twice of the same.
    world.forget_events();
    world.command("bob/study", here(9));
    assert_eq!(told(&mut world, "bob/phone", &elsewhere), 0);
}

#[test]
fn whoever_writes_from_a_device_is_there() {
    let mut world = talking();
    world.command("bob/phone", here(7));
    world.send("bob/study", "alice", "from the study", 8);
    world.forget_events();
    world.send("alice", "bob", "to the study", 2);
    assert_eq!(texts(&world.events("bob/study")), ["to the study"]);
    // And is told again that he went on elsewhere, if he does.
    world.pass(Duration::from_secs(11));
    world.command("bob/phone", here(9));
    let elsewhere = Event::ContinuedElsewhere { who: address("alice").parse().unwrap() };
    assert_eq!(told(&mut world, "bob/study", &elsewhere), 1);
}

/// What she answers was said in the study.
#[test]
fn an_answer_goes_where_one_went_on() {
    let mut world = talking();
    world.send("bob/study", "alice", "are you there?", 8);
    world.command("bob/phone", here(7));
    world.forget_events();
    let reply_to = Some(TextRef { by: Side::Them, id: 8 });
    let (to, text) = (address("bob"), "I am".into());
    world.command("alice", Command::Send { to, text, id: Some(2), reply_to });
    assert_eq!(texts(&world.events("bob/phone")), ["I am"]);
    assert!(texts(&world.events("bob/study")).is_empty());
}

#[test]
fn a_session_that_begins_later_changes_nothing() {
    let mut world = talking();
    world.command("bob/phone", here(7));
    world.end("alice", "bob/study");
    // The study goes on with something else: its room.
    world.command("bob/study", Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() });
    let room = world.events("bob/study").into_iter().find_map(|event| match event {
        Event::Room { room, .. } => Some(room),
        _ => None,
    });
    world.command("bob/study", Command::RoomInvite { room: room.unwrap(), who: address("alice") });
    assert_eq!(world.wires("alice", "bob/study"), 1);
    world.forget_events();
    world.send("alice", "bob", "to the phone", 2);
    assert_eq!(texts(&world.events("bob/phone")), ["to the phone"]);
    assert!(texts(&world.events("bob/study")).is_empty());
}

/// The device at which one went on is gone, and the other one still connected.
#[test]
fn whoever_is_left_gets_the_texts_when_the_other_device_is_gone() {
    let mut world = talking();
    world.command("bob/phone", here(7));
    world.command("bob/phone", Command::GoOffline);
    world.forget_events();
    for id in [2, 3] {
        world.send("alice", "bob", "to the study", id);
    }
    assert_eq!(texts(&world.events("bob/study")).len(), 2);
    assert_eq!(world.wires("alice", "bob/study"), 1, "no other connection is made for it");
}

#[test]
fn nobody_is_told_all_the_time_that_she_went_on_elsewhere() {
    let mut world = talking();
    for id in 10..20 {
        world.command(if id % 2 == 0 { "bob/phone" } else { "bob/study" }, here(id));
    }
    let elsewhere = Event::ContinuedElsewhere { who: address("alice").parse().unwrap() };
    assert_eq!(told(&mut world, "bob/study", &elsewhere), 1);
    assert_eq!(told(&mut world, "bob/phone", &elsewhere), 1);
}

#[test]
fn what_may_have_arrived_at_the_other_device_goes_to_that_one() {
    let mut world = talking();
    world.be_unanswered("alice", "bob/study");
    world.send("alice", "bob", "to the study", 2);
    world.command("bob/phone", here(7));
    world.end("alice", "bob/study");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
    world.forget_events();
    world.send("alice", "bob", "to the study", 2);
    world.pass(Duration::from_secs(2));
    assert!(texts(&world.events("bob/phone")).is_empty());
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Delivered)]);
}

#[test]
fn earlier_messengers_are_asked_for_nothing_and_told_nothing() {
    for older in ["alice", "bob/study"] {
        let mut world = World::of(&["alice"]);
        for device in ["bob/study", "bob/phone"] {
            world.add(device, vec![address("alice").parse().unwrap()]);
        }
        let before = |frame: &mut TalkFrame| {
            if let TalkFrame::Hello { capabilities, .. } = frame {
                *capabilities &= !capability::MOVES;
            }
        };
        world.meddling.insert(older.into(), Box::new(before));
        world.go_online("bob/study");
        world.command("alice", Command::AddContact { who: address("bob") });
        world.send("alice", "bob", "to the study", 1);
        world.go_online("bob/phone");
        world.forget_events();
        world.command("bob/phone", here(7));
        let (state, reason) = last_state(&world.events("bob/phone")).unwrap();
        let moved = older != "alice";
        assert_eq!(state == DeliveryState::Delivered, moved, "{older}");
        assert_eq!(reason.is_some_and(|reason| reason.contains("does not know this")), !moved);
        assert_eq!(told(&mut world, "alice", &Event::Continued { from: bob() }), usize::from(moved));
        assert!(world.events("bob/study").iter().all(|event| !matches!(event, Event::ContinuedElsewhere { .. })));
    }
}
