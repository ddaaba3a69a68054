//! A room of more devices than have connections to each other, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use messenger_engine::{Command, Event, RoomId, RoomSuite, TransferState};
use support::{Someone, Town, identifier};
use tempfile::TempDir;

const MEMBERS: usize = 36;

fn name(number: usize) -> String {
    format!("p{number:02}")
}

/// The last of them says something, and all others are shown it.
async fn all_hear(people: &mut [Someone], room: RoomId, text: &str) {
    let (speaker, others) = people.split_last_mut().unwrap();
    speaker.do_it(Command::RoomSend { room, text: text.into(), id: None, reply_to: None }).await;
    assert_eq!(speaker.delivered_to(others.len()).await.len(), others.len());
    let said = (identifier(&speaker.name), text.to_owned());
    for other in others {
        assert_eq!(other.hears_in_room().await, said, "{}", other.name);
    }
}

/// The last of them is seen to write by all others.
async fn all_see_her_write(people: &mut [Someone], room: RoomId) {
    let (writer, others) = people.split_last_mut().unwrap();
    writer.do_it(Command::RoomTyping { room, typing: true }).await;
    let who = identifier(&writer.name);
    for other in others {
        let begins = |event: &Event| {
            matches!(event, Event::RoomTyping { who: by, typing: true, .. } if *by == who).then_some(())
        };
        other.wait("who writes", begins).await;
    }
}

/// The last of them offers a file to all, and several take it, most of whom have no connection to her.
async fn a_file_goes_to_who_takes_it(people: &mut [Someone], room: RoomId) {
    let (from, into) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = from.path().join("tea.bin");
    fs::write(&path, &bytes).unwrap();
    let (giver, others) = people.split_last_mut().unwrap();
    giver.do_it(Command::RoomFileOffer { room, path: path.to_str().unwrap().into() }).await;
    let mut taken = Vec::new();
    for (number, other) in others.iter_mut().enumerate() {
        let offered = |event: &Event| match event {
            Event::FileOffered { transfer, room: Some(there), bytes, .. } if *there == room => {
                Some((*transfer, *bytes))
            }
            _ => None,
        };
        let (transfer, size) = other.wait("an offer", offered).await;
        assert_eq!(size, bytes.len() as u64);
        if number % 8 == 0 {
            let into = into.path().join(number.to_string());
            fs::create_dir(&into).unwrap();
            other.do_it(Command::FileAccept { transfer, into: into.to_str().unwrap().into() }).await;
            taken.push((number, transfer));
        }
    }
    for (number, wanted) in taken {
        let done = |event: &Event| match event {
            Event::FileState { transfer, state, path, reason, .. } if *transfer == wanted && state.is_over() => {
                Some((*state, path.clone(), reason.clone()))
            }
            _ => None,
        };
        let (state, path, reason) = others[number].wait("all of it", done).await;
        assert_eq!(state, TransferState::Done, "{reason:?}");
        assert!(fs::read(path.unwrap()).unwrap() == bytes, "the same as there");
    }
}

/// where most members have connections to hubs alone.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "36 engines want a machine for a minute; run by ./test --all"]
async fn a_large_room_is_entered_talked_in_and_goes_on_without_its_host() {
    let town = Town::new().await;
    let guests: Vec<String> = (1..MEMBERS).map(name).collect();
    let mut people = vec![town.person(&name(0), &guests.iter().map(String::as_str).collect::<Vec<_>>()).await];
    people[0].do_it(Command::RoomCreate { name: "hall".into(), suite: RoomSuite::Classical }).await;
    let (room, ..) = people[0].in_room_of(1).await;
    for guest in &guests {
        let mut guest = town.person(guest, &["p00"]).await;
        people[0].sees(&guest.name, true).await;
        guest.enter(&people[0], room).await;
        let members = people.len() + 1;
        people[0].in_room_of(members).await;
        people.push(guest);
    }
    let begun = people[MEMBERS - 1].in_room_of(MEMBERS).await;
    for member in &mut people[1..MEMBERS - 1] {
        assert_eq!(member.in_room_of(MEMBERS).await, begun);
    }
    all_hear(&mut people, room, "tea?").await;

    people[0].do_it(Command::GoOffline).await;
    people.remove(0);
    let hosted_by_next = |event: &Event| match event {
        Event::Room { host, members, epoch, code, .. } if *host == identifier("p01") => {
            Some((members.len(), *epoch, code.clone()))
        }
        _ => None,
    };
    let after = people[0].wait("to be the host", hosted_by_next).await;
    assert!(after.0 == MEMBERS - 1 && after.1 > begun.1);
    for member in &mut people[1..] {
        assert_eq!(member.wait("another host", hosted_by_next).await, after, "{}", member.name);
    }
    all_hear(&mut people, room, "still here?").await;
    all_see_her_write(&mut people, room).await;
    a_file_goes_to_who_takes_it(&mut people, room).await;
}
