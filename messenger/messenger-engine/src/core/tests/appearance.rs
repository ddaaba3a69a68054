//! How one appears: what the directory and the client are told.

use directory_protocol as directory;
use directory_protocol::{Capabilities, Status};

use super::world::{World, address, last_state, texts};
use crate::api::{Audience, Command, DeliveryState, Event, OwnStatus, PresenceSettings};

fn settings(events: &[Event]) -> Vec<PresenceSettings> {
    let settings = |event: &Event| if let Event::Appearance(settings) = event { Some(settings.clone()) } else { None };
    events.iter().filter_map(settings).collect()
}

#[test]
fn what_is_decided_is_announced_and_told() {
    let mut world = World::of(&["alice", "bob"]);
    assert!(settings(&world.events("alice")).is_empty(), "nothing was ever set");
    let text = Some("at lunch".to_owned());
    world.command("alice", Command::SetStatus { status: OwnStatus::Away, text });
    world.command("alice", Command::SetIdle { seconds: 300 });
    world.command("alice", Command::SetAudience { visible_to: Some(Audience::Nobody), may_knock: None });
    world.command("alice", Command::Block { who: address("mallory") });
    let announced = world.announced("alice");
    assert_eq!(announced.appearance, directory::Appearance::As(Status::Away));
    assert_eq!((announced.details.note.as_str(), announced.details.idle_s), ("at lunch", 300));
    assert_eq!(announced.details.capabilities, Capabilities::TEXT.and(Capabilities::ROOMS));
    assert_eq!(announced.visible_to, directory::Audience::Nobody);
    assert_eq!(announced.may_knock, directory::Audience::Everyone);
    assert_eq!(announced.blocked, [address("mallory").parse().unwrap()]);
    assert_eq!(announced.contacts.len(), 1);
    let told = settings(&world.events("alice"));
    assert_eq!(told.len(), 3, "idle time is nobody's decision");
    assert_eq!(told[2].blocked.len(), 1);

    // Without a text the words stay; a new connection appears as decided.
    world.command("alice", Command::SetStatus { status: OwnStatus::Invisible, text: None });
    assert_eq!(world.announced("alice").details.note, "at lunch");
    world.command("alice", Command::GoOffline);
    world.events("alice");
    world.command("alice", Command::GoOnline);
    world.go_online("alice");
    assert_eq!(settings(&world.events("alice")).last().unwrap().status, OwnStatus::Invisible);
    assert_eq!(world.announced("alice").appearance, directory::Appearance::Invisible);
}

#[test]
fn what_cannot_be_announced_is_refused_and_changes_nothing() {
    let mut world = World::of(&["alice"]);
    world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: Some("x".repeat(201)) });
    world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: Some("two\nlines".to_owned()) });
    world.command("alice", Command::Unblock { who: address("mallory") });
    world.command("alice", Command::Block { who: address("alice") });
    let events = world.events("alice");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Error { .. })).count(), 4);
    assert!(settings(&events).is_empty());
    assert_eq!(world.announced("alice").appearance, directory::Appearance::As(Status::Available));
}

#[test]
fn a_conversation_with_somebody_blocked_ends() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(texts(&world.events("bob")), ["hello"]);
    assert_eq!(world.wires("alice", "bob"), 1);
    world.command("bob", Command::Block { who: address("alice") });
    assert_eq!(world.wires("alice", "bob"), 0);
    // A directory that lets her call through all the same finds nobody.
    world.forget_events();
    world.send("alice", "bob", "are you there", 2);
    assert!(world.events("bob").is_empty());
    world.pass(std::time::Duration::from_secs(40));
    assert!(matches!(last_state(&world.events("alice")), Some((DeliveryState::NotDelivered, _))));
}
