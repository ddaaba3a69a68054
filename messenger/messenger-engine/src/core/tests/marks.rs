//! What is said about texts: it reaches the device that knows the text, is told once, and means nothing anywhere else.

use std::time::Duration;

use super::world::{World, address, last_state, texts};
use crate::api::{Command, DeliveryState, Event, Side, TextRef};
use crate::wire::{Author, Mark, TalkFrame, Target, capability};

/// Alice wrote text 1, and bob text 2.
fn talking() -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.send("bob", "alice", "hello yourself", 2);
    world.forget_events();
    world
}

const fn by(by: Side, id: u64) -> TextRef {
    TextRef { by, id }
}

fn react(on: TextRef, emoji: &str) -> Command {
    Command::React { to: address("bob"), on, emoji: emoji.into(), id: Some(100) }
}

fn edit(of: u64, text: &str) -> Command {
    Command::Edit { to: address("bob"), of, text: text.into(), id: Some(101) }
}

fn delete(of: u64) -> Command {
    Command::Delete { to: address("bob"), of, id: Some(102) }
}

fn nudge(id: u64) -> Command {
    Command::Nudge { to: address("bob"), id: Some(id) }
}

fn alice() -> identity::Identifier {
    address("alice").parse().unwrap()
}

/// A mark of bob's under the next number.
fn mark(number: u64, mark: Mark) -> TalkFrame {
    TalkFrame::Mark { number, id: 500 + number, mark }
}

fn delivered(world: &mut World) -> bool {
    last_state(&world.events("alice")) == Some((DeliveryState::Delivered, None))
}

#[test]
fn a_reaction_to_a_text_of_either_side_arrives_and_is_acknowledged() {
    for (on, seen) in [(by(Side::Them, 2), by(Side::Me, 2)), (by(Side::Me, 1), by(Side::Them, 1))] {
        let mut world = talking();
        world.command("alice", react(on, "👍"));
        let expected = Event::Reaction { from: alice(), on: seen, emoji: "👍".into() };
        assert_eq!(world.events("bob"), [expected]);
        assert!(delivered(&mut world));
    }
}

#[test]
fn an_edit_and_a_deletion_are_told_as_what_they_are() {
    let mut world = talking();
    world.command("alice", edit(1, "hello, bob"));
    world.command("alice", delete(1));
    assert_eq!(
        world.events("bob"),
        [
            Event::Edited { from: alice(), id: 1, text: "hello, bob".into() },
            Event::DeleteRequested { from: alice(), id: 1 }
        ]
    );
    assert!(delivered(&mut world));
}

#[test]
fn an_answer_names_the_text_that_it_answers() {
    let mut world = talking();
    for (reply_to, seen) in [(by(Side::Them, 2), by(Side::Me, 2)), (by(Side::Me, 1), by(Side::Them, 1))] {
        let reply_to = Some(reply_to);
        world.command("alice", Command::Send { to: address("bob"), text: "yes".into(), id: None, reply_to });
        let events = world.events("bob");
        assert!(matches!(&events[..], [Event::Message { reply_to: Some(told), .. }] if *told == seen), "{events:?}");
    }
}

#[test]
fn what_is_said_of_a_text_after_the_session_ended_calls_its_device_and_waits_for_its_word() {
    let mut world = talking();
    world.pass(Duration::from_secs(200));
    assert_eq!(world.wires("alice", "bob"), 0);
    let reply_to = Some(by(Side::Them, 2));
    world.forget_events();
    world.command("alice", Command::Send { to: address("bob"), text: "yes".into(), id: Some(3), reply_to });
    world.command("alice", react(by(Side::Them, 2), "👍"));
    let events = world.events("bob");
    let [Event::Peer(_), Event::Message { reply_to: Some(on), .. }, Event::Reaction { .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*on, by(Side::Me, 2));
    assert!(delivered(&mut world));
}

/// Ids count in one run of a program: what was said before means nothing to the next one.
#[test]
fn a_program_that_has_started_again_is_told_nothing_of_texts_it_does_not_know() {
    let mut world = talking();
    world.restart("bob");
    world.pass(Duration::from_secs(31));
    world.send("bob", "alice", "here again", 2);
    world.forget_events();
    world.command("alice", react(by(Side::Them, 2), "👍"));
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.as_ref().unwrap().contains("started again"), "{reason:?}");
    // Of alice's own text it knows nothing either, and says so.
    world.command("alice", edit(1, "hello, bob"));
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.as_ref().unwrap().contains("no such text"), "{reason:?}");
    // A text goes all the same, and answers none.
    let reply_to = Some(by(Side::Them, 2));
    world.command("alice", Command::Send { to: address("bob"), text: "yes".into(), id: Some(9), reply_to });
    let events = world.events("bob");
    assert!(matches!(&events[..], [Event::Message { reply_to: None, .. }]), "{events:?}");
}

#[test]
fn two_texts_with_one_id_can_be_told_apart() {
    let mut world = World::of(&["alice", "bob/desk"]);
    world.send("bob/desk", "alice", "from the desk", 1);
    world.add("bob/phone", vec![alice()]);
    world.go_online("bob/phone");
    world.send("bob/phone", "alice", "from the phone", 1);
    let events = world.events("alice");
    let ids = events.iter().filter_map(|event| if let Event::Message { id, .. } = event { Some(*id) } else { None });
    let ids: Vec<u64> = ids.collect();
    assert_eq!((ids.len(), ids[0]), (2, 1), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
    for (device, on) in [("bob/desk", ids[0]), ("bob/phone", ids[1])] {
        world.forget_events();
        world.command(
            "alice",
            Command::React { to: address("bob"), on: by(Side::Them, on), emoji: "👍".into(), id: None },
        );
        let expected = Event::Reaction { from: alice(), on: by(Side::Me, 1), emoji: "👍".into() };
        assert_eq!(world.events(device), [expected], "to the device that wrote it");
    }
}

#[test]
fn marks_outlive_a_connection_once_and_in_order() {
    let mut world = talking();
    world.stall("alice", "bob");
    world.command("alice", react(by(Side::Them, 2), "👍"));
    world.send("alice", "bob", "third", 3);
    world.command("alice", edit(1, "hello, bob"));
    world.cut("alice", "bob");
    world.command("alice", delete(1));
    assert!(world.events("bob").iter().all(|event| matches!(event, Event::Session { .. })));
    world.pass(Duration::from_millis(200));
    let events = world.events("bob");
    let told: Vec<&str> = events.iter().map(Event::name).filter(|name| *name != "session").collect();
    assert_eq!(told, ["reaction", "message", "edited", "delete_requested"]);
    assert!(delivered(&mut world));
}

#[test]
fn a_mark_in_doubt_is_sent_again_and_told_once() {
    let mut world = talking();
    world.be_unanswered("alice", "bob");
    world.command("alice", nudge(200));
    world.end("alice", "bob");
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Unknown);
    world.command("alice", nudge(200));
    assert!(delivered(&mut world));
    assert_eq!(world.events("bob").iter().filter(|event| matches!(event, Event::Nudge { .. })).count(), 1);
}

#[test]
fn nobody_is_nudged_all_the_time() {
    let mut world = talking();
    world.command("alice", nudge(200));
    assert!(delivered(&mut world));
    world.command("alice", nudge(201));
    let (state, reason) = last_state(&world.events("alice")).unwrap();
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.as_ref().unwrap().contains("less than 10 s"), "{reason:?}");
    // Another session is no way around it.
    world.end("alice", "bob");
    world.command("alice", nudge(202));
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::NotDelivered);
    world.pass(Duration::from_secs(11));
    world.command("alice", nudge(203));
    assert!(delivered(&mut world));
    assert_eq!(world.events("bob").iter().filter(|event| matches!(event, Event::Nudge { .. })).count(), 2);
}

#[test]
fn a_nudge_makes_a_connection_as_a_text_does() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    world.command("alice", nudge(200));
    assert_eq!(world.events("bob").last(), Some(&Event::Nudge { from: alice() }));
    assert!(delivered(&mut world));
}

#[test]
fn earlier_messengers_get_texts_and_no_marks() {
    for begun in [false, true] {
        let mut world = World::of(&["alice", "bob"]);
        let older = |frame: &mut TalkFrame| {
            if let TalkFrame::Hello { capabilities, .. } = frame {
                *capabilities &= capability::TEXT | capability::ROOMS | capability::RESUME;
            }
        };
        world.meddling.insert("bob".into(), Box::new(older));
        world.tapped.clear();
        if begun {
            world.send("alice", "bob", "hello", 1);
        }
        world.command("alice", nudge(200));
        let (state, reason) = last_state(&world.events("alice")).unwrap();
        assert_eq!(state, DeliveryState::NotDelivered);
        assert!(reason.as_ref().unwrap().contains("does not know this"), "{reason:?}");
        world.command("alice", Command::Typing { to: address("bob"), typing: true });
        world.send("alice", "bob", "a text", 2);
        assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
        assert!(texts(&world.events("bob")).contains(&"a text".to_owned()));
        let bodies = world.tapped.iter().filter(|(from, ..)| from == "alice").map(|(.., bytes)| &bytes[4..]);
        for body in bodies {
            let frame = crate::wire::decode::<TalkFrame>(body).unwrap().unwrap();
            assert!(!matches!(frame, TalkFrame::Mark { .. } | TalkFrame::Typing { .. }), "{frame:?}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_answered_with_an_error_and_nothing_leaves() {
    let mut world = talking();
    world.tapped.clear();
    for command in [
        react(by(Side::Them, 3), "👍"),
        react(by(Side::Me, 3), "👍"),
        react(by(Side::Me, 1), "two words"),
        react(by(Side::Me, 1), &"x".repeat(crate::MAX_EMOJI_BYTES + 1)),
        edit(2, "a text of bob's"),
        edit(1, &"x".repeat(crate::MAX_TEXT_BYTES + 1)),
        delete(2),
        Command::Send { to: address("bob"), text: "x".into(), id: None, reply_to: Some(by(Side::Them, 7)) },
    ] {
        let name = command.name();
        world.command("alice", command);
        let events = world.events("alice");
        assert!(matches!(&events[..], [Event::Error { about, .. }] if about == name), "{name}: {events:?}");
    }
    assert!(world.tapped.is_empty());
    // A text that is nowhere but here can neither be changed nor reacted to over there.
    world.command("bob", Command::GoOffline);
    world.send("alice", "bob", "never left", 4);
    world.forget_events();
    for command in [edit(4, "x"), delete(4), react(by(Side::Me, 4), "👍")] {
        world.command("alice", command);
        assert!(matches!(&world.events("alice")[..], [Event::Error { .. }]));
    }
}

/// A hostile bob: what he says of texts that never were, or are not his, is refused and shown to nobody.
#[test]
fn marks_about_texts_that_never_were_are_refused() {
    let target = |author, id| Target { author, id };
    let reaction = |on, emoji: &str| Mark::Reaction { on, emoji: emoji.into() };
    let cases = [
        reaction(target(Author::Sender, 9), "👍"),
        reaction(target(Author::Receiver, 9), "👍"),
        reaction(target(Author::Receiver, 2), "👍"),
        reaction(target(Author::Sender, 2), "\u{1b}[2J"),
        Mark::Edit { of: 1, text: "I owe bob 100".into() },
        Mark::Edit { of: 9, text: "x".into() },
        Mark::Delete { of: 1 },
        Mark::Read { ids: vec![1] },
    ];
    let mut world = talking();
    // His program would wonder at answers to what it never sent.
    world.stall("alice", "bob");
    world.tapped.clear();
    for (number, case) in (2..).zip(cases) {
        world.inject_talk("bob", "alice", mark(number, case.clone()));
        assert!(world.events("alice").is_empty(), "{case:?}");
        let (.., answer) = world.tapped.pop().unwrap();
        let answer = crate::wire::decode::<TalkFrame>(&answer[4..]).unwrap().unwrap();
        let TalkFrame::Ack { acks } = &answer else { panic!("{answer:?}") };
        assert_eq!((acks[0].number, acks[0].refused.is_some()), (number, true), "{case:?}");
    }
    // The session stands, and what is his he may change.
    world.inject_talk("bob", "alice", mark(10, Mark::Edit { of: 2, text: "good evening".into() }));
    assert!(matches!(&world.events("alice")[..], [Event::Edited { id: 2, .. }]));
}

#[test]
fn an_answer_to_a_text_that_never_was_is_a_text() {
    let mut world = talking();
    let reply = Some(Target { author: Author::Receiver, id: 77 });
    world.inject_talk("bob", "alice", TalkFrame::Text { number: 2, id: 3, text: "as you said".into(), reply });
    assert!(matches!(&world.events("alice")[..], [Event::Message { reply_to: None, .. }]));
}

#[test]
fn what_is_longer_than_allowed_ends_the_session() {
    let on = Target { author: Author::Sender, id: 2 };
    for case in [
        Mark::Reaction { on, emoji: "x".repeat(crate::MAX_EMOJI_BYTES + 1) },
        Mark::Edit { of: 2, text: "x".repeat(crate::MAX_TEXT_BYTES + 1) },
        Mark::Read { ids: vec![1; crate::wire::MAX_READ + 1] },
    ] {
        let mut world = talking();
        world.inject_talk("bob", "alice", mark(2, case));
        assert_eq!(world.wires("alice", "bob"), 0);
        assert!(world.closed.contains(&("alice".into(), crate::wire::Close::PROTOCOL)));
    }
}

#[test]
fn whoever_is_blocked_marks_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    world.room(&["alice", "bob"]);
    world.send("bob", "alice", "hello", 1);
    world.command("alice", Command::Block { who: address("bob") });
    assert_eq!(world.wires("alice", "bob"), 1, "the room needs it");
    world.forget_events();
    let typing = Command::Typing { to: address("alice"), typing: true };
    for command in [Command::Nudge { to: address("alice"), id: Some(8) }, typing] {
        world.command("bob", command);
    }
    assert!(world.events("alice").is_empty());
    assert_eq!(last_state(&world.events("bob")).unwrap().0, DeliveryState::NotDelivered);
}

/// Both want receipts, or nobody is told anything.
#[test]
fn what_was_read_is_told_if_both_want_it() {
    let on = || Command::SetSignals { typing: None, read_receipts: Some(true) };
    for wanting in [&["alice", "bob"][..], &["alice"], &["bob"], &[]] {
        let mut world = World::of(&["alice", "bob"]);
        wanting.iter().for_each(|name| world.command(name, on()));
        world.send("alice", "bob", "hello", 1);
        world.send("alice", "bob", "hello?", 2);
        world.forget_events();
        world.tapped.clear();
        world.command("bob", Command::Read { who: address("alice"), ids: vec![1, 2, 9] });
        let expected = Event::Read { who: address("bob").parse().unwrap(), ids: vec![1, 2] };
        let both = wanting.len() == 2;
        assert_eq!(world.events("alice"), if both { vec![expected] } else { Vec::new() }, "{wanting:?}");
        assert_eq!(world.tapped.is_empty(), !both, "{wanting:?}");
        assert!(world.events("bob").is_empty(), "nobody is told how far it got");
    }
}

#[test]
fn receipts_end_at_once_when_they_are_not_wanted_any_more() {
    let mut world = World::of(&["alice", "bob"]);
    for name in ["alice", "bob"] {
        world.command(name, Command::SetSignals { typing: None, read_receipts: Some(true) });
    }
    world.send("alice", "bob", "hello", 1);
    world.command("bob", Command::SetSignals { typing: None, read_receipts: Some(false) });
    world.forget_events();
    world.command("bob", Command::Read { who: address("alice"), ids: vec![1] });
    assert!(world.events("alice").is_empty());
}
