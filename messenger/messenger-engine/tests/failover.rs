//! A room whose host's connections close goes on, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use messenger_engine::{Command, Event};
use support::{Three, Town, identifier};

/// the others make one of them the host, and are in one epoch that the old one cannot read.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_who_goes_offline_is_replaced() {
    let town = Town::new().await;
    let Three { alice, mut bob, mut carol, room, epoch, code } = Three::in_a_room(&town).await;
    // What nobody has a link for yet is not lost; so the two have talked.
    bob.do_it(Command::RoomSend { room, text: "hello".into(), id: None, reply_to: None }).await;
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
    assert!(after.1 > epoch && after.2 != code);
    assert_eq!(carol.wait("another host", hosted_by_bob).await, after);
    carol.do_it(Command::RoomSend { room, text: "still here".into(), id: None, reply_to: None }).await;
    assert_eq!(carol.delivered_to(1).await, [identifier("bob")]);
    assert_eq!(bob.hears_in_room().await, (identifier("carol"), "still here".into()));
}
