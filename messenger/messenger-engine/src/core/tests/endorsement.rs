//! Who is told what other devices say of this one, and when who is there is told.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use identity::tls::device_fingerprint;
use identity::trust::Fingerprint;

use super::world::{World, address};
use crate::api::{Command, Event};
use crate::room::DeviceKey;
use crate::wire::{Channel, Close, MAX_VOUCHERS, TalkFrame, Vouchers, capability, decode};

/// What alice's other device says of the one in the world.
fn endorse(world: &mut World, name: &str) -> Fingerprint {
    let key = SigningKey::from_bytes(&[0xa7; 32]);
    let public = key.verifying_key().to_bytes();
    let certificate = super::world::certificate(&address(name), &DeviceKey(public));
    let person = world.person(name);
    let (of, until) = (Fingerprint(person.device.spki_digest()), world.now().unix.as_secs() + 60);
    let endorsement = identity::testing::endorsement(certificate.into(), (&person.identifier, &key), of, until);
    world.endorsed(name, vec![endorsement]);
    device_fingerprint(&public)
}

fn peers(events: &[Event]) -> Vec<Vec<Fingerprint>> {
    let peer = |event: &Event| if let Event::Peer(peer) = event { Some(peer.endorsed_by.clone()) } else { None };
    events.iter().filter_map(peer).collect()
}

/// How many of the Hellos that somebody said told endorsements, and how many there were.
fn told(world: &World, name: &str) -> (usize, usize) {
    let said = world.tapped.iter().filter(|(from, channel, _)| from == name && *channel == Channel::Talk);
    let hellos = said.filter_map(|(_, _, bytes)| match decode::<TalkFrame>(&bytes[4..]) {
        Ok(Some(TalkFrame::Hello { endorsements, .. })) => Some(endorsements.is_some()),
        _ => None,
    });
    let hellos: Vec<bool> = hellos.collect();
    (hellos.iter().filter(|told| **told).count(), hellos.len())
}

#[test]
fn contacts_are_told_until_it_ends() {
    let mut world = World::of(&["alice", "bob"]);
    let by = endorse(&mut world, "alice");
    world.send("alice", "bob", "hello", 1);
    assert_eq!(peers(&world.events("bob")), [vec![by]]);
    assert_eq!(peers(&world.events("alice")), [Vec::new()]);
    world.end("alice", "bob");
    // The certificate that endorses is accepted no more.
    world.tables["bob"].refused.lock().unwrap().push(address("alice"));
    world.send("alice", "bob", "again", 2);
    assert_eq!(peers(&world.events("bob")), [Vec::new()]);
    world.tables["bob"].refused.lock().unwrap().clear();
    world.end("alice", "bob");
    world.pass(Duration::from_secs(61));
    assert_eq!(told(&world, "alice"), (2, 2));
    world.send("alice", "bob", "later", 3);
    assert_eq!(peers(&world.events("bob")), [Vec::new()]);
    assert_eq!(told(&world, "alice"), (2, 3), "what has ended is not told");
}

/// Whoever shows a copy of somebody's certificate, without its key, is no news of that person's.
#[test]
fn a_certificate_whose_key_did_not_sign_is_not_looked_at() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let (alice, carol) = (world.person("alice"), world.person("carol"));
    let (key, copied) =
        (SigningKey::from_bytes(&[0xa7; 32]), super::world::certificate(&address("carol"), &carol.device));
    let (of, until) = (Fingerprint(alice.device.spki_digest()), world.now().unix.as_secs() + 60);
    let signed_by = |who| identity::testing::endorsement(copied.clone().into(), (who, &key), of, until);
    world.endorsed("alice", vec![signed_by(&alice.identifier), signed_by(&carol.identifier)]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(told(&world, "alice"), (1, 1));
    assert_eq!(peers(&world.events("bob")), [Vec::new()]);
    assert!(!world.tables["bob"].asked.lock().unwrap().contains(&copied));
}

#[test]
fn more_than_there_may_be_are_a_breach_also_where_a_session_goes_on() {
    for goes_on in [false, true] {
        let mut world = World::of(&["alice", "bob"]);
        if goes_on {
            world.send("alice", "bob", "hello", 1);
        }
        let many = |frame: &mut TalkFrame| {
            if let TalkFrame::Hello { endorsements, .. } = frame {
                *endorsements = Some(Vouchers(vec![vec![0].into(); MAX_VOUCHERS + 1]));
            }
        };
        world.meddling.insert("bob".into(), Box::new(many));
        world.closed.clear();
        world.cut("alice", "bob");
        world.send("bob", "alice", "hello", 2);
        world.pass(Duration::from_secs(1));
        assert!(world.closed.contains(&("alice".into(), Close::PROTOCOL)), "{goes_on}: {:?}", world.closed);
    }
}

/// A conversation that was never begun has told nobody anything.
#[test]
fn a_connection_that_ends_at_once_is_nobodys_news() {
    let mut world = World::of(&["alice", "bob"]);
    endorse(&mut world, "bob");
    world.hellos_lost.insert("bob".into());
    world.send("bob", "alice", "hello", 1);
    world.end("alice", "bob");
    assert!(peers(&world.events("alice")).is_empty());
}

#[test]
fn fellow_members_of_a_room_are_told_nothing() {
    let mut world = World::of(&["host"]);
    for name in ["alice", "carol"] {
        world.add(name, vec![address("host").parse().unwrap()]);
        world.go_online(name);
        world.command("host", Command::AddContact { who: address(name) });
    }
    endorse(&mut world, "alice");
    world.room(&["host", "alice", "carol"]);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.wires("alice", "carol"), 1);
    let (with, all) = told(&world, "alice");
    assert_eq!((with, all), (1, 2), "the host is a contact, carol is none");
}

/// A device that withholds its Hello may have read what was sent to it: nobody keeps silent about it.
#[test]
fn who_never_says_hello_is_told_all_the_same() {
    let mut world = World::of(&["alice", "bob"]);
    endorse(&mut world, "bob");
    world.hellos_lost.insert("bob".into());
    // Nor does it answer, or tell a certificate for mail, which would end the session at once.
    let older = |frame: &mut TalkFrame| {
        if let TalkFrame::Hello { capabilities, .. } = frame {
            *capabilities &= !capability::MAIL;
        }
    };
    world.meddling.insert("alice".into(), Box::new(older));
    world.takes_nothing.insert("bob".into());
    world.send("alice", "bob", "hello", 1);
    assert!(peers(&world.events("alice")).is_empty(), "not yet: it may be endorsed");
    world.pass(Duration::from_secs(11));
    assert_eq!(peers(&world.events("alice")), [Vec::new()]);
}
