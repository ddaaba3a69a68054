//! Who is told a certificate for mail, what is taken for one, and what who asked for one hears.

use std::time::Duration;

use super::world::{World, address};
use crate::api::{Command, Event, NoMail};
use crate::wire::{Channel, MAX_MAIL_CHAIN, MailChain, TalkFrame, capability, decode};

/// The town's authority.
const TOWN: u8 = 7;

/// The certificates for mail that somebody's client heard of, by their bytes.
fn heard(world: &mut World, name: &str) -> Vec<Vec<u8>> {
    let told =
        |event: &Event| if let Event::MailCertificate(told) = event { Some(told.chain[0].0.clone()) } else { None };
    world.events(name).iter().filter_map(told).collect()
}

fn of(name: &str) -> Vec<u8> {
    [&[TOWN][..], address(name).as_bytes()].concat()
}

/// Why somebody's client got none.
fn missing(world: &mut World, name: &str) -> Vec<NoMail> {
    let none = |event: &Event| match event {
        Event::NoMailCertificate { because, .. } => Some(*because),
        _ => None,
    };
    world.events(name).iter().filter_map(none).collect()
}

/// How many certificates stood in what somebody told of hers, in order.
fn told(world: &World, name: &str) -> Vec<usize> {
    let said = world.tapped.iter().filter(|(from, channel, _)| from == name && *channel == Channel::Talk);
    let chains = said.filter_map(|(.., bytes)| match decode::<TalkFrame>(&bytes[4..]) {
        Ok(Some(TalkFrame::MailCertificate { chain })) => Some(chain.0.len()),
        _ => None,
    });
    chains.collect()
}

/// A Hello of a messenger that knows nothing of certificates for mail.
fn older(frame: &mut TalkFrame) {
    if let TalkFrame::Hello { capabilities, .. } = frame {
        *capabilities &= !capability::MAIL;
    }
}

fn ask(world: &mut World, asks: &str, who: &str) {
    world.command(asks, Command::MailCertificate { who: address(who) });
}

fn inject(world: &mut World, from: &str, to: &str, leaf: Vec<u8>) {
    world.inject_talk(from, to, TalkFrame::MailCertificate { chain: MailChain(vec![leaf.into()]) });
}

#[test]
fn contacts_are_told_once_and_again_when_it_was_renewed() {
    let mut world = World::of(&["alice", "bob"]);
    world.mail("bob", "bob", TOWN);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(heard(&mut world, "alice"), [of("bob")]);
    world.send("bob", "alice", "hello", 1);
    world.pass(Duration::from_secs(5));
    assert!(heard(&mut world, "alice").is_empty(), "nothing is new");
    assert_eq!((told(&world, "bob"), told(&world, "alice")), (vec![1], vec![0]), "and alice has none");
    let other = vec![of("bob"), b"by another issuer".to_vec()];
    world.core("bob").show_mail_certificate(other);
    world.settle();
    assert_eq!(heard(&mut world, "alice"), [of("bob")]);
    assert_eq!(told(&world, "bob"), [1, 2]);
    // Kept back from now on: nothing is heard of it, and what is kept elsewhere stays.
    world.core("bob").show_mail_certificate(Vec::new());
    world.settle();
    assert!(heard(&mut world, "alice").is_empty());
    assert_eq!(told(&world, "bob"), [1, 2, 0]);
}

#[test]
fn one_that_is_beyond_the_limits_is_not_told() {
    let mut world = World::of(&["alice", "bob"]);
    world.core("bob").show_mail_certificate(vec![of("bob"); MAX_MAIL_CHAIN + 1]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(told(&world, "bob"), [0]);
    assert_eq!(world.wires("alice", "bob"), 1);
}

#[test]
fn who_asks_is_answered_over_a_session_that_is_made_for_it_and_over_one_that_is_there() {
    let mut world = World::of(&["alice", "bob"]);
    world.mail("bob", "bob", TOWN);
    for _ in 0..2 {
        ask(&mut world, "alice", "bob");
        assert_eq!(heard(&mut world, "alice"), [of("bob")]);
        assert_eq!(world.wires("alice", "bob"), 1);
    }
    assert_eq!(told(&world, "bob"), [1], "what was told is remembered");
}

#[test]
fn who_asks_hears_why_there_is_none() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    ask(&mut world, "alice", "bob");
    assert_eq!(missing(&mut world, "alice"), [NoMail::NotTold]);
    world.mail("bob", "carol", TOWN);
    ask(&mut world, "alice", "bob");
    assert_eq!(missing(&mut world, "alice"), [NoMail::Refused]);
    world.command("carol", Command::GoOffline);
    ask(&mut world, "alice", "carol");
    assert_eq!(missing(&mut world, "alice"), [NoMail::Unreachable]);
    world.network = false;
    world.end("alice", "bob");
    ask(&mut world, "alice", "bob");
    assert_eq!(missing(&mut world, "alice"), [NoMail::Unreachable]);
}

/// A device that says Hello and then nothing: the answer comes with the session's end.
#[test]
fn who_asks_is_not_left_without_an_answer() {
    let mut world = World::of(&["alice", "bob"]);
    world.hellos_lost.insert("bob".into());
    // Nor does it tell one, which would end the session at once.
    world.meddling.insert("alice".into(), Box::new(older));
    ask(&mut world, "alice", "bob");
    assert!(missing(&mut world, "alice").is_empty());
    world.pass(Duration::from_secs(11));
    assert_eq!(missing(&mut world, "alice"), [NoMail::Unreachable]);
}

#[test]
fn an_older_messenger_is_told_nothing_and_tells_none() {
    let mut world = World::of(&["alice", "bob"]);
    world.mail("alice", "alice", TOWN);
    world.meddling.insert("bob".into(), Box::new(older));
    ask(&mut world, "alice", "bob");
    assert!(told(&world, "alice").is_empty());
    assert_eq!(missing(&mut world, "alice"), [NoMail::NotTold]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(super::world::texts(&world.events("bob")), ["hello"]);
}

#[test]
fn anothers_another_authoritys_and_floods_are_not_heard_and_more_than_there_may_be_is_a_breach() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    inject(&mut world, "bob", "alice", of("carol"));
    inject(&mut world, "bob", "alice", [&[9][..], address("bob").as_bytes()].concat());
    inject(&mut world, "bob", "alice", b"garbage".to_vec());
    assert!(heard(&mut world, "alice").is_empty());
    for _ in 0..100 {
        inject(&mut world, "bob", "alice", of("bob"));
    }
    let looked_at = world.tables["alice"].asked.lock().unwrap().iter().filter(|leaf| **leaf == of("bob")).count();
    assert!((1..8).contains(&looked_at), "{looked_at}");
    assert_eq!(heard(&mut world, "alice").len(), looked_at);
    assert_eq!(world.wires("alice", "bob"), 1);
    let many = MailChain(vec![of("bob").into(); MAX_MAIL_CHAIN + 1]);
    world.inject_talk("bob", "alice", TalkFrame::MailCertificate { chain: many });
    assert_eq!(world.wires("alice", "bob"), 0);
}

/// Alice and Carol, who know the host of their room and not each other; Alice has a certificate for mail.
fn in_a_room() -> World {
    let mut world = World::of(&["host"]);
    for name in ["alice", "carol"] {
        world.add(name, vec![address("host").parse().unwrap()]);
        world.go_online(name);
        world.command("host", Command::AddContact { who: address(name) });
    }
    world.mail("alice", "alice", TOWN);
    world.room(&["host", "alice", "carol"]);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.wires("alice", "carol"), 1);
    world
}

#[test]
fn fellow_members_of_a_room_are_told_nothing_until_they_are_known() {
    let mut world = in_a_room();
    let mut to_each = told(&world, "alice");
    to_each.sort_unstable();
    assert_eq!(to_each, [0, 1], "the host is a contact, carol is none");
    // Nor is it taken from somebody whom one does not know.
    inject(&mut world, "alice", "carol", of("alice"));
    assert!(heard(&mut world, "carol").is_empty());
    world.command("carol", Command::AddContact { who: address("alice") });
    world.command("alice", Command::AddContact { who: address("carol") });
    world.pass(Duration::from_secs(5));
    assert_eq!(heard(&mut world, "carol"), [of("alice")]);
}

#[test]
fn what_came_before_one_knew_its_sender_is_heard_when_one_does() {
    let mut world = in_a_room();
    world.command("alice", Command::AddContact { who: address("carol") });
    world.pass(Duration::from_secs(5));
    assert!(heard(&mut world, "carol").is_empty());
    world.command("carol", Command::AddContact { who: address("alice") });
    world.pass(Duration::from_secs(5));
    assert_eq!(heard(&mut world, "carol"), [of("alice")]);
}

/// By a knock, as nothing is taken from her over the room's link.
#[test]
fn who_asks_a_stranger_in_ones_room_is_answered() {
    let mut world = in_a_room();
    world.command("alice", Command::AddContact { who: address("carol") });
    world.pass(Duration::from_secs(5));
    ask(&mut world, "carol", "alice");
    world.pass(Duration::from_secs(40));
    let heard = heard(&mut world, "carol");
    assert!(!heard.is_empty() && heard.iter().all(|one| *one == of("alice")), "over either of the two");
}

#[test]
fn who_is_dropped_hears_nothing_of_it_in_a_room() {
    let mut world = in_a_room();
    for (one, other) in [("alice", "carol"), ("carol", "alice")] {
        world.command(one, Command::AddContact { who: address(other) });
    }
    world.pass(Duration::from_secs(5));
    let before = told(&world, "alice");
    assert_eq!(heard(&mut world, "carol"), [of("alice")]);
    world.command("alice", Command::Block { who: address("carol") });
    world.pass(Duration::from_secs(5));
    assert_eq!((world.wires("alice", "carol"), told(&world, "alice")), (1, before));
}

#[test]
fn who_is_blocked_is_told_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    world.mail("bob", "bob", TOWN);
    world.command("bob", Command::Block { who: address("alice") });
    ask(&mut world, "alice", "bob");
    world.pass(Duration::from_secs(40));
    assert_eq!(missing(&mut world, "alice"), [NoMail::Unreachable]);
    assert!(told(&world, "bob").is_empty());
}
