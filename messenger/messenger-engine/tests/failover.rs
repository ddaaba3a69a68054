//! A room whose host's connections close goes on, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use messenger_engine::{Command, Event};
use support::{Town, identifier};

/// the others make one of them the host, and are in one epoch that the old one cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_who_goes_offline_is_replaced() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob", "carol"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    let mut carol = town.person("carol", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.sees("carol", true).await;
    alice.do_it(Command::RoomCreate { name: "tea".into() }).await;
    let (room, ..) = alice.in_room_of(1).await;
    bob.enter(&alice, room).await;
    alice.in_room_of(2).await;
    carol.enter(&alice, room).await;
    let begun = alice.in_room_of(3).await;
    assert_eq!(bob.in_room_of(3).await, begun);
    assert_eq!(carol.in_room_of(3).await, begun);
    // What nobody has a link for yet is not lost; so the two have talked.
    bob.do_it(Command::RoomSend { room, text: "hello".into(), id: None }).await;
    assert_eq!(bob.delivered_to(2).await, [identifier("alice"), identifier("carol")]);
    assert_eq!(carol.hears_in_room().await, (identifier("bob"), "hello".into()));

    alice.do_it(Command::GoOffline).await;
    let hosted_by_bob = |event: &Event| match event {
        Event::Room { host, members, epoch, code, .. } if *host == identifier("bob") => {
            Some((members.clone(), *epoch, code.clone()))
        }
        _ => None,
    };
    let after = bob.wait("to be the host", hosted_by_bob).await;
    assert_eq!(after.0, [identifier("bob"), identifier("carol")]);
    assert!(after.1 > begun.1 && after.2 != begun.2);
    assert_eq!(carol.wait("another host", hosted_by_bob).await, after);
    carol.do_it(Command::RoomSend { room, text: "still here".into(), id: None }).await;
    assert_eq!(carol.delivered_to(1).await, [identifier("bob")]);
    assert_eq!(bob.hears_in_room().await, (identifier("carol"), "still here".into()));
}
