//! What is said at one time goes out together, and as if it had gone out one by one.

use super::world::*;
use crate::api::{Command, DeliveryState};
use crate::session::WINDOW;
use crate::wire::{Channel, TalkFrame, decode};

fn text(text: &str, id: u64) -> Command {
    Command::Send { to: address("bob"), text: text.into(), id: Some(id), reply_to: None }
}

fn typing() -> Command {
    Command::Typing { to: address("bob"), typing: true }
}

/// The texts that alice sent, and her word that she is writing, in their order.
fn said(world: &World) -> Vec<String> {
    let hers = world.tapped.iter().filter(|(from, channel, _)| from == "alice" && *channel == Channel::Talk);
    let said = hers.filter_map(|(_, _, bytes)| match decode::<TalkFrame>(&bytes[4..]).unwrap().unwrap() {
        TalkFrame::Text { text, .. } => Some(text),
        TalkFrame::Typing { typing } => Some(format!("typing {typing}")),
        _ => None,
    });
    said.collect()
}

#[test]
fn the_order_is_that_in_which_it_was_said() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.tapped.clear();
    world.at_once("alice", vec![text("a", 2), typing(), text("b", 3), text("c", 4), typing()]);
    assert_eq!(said(&world), ["a", "typing true", "b", "c", "typing true"]);
    assert_eq!(last_state(&world.events("alice")), Some((DeliveryState::Delivered, None)));
}

#[test]
fn more_than_a_window_of_texts_arrives_whole_and_in_order() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_all();
    let count = 2 * WINDOW as u64 + 7;
    world.at_once("alice", (0..count).map(|number| text(&number.to_string(), 100 + number)).collect());
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(said(&world), expected);
    assert_eq!(texts(&world.events("bob")), expected);
}

#[test]
fn what_is_said_before_one_goes_offline_is_on_its_way() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "first", 1);
    world.forget_all();
    world.at_once("alice", vec![text("goodbye", 2), Command::GoOffline]);
    assert_eq!(said(&world), ["goodbye"]);
    assert_eq!(texts(&world.events("bob")), ["goodbye"]);
    let state = last_state(&world.events("alice")).map(|(state, _)| state);
    assert_eq!(state, Some(DeliveryState::Unknown), "she did not wait for the answer");
}
