//! Who is writing in a large room (R-55 of docs/spec/rooms.md): told by way of hubs in circulars that are their author's alone.
//! The room is that of [`super::hubs`]: alice and bob are its hubs.

use std::time::Duration;

use super::hubs::{HUBS, NAMES, circulars, large, large_with, spread};
use super::room_content::{told_typing, types};
use super::rooms::{all_are_together, device, frames, leaf, say};
use super::world::{World, address, room_texts};
use crate::api::{Command, RoomId};
use crate::room::sign;
use crate::wire::{Circular, Circulated, RoomFrame, Signature, TalkFrame, capability};

/// All but erin.
const READERS: [&str; 6] = ["alice", "bob", "carol", "dave", "frank", "grace"];

/// Signed by somebody, as if `of` were writing.
fn typing(world: &World, room: RoomId, (of, by): (&str, &str), number: u64) -> (Circular, Signature) {
    let (epoch, name, _) = world.core_of("erin").in_room(room).unwrap();
    let (from, content) = (device(of).0, Circulated::Typing);
    let circular = Circular { room: room.0, epoch, name: name.0, from, to: vec![0xff], number, content };
    let signature = sign(&circular, &leaf(by)).unwrap();
    (circular, signature)
}

#[test]
fn it_is_told_to_all_and_over_by_itself_and_with_the_text() {
    let (mut world, room) = large();
    world.forget_events();
    world.tapped.clear();
    types(&mut world, "erin", room, true);
    for name in READERS {
        assert_eq!(told_typing(&mut world, name), [(address("erin"), true)], "{name}");
    }
    assert_eq!((circulars(&world, "erin").len(), circulars(&world, "alice").len()), (1, 4));
    let answers = |world: &World, name: &str| {
        let is_answer = |frame: &RoomFrame| {
            matches!(frame, RoomFrame::Pass { .. } | RoomFrame::Taken { .. } | RoomFrame::NotSpread { .. })
        };
        frames(world, name).into_iter().filter(is_answer).count()
    };
    for name in NAMES {
        assert_eq!(answers(&world, name), 0, "nobody answers it: {name}");
    }
    world.pass(Duration::from_secs(5));
    assert!(told_typing(&mut world, "grace").is_empty());
    world.pass(Duration::from_secs(2));
    for name in READERS {
        assert_eq!(told_typing(&mut world, name), [(address("erin"), false)], "{name}");
    }
    // It goes on while it is said, and ends with the text.
    for _ in 0..5 {
        types(&mut world, "erin", room, true);
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), true)]);
    say(&mut world, "erin", room, "done");
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), false)]);
}

#[test]
fn it_is_said_to_all_once_in_three_seconds_however_often_one_begins() {
    let (mut world, room) = large();
    world.tapped.clear();
    for n in 0..60 {
        types(&mut world, "erin", room, n % 2 == 0);
    }
    assert_eq!(circulars(&world, "erin").len(), 1);
    for _ in 0..12 {
        types(&mut world, "erin", room, true);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(circulars(&world, "erin").len(), 4);
    // Who does not want to tell it tells nothing.
    world.command("erin", Command::SetSignals { typing: Some(false), read_receipts: None });
    world.pass(Duration::from_secs(9));
    world.forget_events();
    types(&mut world, "erin", room, true);
    assert!(READERS.iter().all(|name| told_typing(&mut world, name).is_empty()));
}

#[test]
fn no_hub_and_no_member_makes_it_for_another() {
    let (mut world, room) = large();
    types(&mut world, "erin", room, true);
    world.pass(Duration::from_secs(9));
    world.forget_events();
    let (heard, signature) = circulars(&world, "erin").pop().unwrap();
    let hubs = typing(&world, room, ("erin", "alice"), heard.number + 1);
    let strangers = typing(&world, room, ("stranger", "stranger"), 1);
    let raised = (Circular { number: heard.number + 1, ..heard.clone() }, signature);
    for (what, frame) in
        [("a hub", hubs), ("another number", raised), ("once more", (heard, signature)), ("a stranger", strangers)]
    {
        world.inject("alice", "grace", spread(frame));
        assert!(told_typing(&mut world, "grace").is_empty(), "{what}");
    }
    // Nor is it carried for who did not write it.
    world.tapped.clear();
    let hers = typing(&world, room, ("erin", "erin"), 90);
    world.inject("frank", "alice", spread(hers.clone()));
    assert!(circulars(&world, "alice").is_empty());
    world.inject("alice", "grace", spread(hers));
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), true)], "her own word");
}

/// It may come by way of another hub than the text that was written.
#[test]
fn what_the_text_has_overtaken_is_not_told() {
    let (mut world, room) = large();
    let (first, later) = (typing(&world, room, ("erin", "erin"), 7), typing(&world, room, ("erin", "erin"), 9));
    world.forget_events();
    let (mut text, _) = {
        world.carries_nothing.insert("alice".into());
        say(&mut world, "erin", room, "tea");
        circulars(&world, "erin").pop().unwrap()
    };
    text.number = 8;
    let signature = sign(&text, &leaf("erin")).unwrap();
    world.inject("alice", "grace", spread((text, signature)));
    assert_eq!(room_texts(&world.events("grace")), ["tea"]);
    world.inject("bob", "grace", spread(first));
    assert!(told_typing(&mut world, "grace").is_empty());
    world.inject("bob", "grace", spread(later));
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), true)]);
}

#[test]
fn it_ends_when_she_leaves_and_is_told_by_another_hub_where_one_is_gone() {
    let (mut world, room) = large_with(3);
    for hub in HUBS {
        world.end(hub, "grace");
        world.part(hub, "grace");
    }
    world.pass(Duration::from_secs(10));
    world.forget_events();
    types(&mut world, "erin", room, true);
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), true)]);
    world.command("erin", Command::RoomLeave { room });
    world.pass(Duration::from_secs(1));
    for name in READERS {
        assert_eq!(told_typing(&mut world, name).last(), Some(&(address("erin"), false)), "{name}");
    }
    all_are_together(&world, room, &READERS);
}

#[test]
fn it_counts_against_what_is_carried_for_her_and_nobody_is_told_why_it_is_not() {
    let (mut world, room) = large();
    world.tapped.clear();
    for number in 1..200 {
        let word = typing(&world, room, ("frank", "frank"), number);
        world.inject("frank", "alice", spread(word));
    }
    let carried = circulars(&world, "alice").len();
    // To the four others who are no hubs, 64 times.
    assert!((64 * 4..=66 * 5).contains(&carried), "{carried}");
    assert!(!frames(&world, "alice").iter().any(|frame| matches!(frame, RoomFrame::NotSpread { .. })));
    // What is left for her is what is left for her texts, and others' is theirs.
    world.forget_events();
    types(&mut world, "erin", room, true);
    assert_eq!(told_typing(&mut world, "grace"), [(address("erin"), true)]);
}

#[test]
fn who_does_not_want_to_know_it_is_not_told() {
    let (mut world, room) = large();
    let without = |frame: &mut TalkFrame| {
        if let TalkFrame::Hello { capabilities, .. } = frame {
            *capabilities &= !capability::TYPING;
        }
    };
    world.meddling.insert("grace".into(), Box::new(without));
    for hub in HUBS {
        world.end(hub, "grace");
    }
    world.pass(Duration::from_secs(10));
    all_are_together(&world, room, &NAMES);
    world.tapped.clear();
    world.forget_events();
    types(&mut world, "erin", room, true);
    assert_eq!((circulars(&world, "erin").len(), circulars(&world, "alice").len()), (1, 3));
    assert!(told_typing(&mut world, "grace").is_empty());
    assert_eq!(told_typing(&mut world, "frank"), [(address("erin"), true)]);
}

///
#[test]
fn whose_certificate_has_lapsed_is_not_heard_to_write() {
    let (mut world, room) = large();
    for name in ["grace", "bob"] {
        world.tables[name].refused.lock().unwrap().push(address("erin"));
        let now = world.now();
        world.core(name).inside(room).unwrap().lapsed.look_now(now);
    }
    world.pass(Duration::from_secs(1));
    world.forget_events();
    world.tapped.clear();
    let word = typing(&world, room, ("erin", "erin"), 7);
    world.inject("alice", "grace", spread(word.clone()));
    assert!(told_typing(&mut world, "grace").is_empty());
    // Nor does a hub who knows it carry it, where another one would.
    world.inject("erin", "bob", spread(word));
    assert!(circulars(&world, "bob").is_empty());
    types(&mut world, "erin", room, true);
    assert_eq!(told_typing(&mut world, "frank"), [(address("erin"), true)]);
}
