//! One-to-one texts: delivered, not delivered, unknown, and never anything else.

use std::time::Duration;

use super::world::{World, address, last_state, shown, texts};
use crate::MAX_TEXT_BYTES;
use crate::api::{CallId, Command, DeliveryState, Event, Purpose, Seen};
use crate::core::Ask;
use crate::core::calls::MAX_CALLS_OF_ONE;
use crate::punch::Obstacle;
use crate::wire::{Close, TalkFrame};

#[test]
fn presence_is_pushed_and_a_text_is_delivered_by_the_others_word() {
    let mut world = World::of(&["alice", "bob"]);
    let seen = Seen::from(&shown(true));
    let expected = Event::Presence { who: address("bob").parse().unwrap(), online: true, seen };
    assert!(world.events("alice").contains(&expected));
    world.send("alice", "bob", "hello", 7);
    assert_eq!(texts(&world.events("bob")), ["hello"]);
    let states: Vec<DeliveryState> = world
        .events("alice")
        .iter()
        .filter_map(|event| if let Event::MessageState { state, .. } = event { Some(*state) } else { None })
        .collect();
    assert_eq!(states, [DeliveryState::Sending, DeliveryState::Delivered]);
    world.send("bob", "alice", "hello yourself", 7);
    assert_eq!(texts(&world.events("alice")), ["hello yourself"]);
    assert_eq!(world.wires("alice", "bob"), 1, "the answer uses the session that stands");
}

#[test]
fn a_text_to_somebody_offline_is_refused_at_once_and_nothing_leaves() {
    let mut world = World::of(&["alice", "bob"]);
    world.command("bob", Command::GoOffline);
    world.events("alice");
    world.send("alice", "bob", "are you there", 1);
    let reason = "bob@example.org is not online; nothing was sent and nothing is kept".to_owned();
    assert_eq!(last_state(&world.events("alice")), Some((DeliveryState::NotDelivered, Some(reason))));
    assert!(world.tapped.is_empty());
    world.command("bob", Command::GoOnline);
    world.go_online("bob");
    assert!(texts(&world.events("bob")).is_empty(), "nothing was kept");
}

#[test]
fn a_text_without_a_directory_is_refused_unless_a_session_stands() {
    let mut world = World::of(&["alice", "bob"]);
    world.lose_directory("alice");
    world.send("alice", "bob", "one", 1);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::NotDelivered);
    world.go_online("alice");
    world.send("alice", "bob", "two", 2);
    world.lose_directory("alice");
    world.send("alice", "bob", "three", 3);
    assert_eq!(texts(&world.events("bob")), ["two", "three"]);
}

#[test]
fn a_lost_acknowledgement_is_unknown_and_sending_again_shows_once() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.end("alice", "bob");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
    // Whether or not it had arrived: here it had not, and the first had.
    world.send("alice", "bob", "second", 2);
    world.send("alice", "bob", "first", 1);
    assert_eq!(texts(&world.events("bob")), ["second"]);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn a_text_is_delivered_when_the_client_has_taken_it_and_not_before() {
    let mut world = World::of(&["alice", "bob"]);
    world.takes_nothing.insert("bob".into());
    world.send("alice", "bob", "hello", 1);
    assert_eq!(texts(&world.events("bob")), ["hello"]);
    assert_eq!(
        last_state(&world.events("alice")).unwrap().0,
        DeliveryState::Sending,
        "he has it, and has not taken it"
    );
    world.take("bob");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn what_is_sent_again_before_it_was_taken_is_acknowledged_with_it() {
    let mut world = World::of(&["alice", "bob"]);
    world.takes_nothing.insert("bob".into());
    world.send("alice", "bob", "hello", 1);
    world.end("alice", "bob");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Sending);
    assert_eq!(texts(&world.events("bob")), ["hello"], "shown once");
    world.take("bob");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
    // Once it was taken, nothing is waited for.
    world.send("alice", "bob", "hello", 1);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn a_client_that_takes_nothing_is_not_waited_for_for_ever() {
    let mut world = World::of(&["alice", "bob"]);
    world.takes_nothing.insert("bob".into());
    world.send("alice", "bob", "hello", 1);
    world.pass(Duration::from_secs(21));
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
    world.take("bob");
    assert_eq!(world.wires("alice", "bob"), 0);
}

#[test]
fn a_device_that_answers_nothing_is_not_waited_for_for_ever() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.pass(Duration::from_secs(15));
    world.send("alice", "bob", "third", 3);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Sending);
    world.pass(Duration::from_secs(6));
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::Unknown);
    assert!(reason.as_ref().unwrap().contains("answered nothing for 20 s"), "{reason:?}");
    assert_eq!(world.wires("alice", "bob"), 0);
    // Whoever answers is never cut off, however slowly the texts come.
    world.send("alice", "bob", "fourth", 4);
    world.pass(Duration::from_secs(60));
    world.send("alice", "bob", "fifth", 5);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.wires("alice", "bob"), 1);
}

#[test]
fn a_sending_that_failed_does_not_undo_an_earlier_one() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.stall("alice", "bob");
    world.send("alice", "bob", "second", 2);
    world.end("alice", "bob");
    world.command("bob", Command::GoOffline);
    world.forget_events();
    world.send("alice", "bob", "second", 2);
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::Unknown, "it may have arrived before the connection was lost");
    assert!(reason.unwrap().contains("an earlier sending may have arrived"));
    world.send("alice", "bob", "first", 1);
    assert_eq!(last_state(&world.events("alice")), Some((DeliveryState::Delivered, None)));
}

/// Bob's devices remember for themselves what they have shown: at another one it could be shown a second time.
#[test]
fn what_may_have_arrived_goes_again_to_that_device_alone() {
    for tells_devices_apart in [true, false] {
        let mut world = World::of(&["alice", "bob/desk"]);
        world.tells_devices_apart = tells_devices_apart;
        world.send("alice", "bob/desk", "first", 1);
        world.be_unanswered("alice", "bob/desk");
        world.send("alice", "bob/desk", "second", 2);
        world.end("alice", "bob/desk");
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
        assert_eq!(texts(&world.events("bob/desk")), ["first", "second"]);

        world.command("bob/desk", Command::GoOffline);
        world.add("bob/phone", vec![address("alice").parse().unwrap()]);
        world.go_online("bob/phone");
        world.forget_events();
        world.send("alice", "bob/phone", "second", 2);
        world.pass(Duration::from_secs(40));
        assert!(texts(&world.events("bob/phone")).is_empty(), "the desk may have shown it");
        let (state, reason) = last_state(&world.events("alice")).unwrap();
        assert_eq!(state, DeliveryState::Unknown);
        assert!(reason.as_ref().unwrap().contains("it goes to that one or to none"), "{reason:?}");
        // A conversation with the phone changes nothing about it.
        world.send("alice", "bob/phone", "third", 3);
        world.send("alice", "bob/phone", "second", 2);
        world.pass(Duration::from_secs(40));
        assert_eq!(texts(&world.events("bob/phone")), ["third"]);
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);

        world.command("bob/phone", Command::GoOffline);
        world.command("bob/desk", Command::GoOnline);
        world.go_online("bob/desk");
        world.forget_events();
        world.send("alice", "bob/desk", "second", 2);
        assert_eq!(last_state(&world.events("alice")), Some((DeliveryState::Delivered, None)));
        assert!(texts(&world.events("bob/desk")).is_empty(), "it was shown before");
    }
}

#[test]
fn what_never_left_goes_to_any_device() {
    let mut world = World::of(&["alice", "bob/desk"]);
    world.network = false;
    world.send("alice", "bob/desk", "hello", 1);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::NotDelivered);
    world.network = true;
    world.command("bob/desk", Command::GoOffline);
    world.add("bob/phone", vec![address("alice").parse().unwrap()]);
    world.go_online("bob/phone");
    world.send("alice", "bob/phone", "hello", 1);
    assert_eq!(texts(&world.events("bob/phone")), ["hello"]);
    assert_eq!(last_state(&world.events("alice")), Some((DeliveryState::Delivered, None)));
}

#[test]
fn who_is_no_contact_any_more_knocks_again() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.forget_events();
    world.command("bob", Command::RemoveContact { who: address("alice") });
    assert_eq!(world.wires("alice", "bob"), 0);
    world.send("alice", "bob", "still there?", 2);
    let events = world.events("bob");
    assert!(texts(&events).is_empty());
    assert!(events.iter().any(|event| matches!(event, Event::Incoming { contact: false, .. })), "{events:?}");
}

#[test]
fn one_id_cannot_stand_for_two_texts() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_events();
    world.send("alice", "bob", "another", 1);
    assert!(matches!(&world.events("alice")[..], [Event::Error { about, .. }] if about == "send"));
    assert!(texts(&world.events("bob")).is_empty());
}

#[test]
fn no_direct_connection_is_said() {
    let mut world = World::of(&["alice", "bob"]);
    world.network = false;
    world.events("alice");
    world.send("alice", "bob", "hello", 1);
    let events = world.events("alice");
    let (state, reason) = last_state(&events).unwrap();
    assert_eq!(state, DeliveryState::NotDelivered);
    let words = [Obstacle::Firewall.message(), Obstacle::Firewall.remedy()];
    assert_eq!(reason.unwrap(), words.join("; "));
    let told = events.iter().filter(|event| matches!(event, Event::Unreachable { because: Obstacle::Firewall, .. }));
    assert_eq!(told.count(), 1);
    // Bob did not ask for it: nothing rang at his side.
    assert!(!world.events("bob").iter().any(|event| matches!(event, Event::Unreachable { .. })));
}

#[test]
fn a_stranger_knocks_and_is_let_in_or_not() {
    let mut world = World::of(&["alice"]);
    world.add("mallory", vec![]);
    world.go_online("mallory");
    world.forget_events();
    world.send("mallory", "alice", "buy this", 1);
    let events = world.events("alice");
    let [Event::Incoming { call, from, purpose: Purpose::Text, contact: false }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(from.as_str(), address("mallory"));
    let call = *call;
    world.command("alice", Command::Decline { call });
    let (state, reason) = last_state(&world.events("mallory")).unwrap();
    assert_eq!((state, reason.unwrap()), (DeliveryState::NotDelivered, "alice@example.org declined".into()));
    assert!(texts(&world.events("alice")).is_empty());

    world.send("mallory", "alice", "sorry", 2);
    let events = world.events("alice");
    let Event::Incoming { call, .. } = &events[0] else { panic!("{events:?}") };
    let call = *call;
    world.command("alice", Command::Accept { call });
    assert_eq!(texts(&world.events("alice")), ["sorry"]);
    assert_eq!(last_state(&world.events("mallory")).unwrap().0, DeliveryState::Delivered);
}

#[test]
fn a_knock_nobody_answers_ends() {
    let mut world = World::of(&["alice"]);
    world.add("mallory", vec![]);
    world.go_online("mallory");
    world.forget_events();
    world.send("mallory", "alice", "hello", 1);
    world.pass(Duration::from_secs(40));
    assert!(world.events("alice").iter().any(|event| matches!(event, Event::IncomingEnded { .. })));
    assert_eq!(last_state(&world.events("mallory")).unwrap().0, DeliveryState::NotDelivered);
}

#[test]
fn both_call_at_once_and_both_texts_arrive() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    world.both_send("alice", "bob");
    assert_eq!(texts(&world.events("bob")), ["from alice"]);
    assert_eq!(texts(&world.events("alice")), ["from bob"]);
    assert_eq!(world.wires("alice", "bob"), 1);
}

#[test]
fn whoever_was_introduced_does_without_the_directory() {
    for lost in ["alice", "bob"] {
        let mut world = World::of(&["alice", "bob"]);
        world.forget_events();
        world.hold_dials();
        world.send("alice", "bob", "hello", 1);
        world.lose_directory(lost);
        assert_eq!(world.release_dials(), 1);
        assert_eq!(texts(&world.events("bob")), ["hello"], "{lost} has lost it");
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
    }
}

#[test]
fn whoever_was_not_introduced_is_dropped_before_anything_is_shown() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.forget_events();
    let carol = world.person("carol");
    assert_eq!(world.intrude("alice", carol), [Close::NOT_INTRODUCED]);
    assert!(world.events("alice").is_empty());
}

#[test]
fn a_peer_that_breaks_the_protocol_is_closed() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.forget_events();
    world.inject_talk("bob", "alice", TalkFrame::Text { number: 9, id: 1, text: "out of order".into(), reply: None });
    assert_eq!(world.wires("alice", "bob"), 0);
    assert!(world.events("alice").is_empty());
}

#[test]
fn an_idle_session_is_closed_and_a_new_one_made_when_needed() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.pass(Duration::from_secs(200));
    assert_eq!(world.wires("alice", "bob"), 0);
    world.forget_events();
    world.send("alice", "bob", "hello again", 2);
    assert_eq!(texts(&world.events("bob")), ["hello again"]);
}

#[test]
fn an_expired_certificate_ends_the_session() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.time += Duration::from_secs(1_000_001);
    world.pass(Duration::from_millis(200));
    assert_eq!(world.wires("alice", "bob"), 0);
}

#[test]
fn what_cannot_be_meant_is_answered_with_an_error() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    for command in [
        Command::Send { to: "not an address".into(), text: "x".into(), id: None, reply_to: None },
        Command::Send { to: address("bob"), text: "x".repeat(MAX_TEXT_BYTES + 1), id: None, reply_to: None },
        Command::Send { to: address("bob"), text: "x".into(), id: Some(u64::MAX), reply_to: None },
        Command::Accept { call: CallId([0; 16]) },
        Command::RemoveContact { who: address("nobody") },
    ] {
        let name = command.name();
        world.command("alice", command);
        let events = world.events("alice");
        assert!(matches!(&events[..], [Event::Error { about, .. }] if about == name), "{name}: {events:?}");
    }
}

/// One's own other devices are reached by a call to them all, and not by a text.
#[test]
fn a_text_to_oneself_goes_nowhere_while_no_other_device_is_connected() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    world.command("alice", Command::Send { to: address("alice"), text: "to myself".into(), id: None, reply_to: None });
    world.pass(Duration::from_secs(60));
    let events = world.events("alice");
    let last = events.last().unwrap();
    assert!(matches!(last, Event::MessageState { state: DeliveryState::NotDelivered, .. }), "{events:?}");
}

/// Nobody takes all places in which others are met.
#[test]
fn one_person_makes_only_so_many_calls_at_once() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let call = |n: usize| CallId([u8::try_from(n).unwrap(); 16]);
    for n in 0..MAX_CALLS_OF_ONE {
        assert_eq!(world.is_called("alice", "bob", call(n), Purpose::Text), [Ask::Accept { call: call(n) }]);
    }
    for purpose in [Purpose::Text, Purpose::Room, Purpose::Call] {
        assert_eq!(world.is_called("alice", "bob", call(100), purpose), [Ask::Busy { call: call(100) }]);
    }
    assert_eq!(world.is_called("alice", "carol", call(101), Purpose::Text), [Ask::Accept { call: call(101) }]);
    world.pass(Duration::from_secs(11));
    assert_eq!(world.is_called("alice", "bob", call(102), Purpose::Text), [Ask::Accept { call: call(102) }]);
}
