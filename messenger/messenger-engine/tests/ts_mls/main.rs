//! Somebody whose MLS is not ours: npm's `ts-mls` is in a room of real engines (docs/spec/rooms.md, section 9).
//!
//! It runs in Node.js, below the build directory, as pinned in `package-lock.json`. Where there is no Node.js, or the packages
//! cannot be had, the test says so and passes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod groups;
mod guest;
mod links;
mod member;
mod program;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write as _;

use messenger_engine::{Command, Event, RoomId, RoomSuite, RoomTextRef};

use guest::{Guest, Way};
use program::Program;
use support::{Someone, Town, identifier};

/// What a room of Mona's friends is for the test: the same in every member's eyes, or it fails.
async fn agree(alice: &mut Someone, mona: &mut Guest, members: usize) {
    let (_, epoch, code) = alice.in_room_of(members).await;
    let group = mona.next_epoch().await;
    assert_eq!((group.epoch, group.code(), group.members.len()), (epoch, code, members));
}

/// Each of them says something, and it is on the devices of all others.
async fn talk(engines: &mut [&mut Someone], mona: &mut Guest, room: RoomId) {
    let others = engines.len();
    for index in 0..others {
        let text = format!("{} says this", engines[index].name);
        engines[index].do_it(Command::RoomSend { room, text: text.clone(), id: None, reply_to: None }).await;
        assert_eq!(mona.hears().await, text);
        assert!(engines[index].delivered_to(others).await.contains(&identifier("mona")));
        for (other, engine) in engines.iter_mut().enumerate().filter(|(other, _)| *other != index) {
            assert_eq!(engine.hears_in_room().await.1, text, "{other}");
        }
    }
    mona.say("Mona says this");
    let mut heard = Vec::new();
    for engine in engines.iter_mut() {
        let question = |event: &Event| match event {
            Event::RoomMessage { from, id, text, order, .. } => Some((from.clone(), *id, text.clone(), *order)),
            _ => None,
        };
        heard.push(engine.wait("what mona says", question).await);
    }
    let (from, id, text, _) = heard[0].clone();
    assert_eq!((from.clone(), text.as_str()), (identifier("mona"), "Mona says this"));
    assert!(heard.iter().all(|one| *one == heard[0]), "it has one place in the order: {heard:?}");
    mona.is_acknowledged_by(others).await;
    let (on, emoji) = (RoomTextRef { from: Some(from), id }, "👍".to_owned());
    engines[0].do_it(Command::RoomReact { room, on, emoji: emoji.clone(), id: None }).await;
    assert_eq!(mona.hears_reaction().await, emoji);
    assert!(engines[0].delivered_to(others).await.contains(&identifier("mona")));
}

/// A program with another implementation, or word that this machine has none.
fn program() -> Option<Program> {
    match Program::start() {
        Ok(program) => Some(program),
        Err(why) => {
            // Past the harness, which keeps to itself what a test that passes says.
            let mut said = std::io::stderr();
            writeln!(said, "SKIPPED: ts-mls is in no room: {why}").unwrap();
            None
        }
    }
}

/// A room of alice's, in which mona is, who entered it in this way, and then bob, by the host's commit; all have talked.
async fn tea(program: Program, way: Way) -> (Town, [Someone; 2], Guest, RoomId) {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob", "mona", "nina"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    let mut mona = Guest::meets(&mut alice, "mona", town.puppet("mona").await, program, way).await;
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::Classical }).await;
    let (room, ..) = alice.in_room_of(1).await;

    // Two know each other's epoch, and talk in it.
    alice.do_it(Command::RoomInvite { room, who: identifier("mona").to_string() }).await;
    agree(&mut alice, &mut mona, 2).await;
    talk(&mut [&mut alice], &mut mona, room).await;

    // A commit that lets somebody in, who calls her as members do.
    bob.enter(&alice, room).await;
    mona.is_called().await;
    agree(&mut alice, &mut mona, 3).await;
    bob.in_room_of(3).await;
    talk(&mut [&mut alice, &mut bob], &mut mona, room).await;
    (town, [alice, bob], mona, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_enters_a_room_talks_in_it_and_follows_its_changes() {
    let Some(program) = program() else { return };
    let (_town, [mut alice, bob], mut mona, room) = tea(program, Way::Welcome).await;

    // A commit that changes the group's context alone.
    alice.do_it(Command::RoomTopic { room, topic: "oolong".into() }).await;
    agree(&mut alice, &mut mona, 3).await;
    assert!(mona.standing().windows(6).any(|bytes| bytes == b"oolong"));

    // One that removes somebody, so that it has a path of new keys, which bob does not get.
    bob.do_it(Command::RoomLeave { room }).await;
    agree(&mut alice, &mut mona, 2).await;
    talk(&mut [&mut alice], &mut mona, room).await;

    // And one that removes her.
    alice.do_it(Command::RoomRemove { room, who: identifier("mona").to_string() }).await;
    alice.wait("her end", |event| matches!(event, Event::RoomLeft { .. }).then_some(())).await;
    assert!(mona.next_epoch().await.removed);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_enters_by_a_commit_of_its_own_and_follows_another_guests() {
    let (Some(hers), Some(other)) = (program(), program()) else { return };
    let (town, [mut alice, bob], mut mona, room) = tea(hers, Way::Commit).await;
    let mut nina = Guest::meets(&mut alice, "nina", town.puppet("nina").await, other, Way::Commit).await;
    bob.do_it(Command::RoomLeave { room }).await;
    agree(&mut alice, &mut mona, 2).await;

    // What lets another guest in, who has made it herself, is followed as the host's commits are.
    alice.do_it(Command::RoomInvite { room, who: identifier("nina").to_string() }).await;
    agree(&mut alice, &mut mona, 3).await;
    let group = nina.next_epoch().await;
    assert_eq!((group.members.len(), group.code()), (3, mona.code()));
    alice.do_it(Command::RoomTopic { room, topic: "oolong".into() }).await;
    agree(&mut alice, &mut mona, 3).await;
    assert_eq!(nina.next_epoch().await.code(), mona.code());
}

#[test]
fn another_implementation_follows_an_engines_guest() {
    if let Some(program) = program() {
        groups::an_engines_guest_is_followed(program);
    }
}
