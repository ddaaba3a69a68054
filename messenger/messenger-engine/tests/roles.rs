//! Who may change what of a room, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use messenger_engine::{Command, Event, Role, RoomChange};
use support::{Someone, Three, Town, identifier};

async fn changed(who: &mut Someone) -> (identity::Identifier, RoomChange) {
    let change = |event: &Event| match event {
        Event::RoomChanged { by, change, .. } => Some((by.clone(), change.clone())),
        _ => None,
    };
    who.wait("a change of the room", change).await
}

/// a moderator who does not host changes the room through who does; whoever has no role changes nothing; and who is
/// removed for good is told by whom.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_changed_by_those_who_may() {
    let town = Town::new().await;
    let Three { mut alice, mut bob, mut carol, room, .. } = Three::in_a_room(&town).await;
    let (of_bob, of_carol) = (identifier("bob"), identifier("carol"));
    alice.do_it(Command::RoomRole { room, who: of_bob.to_string(), role: Role::Moderator }).await;
    let promoted = (identifier("alice"), RoomChange::Role { who: of_bob.clone(), role: Role::Moderator });
    assert_eq!(changed(&mut bob).await, promoted);
    assert_eq!(changed(&mut carol).await, promoted);

    carol.do_it(Command::RoomTopic { room, topic: "coffee".into() }).await;
    let refused = |event: &Event| match event {
        Event::Error { about, message, .. } if about == "room_topic" => Some(message.clone()),
        _ => None,
    };
    assert!(carol.wait("to be refused", refused).await.contains("that takes a moderator"));

    bob.do_it(Command::RoomTopic { room, topic: "green tea".into() }).await;
    let set = (of_bob.clone(), RoomChange::Topic { topic: "green tea".into() });
    for who in [&mut alice, &mut bob, &mut carol] {
        // Alice has still to hear of her own change.
        let heard = changed(who).await;
        if heard != set {
            assert_eq!(heard, promoted);
            assert_eq!(changed(who).await, set);
        }
    }

    bob.do_it(Command::RoomRemove { room, who: of_carol.to_string() }).await;
    assert_eq!(changed(&mut alice).await, (of_bob, RoomChange::Remove { who: of_carol }));
    let closed = |event: &Event| match event {
        Event::RoomClosed { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    assert_eq!(carol.wait("the end", closed).await, format!("{} removed this device from the room", identifier("bob")));
}
