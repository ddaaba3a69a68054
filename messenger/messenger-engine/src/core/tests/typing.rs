//! That somebody is writing: told now and then, to whoever is connected, and over by itself.

use std::time::Duration;

use super::world::{World, address};
use crate::api::{Command, Event};
use crate::wire::{Channel, TalkFrame, decode};

fn talking() -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.forget_events();
    world.tapped.clear();
    world
}

fn types(world: &mut World, typing: bool) {
    world.command("alice", Command::Typing { to: address("bob"), typing });
}

/// What bob was told of it.
fn told(world: &mut World) -> Vec<bool> {
    let told = |event: &Event| if let Event::Typing { typing, .. } = event { Some(*typing) } else { None };
    world.events("bob").iter().filter_map(told).collect()
}

fn sent(world: &mut World) -> usize {
    let frames = std::mem::take(&mut world.tapped);
    let is_typing = |(_, channel, bytes): &(String, Channel, Vec<u8>)| {
        *channel == Channel::Talk && matches!(decode(&bytes[4..]), Ok(Some(TalkFrame::Typing { .. })))
    };
    frames.iter().filter(|frame| is_typing(frame)).count()
}

#[test]
fn it_begins_and_ends_and_is_told_no_more_often_than_needed() {
    let mut world = talking();
    for _ in 0..50 {
        types(&mut world, true);
    }
    assert_eq!((sent(&mut world), told(&mut world)), (1, vec![true]));
    // Every two seconds for a while: it is said again, and goes on.
    for _ in 0..10 {
        world.pass(Duration::from_secs(2));
        types(&mut world, true);
    }
    assert_eq!((sent(&mut world), told(&mut world)), (5, vec![]));
    types(&mut world, false);
    types(&mut world, false);
    assert_eq!((sent(&mut world), told(&mut world)), (1, vec![false]));
}

#[test]
fn it_ends_by_itself() {
    let mut world = talking();
    types(&mut world, true);
    world.pass(Duration::from_secs(5));
    assert_eq!(told(&mut world), [true]);
    world.pass(Duration::from_secs(2));
    assert_eq!(told(&mut world), [false]);
}

#[test]
fn it_ends_with_the_text_and_with_the_session() {
    let mut world = talking();
    types(&mut world, true);
    world.send("alice", "bob", "there", 2);
    let names: Vec<&str> = world.events("bob").iter().map(Event::name).collect();
    assert_eq!(names, ["typing", "typing", "message"]);
    world.pass(Duration::from_secs(2));
    types(&mut world, true);
    world.end("alice", "bob");
    assert_eq!(told(&mut world), [true, false]);
}

#[test]
fn nobody_is_called_for_it() {
    let mut world = World::of(&["alice", "bob"]);
    world.forget_events();
    types(&mut world, true);
    assert_eq!(world.wires("alice", "bob"), 0);
    assert!(world.events("alice").is_empty() && world.events("bob").is_empty());
}

#[test]
fn whoever_does_not_want_to_tell_it_tells_nothing() {
    let mut world = talking();
    types(&mut world, true);
    world.command("alice", Command::SetSignals { typing: Some(false), read_receipts: None });
    assert_eq!(told(&mut world), [true, false], "and those who were told hear that it is over");
    world.tapped.clear();
    types(&mut world, true);
    types(&mut world, false);
    assert_eq!(sent(&mut world), 0);
    let events = world.events("alice");
    assert!(matches!(&events[..], [Event::Appearance(settings)] if !settings.typing), "{events:?}");
}

/// A hostile alice, who begins and ends as fast as she can.
#[test]
fn a_flood_wakes_nobody() {
    let mut world = talking();
    for n in 0..1000 {
        world.inject_talk("alice", "bob", TalkFrame::Typing { typing: n % 2 == 0 });
    }
    assert_eq!(told(&mut world), [true, false]);
    assert_eq!(world.wires("alice", "bob"), 1);
}
