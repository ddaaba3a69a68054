//! What the caller is told of a call of hers, as on a phone.

use directory_protocol::Outcome;

use super::world::{World, address, last_state};
use crate::api::{CallId, DeliveryState, Event, Purpose, Unanswered};

/// Alice has called bob, who has not heard of it yet.
fn calling() -> (World, CallId) {
    let mut world = World::of(&["alice", "bob"]);
    world.unheard.insert("bob".to_owned());
    world.send("alice", "bob", "hello", 1);
    let [call] = world.calls("alice")[..] else { panic!() };
    world.forget_events();
    (world, call)
}

/// Whether it rings, and how it ended.
fn told(events: &[Event]) -> Vec<Option<Unanswered>> {
    let told = events.iter().filter_map(|event| match event {
        Event::Ringing { who } if who.as_str() == address("bob") => Some(None),
        Event::Unanswered { who, because, .. } if who.as_str() == address("bob") => Some(Some(*because)),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_caller_hears_that_it_rings_and_how_it_ended_and_what_to_try() {
    let ends = [
        (Outcome::Declined, Unanswered::Declined),
        (Outcome::Busy, Unanswered::Busy),
        (Outcome::NoAnswer, Unanswered::NoAnswer),
        (Outcome::Offline, Unanswered::Offline),
    ];
    for (outcome, expected) in ends {
        let (mut world, call) = calling();
        world.is_told("alice", call, Outcome::Ringing);
        assert_eq!(told(&world.events("alice")), [None]);
        world.is_told("alice", call, outcome);
        let events = world.events("alice");
        assert_eq!(told(&events), [Some(expected)]);
        let words = |event: &Event| match event {
            Event::Unanswered { message, remedy, .. } => Some((message.clone(), remedy.clone())),
            _ => None,
        };
        let (message, remedy) = events.iter().find_map(words).unwrap();
        let (state, reason) = last_state(&events).unwrap();
        assert_eq!((state, reason), (DeliveryState::NotDelivered, Some(message)));
        assert!(!remedy.is_empty());
        // Bob, who called nobody, hears nothing.
        assert_eq!(told(&world.events("bob")), []);
    }
}

#[test]
fn a_call_that_goes_on_in_another_one_has_not_ended() {
    let (mut world, own) = calling();
    world.is_called("alice", "bob", CallId([255; 16]), Purpose::Text);
    world.is_told("alice", own, Outcome::NoAnswer);
    assert_eq!(told(&world.events("alice")), []);
}

#[test]
fn a_call_that_was_withdrawn_says_nothing_of_the_other_side() {
    let (mut world, call) = calling();
    world.is_told("alice", call, Outcome::Cancelled);
    let events = world.events("alice");
    assert_eq!((told(&events), last_state(&events).unwrap().0), (vec![], DeliveryState::NotDelivered));
}
