//! Who has a certificate of another authority for somebody's address.

use identity::UnixTime;
use identity::tls::PersonVerifier;
use identity::trust::Fingerprint;
use messenger_engine::{Command, DeliveryState, EngineConfig, Event, RoomSuite};

use crate::not_delivered;
use crate::support::{Someone, Town, identifier};

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_stays_with_the_authority_that_certified_her_at_first_sight() {
    let town = Town::new().await;
    let trust = town.own_trust();
    let mut alice = Someone::start(EngineConfig { trust: trust.clone(), ..town.config("alice", &["bob"]) }).await;
    let bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    let (authority, root) = alice.wait("first sight", first_seen).await;
    assert_eq!(authority, "Test authority 1");
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    let bound = trust.bindings().get(&identifier("bob")).cloned().unwrap();
    assert_eq!((bound.authority, bound.root), (authority, root));

    bob.do_it(Command::Quit).await;
    alice.sees("bob", false).await;
    let impostor = Someone::start(town.impostor("bob", &["alice"])).await;
    alice.sees("bob", true).await;
    // At the door, where the acceptor learns nothing from the handshake itself.
    impostor.send("alice", "it is me", 1).await;
    let refused = |event: &Event| match event {
        Event::Message { .. } | Event::FirstSeen { .. } => panic!("let in: {event:?}"),
        Event::Error { about, message, remedy } if about == "bob@example.org" => {
            Some((message.clone(), remedy.clone()))
        }
        _ => None,
    };
    let (message, remedy) = alice.wait("a refusal", refused).await;
    for words in ["TRUST-06", "bob@example.org certified by Test authority 1", "found Test authority 2"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(remedy.contains("`certtool trust unbind bob@example.org`"), "{remedy}");
    // Joins the call that the impostor began, which ends without the right bob at the door.
    alice.send("bob", "for bob alone", 2).await;
    not_delivered(&mut alice, 2, "TRUST-06").await;
    // Dialled.
    alice.send("bob", "for bob alone", 3).await;
    not_delivered(&mut alice, 3, "TRUST-06").await;
    assert_eq!(trust.bindings().get(&identifier("bob")).unwrap().root, root);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_is_not_let_into_a_room() {
    let town = Town::new().await;
    let trust = town.own_trust();
    // Carol knows bob from an earlier run, alice has never seen him.
    let (chain, _) = town.issue("bob");
    let known = PersonVerifier::new(trust.clone()).person(&chain, UnixTime::now()).unwrap();
    assert!(trust.bind(&known, UnixTime::now()));
    let alice_trust = town.own_trust();
    let mut alice =
        Someone::start(EngineConfig { trust: alice_trust, ..town.config("alice", &["bob", "carol"]) }).await;
    let mut carol = Someone::start(EngineConfig { trust, ..town.config("carol", &["alice"]) }).await;
    let mut impostor = Someone::start(town.impostor("bob", &["alice"])).await;
    alice.do_it(Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() }).await;
    let (room, ..) = alice.in_room_of(1).await;
    carol.enter(&alice, room).await;
    carol.in_room_of(2).await;
    alice.in_room_of(2).await;
    impostor.enter(&alice, room).await;
    let closed = |event: &Event| if let Event::RoomClosed { reason, .. } = event { Some(reason.clone()) } else { None };
    let reason = carol.wait("the end", closed).await;
    assert!(reason.contains("TRUST-06"), "{reason}");
    let (message, remedy) = carol
        .wait("a refusal", |event| match event {
            Event::Error { about, message, remedy } if about == "bob@example.org" => {
                Some((message.clone(), remedy.clone()))
            }
            _ => None,
        })
        .await;
    assert!(message.contains("TRUST-06") && remedy.contains("certtool trust unbind bob@example.org"), "{message}");
}

fn first_seen(event: &Event) -> Option<(String, Fingerprint)> {
    match event {
        Event::FirstSeen { who, authority, root, .. } if *who == identifier("bob") => Some((authority.clone(), *root)),
        _ => None,
    }
}
