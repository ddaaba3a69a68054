//! A certificate that is renewed while people talk: nobody notices, and the older one ends unmissed.

use std::sync::Arc;
use std::time::Duration;

use super::world::{World, last_state, texts};
use crate::api::{DeliveryState, Event};
use crate::room::{Facts, Person};
use crate::wire::Close;

/// Certificates of this world end then.
const END: Duration = Duration::from_secs(1_000_000);

/// The same person and key, by a certificate that ends later.
fn renewed(person: &Person) -> Person {
    let certificate = Facts { digest: [9; 32], serial: "newer".to_owned(), ..(*person.certificate).clone() };
    Person { not_after: person.not_after + END.as_secs(), certificate: Arc::new(certificate), ..person.clone() }
}

/// Alice and bob, who have talked; their certificates end so long from now.
fn talking(left: Duration) -> World {
    let mut world = World::of(&["alice", "bob"]);
    world.time = END - left;
    // They meet by the certificates they have had all the time.
    world.send("alice", "bob", "first", 1);
    assert_eq!(last_state(&world.events("alice")).map(|(state, _)| state), Some(DeliveryState::Delivered));
    world.forget_events();
    world
}

/// Connections were replaced, and none was closed for another reason.
fn has_moved(world: &World) -> bool {
    !world.closed.is_empty() && world.closed.iter().all(|(_, code)| *code == Close::MOVED)
}

fn sessions_or_codes(events: &[Event]) -> (usize, Vec<String>) {
    let told = events.iter().filter(|event| matches!(event, Event::Session { .. })).count();
    let codes = events.iter().filter_map(|event| match event {
        Event::Peer(peer) => Some(peer.code.clone()),
        _ => None,
    });
    (told, codes.collect())
}

#[test]
fn a_conversation_is_moved_to_the_newer_certificate_without_a_word() {
    let mut world = talking(Duration::from_secs(170));
    world.renew("alice", renewed(&world.person("alice")));
    assert_eq!(world.reintroduced, ["alice"], "at once: nobody rings");
    world.pass(Duration::from_secs(40));
    assert_eq!(world.closed, [], "it is not time yet");
    world.pass(Duration::from_secs(20));
    assert!(has_moved(&world), "{:?}", world.closed);
    // Both have another code, and it is the same one.
    let (alice, bob) = (sessions_or_codes(&world.events("alice")), sessions_or_codes(&world.events("bob")));
    assert_eq!((alice.0, bob.0), (0, 0), "nobody is told that anything was wrong");
    assert!(alice.1.len() == 1 && alice.1 == bob.1, "{alice:?} {bob:?}");
    // Bob's own certificate ends, and hers would have.
    world.renew("bob", renewed(&world.person("bob")));
    world.send("alice", "bob", "still here", 2);
    world.pass(Duration::from_secs(120));
    world.send("alice", "bob", "and now", 3);
    assert_eq!(texts(&world.events("bob")), ["still here", "and now"]);
    assert!(has_moved(&world), "{:?}", world.closed);
}

#[test]
fn without_a_newer_certificate_a_conversation_ends_with_the_older() {
    let mut world = talking(Duration::from_secs(60));
    world.send("alice", "bob", "second", 2);
    world.pass(Duration::from_secs(62));
    assert!(world.closed.iter().any(|(_, code)| *code == Close::EXPIRED), "{:?}", world.closed);
    world.send("alice", "bob", "third", 3);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.wires("alice", "bob"), 0, "nor does another one begin");
}

#[test]
fn whoever_is_not_there_is_looked_for_until_the_end() {
    let mut world = talking(Duration::from_secs(130));
    world.renew("alice", renewed(&world.person("alice")));
    world.network = false;
    world.pass(Duration::from_secs(100));
    world.send("alice", "bob", "by the older one", 2);
    assert_eq!(texts(&world.events("bob")), ["by the older one"], "which serves as long as it lasts");
    assert_eq!(sessions_or_codes(&world.events("alice")).0, 0);
    world.network = true;
    world.pass(Duration::from_secs(20));
    assert!(has_moved(&world), "{:?}", world.closed);
}

#[test]
fn a_call_that_rings_is_not_lost_over_it() {
    let mut world = World::of(&["alice", "bob"]);
    world.add("mallory", Vec::new());
    world.go_online("mallory");
    world.settle();
    world.send("mallory", "alice", "let me in", 1);
    world.renew("alice", renewed(&world.person("alice")));
    world.pass(Duration::from_secs(10));
    assert!(world.reintroduced.is_empty(), "mallory waits for her answer");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.reintroduced, ["alice"]);
}
