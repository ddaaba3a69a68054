//! Texts of an epoch to come: whoever signs many of them takes the places of nobody else.

use std::time::Duration;

use super::rooms::{device, frames, leaf};
use super::world::World;
use crate::api::RoomId;
use crate::room::{DeviceKey, MyLeaf, sign};
use crate::wire::{Enclosed, Letter, RoomFrame};

const ALL: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn room() -> (World, RoomId) {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.pass(Duration::from_secs(8));
    world.tapped.clear();
    (world, room)
}

/// What reads as a text of an epoch to come, with so many bytes of ciphertext (RFC 9420 section 6.3).
fn early(room: RoomId, epoch: u64, ciphertext: usize) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 2]; // mls10, a private message
    message.push(16); // the group's identifier
    message.extend(room.0);
    message.extend((epoch + 1).to_be_bytes());
    message.push(1); // of an application
    message.push(0); // no authenticated data
    message.push(0); // no encrypted sender data
    match u16::try_from(ciphertext) {
        Ok(short) if short < 1 << 14 => message.extend((short | 0x4000).to_be_bytes()),
        _ => message.extend((u32::try_from(ciphertext).unwrap() | 0x8000_0000).to_be_bytes()),
    }
    message.extend(vec![0; ciphertext]);
    message
}

/// A stranger's key.
fn stranger(number: u8) -> MyLeaf {
    MyLeaf::new(Vec::new(), ed25519_dalek::SigningKey::from_bytes(&[number; 32]))
}

/// A letter with such a text to carol comes by way of somebody; returns whether it waits for its epoch.
fn waits(world: &mut World, room: RoomId, (author, by): (&MyLeaf, &str), number: u64, bytes: usize) -> bool {
    let epoch = world.core_of("carol").in_room(room).unwrap().0;
    let enclosed = Enclosed::Text { run: [1; 8], message: early(room, epoch, bytes) };
    let from = author.device().0;
    let letter = Letter { room: room.0, epoch: epoch + 1, from, to: device("carol").0, number, enclosed };
    let signature = sign(&letter, author).unwrap();
    let before = waiting(world, room).len();
    world.inject(by, "carol", RoomFrame::Pass { letter: Box::new(letter), signature });
    waiting(world, room).len() > before
}

/// Whose texts wait at carol's.
fn waiting(world: &mut World, room: RoomId) -> Vec<DeviceKey> {
    world.core("carol").rooms[&room].early.iter().map(|early| early.from.0).collect()
}

#[test]
fn a_member_who_floods_fills_her_own_places_alone() {
    let (mut world, room) = room();
    let taken = (1..=200).filter(|number| waits(&mut world, room, (&leaf("bob"), "alice"), *number, 100)).count();
    assert_eq!(taken, 64);
    let refused = frames(&world, "carol").into_iter().filter(|frame| matches!(frame, RoomFrame::Passed { .. })).count();
    assert_eq!(refused, 200 - 64, "she is told of the others");
    for (number, author) in [(1, "dave"), (2, "dave"), (1, "alice")] {
        assert!(waits(&mut world, room, (&leaf(author), "alice"), number, 100), "{author}");
    }
    // None of it is of an epoch that comes.
    world.pass(Duration::from_secs(3));
    assert!(waiting(&mut world, room).is_empty());
    assert!(waits(&mut world, room, (&leaf("bob"), "alice"), 201, 100), "and hers are free again");
}

#[test]
fn nor_does_she_by_long_texts() {
    let (mut world, room) = room();
    let longest = 64 * 1024 - 40;
    let taken = (1..=10).filter(|number| waits(&mut world, room, (&leaf("bob"), "alice"), *number, longest)).count();
    assert_eq!(taken, 2);
    assert!(waits(&mut world, room, (&leaf("dave"), "alice"), 1, longest));
}

/// She has as many keys as she likes, none of which is anybody's in the room.
#[test]
fn nor_by_keys_that_nobody_knows() {
    let (mut world, room) = room();
    let one = stranger(200);
    let taken = (1..=100).filter(|number| waits(&mut world, room, (&one, "bob"), *number, 100)).count();
    assert_eq!(taken, 16, "of one");
    let taken = (0..100).filter(|number| waits(&mut world, room, (&stranger(*number), "bob"), 1, 100)).count();
    assert_eq!(taken, 64 - 16, "of all that bob passes on");
    // Who has come in a moment before carol follows that is no member there yet, either.
    assert!(waits(&mut world, room, (&stranger(201), "alice"), 1, 100), "by way of somebody else");
    assert!(waits(&mut world, room, (&leaf("bob"), "alice"), 1, 100), "bob's own");
    assert!(waits(&mut world, room, (&leaf("dave"), "bob"), 1, 100), "a member's by way of bob");
}

/// However many take part in it.
#[test]
fn what_waits_in_a_room_has_a_bound_in_bytes() {
    let (mut world, room) = room();
    let now = world.now();
    let message = early(room, world.core_of("carol").in_room(room).unwrap().0, 60_000);
    for number in 0..200 {
        let came = crate::core::letters::Came::Numbered { session: 9_000 + u64::from(number), number: 1 };
        world.core("carol").room_text_arrived(came, (DeviceKey([number; 32]), [1; 8]), room, message.clone(), now);
    }
    let bytes: usize = world.core("carol").rooms[&room].early.iter().map(|early| early.message.len()).sum();
    assert!(bytes > 8_000_000 && bytes <= 8 * 1024 * 1024, "{bytes}");
}
