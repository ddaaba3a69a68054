//! The connection to the directory when the network changes: it goes on, or is made anew at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;

use messenger_engine::{Command, DeliveryState, Event};
use support::network::Network;
use support::{Someone, Town};

/// Alice, whose way to the directory can be broken, and bob, whose cannot.
async fn alice_far_away(town: &Town, network: &Arc<Network>) -> (Someone, Someone) {
    let mut config = town.config("alice", &["bob"]);
    config.directory.address = network.way(town.directory).await.to_string();
    let mut alice = Someone::start(config).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    bob.sees("alice", true).await;
    (alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn from_another_address_the_same_connection_goes_on() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, mut bob) = alice_far_away(&town, &network).await;
    network.move_diallers();
    alice.do_it(Command::NetworkChanged).await;
    // Her call comes over the new way, and the old one is gone.
    bob.send("alice", "where are you?", 1).await;
    let heard = |event: &Event| match event {
        Event::Message { text, .. } => Some(text.clone()),
        Event::Offline { reason } => panic!("offline: {reason}"),
        Event::Presence { online: false, .. } => panic!("bob seems gone"),
        _ => None,
    };
    assert_eq!(alice.wait("a text", heard).await, "where are you?");
    assert_eq!(bob.fate(1).await.0, DeliveryState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_does_not_answer_from_the_new_network_is_connected_to_anew() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, bob) = alice_far_away(&town, &network).await;
    network.close(true);
    alice.do_it(Command::NetworkChanged).await;
    let offline = |event: &Event| if let Event::Offline { reason } = event { Some(reason.clone()) } else { None };
    let reason = alice.wait("to be offline", offline).await;
    assert!(reason.contains("does not answer from the new one"), "{reason}");
    network.close(false);
    alice.is_online().await;
    bob.send("alice", "back?", 1).await;
    assert_eq!(alice.hears("bob").await, "back?");
}
