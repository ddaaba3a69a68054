//! A room of more devices than have connections to each other, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use messenger_engine::{Command, Event, RoomId, RoomSuite};
use support::{Someone, Town, identifier};

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
}
