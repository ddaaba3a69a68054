//! A certificate that is renewed while its device is connected, with a real directory.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::Arc;

use messenger_engine::{DeliveryState, EngineConfig, Event, RenewalError};
use support::{Someone, Town};

/// The serial number of the certificate that alice's device shows in the conversation that begins, or goes on. She must not seem gone.
async fn serial_of_alice(bob: &mut Someone) -> String {
    let shown = |event: &Event| match event {
        Event::Peer(peer) => Some(peer.serial.clone()),
        Event::Presence { online: false, who, .. } => panic!("{who} seems gone"),
        Event::Session { .. } => panic!("{event:?}"),
        _ => None,
    };
    bob.wait("a certificate", shown).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_shown_to_everybody_and_nobody_notices() {
    let town = Town::new().await;
    let (chain, key) = town.issue_ending("alice", 100);
    let (old, new) = (town.serial(&chain), town.renew("alice", &key));
    let config = EngineConfig { chain, key: Arc::new(key), ..town.config("alice", &["bob"]) };
    let mut alice = Someone::start(config).await;
    let carols = town.config("carol", &["bob"]);
    let serial_of_carol = town.serial(&carols.chain);
    let _carol = Someone::start(carols).await;
    let mut bob = town.person("bob", &["alice", "carol"]).await;
    bob.sees("carol", true).await;
    alice.sees("bob", true).await;
    alice.send("bob", "hello", 1).await;
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    assert_eq!(serial_of_alice(&mut bob).await, hex::encode(&old));

    alice.engine.renewals().show(new.clone()).await.unwrap();
    // The conversation goes on with the newer one, as the older ends soon.
    assert_eq!(serial_of_alice(&mut bob).await, hex::encode(town.serial(&new)));
    // What is not shown any more may be revoked. Carol is revoked in the same list: when she is
    // gone, it was looked at.
    town.has_let_in(4, 3).await;
    town.revoke(&[&old, &serial_of_carol]);
    bob.sees("carol", false).await;
    bob.send("alice", "are you there?", 2).await;
    assert_eq!(bob.fate(2).await.0, DeliveryState::Delivered);
    let heard = |event: &Event| match event {
        Event::Message { .. } => Some(()),
        Event::Offline { .. } | Event::Session { .. } => panic!("{event:?}"),
        _ => None,
    };
    alice.wait("a text", heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_the_renewed_one_is_not_shown() {
    let town = Town::new().await;
    let (chain, key) = town.issue("alice");
    let config = EngineConfig { chain, key: Arc::new(key.clone()), ..town.config("alice", &[]) };
    let alice = Someone::start(config).await;
    let renewals = alice.engine.renewals();
    let another_key = town.issue("alice").0;
    let ended = town.issue_ending("alice", 0).0;
    let somebody_else = town.issue("mallory").0;
    let careless = town.impostor("alice", &[]).chain;
    for (chain, word) in
        [(another_key, "key"), (ended, "CHAIN-"), (somebody_else, "person"), (careless, "key"), (Vec::new(), "")]
    {
        let refused = renewals.show(chain).await.unwrap_err();
        assert!(matches!(&refused, RenewalError::Refused(reason) if reason.contains(word)), "{refused}");
    }
    renewals.show(town.renew("alice", &key)).await.unwrap();
    drop(alice);
    while renewals.show(town.renew("alice", &key)).await != Err(RenewalError::Ended) {}
}
