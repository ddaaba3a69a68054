//! Whom one knows stays with the authority that certified her at first sight.

use std::time::Duration;

use identity::trust::Fingerprint;

use super::world::{World, address, last_state, room_texts};
use crate::api::{Command, DeliveryState, Event};
use crate::room::AnotherAuthority;
use crate::wire::Close;

/// Who was seen for the first time, among events.
fn first_seen(events: &[Event]) -> Vec<String> {
    let seen = |event: &Event| if let Event::FirstSeen { who, .. } = event { Some(who.to_string()) } else { None };
    events.iter().filter_map(seen).collect()
}

fn conflicts(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Error { remedy, .. } if remedy.contains("unbind"))).count()
}

/// Bob and carol know alice, and not one another.
fn contacts_of_alice_alone() -> World {
    let mut world = World::of(&["alice"]);
    for name in ["bob", "carol"] {
        world.add(name, vec![address("alice").parse().unwrap()]);
        world.go_online(name);
        world.command("alice", Command::AddContact { who: address(name) });
    }
    world
}

#[test]
fn contacts_are_bound_once_and_their_devices_named() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    let (events, bob) = (world.events("alice"), world.person("bob"));
    let expected = Event::FirstSeen {
        who: bob.identifier.clone(),
        authority: "town".into(),
        root: bob.authority.root,
        device: Fingerprint(bob.device.spki_digest()),
    };
    assert!(events.contains(&expected));
    assert_eq!(first_seen(&world.events("bob")), [address("alice")]);
    world.end("alice", "bob");
    world.send("alice", "bob", "again", 2);
    assert!(first_seen(&world.events("alice")).is_empty());
}

/// Device and code of every conversation that began.
fn peers(events: &[Event]) -> Vec<(Fingerprint, String)> {
    let peer = |event: &Event| match event {
        Event::Peer(peer) => Some((peer.device, peer.code.clone())),
        _ => None,
    };
    events.iter().filter_map(peer).collect()
}

#[test]
fn both_sides_of_each_conversation_are_told_its_certificates_and_one_code() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.send("alice", "bob", "hello", 1);
    let of_bob = Fingerprint(world.person("bob").device.spki_digest());
    let (alice, bob) = (peers(&world.events("alice")), peers(&world.events("bob")));
    let ([(device, code)], [(_, same)]) = (alice.as_slice(), bob.as_slice()) else { panic!("{alice:?}, {bob:?}") };
    assert_eq!((*device, code), (of_bob, same));
    // What goes on is no new conversation; another one with the same certificates has the same code.
    world.send("bob", "alice", "hello yourself", 1);
    assert!(peers(&world.events("alice")).is_empty());
    world.end("alice", "bob");
    world.send("alice", "bob", "again", 2);
    assert_eq!(peers(&world.events("alice")), alice);
    world.send("alice", "carol", "hello", 3);
    assert_ne!(peers(&world.events("alice"))[0].1, *code);
}

#[test]
fn strangers_are_bound_when_they_are_accepted() {
    let mut world = World::of(&[]);
    for name in ["alice", "bob"] {
        world.add(name, Vec::new());
        world.go_online(name);
    }
    world.send("alice", "bob", "hello", 1);
    let events = world.events("bob");
    let call =
        events.iter().find_map(|event| if let Event::Incoming { call, .. } = event { Some(*call) } else { None });
    assert!(first_seen(&events).is_empty(), "a knock is no acquaintance");
    world.command("bob", Command::Accept { call: call.unwrap() });
    assert_eq!(first_seen(&world.events("bob")), [address("alice")]);
    assert_eq!(first_seen(&world.events("alice")), [address("bob")], "she called him by name");
}

#[test]
fn fellow_members_are_bound_when_they_become_contacts() {
    let mut world = contacts_of_alice_alone();
    world.room(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.wires("bob", "carol"), 1);
    assert_eq!(first_seen(&world.events("bob")), [address("alice")]);
    world.command("bob", Command::AddContact { who: address("carol") });
    assert_eq!(first_seen(&world.events("bob")), [address("carol")]);
}

/// Code 2 would say that nothing was read of what was shown.
#[test]
fn a_connection_on_which_something_was_read_is_not_closed_as_if_nothing_was() {
    let mut world = contacts_of_alice_alone();
    let room = world.room(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(5));
    world.command("carol", Command::RoomSend { room, text: "hello bob".into(), id: Some(1), reply_to: None });
    assert_eq!(room_texts(&world.events("bob")), ["hello bob"]);
    let carol = world.person("carol").identifier;
    world.tables["bob"].known.lock().unwrap().insert(carol, Fingerprint([9; 32]));
    world.closed.clear();
    world.command("bob", Command::AddContact { who: address("carol") });
    assert_eq!(world.closed, [("bob".to_owned(), Close::DONE)]);
    assert_eq!((world.wires("bob", "carol"), conflicts(&world.events("bob"))), (0, 1));
}

#[test]
fn two_certificates_at_the_same_moment_and_only_the_first_counts() {
    let mut world = World::of(&["alice", "bob"]);
    let bob = world.person("bob").identifier;
    world.tables["alice"].known.lock().unwrap().insert(bob.clone(), Fingerprint([9; 32]));
    world.send("alice", "bob", "for bob alone", 1);
    let events = world.events("alice");
    let (state, reason) = last_state(&events).unwrap();
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.unwrap().contains("TRUST-06"));
    assert_eq!((conflicts(&events), first_seen(&events).len()), (1, 0));
    // Told once in a minute, however often it is provoked.
    let conflict = || AnotherAuthority { who: bob.clone(), refusal: "TRUST-06: expected town, found another".into() };
    world.refuse("alice", conflict());
    assert_eq!(conflicts(&world.events("alice")), 0);
    world.pass(Duration::from_secs(61));
    world.refuse("alice", conflict());
    assert_eq!(conflicts(&world.events("alice")), 1);
}
