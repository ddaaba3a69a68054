//! Who keeps a history tells it.

use super::world::{World, address};
use crate::api::{Command, Event};
use crate::wire::{TalkFrame, capability};

fn keep(who: &str, keeps: bool) -> Command {
    Command::KeepHistory { who: address(who), keeps }
}

/// What somebody's client was told of others' histories.
fn told(world: &mut World, name: &str) -> Vec<(String, bool)> {
    let history = |event| match event {
        Event::History { who, keeps } => Some((who.as_str().to_owned(), keeps)),
        _ => None,
    };
    world.events(name).into_iter().filter_map(history).collect()
}

#[test]
fn hello_tells_it_and_only_to_whom_it_is_about() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.command("alice", keep("bob", true));
    world.send("alice", "bob", "hi", 1);
    world.send("alice", "carol", "hi", 2);
    assert_eq!(told(&mut world, "bob"), [(address("alice"), true)]);
    assert_eq!(told(&mut world, "carol"), []);
    assert_eq!(told(&mut world, "alice"), [], "bob keeps none");
}

#[test]
fn a_change_is_told_at_once_and_a_new_session_begins_with_what_holds() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hi", 1);
    world.forget_events();
    world.command("bob", keep("alice", true));
    assert_eq!(told(&mut world, "alice"), [(address("bob"), true)]);
    world.forget_events();
    world.command("bob", keep("alice", true));
    assert_eq!(told(&mut world, "alice"), [], "nothing has changed");
    world.command("bob", keep("alice", false));
    assert_eq!(told(&mut world, "alice"), [(address("bob"), false)]);
    world.command("bob", keep("alice", true));
    world.forget_events();
    world.end("alice", "bob");
    world.send("alice", "bob", "again", 2);
    assert_eq!(told(&mut world, "alice"), [], "as before");
    world.end("alice", "bob");
    world.command("bob", keep("alice", false));
    world.forget_events();
    world.send("alice", "bob", "and again", 3);
    assert_eq!(told(&mut world, "alice"), [(address("bob"), false)]);
}

#[test]
fn an_earlier_messenger_is_sent_no_mark_that_it_does_not_know() {
    let mut world = World::of(&["alice", "bob"]);
    let before = |frame: &mut TalkFrame| {
        if let TalkFrame::Hello { capabilities, .. } = frame {
            *capabilities &= !(capability::HISTORY | capability::KEEPS);
        }
    };
    world.meddling.insert("bob".into(), Box::new(before));
    world.send("alice", "bob", "hi", 1);
    world.forget_events();
    world.command("alice", keep("bob", true));
    assert_eq!(told(&mut world, "bob"), []);
    assert_eq!(world.wires("alice", "bob"), 1, "and the session goes on");
    world.send("alice", "bob", "still there", 2);
    assert_eq!(super::world::texts(&world.events("bob")), ["still there"]);
}
