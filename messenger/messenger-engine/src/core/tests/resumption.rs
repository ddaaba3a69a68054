//! A session outlives its connection: it goes on on another one, or ends with a verdict on every text.

use std::collections::BTreeSet;
use std::time::Duration;

use super::world::{World, address, last_state, texts};
use identity::Identifier;

use crate::api::{Command, DeliveryState, Event, RoomId, SessionState};
use crate::core::LOOK;
use crate::wire::{Close, TalkFrame, capability};

/// How sessions stood, in order.
fn session_states(events: &[Event]) -> Vec<SessionState> {
    events
        .iter()
        .filter_map(|event| if let Event::Session { state, .. } = event { Some(*state) } else { None })
        .collect()
}

pub(super) fn final_states(events: &[Event]) -> Vec<(u64, DeliveryState)> {
    let states = events.iter().filter_map(|event| match event {
        Event::MessageState { id, state, .. } if *state != DeliveryState::Sending => Some((*id, *state)),
        _ => None,
    });
    states.collect()
}

/// Alice and bob, who have talked.
fn talking() -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.send("bob", "alice", "first", 1);
    world.forget_events();
    world
}

#[test]
fn a_connection_that_breaks_is_replaced_and_nothing_is_lost_or_shown_twice() {
    let mut world = talking();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.send("bob", "alice", "second", 2);
    world.cut("alice", "bob");
    world.send("alice", "bob", "third", 3);
    assert_eq!(session_states(&world.events("alice")), [SessionState::Reconnecting]);
    assert_eq!(world.wires("alice", "bob"), 0);
    world.pass(Duration::from_millis(200));
    assert_eq!(world.wires("alice", "bob"), 1);
    assert_eq!(texts(&world.events("bob")), ["second", "third"]);
    let events = world.events("alice");
    assert_eq!(session_states(&events), [SessionState::Resumed]);
    assert_eq!(texts(&events), ["second"]);
    assert_eq!(final_states(&events), [(2, DeliveryState::Delivered), (3, DeliveryState::Delivered)]);
    world.pass(Duration::from_secs(60));
    world.send("alice", "bob", "fourth", 4);
    assert_eq!(texts(&world.events("bob")), ["fourth"]);
    assert_eq!(world.wires("alice", "bob"), 1, "both keep the same one");
}

#[test]
fn what_arrived_without_its_acknowledgement_is_delivered_and_shown_once() {
    let mut world = talking();
    world.send("alice", "bob", "second", 2);
    // The acknowledgement, which is all that bob sends, is what gets lost.
    world.meddling.insert("bob".into(), Box::new(|_| {}));
    world.stall("alice", "bob");
    world.send("alice", "bob", "third", 3);
    world.cut("alice", "bob");
    world.pass(Duration::from_secs(1));
    assert_eq!(texts(&world.events("bob")), ["second", "third"]);
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Delivered), (3, DeliveryState::Delivered)]);
}

#[test]
fn another_network_means_another_connection_before_the_old_one_is_closed() {
    for who in ["alice", "bob"] {
        let mut world = talking();
        world.closed.clear();
        world.network = false;
        world.command(who, Command::NetworkChanged);
        world.pass(Duration::from_secs(2));
        assert_eq!(world.wires("alice", "bob"), 1, "the old one stands as long as there is no other");
        world.send("alice", "bob", "meanwhile", 2);
        let mut events = world.events(who);
        let arrived = if who == "bob" { texts(&events) } else { texts(&world.events("bob")) };
        assert_eq!(arrived, ["meanwhile"]);
        assert!(world.closed.is_empty());
        world.network = true;
        world.pass(Duration::from_secs(10));
        events.extend(world.events(who));
        assert_eq!(session_states(&events), [SessionState::Reconnecting, SessionState::Resumed]);
        assert_eq!(world.wires("alice", "bob"), 1);
        assert!(world.closed.iter().all(|(_, code)| *code == Close::MOVED), "{:?}", world.closed);
        assert!(!world.closed.is_empty());
        world.send("bob", "alice", "there you are", 3);
        assert_eq!(texts(&world.events("alice")), ["there you are"]);
    }
}

#[test]
fn both_change_their_network_at_once() {
    let mut orders = BTreeSet::new();
    for other in ["bob", "carol", "dave", "erin"] {
        let mut world = World::of(&["alice", other]);
        world.send("alice", other, "first", 1);
        world.forget_events();
        let session = world.session_names("alice");
        orders.insert(world.person("alice").device.spki_digest() < world.person(other).device.spki_digest());
        world.both(&Command::NetworkChanged, ["alice", other]);
        world.pass(Duration::from_secs(20));
        for name in ["alice", other] {
            assert_eq!(session_states(&world.events(name)), [SessionState::Reconnecting, SessionState::Resumed]);
            assert_eq!(world.session_names(name), session, "the same session at {name}");
        }
        for (from, to) in [("alice", other), (other, "alice")] {
            world.send(from, to, "still here", 2);
            assert_eq!(texts(&world.events(to)), ["still here"]);
        }
        assert_eq!(world.wires("alice", other), 1);
    }
    assert_eq!(orders.len(), 2, "alice has the lower key in some of the pairs, and the higher in others");
}

#[test]
fn a_side_that_has_moved_already_follows_one_that_gave_the_connection_up() {
    let mut world = talking();
    let session = world.session_names("alice");
    world.closed.clear();
    // Bob takes the session to the connection that alice dialled; what he says of it does not arrive.
    world.hellos_lost.insert("bob".into());
    world.command("alice", Command::NetworkChanged);
    world.pass(Duration::from_millis(200));
    assert_eq!(world.closed, [("bob".into(), Close::MOVED)]);
    world.stall("alice", "bob");
    world.send("bob", "alice", "second", 2);
    world.pass(Duration::from_secs(5));
    assert!(texts(&world.events("alice")).is_empty());
    world.be_heard("alice", "bob");
    world.hellos_lost.clear();
    world.pass(Duration::from_secs(10));
    assert!(world.closed.iter().all(|(_, code)| *code == Close::MOVED), "{:?}", world.closed);
    assert_eq!(texts(&world.events("alice")), ["second"]);
    let events = world.events("bob");
    assert_eq!(final_states(&events), [(2, DeliveryState::Delivered)]);
    assert!(!session_states(&events).contains(&SessionState::Lost));
    assert_eq!((world.session_names("alice"), world.session_names("bob")), (session.clone(), session));
}

#[test]
fn who_dials_without_naming_a_session_holds_none_any_more() {
    // Bob ended the session while there was no connection.
    let mut world = talking();
    world.network = false;
    world.cut("alice", "bob");
    world.send("alice", "bob", "stayed", 2);
    world.command("bob", Command::GoOffline);
    world.command("bob", Command::GoOnline);
    world.go_online("bob");
    world.network = true;
    world.hold_dials();
    world.send("bob", "alice", "anew", 5);
    world.command("alice", Command::Send { to: address("bob"), text: "after it".into(), id: Some(3), reply_to: None });
    assert_eq!(world.release_dials(), 1);
    assert_eq!(texts(&world.events("bob")), ["stayed", "after it"], "in order");
    assert_eq!(texts(&world.events("alice")), ["anew"]);
    assert_eq!((world.session_names("alice").len(), world.wires("alice", "bob")), (1, 1));

    // Alice has not noticed yet: his last word was lost.
    let mut world = talking();
    world.pass(Duration::from_secs(11));
    world.stall("alice", "bob");
    world.send("alice", "bob", "left", 2);
    world.command("bob", Command::GoOffline);
    world.command("bob", Command::GoOnline);
    world.go_online("bob");
    world.send("bob", "alice", "anew", 5);
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Unknown)]);
    assert_eq!(world.session_names("alice"), world.session_names("bob"));
    assert_eq!(world.session_names("alice").len(), 1);
}

#[test]
fn silence_looks_for_another_connection_and_a_packet_ends_the_search() {
    let mut world = talking();
    world.fall_silent("alice", "bob");
    world.network = false;
    world.send("alice", "bob", "second", 2);
    world.pass(Duration::from_secs(5));
    assert_eq!(session_states(&world.events("alice")), [SessionState::Reconnecting]);
    world.be_heard("alice", "bob");
    assert_eq!(session_states(&world.events("alice")), [SessionState::Resumed]);

    world.fall_silent("alice", "bob");
    world.pass(Duration::from_secs(5));
    // 20 s without a packet, and the network is back.
    world.network = true;
    world.pass(Duration::from_secs(5));
    assert_eq!(texts(&world.events("bob")), ["second"]);
    let events = world.events("alice");
    assert_eq!(session_states(&events), [SessionState::Reconnecting, SessionState::Resumed]);
    assert_eq!(final_states(&events), [(2, DeliveryState::Delivered)]);
}

#[test]
fn after_thirty_seconds_the_session_ends_with_a_verdict_on_every_text() {
    let mut world = talking();
    world.stall("alice", "bob");
    world.send("alice", "bob", "left", 2);
    world.network = false;
    world.fall_silent("alice", "bob");
    world.cut("alice", "bob");
    world.send("alice", "bob", "stayed", 3);
    world.pass(Duration::from_secs(14));
    let events = world.events("alice");
    assert_eq!((session_states(&events), final_states(&events)), (vec![SessionState::Reconnecting], vec![]));
    // 15 s of silence and 15 s of looking.
    world.pass(Duration::from_secs(2));
    let events = world.events("alice");
    assert_eq!(session_states(&events), [SessionState::Lost]);
    assert_eq!(final_states(&events), [(2, DeliveryState::Unknown), (3, DeliveryState::NotDelivered)]);
    world.network = true;
    world.pass(Duration::from_secs(20));
    assert_eq!(world.wires("alice", "bob"), 0, "nothing is left to go on with");
    world.send("alice", "bob", "left", 2);
    assert_eq!(texts(&world.events("bob")), ["left"]);
}

#[test]
fn without_a_directory_it_waits_for_one_as_long_as_the_session_lives() {
    let mut world = talking();
    world.lose_directory("alice");
    world.lose_directory("bob");
    world.cut("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.pass(Duration::from_secs(20));
    assert_eq!(final_states(&world.events("alice")), []);
    world.go_online("alice");
    world.go_online("bob");
    world.pass(Duration::from_secs(5));
    assert_eq!(texts(&world.events("bob")), ["second"]);
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Delivered)]);
}

#[test]
fn who_slept_for_longer_has_no_session_any_more() {
    let mut world = talking();
    world.stall("alice", "bob");
    world.send("alice", "bob", "left", 2);
    world.time += Duration::from_secs(20);
    world.pass(Duration::from_millis(200));
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Unknown)], "no answer for 20 s");

    let mut world = talking();
    world.time += Duration::from_secs(25);
    world.pass(Duration::from_millis(200));
    assert_eq!(world.wires("alice", "bob"), 1);
    world.stall("alice", "bob");
    world.send("alice", "bob", "left", 2);
    world.time += Duration::from_secs(31);
    world.pass(Duration::from_millis(200));
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::Unknown);
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("stood still for 31 s")), "{reason:?}");
    assert_eq!(world.wires("alice", "bob"), 0);
}

#[test]
fn either_clock_tells_of_a_sleep_and_one_that_is_set_back_tells_of_none() {
    // How far the clock for waiting and the one on the wall moved, in seconds; whether that was a sleep.
    for (waited, wall, slept) in [(0, 29, false), (0, 31, true), (31, 0, true), (29, 29, false), (0, -3600, false)] {
        let mut world = talking();
        world.pass(Duration::from_millis(200));
        let session = world.session_names("alice");
        world.time += Duration::from_secs(waited);
        world.clock_set_s = wall - i64::try_from(waited).unwrap();
        world.pass(LOOK);
        let left = if slept { vec![] } else { session };
        assert_eq!(world.session_names("alice"), left, "{waited} s, and {wall} s on the wall");
    }
}

/// A messenger of a version before.
fn old(frame: &mut TalkFrame) {
    if let TalkFrame::Hello { capabilities, resume, .. } = frame {
        (*capabilities, *resume) = (*capabilities & !capability::RESUME, None);
    }
}

#[test]
fn with_an_old_peer_all_is_as_it_was() {
    let mut world = World::of(&["alice", "bob"]);
    // To each of them the other one looks old.
    world.meddling.insert("alice".into(), Box::new(old));
    world.meddling.insert("bob".into(), Box::new(old));
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.command("alice", Command::NetworkChanged);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.wires("alice", "bob"), 1);
    world.cut("alice", "bob");
    let events = world.events("alice");
    assert_eq!(final_states(&events), [(2, DeliveryState::Unknown)]);
    assert_eq!(session_states(&events), []);
    world.send("alice", "bob", "third", 3);
    assert_eq!(texts(&world.events("bob")), ["third"]);
    world.send("alice", "bob", "fourth", 4);
    world.fall_silent("alice", "bob");
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!((state, reason), (DeliveryState::Delivered, None));
    assert_eq!(world.wires("alice", "bob"), 0, "not heard for 15 s");
}

#[test]
fn a_program_that_started_again_goes_on_with_nothing() {
    let mut world = talking();
    world.stall("alice", "bob");
    world.send("alice", "bob", "left", 2);
    world.network = false;
    world.fall_silent("alice", "bob");
    world.cut("alice", "bob");
    world.send("alice", "bob", "stayed", 3);
    world.network = true;
    world.restart("bob");
    world.pass(Duration::from_secs(5));
    let events = world.events("alice");
    assert_eq!(session_states(&events), [SessionState::Reconnecting, SessionState::Lost]);
    // What had not left goes out in the session that begins: it can have been shown by nobody.
    assert_eq!(final_states(&events), [(2, DeliveryState::Unknown), (3, DeliveryState::Delivered)]);
    assert_eq!(texts(&world.events("bob")), ["stayed"]);
}

#[test]
fn a_stranger_who_was_let_in_does_not_knock_again() {
    let mut world = World::of(&["alice"]);
    world.add("mallory", vec![]);
    world.go_online("mallory");
    world.send("mallory", "alice", "hello", 1);
    let events = world.events("alice");
    let call =
        events.iter().find_map(|event| if let Event::Incoming { call, .. } = event { Some(*call) } else { None });
    world.command("alice", Command::Accept { call: call.unwrap() });
    world.forget_events();
    world.cut("alice", "mallory");
    world.pass(Duration::from_secs(1));
    world.send("mallory", "alice", "as I said", 2);
    let events = world.events("alice");
    assert_eq!(texts(&events), ["as I said"]);
    assert!(!events.iter().any(|event| matches!(event, Event::Incoming { .. })), "{events:?}");
    // Blocked, she is not let in by what was before.
    world.command("alice", Command::Block { who: address("mallory") });
    world.forget_events();
    world.send("mallory", "alice", "and another thing", 3);
    world.pass(Duration::from_secs(40));
    assert!(world.events("alice").is_empty());
}

#[test]
fn a_room_goes_on_with_the_change_that_was_under_way() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob"]);
    world.forget_events();
    world.stall("alice", "bob");
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.command("carol", Command::RoomAccept { room });
    world.cut("alice", "bob");
    world.pass(Duration::from_secs(3));
    for name in ["alice", "bob", "carol"] {
        let events = world.events(name);
        let members = events.iter().rev().find_map(|event| match event {
            Event::Room { members, .. } => Some(members.len()),
            _ => None,
        });
        assert_eq!(members, Some(3), "{name}: {events:?}");
    }
    world.command("bob", Command::RoomSend { room, text: "all here".into(), id: Some(1), reply_to: None });
    world.pass(Duration::from_secs(1));
    for name in ["alice", "carol"] {
        assert_eq!(super::world::room_texts(&world.events(name)), ["all here"], "{name}");
    }
}

/// Carol is let in while bob is away for so long; returns who is in the room at alice's afterwards.
fn let_in_while_away(world: &mut World, room: RoomId, away: Duration) -> Vec<Identifier> {
    world.forget_events();
    world.stall("alice", "bob");
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.command("carol", Command::RoomAccept { room });
    world.network = false;
    world.pass(away);
    let members = world.events("alice").into_iter().rev().find_map(|event| match event {
        Event::Room { members, .. } => Some(members),
        _ => None,
    });
    members.expect("the room has changed")
}

fn people(names: &[&str]) -> Vec<Identifier> {
    names.iter().map(|name| address(name).parse().unwrap()).collect()
}

#[test]
fn a_member_between_two_networks_for_a_while_stays_in_the_room() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob"]);
    let members = let_in_while_away(&mut world, room, Duration::from_secs(15));
    assert_eq!(members, people(&["alice", "bob", "carol"]));
    world.network = true;
    world.command("bob", Command::NetworkChanged);
    // He waits for contradictions, since he has not acknowledged the change.
    world.pass(Duration::from_secs(8));
    world.command("bob", Command::RoomSend { room, text: "back".into(), id: Some(1), reply_to: None });
    world.pass(Duration::from_secs(1));
    for name in ["alice", "carol"] {
        assert_eq!(super::world::room_texts(&world.events(name)), ["back"], "{name}");
    }
}

#[test]
fn nobody_waits_for_ever_for_a_member_who_is_away() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob"]);
    // Nothing is said of bob's connection; only nothing comes by it.
    let members = let_in_while_away(&mut world, room, Duration::from_secs(52));
    assert_eq!(members, people(&["alice", "carol"]));
    assert!(world.events("carol").iter().any(|event| matches!(event, Event::Room { .. })), "she is in");
}

#[test]
fn a_session_goes_on_with_its_own_device_of_several() {
    let mut world = World::of(&["alice"]);
    let contact = |name: &str| vec![address(name).parse().unwrap()];
    world.add("bob/phone", contact("alice"));
    world.go_online("bob/phone");
    world.command("alice", Command::AddContact { who: address("bob") });
    world.send("alice", "bob", "to the phone", 1);
    world.add("bob/desk", contact("alice"));
    world.go_online("bob/desk");
    world.forget_events();
    // Whoever calls bob reaches his desk now.
    world.cut("alice", "bob/phone");
    world.send("alice", "bob", "and on", 2);
    world.pass(Duration::from_secs(2));
    assert_eq!(texts(&world.events("bob/phone")), ["and on"]);
    assert_eq!(final_states(&world.events("alice")), [(2, DeliveryState::Delivered)]);
    assert!(world.events("bob/desk").is_empty());
}
