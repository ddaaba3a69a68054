//! What is said in rooms beside plain texts, and the order of all of it (rules of docs/spec/rooms.md); and what
//! a hostile member gets away with, which is nothing.

use std::time::Duration;

use super::rooms::{last_delivery, leaf, say};
use super::world::{World, address, room_texts};
use crate::api::{Command, Event, RoomId, RoomOrder, RoomTextRef};
use crate::core::links::Token;
use crate::session::Content;
use crate::wire::{RoomMark, RoomPlaintext, RoomTarget, TalkFrame, decode};

const ALL: [&str; 3] = ["alice", "bob", "carol"];

fn tea() -> (World, RoomId) {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.forget_all();
    (world, room)
}

fn says(text: &str, id: u64) -> impl Fn(RoomId) -> Command {
    let text = text.to_owned();
    move |room| Command::RoomSend { room, text: text.clone(), id: Some(id), reply_to: None }
}

/// A text of somebody else's.
fn of(name: &str, id: u64) -> RoomTextRef {
    RoomTextRef { from: Some(address(name).parse().unwrap()), id }
}

/// One of one's own.
const fn own(id: u64) -> RoomTextRef {
    RoomTextRef { from: None, id }
}

/// Every text that somebody knows by its place: hers, too. Marks have none.
fn places(events: &[Event]) -> Vec<(RoomOrder, u64)> {
    let mut places: Vec<(RoomOrder, u64)> = Vec::new();
    for event in events {
        match event {
            Event::RoomMessage { order, id, .. } | Event::RoomMessageState { order: Some(order), id, .. } => {
                places.push((*order, *id));
            }
            _ => {}
        }
    }
    places.dedup();
    places
}

/// The ids of all texts in the room's order.
fn in_order(events: &[Event]) -> Vec<u64> {
    let mut places = places(events);
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|(_, id)| id).collect()
}

fn errors(events: &[Event]) -> Vec<String> {
    let error = |event: &Event| match event {
        Event::Error { about, message, .. } => Some(format!("{about}: {message}")),
        _ => None,
    };
    events.iter().filter_map(error).collect()
}

/// who speaks at once is put in one order, and who answers comes after.
#[test]
fn everybody_agrees_on_the_order() {
    let (mut world, room) = tea();
    for round in 0..10 {
        let [a, b] = [(round * 10 + 1), (round * 10 + 2)];
        // Each sees her own first.
        world.both_do([("carol", says("carol", a)(room)), ("bob", says("bob", b)(room))]);
        world.command("alice", says("alice", round * 10 + 3)(room));
    }
    let told = ALL.map(|name| world.events(name));
    let agreed = in_order(&told[0]);
    assert_eq!(agreed.len(), 30);
    for events in &told {
        assert_eq!(in_order(events), agreed);
    }
    // Bob has the lower leaf, whoever was heard first; and alice has heard both before she spoke.
    assert_eq!(agreed[..6], [2, 1, 3, 12, 11, 13]);
    let as_told: Vec<u64> = places(&told[2]).into_iter().map(|(_, id)| id).collect();
    assert_eq!(as_told[..2], [1, 2], "to carol it was told in another order");
}

/// epochs come one after the other, and each counts from the beginning.
#[test]
fn an_epoch_counts_anew_and_comes_after_the_one_before() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&ALL);
    world.forget_events();
    for id in 1..=5 {
        world.command("alice", says("before", id)(room));
    }
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    world.command("dave", says("after", 6)(room));
    let events = world.events("bob");
    assert_eq!(in_order(&events), [1, 2, 3, 4, 5, 6]);
    let last = places(&events).last().unwrap().0;
    assert_eq!((last.count, last.leaf), (1, 3), "{last:?}");
}

#[test]
fn texts_are_answered_reacted_to_edited_and_deleted() {
    let (mut world, room) = tea();
    world.command("alice", says("tea?", 7)(room));
    let reply_to = Some(of("alice", 7));
    world.command("bob", Command::RoomSend { room, text: "yes".into(), id: Some(7), reply_to });
    let (emoji, on) = ("👍".to_owned(), of("bob", 7));
    world.command("carol", Command::RoomReact { room, on, emoji: emoji.clone(), id: Some(1) });
    assert_eq!(last_delivery(&world.events("carol")), (2, vec![]), "a mark is acknowledged as a text is");
    world.command("bob", Command::RoomEdit { room, of: 7, text: "no".into(), id: Some(8) });
    world.command("bob", Command::RoomDelete { room, of: 7, id: Some(9) });
    let [from, carol] = ["bob", "carol"].map(|name| -> identity::Identifier { address(name).parse().unwrap() });
    for (name, bobs) in [("alice", of("bob", 7)), ("bob", own(7))] {
        let events = world.events(name);
        let reaction = Event::RoomReaction { room, from: carol.clone(), on: bobs, emoji: emoji.clone() };
        assert!(events.contains(&reaction), "{name}: {events:?}");
        let edit = Event::RoomEdited { room, from: from.clone(), id: 7, text: "no".into() };
        let deletion = Event::RoomDeleteRequested { room, from: from.clone(), id: 7 };
        assert_eq!((events.contains(&edit), events.contains(&deletion)), (name == "alice", name == "alice"));
        let answered =
            |event: &Event| matches!(event, Event::RoomMessage { reply_to: Some(text), .. } if *text == own(7));
        assert_eq!(events.iter().any(answered), name == "alice", "{events:?}");
    }
}

/// The text and what is said about it wait for the same link, and go over it one after the other, whatever their ids.
#[test]
fn what_is_said_about_a_text_comes_after_it() {
    let (mut world, room) = tea();
    world.end("bob", "carol");
    world.pass(Duration::from_secs(1));
    world.forget_events();
    world.command("bob", says("tea?", 9)(room));
    world.command("bob", Command::RoomEdit { room, of: 9, text: "coffee?".into(), id: Some(3) });
    assert!(room_texts(&world.events("carol")).is_empty());
    assert_eq!(last_delivery(&world.events("bob")), (1, vec![]), "carol is pending");
    // The link is repaired 6 s after it was lost.
    world.pass(Duration::from_millis(5_500));
    let events = world.events("carol");
    let said = |event: &&Event| matches!(event.name(), "room_message" | "room_edited");
    let names: Vec<&str> = events.iter().filter(said).map(Event::name).collect();
    assert_eq!(names, ["room_message", "room_edited"]);
}

#[test]
fn a_client_learns_what_cannot_be_meant() {
    let (mut world, room) = tea();
    world.command("alice", says("tea?", 7)(room));
    let react = |on, emoji: &str| Command::RoomReact { room, on, emoji: emoji.into(), id: None };
    for (command, expected) in [
        (react(of("alice", 8), "👍"), "room_react: expected the id of one of the last texts of alice@example.org's"),
        (react(own(7), "👍"), "room_react: expected the id of one of the last texts of yours"),
        (react(of("alice", 7), "two words"), "room_react: expected at most 64 bytes without spaces"),
        (Command::RoomEdit { room, of: 7, text: "no".into(), id: None }, "room_edit: expected the id of one of"),
        (Command::RoomDelete { room, of: 7, id: None }, "room_delete: expected the id of one of"),
        (Command::RoomDelete { room: RoomId([1; 16]), of: 7, id: None }, "room_delete: expected a room one is in"),
        (Command::RoomTyping { room: RoomId([1; 16]), typing: true }, "room_typing: expected a room one is in"),
    ] {
        world.forget_all();
        world.command("bob", command);
        let errors = errors(&world.events("bob"));
        assert!(matches!(&errors[..], [error] if error.starts_with(expected)), "{errors:?}, not {expected}");
        assert!(world.tapped.is_empty(), "nothing was sent");
    }
}

/// Mallory puts what she has sealed on the wire to somebody; what she is answered, if it is refused.
fn by_hand(world: &mut World, who: &str, to: &str, room: RoomId, plaintext: &[u8]) -> Option<String> {
    let (now, key, device) = (world.now(), leaf(who), leaf(to).device());
    world.tapped.clear();
    let core = world.core(who);
    let message = core.inside(room).unwrap().group.seal_bytes(plaintext, &key).unwrap();
    let session = core.session_to(device).unwrap();
    core.put(session, Content::Room { room, message }, Token::Receipt, now).unwrap();
    world.settle();
    // What is about a text that is not known waits for it for 2 s.
    world.pass(Duration::from_millis(2_100));
    let answers = world.tapped.iter().filter(|(from, ..)| from == to);
    let acks = answers.filter_map(|(.., bytes)| match decode::<TalkFrame>(&bytes[4..]) {
        Ok(Some(TalkFrame::Ack { acks })) => Some(acks),
        _ => None,
    });
    let acks: Vec<_> = acks.flatten().collect();
    assert_eq!(acks.len(), 1, "it is answered");
    acks[0].refused.clone()
}

fn sealed(plaintext: &RoomPlaintext) -> Vec<u8> {
    minicbor::to_vec(plaintext).unwrap()
}

/// a mark names texts of its own device, or a reaction one that is known; what it names otherwise is refused.
#[test]
fn nobody_edits_or_deletes_what_somebody_else_wrote() {
    let (mut world, room) = tea();
    world.command("alice", says("tea?", 7)(room));
    world.forget_events();
    let mark = |id, mark| sealed(&RoomPlaintext::Mark { id, seen: 9, mark });
    let alices = RoomTarget { device: leaf("alice").device().0, id: 7 };
    let stranger = RoomTarget { device: [9; 32], id: 7 };
    for (id, wrong) in [
        (1, RoomMark::Edit { of: 7, text: "no tea".into() }),
        (2, RoomMark::Delete { of: 7 }),
        (3, RoomMark::Reaction { on: RoomTarget { id: 8, ..alices }, emoji: "👍".into() }),
        (4, RoomMark::Reaction { on: stranger, emoji: "👍".into() }),
        (5, RoomMark::Delete { of: u64::MAX }),
    ] {
        let refused = by_hand(&mut world, "carol", "bob", room, &mark(id, wrong.clone()));
        assert_eq!(refused.as_deref(), Some("no such text is known here"), "{wrong:?}");
    }
    assert!(world.events("bob").is_empty());
    let right = RoomMark::Reaction { on: alices, emoji: "👍".into() };
    assert_eq!(by_hand(&mut world, "carol", "bob", room, &mark(6, right)), None);
    assert_eq!(world.events("bob").len(), 1);
}

/// whoever has read a text already may be quicker than the text.
#[test]
fn a_mark_that_overtakes_its_text_waits_for_it() {
    for comes in [true, false] {
        let (mut world, room) = tea();
        let (now, key, device) = (world.now(), leaf("carol"), leaf("bob").device());
        let on = RoomTarget { device: leaf("alice").device().0, id: 7 };
        let mark = RoomMark::Reaction { on, emoji: "👍".into() };
        let core = world.core("carol");
        let plaintext = sealed(&RoomPlaintext::Mark { id: 1, seen: 9, mark });
        let message = core.inside(room).unwrap().group.seal_bytes(&plaintext, &key).unwrap();
        let session = core.session_to(device).unwrap();
        for _ in 0..2 {
            let content = Content::Room { room, message: message.clone() };
            core.put(session, content, Token::Receipt, now).unwrap();
        }
        world.settle();
        assert!(world.events("bob").is_empty(), "about what?");
        world.pass(Duration::from_secs(1));
        assert!(refusals(&world, "bob").is_empty());
        if comes {
            world.command("alice", says("tea?", 7)(room));
        }
        world.pass(Duration::from_millis(1_100));
        let names: Vec<&str> = world.events("bob").iter().map(Event::name).collect();
        let (told, refused): (&[&str], _) = if comes { (&["room_message", "room_reaction"], 0) } else { (&[], 2) };
        assert_eq!((&names[..], refusals(&world, "bob").len()), (told, refused), "each is answered");
    }
}

/// Why somebody has refused what came.
fn refusals(world: &World, by: &str) -> Vec<String> {
    let answers = world.tapped.iter().filter(|(from, ..)| from == by);
    let acks = answers.filter_map(|(.., bytes)| match decode::<TalkFrame>(&bytes[4..]) {
        Ok(Some(TalkFrame::Ack { acks })) => Some(acks),
        _ => None,
    });
    acks.flatten().filter_map(|ack| ack.refused).collect()
}

///
#[test]
fn an_earlier_mark_does_not_replace_a_later_one() {
    let (mut world, room) = tea();
    world.command("carol", says("tea?", 7)(room));
    world.forget_events();
    let edit = |id, seen, text: &str| {
        sealed(&RoomPlaintext::Mark { id, seen, mark: RoomMark::Edit { of: 7, text: text.into() } })
    };
    assert_eq!(by_hand(&mut world, "carol", "bob", room, &edit(1, 5, "second")), None);
    let refused = by_hand(&mut world, "carol", "bob", room, &edit(2, 4, "first"));
    assert_eq!(refused.as_deref(), Some("a later one of the same kind has come before"));
    let events = world.events("bob");
    assert!(matches!(&events[..], [Event::RoomEdited { text, .. }] if text == "second"), "{events:?}");
}

/// what a liar says of her count is her own place alone; others count on, and all agree.
#[test]
fn a_hostile_count_moves_nobody_elses_place() {
    let (mut world, room) = tea();
    world.command("alice", says("one", 1)(room));
    let text = |id, seen| sealed(&RoomPlaintext::Text { id, seen, text: "last".into(), reply: None });
    for to in ["alice", "bob"] {
        assert_eq!(by_hand(&mut world, "carol", to, room, &text(50, u32::MAX)), None);
    }
    for (id, name) in [(2, "bob"), (3, "alice"), (4, "bob")] {
        world.command(name, says(name, id)(room));
    }
    let (alice, bob) = (world.events("alice"), world.events("bob"));
    assert_eq!(in_order(&alice), [1, 2, 3, 4, 50]);
    assert_eq!(in_order(&bob), in_order(&alice));
    let greatest = places(&bob).iter().map(|(order, _)| *order).filter(|order| order.leaf != 2).max().unwrap();
    assert_eq!(greatest.count, 1 + 1024 + 3, "they are raised by little");
    // A count that is none.
    let beyond = [&[0x84, 0x00, 0x07, 0x1b][..], &[0xff; 8], &[0x61, b'x']].concat();
    let refused = by_hand(&mut world, "carol", "bob", room, &beyond);
    assert_eq!(refused.as_deref(), Some("it cannot be opened in this epoch"));
}

#[test]
fn what_is_not_within_the_limits_is_refused_and_what_is_unknown_is_said_to_be() {
    let (mut world, room) = tea();
    let long = RoomPlaintext::Text { id: 1, seen: 0, text: "x".repeat(crate::MAX_TEXT_BYTES + 1), reply: None };
    let id = RoomPlaintext::Text { id: 1 << 53, seen: 0, text: "x".into(), reply: None };
    let on = RoomTarget { device: leaf("carol").device().0, id: 1 };
    let emoji = RoomMark::Reaction { on, emoji: "\u{1b}[2J".into() };
    let emoji = RoomPlaintext::Mark { id: 1, seen: 0, mark: emoji };
    for wrong in [long, id, emoji] {
        let refused = by_hand(&mut world, "carol", "bob", room, &sealed(&wrong));
        assert_eq!(refused.as_deref(), Some("it cannot be opened in this epoch"), "{wrong:?}");
    }
    for unknown in [&[0x84, 0x09, 0x07, 0x03, 0x00][..], &[0x84, 0x01, 0x07, 0x03, 0x82, 0x09, 0x00]] {
        let refused = by_hand(&mut world, "carol", "bob", room, unknown);
        assert_eq!(refused.as_deref(), Some("their messenger does not know this"), "{unknown:x?}");
    }
    assert!(by_hand(&mut world, "carol", "bob", room, b"\xff\xff").is_some());
    assert!(world.events("bob").is_empty());
}

/// what is left of who went is not hers to change when she comes back, nor anybody's to react to.
#[test]
fn whoever_comes_back_begins_anew() {
    let (mut world, room) = tea();
    world.command("carol", says("tea?", 7)(room));
    world.network = false;
    world.end("alice", "carol");
    world.end("bob", "carol");
    world.pass(Duration::from_secs(30));
    world.network = true;
    world.send("alice", "carol", "where are you?", 1);
    world.pass(Duration::from_secs(70));
    world.forget_events();
    world.command("carol", Command::RoomEdit { room, of: 7, text: "coffee?".into(), id: None });
    world.command("alice", Command::RoomReact { room, on: of("carol", 7), emoji: "👍".into(), id: None });
    for name in ["alice", "carol"] {
        let errors = errors(&world.events(name));
        assert!(matches!(&errors[..], [error] if error.contains("one of the last texts")), "{name}: {errors:?}");
    }
    say(&mut world, "carol", room, "here I am");
    assert_eq!(room_texts(&world.events("alice")), ["here I am"]);
}

pub(super) fn types(world: &mut World, who: &str, room: RoomId, typing: bool) {
    world.command(who, Command::RoomTyping { room, typing });
}

/// Who was told of it, and what.
pub(super) fn told_typing(world: &mut World, name: &str) -> Vec<(String, bool)> {
    let told = |event: &Event| match event {
        Event::RoomTyping { who, typing, .. } => Some((who.to_string(), *typing)),
        _ => None,
    };
    world.events(name).iter().filter_map(told).collect()
}

///
#[test]
fn whoever_writes_is_named_to_the_members_and_forgotten_by_itself() {
    let (mut world, room) = tea();
    for _ in 0..50 {
        types(&mut world, "bob", room, true);
    }
    assert_eq!(world.tapped.len(), 2, "once to each");
    for name in ["alice", "carol"] {
        assert_eq!(told_typing(&mut world, name), [(address("bob"), true)]);
    }
    world.pass(Duration::from_secs(5));
    assert!(told_typing(&mut world, "alice").is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), false)]);
    // It goes on while it is said, and ends with the text.
    for _ in 0..5 {
        types(&mut world, "bob", room, true);
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true)]);
    say(&mut world, "bob", room, "done");
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), false)]);
    // And with a word.
    world.pass(Duration::from_secs(2));
    types(&mut world, "bob", room, true);
    types(&mut world, "bob", room, false);
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true), (address("bob"), false)]);
}

#[test]
fn whoever_does_not_want_to_tell_that_she_writes_tells_nothing() {
    let (mut world, room) = tea();
    types(&mut world, "bob", room, true);
    world.command("bob", Command::SetSignals { typing: Some(false), read_receipts: None });
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true), (address("bob"), false)]);
    world.tapped.clear();
    types(&mut world, "bob", room, true);
    types(&mut world, "bob", room, false);
    assert!(world.tapped.is_empty());
}

#[test]
fn it_ends_when_she_leaves_or_is_lost() {
    let (mut world, room) = tea();
    types(&mut world, "bob", room, true);
    world.command("bob", Command::RoomLeave { room });
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true), (address("bob"), false)]);
    let (mut world, room) = tea();
    types(&mut world, "bob", room, true);
    world.network = false;
    world.end("alice", "bob");
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true), (address("bob"), false)]);
}

/// A hostile bob, who begins and ends as fast as he can; and dave, who is in no room with alice.
#[test]
fn a_flood_wakes_nobody_and_strangers_to_the_room_are_not_heard() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&ALL);
    world.send("dave", "alice", "hello", 1);
    world.forget_events();
    for n in 0..1000 {
        world.inject_talk("bob", "alice", TalkFrame::RoomTyping { room: room.0, typing: n % 2 == 0 });
    }
    assert_eq!(told_typing(&mut world, "alice"), [(address("bob"), true), (address("bob"), false)]);
    for elsewhere in [room.0, [9; 16]] {
        world.inject_talk("dave", "alice", TalkFrame::RoomTyping { room: elsewhere, typing: true });
    }
    assert!(told_typing(&mut world, "alice").is_empty());
    assert_eq!(world.wires("alice", "bob"), 1);
}
