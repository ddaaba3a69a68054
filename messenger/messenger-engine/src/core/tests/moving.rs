//! A person goes on with a conversation at another device of hers.

use std::time::Duration;

use super::resumption::final_states;
use super::world::{World, address, last_state, texts};
use crate::api::{Command, DeliveryState, Event};
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
    world.end("alice", "bob/phone");
    world.forget_events();
    world.send("alice", "bob", "to the study", 2);
    assert_eq!(texts(&world.events("bob/study")), ["to the study"]);
}

/// The device that was left is connected still, and the other one is not.
#[test]
fn a_device_that_was_left_gets_no_text_as_long_as_another_one_is_there() {
    let mut world = talking();
    world.command("bob/phone", here(7));
    world.end("alice", "bob/phone");
    world.forget_events();
    world.send("alice", "bob", "to whoever answers", 2);
    world.pass(Duration::from_secs(2));
    assert_eq!(texts(&world.events("bob/phone")), ["to whoever answers"]);
    assert!(texts(&world.events("bob/study")).is_empty());
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
