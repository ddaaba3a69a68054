//! of two offers in one ballot the second is seen when their epoch is over, by one member. All are told, once.

use std::time::Duration;

use super::rooms::{device, frames, leaf, tapped};
use super::world::{World, address};
use crate::api::{Command, Event, RoomId};
use crate::core::hubs::rooms_are_large_above;
use crate::room::sign;
use crate::wire::{Acknowledged, Head, QuotedAck, RoomFrame, SignedHead};

const ALL: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];

/// A room that alice hosts, in which an epoch has ended since all are together, and what she offered in it.
fn room() -> (World, RoomId, Head) {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.pass(Duration::from_secs(10));
    world.tapped.clear();
    world.command("alice", Command::RoomTopic { room, topic: "cake".into() });
    world.pass(Duration::from_secs(1));
    let RoomFrame::Offer { head, .. } = tapped(&world, |frame| matches!(frame, RoomFrame::Offer { .. })) else {
        unreachable!()
    };
    world.forget_all();
    (world, room, head.head)
}

fn signed(head: Head, by: &str) -> SignedHead {
    SignedHead { signature: sign(&head, &leaf(by)).unwrap(), head }
}

/// What alice has offered in that ballot beside, as somebody gets it late.
fn offer(head: &Head, commit: u8) -> RoomFrame {
    let head = signed(Head { commit: [commit; 32], ..head.clone() }, "alice");
    RoomFrame::Offer { head, commit: vec![1], grants: Vec::new() }
}

/// How often somebody was warned of alice's two offers.
fn warnings(world: &mut World, name: &str) -> usize {
    let events = world.events(name);
    let warned = |event: &&Event| matches!(event, Event::Error { message, .. } if message.contains("alice@example.org has signed two different changes"));
    events.iter().filter(warned).count()
}

/// Offers that somebody shows, without their commits.
fn shown(world: &World, by: &str) -> usize {
    let shown = frames(world, by)
        .into_iter()
        .filter(|frame| matches!(frame, RoomFrame::Offer { commit, .. } if commit.is_empty()));
    shown.count()
}

#[test]
fn a_second_offer_that_is_seen_when_its_epoch_is_over_warns_all_once() {
    for large in [false, true] {
        if large {
            rooms_are_large_above(3, 2);
        }
        let (mut world, room, head) = room();
        world.inject("alice", "erin", offer(&head, 1));
        for name in &ALL[1..] {
            assert_eq!(warnings(&mut world, name), 1, "{name}, large: {large}");
            assert_eq!(world.core(name).inside(room).unwrap().accused, Some(device("alice")), "{name}");
        }
        // Each who was warned has shown both to the others, and nobody does again.
        assert!((2..=2 * (ALL.len() - 1)).contains(&shown(&world, "erin")));
        world.tapped.clear();
        for (from, to) in [("alice", "erin"), ("alice", "bob"), ("carol", "bob")] {
            world.inject(from, to, offer(&head, 1));
        }
        for name in &ALL[1..] {
            assert_eq!((warnings(&mut world, name), shown(&world, name)), (0, 0), "{name}");
        }
        // She is lost to all, and replaced.
        world.pass(Duration::from_secs(10));
        assert_eq!(world.core_of("erin").in_room(room).unwrap().2.identifier.as_str(), address("bob"));
        rooms_are_large_above(crate::core::hubs::FULL_MESH, 4);
    }
}

#[test]
fn so_does_an_acknowledgement_that_quotes_one() {
    let (mut world, room, head) = room();
    let other = signed(Head { commit: [1; 32], ..head }, "alice");
    let from = world.core("bob").inside(room).unwrap().leaves().leaf(device("dave")).unwrap().0;
    let acknowledged = Acknowledged { head: other.head.clone(), from };
    let ack = QuotedAck { from, signature: sign(&acknowledged, &leaf("dave")).unwrap() };
    world.inject("dave", "erin", RoomFrame::Ack { head: other, ack });
    for name in &ALL[1..] {
        assert_eq!(warnings(&mut world, name), 1, "{name}");
    }
}

/// In a ballot of which nothing was seen, the first that comes late is no contradiction, and the next one is.
#[test]
fn two_that_both_come_late_are_found_as_well() {
    let (mut world, _, head) = room();
    let higher = Head { term: head.term + 5, ..head };
    world.inject("alice", "erin", offer(&higher, 1));
    assert_eq!(warnings(&mut world, "erin"), 0);
    world.inject("alice", "erin", offer(&higher, 2));
    for name in &ALL[1..] {
        assert_eq!(warnings(&mut world, name), 1, "{name}");
    }
}

#[test]
fn nobody_is_accused_by_what_she_has_not_signed_and_nobody_floods_the_room() {
    let (mut world, _, head) = room();
    let RoomFrame::Offer { head: forged, .. } = offer(&head, 1) else { unreachable!() };
    let forged = SignedHead { signature: [1; 64], ..forged };
    world.inject("dave", "erin", RoomFrame::Offer { head: forged, commit: Vec::new(), grants: Vec::new() });
    let of_no_epoch = signed(Head { parent: [7; 32], commit: [1; 32], ..head.clone() }, "alice");
    world.inject("dave", "erin", RoomFrame::Offer { head: of_no_epoch, commit: Vec::new(), grants: Vec::new() });
    assert_eq!(warnings(&mut world, "erin"), 0);
    world.tapped.clear();
    for term in 0..40 {
        let head = Head { term: head.term + term, ..head.clone() };
        for commit in 1..20 {
            world.inject("alice", "erin", offer(&head, commit));
        }
    }
    let each = shown(&world, "erin");
    assert!(each <= 4 * 2 * (ALL.len() - 1), "{each}");
    assert!(warnings(&mut world, "bob") <= 4);
}
