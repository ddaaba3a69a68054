//! Engines, a real directory and real sockets on loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use directory::{Observation, Rate};
use directory_protocol::{Answer, DirectoryEvent};
use messenger_engine::punch::Obstacle;
use messenger_engine::{
    Command, DeliveryState, Engine, Event, Nat, RoomSuite, Side, Sight, StartError, TextRef, examine,
};
use support::{Someone, Three, Town, identifier};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk_and_each_text_is_acknowledged() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    bob.sees("alice", true).await;
    alice.send("bob", "hello", 1).await;
    assert_eq!(bob.hears("alice").await, "hello");
    assert_eq!(alice.fate(1).await, (DeliveryState::Delivered, None));
    bob.send("alice", "hello yourself", 1).await;
    assert_eq!(alice.hears("bob").await, "hello yourself");
    assert_eq!(bob.fate(1).await.0, DeliveryState::Delivered);
    for id in 2..300 {
        alice.send("bob", &format!("text {id}"), id).await;
    }
    for id in 2..300 {
        assert_eq!(bob.hears("alice").await, format!("text {id}"));
        assert_eq!(alice.fate(id).await.0, DeliveryState::Delivered);
    }
}

/// What bob's client has in its hand is not delivered: he says something else meanwhile, on the same stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_delivered_when_the_client_has_taken_it() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let (bob, mut events) = Engine::start(town.config("bob", &["alice"])).unwrap();
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    while !matches!(events.recv().await.unwrap(), Event::Message { .. }) {}
    let to = identifier("alice").to_string();
    bob.send(Command::Send { to, text: "not looked yet".into(), id: Some(1), reply_to: None }).await;
    let first = alice.wait("a text, or the fate of one's own", |event| match event {
        Event::Message { text, .. } => Some(text.clone()),
        Event::MessageState { state: DeliveryState::Sending, .. } => None,
        Event::MessageState { .. } => Some("delivered".to_owned()),
        _ => None,
    });
    assert_eq!(first.await, "not looked yet");
    events.taken();
    assert_eq!(alice.fate(1).await, (DeliveryState::Delivered, None));
}

/// Everything that can be said about texts, over real sockets.
#[tokio::test(flavor = "multi_thread")]
async fn two_people_say_things_about_texts() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    assert_eq!(bob.hears("alice").await, "hello");
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    let (to, on) = (identifier("bob").to_string(), TextRef { by: Side::Me, id: 1 });
    let commands = [
        Command::React { to: to.clone(), on, emoji: "👍".into(), id: Some(2) },
        Command::Edit { to: to.clone(), of: 1, text: "hello, bob".into(), id: Some(3) },
        Command::Delete { to: to.clone(), of: 1, id: Some(4) },
        Command::Nudge { to: to.clone(), id: Some(5) },
        Command::Typing { to: to.clone(), typing: true },
        Command::Send { to, text: "as I said".into(), id: Some(6), reply_to: Some(on) },
    ];
    for command in commands {
        alice.do_it(command).await;
    }
    for name in ["reaction", "edited", "delete_requested", "nudge", "typing", "typing"] {
        bob.wait(name, |event| (event.name() == name).then_some(())).await;
    }
    let theirs = TextRef { by: Side::Them, id: 1 };
    let answers = |event: &Event| matches!(event, Event::Message { reply_to, .. } if *reply_to == Some(theirs));
    bob.wait("the answer", |event| answers(event).then_some(())).await;
    for id in 2..=6 {
        assert_eq!(alice.fate(id).await, (DeliveryState::Delivered, None), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_directory_does_not_let_be_watched_for_now_is_watched_as_soon_as_it_does() {
    let town = Town::with(|config| config.limits.watches = Rate::new(2, Duration::from_secs(2))).await;
    let mut alice = town.person("alice", &[]).await;
    let names = ["bob", "carol", "dora"];
    let mut others = Vec::new();
    for name in names {
        others.push(town.person(name, &["alice"]).await);
        alice.do_it(Command::AddContact { who: identifier(name).to_string() }).await;
    }
    let mut online: Vec<_> = names.map(identifier).to_vec();
    while !online.is_empty() {
        let shown = |event: &Event| match event {
            Event::Presence { who, online: true, .. } => Some(who.clone()),
            _ => None,
        };
        let who = alice.wait("the rest of them to be online", shown).await;
        online.retain(|awaited| *awaited != who);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_somebody_who_went_is_refused_at_once() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    bob.do_it(Command::GoOffline).await;
    alice.sees("bob", false).await;
    // The directory may be faster than the end of their session: what still goes into that has an unknown fate.
    let mut texts = 2..20;
    let (state, reason) = loop {
        let id = texts.next().expect("the session ends");
        alice.send("bob", "are you there?", id).await;
        let (state, reason) = alice.fate(id).await;
        if state != DeliveryState::Unknown {
            break (state, reason);
        }
    };
    assert_eq!(state, DeliveryState::NotDelivered);
    assert_eq!(reason.unwrap(), "bob@example.org is not online; nothing was sent and nothing is kept");
    bob.do_it(Command::GoOnline).await;
    alice.sees("bob", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_knocks() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &[]).await;
    let mut carol = town.person("carol", &[]).await;
    let incoming = |event: &Event| match event {
        Event::Incoming { call, from, contact, .. } => Some((*call, from.clone(), *contact)),
        _ => None,
    };
    carol.send("alice", "hello?", 1).await;
    let (call, from, contact) = alice.wait("a knock", incoming).await;
    assert_eq!((from, contact), (identifier("carol"), false));
    alice.do_it(Command::Accept { call }).await;
    assert_eq!(alice.hears("carol").await, "hello?");
    assert_eq!(carol.fate(1).await.0, DeliveryState::Delivered);

    let mut dave = town.person("dave", &[]).await;
    dave.send("alice", "hello?", 1).await;
    let (call, ..) = alice.wait("a knock", incoming).await;
    alice.do_it(Command::Decline { call }).await;
    let (state, reason) = dave.fate(1).await;
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.is_some());

    // A knock at nobody's door looks the same as one that nobody answers.
    dave.send("nobody", "hello?", 2).await;
    assert_eq!(dave.fate(2).await.0, DeliveryState::NotDelivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_people_in_a_room_and_one_leaves() {
    let town = Town::new().await;
    let Three { mut alice, mut bob, mut carol, room, epoch: before, code: old } = Three::in_a_room(&town).await;

    // Bob and carol are strangers to each other; the room links them.
    bob.do_it(Command::RoomSend { room, text: "hello all".into(), id: None, reply_to: None }).await;
    assert_eq!(bob.delivered_to(2).await, [identifier("alice"), identifier("carol")]);
    assert_eq!(alice.hears_in_room().await, (identifier("bob"), "hello all".into()));
    assert_eq!(carol.hears_in_room().await, (identifier("bob"), "hello all".into()));

    bob.do_it(Command::RoomLeave { room }).await;
    let (_, epoch, code) = alice.in_room_of(2).await;
    assert_eq!(carol.in_room_of(2).await, (room, epoch, code.clone()));
    assert!(epoch > before && code != old);
    carol.do_it(Command::RoomSend { room, text: "bob is gone".into(), id: None, reply_to: None }).await;
    assert_eq!(carol.delivered_to(1).await, [identifier("alice")]);
    assert_eq!(alice.hears_in_room().await, (identifier("carol"), "bob is gone".into()));

    // Had bob heard it, it would stand before this.
    alice.send("bob", "a private word", 1).await;
    let first = bob.wait("anything said", |event| match event {
        Event::RoomMessage { text, .. } | Event::Message { text, .. } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(first.await, "a private word");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_leaves_its_rooms_and_its_events_end() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
    let (room, ..) = alice.in_room_of(1).await;
    bob.enter(&alice, room).await;
    alice.in_room_of(2).await;
    bob.in_room_of(2).await;
    alice.do_it(Command::Quit).await;
    let closed = |event: &Event| matches!(event, Event::RoomClosed { .. }).then_some(());
    // Nobody says what comes first.
    let (mut over, mut gone) = (false, false);
    let both = |event: &Event| {
        over |= matches!(event, Event::RoomClosed { .. });
        gone |= matches!(event, Event::Presence { who, online: false, .. } if *who == identifier("alice"));
        (over && gone).then_some(())
    };
    bob.wait("the room to close, and alice to be gone", both).await;
    alice.wait("one's own goodbye", closed).await;
    tokio::time::timeout(Duration::from_secs(10), async { while alice.engine.send(Command::GoOnline).await {} })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_or_a_key_of_somebody_else_does_not_start() {
    let town = Town::new().await;
    let (chain, key) = town.issue("mallory");
    let mut config = town.config("alice", &[]);
    config.chain = chain;
    config.key = std::sync::Arc::new(key);
    let refused = Engine::start(config).unwrap_err();
    assert!(matches!(&refused, StartError::Certificate(reason) if reason.contains("mallory")), "{refused}");
    let mut config = town.config("alice", &[]);
    config.key = std::sync::Arc::new(town.issue("alice").1);
    assert!(matches!(Engine::start(config), Err(StartError::Certificate(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let town = Town::new().await;
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = town.config("alice", &[]);
    config.bind = taken.local_addr().unwrap();
    let refused = Engine::start(config).unwrap_err();
    assert!(refused.to_string().contains(&taken.local_addr().unwrap().to_string()), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_revoked_while_people_talk_ends_the_session() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let config = town.config("bob", &["alice"]);
    let serial = town.serial(&config.chain);
    let mut bob = Someone::start(config).await;
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
    let (room, ..) = alice.in_room_of(1).await;
    bob.enter(&alice, room).await;
    alice.in_room_of(2).await;
    town.revoke(&[&serial]);
    // The connection goes, and with it his place in the room.
    alice.in_room_of(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_no_packet_reaches_is_unreachable_for_a_reason() {
    let town = Town::new().await;
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let foreign = "[2001:db8::1]:4000".parse().unwrap();
    for (candidate, expected) in [(silent, Obstacle::Firewall), (foreign, Obstacle::NoCommonAddressFamily)] {
        let mut alice = town.person("alice", &["bob"]).await;
        let mut bob = town.puppet("bob").await;
        alice.sees("bob", true).await;
        alice.send("bob", "are you there?", 1).await;
        let call =
            bob.wait(|event| if let DirectoryEvent::Incoming { call_id, .. } = event { Some(call_id) } else { None });
        let call = call.await;
        bob.client.answer(call, Answer::Accept { candidates: vec![candidate] }).await.unwrap();
        let unreachable = |event: &Event| match event {
            Event::Unreachable { who, because, remedy, .. } => Some((who.clone(), *because, remedy.clone())),
            _ => None,
        };
        let (who, because, remedy) = alice.wait("why", unreachable).await;
        assert_eq!((who, because), (identifier("bob"), expected));
        let (state, reason) = alice.fate(1).await;
        assert_eq!(state, DeliveryState::NotDelivered);
        assert!(reason.as_ref().is_some_and(|reason| reason.contains(&remedy)), "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_where_this_device_is_and_nobody_sees_the_doctor() {
    let town = Town::with(|directory| directory.observation = Observation::At(0)).await;
    let mut alice = town.person("alice", &["bob"]).await;
    let found = examine(town.config("bob", &["alice"])).await.unwrap();
    assert_eq!((found.directory.address, &found.directory.name[..]), (town.directory, "directory.example.org"));
    assert!(found.directory.mtu_bytes >= 1_200 && found.directory.round_trip_ms > 0.0);
    let here = SocketAddr::new(town.directory.ip(), found.port);
    assert_eq!(found.candidates, [here]);
    assert_eq!(found.ipv4, Some(Sight { seen_at: Some(here), nat: Nat::None, lets_in_unasked: Some(true) }));
    assert_eq!(found.ipv6, None);
    // Nothing was pushed to alice since she learnt that bob is not there: what comes next is her own doing.
    alice.sees("bob", false).await;
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
    let next = |event: &Event| match event {
        Event::Presence { .. } | Event::Room { .. } => Some(event.name()),
        _ => None,
    };
    assert_eq!(alice.wait("a room", next).await, "room");
}

/// The members of a room as last told, with its host.
fn hosted_by(host: &'static str, count: usize) -> impl FnMut(&Event) -> Option<u64> {
    move |event| match event {
        Event::Room { host: found, members, epoch, .. } if *found == identifier(host) && members.len() == count => {
            Some(*epoch)
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_outlives_its_creator_and_the_next_host() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob", "carol", "dave"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    let mut carol = town.person("carol", &["alice"]).await;
    let mut dave = town.person("dave", &["alice"]).await;
    for name in ["bob", "carol", "dave"] {
        alice.sees(name, true).await;
    }
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
    let (room, ..) = alice.in_room_of(1).await;
    for (count, guest) in [(2, &mut bob), (3, &mut carol), (4, &mut dave)] {
        guest.enter(&alice, room).await;
        guest.in_room_of(count).await;
        alice.in_room_of(count).await;
    }
    // A text on every device: all are linked up.
    dave.do_it(Command::RoomSend { room, text: "all here?".into(), id: None, reply_to: None }).await;
    assert_eq!(dave.delivered_to(3).await.len(), 3);
    alice.do_it(Command::RoomLeave { room }).await;
    for someone in [&mut bob, &mut carol, &mut dave] {
        someone.wait("bob to be the host", hosted_by("bob", 3)).await;
    }
    carol.do_it(Command::RoomSend { room, text: "alice is gone".into(), id: None, reply_to: None }).await;
    assert_eq!(carol.delivered_to(2).await, [identifier("bob"), identifier("dave")]);
    // Bob does not even say goodbye in time to help.
    bob.do_it(Command::Quit).await;
    let epochs = [
        carol.wait("carol to be the host", hosted_by("carol", 2)).await,
        dave.wait("carol to be the host", hosted_by("carol", 2)).await,
    ];
    assert_eq!(epochs[0], epochs[1]);
    dave.do_it(Command::RoomSend { room, text: "and bob".into(), id: None, reply_to: None }).await;
    assert_eq!(dave.delivered_to(1).await, [identifier("carol")]);
    assert_eq!(carol.hears_in_room().await.0, identifier("dave"));
}
