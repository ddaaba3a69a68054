//! Calls that cross, in two directories, neither of which knows the other's.

use std::time::Duration;

use directory_protocol::{Outcome, Role};

use super::world::{World, address, last_state, texts};
use crate::api::{CallId, Command, DeliveryState, Purpose};
use crate::core::{Action, Ask};

/// Higher and lower than any that is drawn.
const HIGH: CallId = CallId([255; 16]);
const LOW: CallId = CallId([0; 16]);

/// Alice and bob, whose directory lets nobody's call reach him; and alice's call, with a text.
fn unheard() -> (World, CallId) {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    world.unheard.insert("bob".to_owned());
    world.send("alice", "bob", "hello", 1);
    let call = world.calls("alice")[0];
    (world, call)
}

fn is_connecting(actions: &[Action], to: CallId) -> bool {
    actions.iter().any(|action| matches!(action, Action::Connect { call, .. } if *call == to))
}

#[test]
fn two_who_call_each_other_are_connected_once_even_if_one_call_rings_nowhere() {
    // One of the two has the lower id, and it is the one that does not ring in one of the two.
    for unheard in ["alice", "bob"] {
        let mut world = World::of(&["alice", "bob"]);
        world.forget_events();
        world.unheard.insert(unheard.to_owned());
        world.both_send("alice", "bob");
        world.pass(Duration::from_secs(3));
        assert_eq!(texts(&world.events("bob")), ["from alice"], "{unheard} is not called");
        assert_eq!(texts(&world.events("alice")), ["from bob"], "{unheard} is not called");
        assert_eq!(world.wires("alice", "bob"), 1);
        assert_eq!([world.calls("alice"), world.calls("bob")], [[], []]);
    }
}

#[test]
fn the_lower_one_counts_however_late_it_is_answered() {
    let (mut world, own) = unheard();
    assert_eq!(world.is_called("alice", "bob", HIGH, Purpose::Text), []);
    // He has not heard of hers for long enough; and then he has, and withdrawn his own.
    world.pass(Duration::from_secs(2));
    assert!(is_connecting(&world.is_introduced("alice", "bob", HIGH, Role::Listener), HIGH));
    assert_eq!(world.calls("alice"), [own, HIGH]);
    let actions = world.is_introduced("alice", "bob", own, Role::Dialler);
    assert!(is_connecting(&actions, own));
    // Unless he got through before he heard of it.
    assert_eq!(world.calls("alice"), [own, HIGH]);
    let bob = world.person("bob");
    assert_eq!(world.intrude("alice", bob), []);
    assert_eq!(world.calls("alice"), []);
}

#[test]
fn two_calls_that_are_both_answered_late_lead_to_one_connection() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    world.unheard.extend(["alice".to_owned(), "bob".to_owned()]);
    world.hold_dials();
    world.both_send("alice", "bob");
    let mut calls = ["alice", "bob"].map(|who| (world.calls(who)[0], who));
    calls.sort();
    let [(low, lower), (high, higher)] = calls;
    // Each is heard of, and waits until it is taken beside the other; meanwhile the first dial takes its time.
    for (call, from, to) in [(high, higher, lower), (low, lower, higher)] {
        world.is_heard(call, (from, to), Purpose::Text);
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(world.release_dials(), 1, "the higher one is dialled no more");
    assert_eq!(texts(&world.events("bob")), ["from alice"]);
    assert_eq!(texts(&world.events("alice")), ["from bob"]);
    assert_eq!(world.wires("alice", "bob"), 1);
    assert_eq!([world.calls("alice"), world.calls("bob")], [[], []]);
}

#[test]
fn a_call_that_crosses_is_left_when_ones_own_is_answered() {
    let (mut world, own) = unheard();
    assert_eq!(world.is_called("alice", "bob", HIGH, Purpose::Text), []);
    assert_eq!(world.is_called("alice", "bob", CallId([254; 16]), Purpose::Text), [], "one is enough");
    assert_eq!(world.calls("alice"), [own, HIGH]);
    assert!(is_connecting(&world.is_introduced("alice", "bob", own, Role::Dialler), own));
    assert_eq!(world.calls("alice"), [own]);
    // An introduction that was under way leads nowhere.
    assert!(!is_connecting(&world.is_introduced("alice", "bob", HIGH, Role::Listener), HIGH));
}

#[test]
fn a_call_that_crosses_is_taken_at_once_when_ones_own_ends() {
    for outcome in [Outcome::Declined, Outcome::Busy, Outcome::NoAnswer, Outcome::Offline, Outcome::Cancelled] {
        let (mut world, own) = unheard();
        assert_eq!(world.is_called("alice", "bob", HIGH, Purpose::Text), []);
        assert_eq!(world.is_told("alice", own, outcome), [Ask::Accept { call: HIGH }]);
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Sending, "{outcome:?}");
        // What waited for the one waits for the other.
        world.is_told("alice", HIGH, Outcome::Cancelled);
        world.settle();
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::NotDelivered);
    }
}

#[test]
fn if_the_one_that_crosses_ends_ones_own_goes_on() {
    for wait in [Duration::ZERO, Duration::from_secs(3)] {
        let (mut world, own) = unheard();
        world.is_called("alice", "bob", HIGH, Purpose::Text);
        world.pass(wait);
        assert_eq!(world.is_told("alice", HIGH, Outcome::Cancelled), []);
        assert_eq!(world.calls("alice"), [own]);
        world.settle();
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Sending);
    }
}

#[test]
fn a_call_from_another_device_than_the_one_that_answers_is_one_like_any_other() {
    let mut world = World::of(&["alice", "bob", "bob/2"]);
    world.unheard.extend(["bob".to_owned(), "bob/2".to_owned()]);
    world.send("alice", "bob", "hello", 1);
    let own = world.calls("alice")[0];
    assert_eq!(world.is_called("alice", "bob/2", HIGH, Purpose::Text), []);
    let actions = world.is_introduced("alice", "bob", own, Role::Dialler);
    assert!(is_connecting(&actions, own));
    assert!(actions.iter().any(|action| matches!(action, Action::Ask(Ask::Accept { call: HIGH }))));
}

#[test]
fn the_lower_call_is_taken_and_ones_own_withdrawn() {
    let (mut world, own) = unheard();
    let asked = world.is_called("alice", "bob", LOW, Purpose::Text);
    assert_eq!(asked, [Ask::Cancel { call: own }, Ask::Accept { call: LOW }]);
    // Another one that waited waits no more.
    let (mut world, _) = unheard();
    world.is_called("alice", "bob", HIGH, Purpose::Text);
    world.is_called("alice", "bob", LOW, Purpose::Text);
    assert_eq!(world.calls("alice"), [LOW]);
}

#[test]
fn a_call_that_waits_is_no_way_in_for_whoever_is_blocked_meanwhile() {
    let (mut world, own) = unheard();
    world.is_called("alice", "bob", HIGH, Purpose::Text);
    world.command("alice", Command::Block { who: address("bob") });
    assert_eq!(world.calls("alice"), [own]);
}

#[test]
fn without_a_directory_neither_of_two_that_cross_goes_on() {
    let (mut world, _) = unheard();
    world.is_called("alice", "bob", HIGH, Purpose::Text);
    world.lose_directory("alice");
    assert_eq!(world.calls("alice"), []);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::NotDelivered);
}
