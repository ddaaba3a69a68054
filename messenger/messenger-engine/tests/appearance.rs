//! How one appears, at a real directory: nobody is shown for a moment, or left as before, without knowing it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use messenger_engine::{Audience, Command, Event, OwnStatus};
use support::{Gate, Someone, Town, identifier};

/// Bob, who watches alice; a gate before the directory; and alice, who has begun to connect and of whom nothing arrives.
async fn behind_a_gate() -> (Town, Someone, Gate, Someone) {
    let town = Town::new().await;
    let mut bob = town.person("bob", &["alice"]).await;
    bob.sees("alice", false).await;
    let mut gate = Gate::before(town.directory).await;
    let mut config = town.config("alice", &["bob"]);
    config.directory.address = gate.address.to_string();
    let alice = Someone::begin(config);
    gate.something_waits().await;
    (town, bob, gate, alice)
}

/// The words with which alice is shown first.
async fn first_words(bob: &mut Someone) -> String {
    let shown = |event: &Event| match event {
        Event::Presence { online: true, seen, .. } => Some(seen.text.clone()),
        _ => None,
    };
    bob.wait("alice", shown).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hides_while_connecting_is_never_shown() {
    let (_town, mut bob, mut gate, mut alice) = behind_a_gate().await;
    let appear = |status, text: &str| Command::SetStatus { status, text: Some(text.to_owned()) };
    alice.do_it(appear(OwnStatus::Invisible, "")).await;
    alice.wait("her own settings", |event| matches!(event, Event::Appearance(_)).then_some(())).await;
    gate.open();
    alice.is_online().await;
    alice.do_it(appear(OwnStatus::Available, "here I am")).await;
    assert_eq!(first_words(&mut bob).await, "here I am");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_offline_while_connecting_is_never_shown() {
    let (_town, mut bob, mut gate, mut alice) = behind_a_gate().await;
    alice.do_it(Command::GoOffline).await;
    alice.wait("to be offline", |event| matches!(event, Event::Offline { .. }).then_some(())).await;
    gate.open();
    let text = Some("back again".to_owned());
    alice.do_it(Command::SetStatus { status: OwnStatus::Away, text }).await;
    alice.do_it(Command::GoOnline).await;
    alice.is_online().await;
    assert_eq!(first_words(&mut bob).await, "back again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_directory_does_not_take_is_told_and_nobody_is_shown_as_before() {
    let town = Town::with(|config| config.limits.named = 1).await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    bob.sees("alice", true).await;
    let visible_to = |names: &[&str]| {
        let named = Audience::Named(names.iter().map(|name| identifier(name)).collect());
        Command::SetAudience { visible_to: Some(named), may_knock: None }
    };
    alice.do_it(visible_to(&["carol", "dave"])).await;
    let told = |event: &Event| match event {
        Event::Error { about, message, .. } if about == "appearance" => Some(message.clone()),
        _ => None,
    };
    let message = alice.wait("an error", told).await;
    assert!(message.contains("did not take how you appear"), "{message}");
    let offline = |event: &Event| match event {
        Event::Offline { reason } => Some(reason.clone()),
        _ => None,
    };
    assert_eq!(alice.wait("to be offline", offline).await, message);
    bob.sees("alice", false).await;
    // As soon as the directory can take it, she is back.
    alice.do_it(visible_to(&["bob"])).await;
    alice.is_online().await;
    bob.sees("alice", true).await;
}
