//! Three people in a room, of whom bob and carol are strangers to each other.

use messenger_engine::{Command, RoomId, RoomSuite};

use super::{Someone, Town};

pub(crate) struct Three {
    /// The host.
    pub(crate) alice: Someone,
    pub(crate) bob: Someone,
    pub(crate) carol: Someone,
    pub(crate) room: RoomId,
    /// The epoch in which all three are, and its code.
    pub(crate) epoch: u64,
    pub(crate) code: String,
}

impl Three {
    /// They meet.
    pub(crate) async fn in_a_room(town: &Town) -> Self {
        let mut alice = town.person("alice", &["bob", "carol"]).await;
        let mut bob = town.person("bob", &["alice"]).await;
        let mut carol = town.person("carol", &["alice"]).await;
        alice.sees("bob", true).await;
        alice.sees("carol", true).await;
        alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
        let (room, ..) = alice.in_room_of(1).await;
        bob.enter(&alice, room).await;
        alice.in_room_of(2).await;
        carol.enter(&alice, room).await;
        let begun = alice.in_room_of(3).await;
        assert_eq!(bob.in_room_of(3).await, begun);
        assert_eq!(carol.in_room_of(3).await, begun);
        let (room, epoch, code) = begun;
        Self { alice, bob, carol, room, epoch, code }
    }
}
