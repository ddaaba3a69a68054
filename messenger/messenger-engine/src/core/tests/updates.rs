//! Keys that are renewed while a room lives, and certificates that are replaced in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::rooms::{last_delivery, leaf, say, view};
use super::world::{World, address, certificate, certificate_of, room_texts};
use crate::api::{Event, RoomId};
use crate::core::updates::KEYS_LAST;
use crate::room::{Facts, MyLeaf, Person, Wanted};
use crate::wire::RoomFrame;

const ALL: [&str; 3] = ["alice", "bob", "carol"];

fn in_a_room() -> (World, RoomId) {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    (world, room)
}

/// Since when everybody has the keys of her leaf, as one of them sees it: how long ago.
fn ages(world: &mut World, at: &str, room: RoomId) -> Vec<u64> {
    let now = world.now().instant;
    let inside = world.core(at).inside(room).unwrap();
    inside.keys_since.values().map(|since| now.saturating_duration_since(*since).as_secs()).collect()
}

pub(super) fn epoch(world: &World, name: &str, room: RoomId) -> u64 {
    world.core_of(name).in_room(room).unwrap().0
}

pub(super) fn errors(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match event {
        Event::Error { message, .. } => Some(message.clone()),
        _ => None,
    });
    told.collect()
}

/// What the certificate in a member's leaf says to another.
fn seen(world: &mut World, at: &str, room: RoomId, of: &str) -> Person {
    let inside = world.core(at).inside(room).unwrap();
    let found = inside.group.members().find(|person| person.identifier.as_str() == address(of));
    found.cloned().unwrap()
}

/// The same person and key, by a certificate that begins and ends then.
pub(super) fn newer(person: &Person, not_before: u64, not_after: u64) -> Person {
    let certificate =
        Facts { digest: [9; 32], serial: "newer".to_owned(), not_before, ..(*person.certificate).clone() };
    Person { not_after, certificate: Arc::new(certificate), ..person.clone() }
}

#[test]
fn everybodys_keys_are_renewed_in_an_hour_one_after_the_other_and_nobody_notices() {
    let (mut world, room) = in_a_room();
    let first = epoch(&world, "alice", room);
    world.pass(KEYS_LAST - Duration::from_secs(60));
    assert_eq!(epoch(&world, "alice", room), first, "it is not time yet");
    world.forget_events();
    world.pass(Duration::from_secs(600));
    let mut codes = BTreeSet::new();
    for name in ALL {
        assert_eq!(epoch(&world, name, room), first + 3, "{name}: one change for each");
        let ages = ages(&mut world, name, room);
        assert!(ages.len() == 3 && ages.iter().all(|age| *age < 600), "{name}: {ages:?}");
        let told = world.events(name);
        assert_eq!(errors(&told), [""; 0], "{name}");
        codes.insert(view(&told));
    }
    assert_eq!(codes.len(), 1, "{codes:?}");
    say(&mut world, "bob", room, "still here");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
    world.pass(KEYS_LAST);
    assert_eq!(epoch(&world, "alice", room), first + 6, "and so it goes on: three changes in an hour, not more");
}

/// The host's alone make the epochs advance, when nobody else is there.
#[test]
fn a_room_of_one_goes_on_to_another_epoch_within_an_hour() {
    let mut world = World::of(&["alice"]);
    let room = world.room(&["alice"]);
    world.pass(KEYS_LAST + Duration::from_secs(4));
    assert_eq!(epoch(&world, "alice", room), 1);
}

#[test]
fn a_newer_certificate_comes_into_the_room_by_itself() {
    let (mut world, room) = in_a_room();
    world.pass(Duration::from_secs(90));
    let before = epoch(&world, "alice", room);
    let ends = world.now().unix.as_secs() + 5_000_000;
    for name in ["bob", "alice"] {
        world.forget_events();
        let person = newer(&world.person(name), 5, ends);
        world.renew(name, person);
        world.pass(Duration::from_secs(8));
        for other in ALL {
            let person = seen(&mut world, other, room, name);
            assert_eq!((person.not_after, person.certificate.not_before), (ends, 5), "{other} of {name}");
            assert_eq!(errors(&world.events(other)), [""; 0], "{other}");
        }
    }
    assert_eq!(epoch(&world, "carol", room), before + 2);
    say(&mut world, "alice", room, "by the newer one");
    assert_eq!(room_texts(&world.events("carol")), ["by the newer one"]);
}

/// What bob's program hands in that keeps no rules: an update by this leaf of his.
fn hands_in(world: &mut World, room: RoomId, leaf: &MyLeaf) {
    let person = Box::new(world.person("bob"));
    let group = &mut world.core("bob").inside(room).unwrap().group;
    let commit = group.make_regardless(Wanted::Update(person), leaf).unwrap().id;
    let commit = group.staged_message(commit).unwrap().to_vec();
    world.inject("bob", "alice", RoomFrame::Propose { room: room.0, commit });
}

#[test]
fn a_certificate_of_somebody_else_an_older_and_a_refused_one_are_not_offered_and_their_author_is_named() {
    let (mut world, room) = in_a_room();
    world.pass(Duration::from_secs(90));
    // The one that the others know begins later than 0.
    let person = newer(&world.person("bob"), 5, world.now().unix.as_secs() + 5_000_000);
    world.renew("bob", person.clone());
    world.pass(Duration::from_secs(40));
    let before = epoch(&world, "alice", room);
    let bobs = leaf("bob").device();
    let cases = [
        (certificate(&address("carol"), &leaf("carol").device()), "leaf's signature key"),
        (certificate(&address("mallory"), &bobs), "expected her own, found that of mallory@example.org"),
        (certificate(&address("bob"), &bobs), "found an older"),
        (certificate_of(&newer(&person, 6, 7)), "expected a certificate that has not ended"),
    ];
    for (certificate, why) in cases {
        world.forget_events();
        world.core("alice").inside(room).unwrap().refused.clear();
        let mut leaf = leaf("bob");
        leaf.renew(certificate);
        hands_in(&mut world, room, &leaf);
        let told = errors(&world.events("alice"));
        assert!(matches!(&told[..], [one] if one.contains("bob@example.org") && one.contains(why)), "{why}: {told:?}");
    }
    world.pass(Duration::from_secs(8));
    assert_eq!(epoch(&world, "alice", room), before);
    say(&mut world, "carol", room, "the room goes on");
    assert_eq!(last_delivery(&world.events("carol")), (2, vec![]));
}

/// A host who does it is left, and the reason says who it was.
#[test]
fn a_host_who_offers_a_certificate_of_somebody_else_is_named() {
    let world = World::of(&ALL);
    let (now, credentials) = (world.now(), world.tables["alice"].clone());
    let leaves = ALL.map(leaf);
    let mut groups = super::roles::groups(&world, &leaves, now);
    let mut foreign = leaf("alice");
    foreign.renew(certificate(&address("mallory"), &foreign.device()));
    let person = Box::new(world.person("alice"));
    let commit = groups[0].make(Wanted::Update(person), &foreign).unwrap();
    let message = groups[0].staged_message(commit.id).unwrap().to_vec();
    let refused = groups[1].stage(&message, &*credentials, now).unwrap_err().to_string();
    assert!(refused.contains("that alice@example.org has brought into the room is refused"), "{refused}");
}

#[test]
fn a_member_who_renews_her_keys_all_the_time_is_not_heeded() {
    let (mut world, room) = in_a_room();
    world.pass(Duration::from_secs(8));
    let before = epoch(&world, "alice", room);
    for _ in 0..30 {
        hands_in(&mut world, room, &leaf("bob"));
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(epoch(&world, "alice", room), before, "she has had new keys just now");
    say(&mut world, "carol", room, "and nobody is kept from anything");
    assert_eq!(last_delivery(&world.events("carol")), (2, vec![]));
}
