//! A device that another device of the same person endorses, with real certificates and a real directory.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use identity::UnixTime;
use identity::endorsement::Endorsement;
use identity::tls::{PersonVerifier, device_fingerprint};
use identity::trust::Fingerprint;
use messenger_engine::{DeliveryState, EngineConfig, Event};
use support::{Someone, Town};

/// By which devices the one that somebody talks to is endorsed.
async fn endorsed_by(someone: &mut Someone) -> Vec<Fingerprint> {
    let told = |event: &Event| if let Event::Peer(peer) = event { Some(peer.endorsed_by.clone()) } else { None };
    someone.wait("who is there", told).await
}

/// What the device of one configuration says of that of another.
fn endorsement(town: &Town, by: &EngineConfig, of: &EngineConfig) -> Endorsement {
    let person = PersonVerifier::new(town.trust.clone()).person(&by.chain, UnixTime::now()).unwrap();
    Endorsement::sign(&person, device_fingerprint(&of.key.public_key()), &*by.key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_is_told_to_those_one_talks_to_and_ends_with_its_certificate() {
    let town = Town::new().await;
    let [laptop, mut phone] = [(); 2].map(|()| town.config("alice", &["bob"]));
    // What is not hers, and what speaks of another device, is as if it were not there.
    let by_mallory = endorsement(&town, &town.config("mallory", &[]), &phone);
    phone.endorsements = vec![by_mallory, endorsement(&town, &laptop, &phone)];
    let mut bob = town.person("bob", &["alice"]).await;
    let mut alice = Someone::start(phone).await;
    bob.sees("alice", true).await;
    bob.send("alice", "hello", 1).await;
    assert_eq!(endorsed_by(&mut bob).await, [device_fingerprint(&laptop.key.public_key())]);
    assert_eq!(bob.fate(1).await.0, DeliveryState::Delivered);
    assert!(endorsed_by(&mut alice).await.is_empty(), "nobody endorses bob's");
    drop(alice);
    bob.sees("alice", false).await;

    // The device that endorses is stolen: what it said counts no more.
    let mut tablet = town.config("alice", &["bob"]);
    tablet.endorsements = vec![endorsement(&town, &laptop, &tablet)];
    town.revoke(&[&town.serial(&laptop.chain)]);
    let _alice = Someone::start(tablet).await;
    bob.sees("alice", true).await;
    bob.send("alice", "hello again", 2).await;
    assert!(endorsed_by(&mut bob).await.is_empty());
    assert_eq!(bob.fate(2).await.0, DeliveryState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_of_another_device_is_nobodys() {
    let town = Town::new().await;
    let [laptop, phone, mut thief] = [(); 3].map(|()| town.config("alice", &["bob"]));
    thief.endorsements = vec![endorsement(&town, &laptop, &phone)];
    let mut bob = town.person("bob", &["alice"]).await;
    let _alice = Someone::start(thief).await;
    bob.sees("alice", true).await;
    bob.send("alice", "hello", 1).await;
    assert!(endorsed_by(&mut bob).await.is_empty());
    assert_eq!(bob.fate(1).await.0, DeliveryState::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endorsement_that_comes_while_the_program_runs_is_told_in_the_next_conversation() {
    let town = Town::new().await;
    let [laptop, phone] = [(); 2].map(|()| town.config("alice", &["bob"]));
    let endorsement = endorsement(&town, &laptop, &phone);
    let mut bob = town.person("bob", &["alice"]).await;
    let alice = Someone::start(phone).await;
    alice.engine.renewals().endorse(vec![endorsement]).await.unwrap();
    bob.sees("alice", true).await;
    bob.send("alice", "hello", 1).await;
    assert_eq!(endorsed_by(&mut bob).await, [device_fingerprint(&laptop.key.public_key())]);
    assert_eq!(bob.fate(1).await.0, DeliveryState::Delivered);
}
