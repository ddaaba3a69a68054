//! Large rooms (R-50 to R-54 of docs/spec/rooms.md): connections to hubs alone, texts by way of them, and all that rooms promise.
//! Here a room is large above three devices, and has two hubs.

use std::time::Duration;

use super::rooms::{all_are_together, device, frames, last_delivery, leaf, say, view};
use super::world::{World, address, room_texts};
use crate::api::{Command, Event, RoomId};
use crate::core::hubs::rooms_are_large_above;
use crate::room::{Deed, Wanted, sign};
use crate::wire::{Acknowledged, Circular, Circulated, Head, QuotedAck, RoomFrame, Signature, SignedHead, Whereabouts};

pub(super) const NAMES: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
pub(super) const HUBS: [&str; 2] = ["alice", "bob"];
pub(super) const OTHERS: [&str; 5] = ["carol", "dave", "erin", "frank", "grace"];

/// A room of all, in which two are hubs. Nobody knows anybody but alice.
pub(super) fn large() -> (World, RoomId) {
    large_with(2)
}

pub(super) fn large_with(hubs: usize) -> (World, RoomId) {
    rooms_are_large_above(3, hubs);
    gathered(&NAMES)
}

/// A room that the first of these has made and let all others into. Nobody knows anybody but her.
pub(super) fn gathered(names: &[&str]) -> (World, RoomId) {
    let mut world = World::of(&names[..1]);
    for name in &names[1..] {
        world.add(name, vec![address(names[0]).parse().unwrap()]);
        world.command(names[0], Command::AddContact { who: address(name) });
        world.go_online(name);
    }
    let room = world.room(names);
    world.pass(Duration::from_secs(10));
    (world, room)
}

/// What somebody says is on every other device, of so many, within a second.
fn comes_to_all(world: &mut World, room: RoomId, speaker: &str, others: usize) {
    world.forget_events();
    say(world, speaker, room, "who is there?");
    world.pass(Duration::from_secs(1));
    assert_eq!(last_delivery(&world.events(speaker)), (others, vec![]));
}

/// The circulars that somebody put on a wire.
pub(super) fn circulars(world: &World, by: &str) -> Vec<(Circular, Signature)> {
    let circulars = frames(world, by).into_iter().filter_map(|frame| match frame {
        RoomFrame::Spread { circular, signature } => Some((*circular, signature)),
        _ => None,
    });
    circulars.collect()
}

fn text(message: Vec<u8>) -> Circulated {
    Circulated::Text { run: [0; 8], message }
}

pub(super) fn spread((circular, signature): (Circular, Signature)) -> RoomFrame {
    RoomFrame::Spread { circular: Box::new(circular), signature }
}

fn was_warned(world: &mut World, name: &str, of: &str) -> bool {
    world.events(name).iter().any(|event| matches!(event, Event::Error { message, .. } if message.contains(of)))
}

///
#[test]
fn everybody_has_connections_to_the_hubs_and_to_nobody_else() {
    let (world, room) = large();
    all_are_together(&world, room, &NAMES);
    for (at, one) in NAMES.iter().enumerate() {
        for other in &NAMES[at + 1..] {
            let wanted = usize::from(HUBS.contains(one));
            // While the room was small, all of it had connections.
            let had = usize::from(at < 3 && ["alice", "bob", "carol"].contains(other));
            assert_eq!(world.wires(one, other), wanted.max(had), "{one} and {other}");
        }
    }
}

///
#[test]
fn a_text_goes_once_to_a_hub_and_every_device_answers_itself() {
    let (mut world, room) = large();
    for (speaker, text) in [("erin", "tea?"), ("grace", "yes"), ("alice", "cake"), ("bob", "no")] {
        world.tapped.clear();
        world.forget_events();
        say(&mut world, speaker, room, text);
        world.pass(Duration::from_secs(1));
        for name in NAMES.iter().filter(|name| **name != speaker) {
            assert_eq!(room_texts(&world.events(name)), [text], "{name} hears {speaker}");
        }
        assert_eq!(last_delivery(&world.events(speaker)), (6, vec![]), "{speaker}");
        let to_hubs = usize::from(!HUBS.contains(&speaker));
        assert_eq!(circulars(&world, speaker).len(), to_hubs, "{speaker}");
        assert_eq!(circulars(&world, "alice").len(), 4 * to_hubs);
        assert!(circulars(&world, "bob").is_empty());
    }
}

/// what is decided takes no wait, though few have acknowledgements of others' own.
#[test]
fn changes_are_decided_and_followed_at_once() {
    let (mut world, room) = large();
    world.tapped.clear();
    world.command("alice", Command::RoomTopic { room, topic: "cake".into() });
    all_are_together(&world, room, &NAMES);
    let gos = frames(&world, "alice").into_iter().filter_map(|frame| match frame {
        RoomFrame::Go { commit, acks, .. } => Some((commit.len(), acks.len())),
        _ => None,
    });
    assert_eq!(gos.collect::<Vec<_>>(), [(0, NAMES.len()); 6], "nobody is sent the commit twice, or waits for anybody");
    world.command("frank", Command::RoomLeave { room });
    world.pass(Duration::from_secs(1));
    let stay = NAMES.map(|name| name).into_iter().filter(|name| *name != "frank").collect::<Vec<_>>();
    all_are_together(&world, room, &stay);
    // Also who is no hub knows that he left by his own will, and does not ask him in if she takes the host's place.
    assert!(!world.core("grace").inside(room).unwrap().lost.contains_key(&device("frank")));
    // A hub leaves: another one by turn takes her place.
    world.command("bob", Command::RoomLeave { room });
    world.pass(Duration::from_secs(12));
    let stay = ["alice", "carol", "dave", "erin", "grace"];
    all_are_together(&world, room, &stay);
    for name in ["dave", "erin", "grace"] {
        assert_eq!(world.wires("carol", name), 1, "{name}");
    }
    comes_to_all(&mut world, room, "grace", 4);
}

#[test]
fn a_hub_takes_the_place_of_a_host_who_is_lost() {
    let (mut world, room) = large();
    world.leave("alice");
    for name in &NAMES[1..] {
        world.end("alice", name);
    }
    world.pass(Duration::from_secs(20));
    all_are_together(&world, room, &NAMES[1..]);
    assert_eq!(world.core_of("grace").in_room(room).unwrap().2.identifier.as_str(), address("bob"));
    // carol is a hub now.
    for name in ["dave", "erin", "frank", "grace"] {
        assert_eq!(world.wires("carol", name), 1, "{name}");
    }
    comes_to_all(&mut world, room, "grace", 5);
}

/// both hubs are lost in one moment, and nobody else has connections.
#[test]
fn others_are_found_where_all_hubs_are_lost_at_once() {
    let (mut world, room) = large();
    for lost in HUBS {
        world.leave(lost);
        for name in &NAMES {
            if *name != lost {
                world.end(lost, name);
            }
        }
    }
    world.pass(Duration::from_secs(45));
    all_are_together(&world, room, &OTHERS);
    comes_to_all(&mut world, room, "grace", 4);
}

/// nobody's word counts but the receivers', and where a hub carries nothing another one does.
#[test]
fn a_hub_who_carries_nothing_does_no_harm_where_another_does() {
    let (mut world, room) = large();
    world.carries_nothing.insert("alice".into());
    world.forget_events();
    say(&mut world, "erin", room, "tea?");
    assert_eq!(room_texts(&world.events("frank")), Vec::<String>::new());
    world.pass(Duration::from_secs(6));
    for name in ["carol", "dave", "frank", "grace"] {
        assert_eq!(room_texts(&world.events(name)), ["tea?"], "{name}");
    }
    assert_eq!(last_delivery(&world.events("erin")), (6, vec![]));
    world.carries_nothing.insert("bob".into());
    world.tapped.clear();
    world.forget_events();
    say(&mut world, "erin", room, "cake?");
    let (circular, _) = circulars(&world, "erin").pop().unwrap();
    for liar in HUBS {
        world.inject(liar, "erin", RoomFrame::Taken { room: room.0, number: circular.number, refused: None });
    }
    world.pass(Duration::from_secs(21));
    let (delivered, missing) = last_delivery(&world.events("erin"));
    assert_eq!((delivered, missing.len()), (2, 4), "{missing:?}");
    assert!(missing.iter().all(|reason| reason.starts_with("unknown: no acknowledgement")), "{missing:?}");
}

/// one after the other is tried.
#[test]
fn two_hubs_of_three_who_are_silent_do_no_harm() {
    let (mut world, room) = large_with(3);
    world.carries_nothing.extend(["alice", "bob"].map(String::from));
    world.forget_events();
    say(&mut world, "erin", room, "tea?");
    world.pass(Duration::from_secs(12));
    for name in ["dave", "frank", "grace"] {
        assert_eq!(room_texts(&world.events(name)), ["tea?"], "{name}");
    }
    assert_eq!(last_delivery(&world.events("erin")), (6, vec![]));
}

/// to whom the host has no session what she decides goes in letters, so that nobody waits.
#[test]
fn who_reaches_the_host_by_another_hub_alone_keeps_nobody_waiting() {
    let (mut world, room) = large();
    world.part("alice", "grace");
    world.pass(Duration::from_secs(60));
    all_are_together(&world, room, &NAMES);
    let before = world.core_of("grace").in_room(room).unwrap().0;
    world.command("alice", Command::RoomTopic { room, topic: "cake".into() });
    all_are_together(&world, room, &NAMES);
    assert_eq!(world.core_of("grace").in_room(room).unwrap().0, before + 1, "before any time has passed");
}

/// who is no hub cannot have a host who is lost be taken for heard.
#[test]
fn a_members_word_does_not_keep_a_host_alive() {
    let (mut world, room) = large();
    let epoch = world.core("grace").inside(room).unwrap().order.epoch().clone();
    world.leave("alice");
    let lie = |world: &mut World| {
        let digest = world.core("grace").inside(room).unwrap().group.digest();
        let whereabouts = Whereabouts { room: room.0, number: epoch.number, epoch: epoch.id.0, digest };
        let signature = sign(&whereabouts, &leaf("grace")).unwrap();
        world.inject("grace", "bob", RoomFrame::Beat { whereabouts, signature, hears: Some(vec![0xff]) });
    };
    for _ in 0..9 {
        lie(&mut world);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.core_of("bob").in_room(room).unwrap().2.identifier.as_str(), address("bob"));
}

/// Whatever is signed by who was never here leaves nothing behind, and long lists of receivers are not carried.
#[test]
fn circulars_of_strangers_and_long_lists_of_receivers_come_to_nothing() {
    let (mut world, room) = large();
    let (epoch, name, _) = world.core_of("erin").in_room(room).unwrap();
    let of = |by: &str, number, to: Vec<u8>| {
        let (from, name) = (device(by).0, name.0);
        let epoch = epoch + 1;
        let circular = Circular { room: room.0, epoch, name, from, to, number, content: text(vec![7; 60]) };
        let signature = sign(&circular, &leaf(by)).unwrap();
        (circular, signature)
    };
    world.tapped.clear();
    for number in 0..50 {
        world.inject("alice", "grace", spread(of(&format!("stranger{number}"), 1, vec![0xff])));
    }
    assert!(frames(&world, "grace").is_empty());
    world.inject("frank", "alice", spread(of("frank", 1, vec![0xff; 129])));
    assert!(circulars(&world, "alice").is_empty() && frames(&world, "alice").is_empty());
}

/// what a hub says that it did not pass on goes by way of another one at once.
#[test]
fn what_is_not_passed_on_goes_by_way_of_another_hub() {
    let (mut world, room) = large();
    world.end("alice", "frank");
    world.part("alice", "frank");
    world.forget_events();
    say(&mut world, "erin", room, "tea?");
    assert_eq!(room_texts(&world.events("frank")), ["tea?"], "before any time has passed");
    world.pass(Duration::from_secs(1));
    assert_eq!(last_delivery(&world.events("erin")), (6, vec![]));
}

/// what a hub says of leaves of an epoch that is over is not taken for others who have them now.
#[test]
fn what_is_not_passed_on_in_an_epoch_that_is_over_goes_to_all_once_more() {
    let (mut world, room) = large();
    world.carries_nothing.insert("alice".into());
    world.tapped.clear();
    say(&mut world, "erin", room, "tea?");
    world.command("alice", Command::RoomTopic { room, topic: "cake".into() });
    world.forget_events();
    let (circular, _) = circulars(&world, "erin").pop().unwrap();
    let (number, reason) = (circular.number, "no".to_owned());
    world.inject("alice", "erin", RoomFrame::NotSpread { room: room.0, number, to: vec![0x80], reason });
    for name in ["carol", "dave", "frank", "grace"] {
        assert_eq!(room_texts(&world.events(name)), ["tea?"], "{name}, before any time has passed");
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(last_delivery(&world.events("erin")), (6, vec![]));
}

/// a circular is its author's, once, and is carried for her alone.
#[test]
fn a_circular_counts_once_and_as_its_authors_alone() {
    let (mut world, room) = large();
    say(&mut world, "erin", room, "tea?");
    let (circular, signature) = circulars(&world, "erin").pop().unwrap();
    world.pass(Duration::from_secs(1));
    world.forget_events();
    world.tapped.clear();
    let forged = |change: &dyn Fn(&mut Circular)| {
        let mut circular = circular.clone();
        change(&mut circular);
        (circular, signature)
    };
    for (what, frame) in [
        ("once more", (circular.clone(), signature)),
        ("another number", forged(&|circular| circular.number += 1)),
        ("another author", forged(&|circular| circular.from = device("frank").0)),
        ("another text", forged(&|circular| circular.content = text(vec![7; 60]))),
        ("that its author is writing", forged(&|circular| circular.content = Circulated::Typing)),
        ("too long ago", forged(&|circular| circular.epoch -= 2)),
    ] {
        world.inject("alice", "grace", spread(frame));
        assert!(world.events("grace").is_empty(), "{what}");
        assert!(frames(&world, "grace").is_empty(), "{what} is not answered");
    }
    // Nobody carries for others.
    world.inject("frank", "alice", spread((Circular { number: 9, ..circular.clone() }, signature)));
    assert!(circulars(&world, "alice").is_empty());
    // Nobody carries in an epoch that she does not know, or more than a share.
    let mine = |number| {
        let circular = Circular { from: device("frank").0, number, content: text(vec![7; 60_000]), ..circular.clone() };
        let signature = sign(&circular, &leaf("frank")).unwrap();
        (circular, signature)
    };
    let (unknown, signature) = mine(1);
    world.inject("frank", "alice", spread((Circular { name: [9; 32], ..unknown }, signature)));
    assert!(circulars(&world, "alice").is_empty());
    assert!(matches!(&frames(&world, "alice")[..], [RoomFrame::NotSpread { number: 1, .. }]));
    for number in 2..200 {
        world.inject("frank", "alice", spread(mine(number)));
    }
    let carried = circulars(&world, "alice").len();
    assert!((60..=65 * 5).contains(&carried), "{carried} of 990");
}

/// B-1 in a large room: the host offers one commit here and another there, and the other hub, to whom all acknowledge, shows it.
#[test]
fn a_host_who_offers_two_commits_is_seen_by_all() {
    let (mut world, room) = large();
    let epoch = world.core("alice").inside(room).unwrap().order.epoch().clone();
    let head = |commit: u8| {
        let head = Head {
            room: room.0,
            parent: epoch.id.0,
            term: epoch.host.term,
            leaf: epoch.host.leaf.0,
            commit: [commit; 32],
        };
        SignedHead { signature: sign(&head, &leaf("alice")).unwrap(), head }
    };
    let ack = |commit: u8, by: &str, world: &mut World| {
        let head = head(commit);
        let from = world.core("bob").inside(room).unwrap().leaves().leaf(device(by)).unwrap().0;
        let acknowledged = Acknowledged { head: head.head.clone(), from };
        RoomFrame::Ack { head, ack: QuotedAck { from, signature: sign(&acknowledged, &leaf(by)).unwrap() } }
    };
    let one = ack(1, "dave", &mut world);
    world.inject("dave", "bob", one);
    for name in OTHERS {
        assert!(!was_warned(&mut world, name, "two different changes"), "{name}");
    }
    let other = ack(2, "grace", &mut world);
    world.inject("grace", "bob", other);
    for name in OTHERS.into_iter().chain(["bob"]) {
        let events = world.events(name);
        let warned = |event: &&Event| matches!(event, Event::Error { message, .. } if message.contains("alice@example.org has signed two different changes"));
        assert_eq!(events.iter().filter(warned).count(), 1, "{name}");
    }
}

/// The same where a hub has one of the two from a decision alone.
#[test]
fn what_a_decision_contradicts_is_seen_by_all() {
    let (mut world, room) = large();
    let epoch = world.core("alice").inside(room).unwrap().order.epoch().clone();
    let group = &mut world.core("alice").inside(room).unwrap().group;
    let one = group.make(Wanted::Settle(Deed::Topic("cake".into())), &leaf("alice")).unwrap().id;
    let message = group.staged_message(one).unwrap().to_vec();
    let (term, leaf_of) = (epoch.host.term, epoch.host.leaf.0);
    let head = |commit: [u8; 32]| {
        let head = Head { room: room.0, parent: epoch.id.0, term, leaf: leaf_of, commit };
        SignedHead { signature: sign(&head, &leaf("alice")).unwrap(), head }
    };
    let ack = |head: &SignedHead, by: &str, world: &mut World| {
        let from = world.core("bob").inside(room).unwrap().leaves().leaf(device(by)).unwrap().0;
        let acknowledged = Acknowledged { head: head.head.clone(), from };
        QuotedAck { from, signature: sign(&acknowledged, &leaf(by)).unwrap() }
    };
    let other = head([2; 32]);
    let of_other = ack(&other, "grace", &mut world);
    world.inject("grace", "bob", RoomFrame::Ack { head: other, ack: of_other });
    let decided = head(one.0);
    let acks = ["alice", "carol", "dave", "erin"].map(|name| ack(&decided, name, &mut world)).to_vec();
    world.inject("alice", "bob", RoomFrame::Go { head: decided, commit: message, acks });
    for name in OTHERS.into_iter().chain(["bob"]) {
        assert!(was_warned(&mut world, name, "alice@example.org has signed two different changes"), "{name}");
    }
}

#[test]
fn a_room_that_grows_and_shrinks_changes_its_ways() {
    rooms_are_large_above(4, 2);
    let mut world = World::of(&NAMES);
    let room = world.room(&NAMES[..4]);
    world.pass(Duration::from_secs(8));
    assert_eq!(world.wires("carol", "dave"), 1);
    for guest in ["erin", "frank"] {
        world.command("alice", Command::RoomInvite { room, who: address(guest) });
        world.command(guest, Command::RoomAccept { room });
    }
    world.pass(Duration::from_secs(8));
    assert_eq!((world.wires("carol", "dave"), world.wires("erin", "frank")), (1, 0));
    for speaker in ["dave", "frank"] {
        say(&mut world, speaker, room, "here");
        world.pass(Duration::from_secs(1));
        assert_eq!(last_delivery(&world.events(speaker)), (5, vec![]));
    }
    for name in ["alice", "bob"] {
        world.command(name, Command::RoomLeave { room });
        world.pass(Duration::from_secs(20));
    }
    all_are_together(&world, room, &["carol", "dave", "erin", "frank"]);
    assert_eq!(world.wires("erin", "frank"), 1, "it is small again");
    assert_eq!(view(&world.events("frank")).2.len(), 4);
}

/// The numbers as they are.
#[test]
fn forty_devices_talk_by_way_of_four() {
    let names: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut world, room) = gathered(&names);
    all_are_together(&world, room, &names);
    world.forget_events();
    world.tapped.clear();
    say(&mut world, "p39", room, "tea?");
    world.pass(Duration::from_secs(1));
    assert_eq!(last_delivery(&world.events("p39")), (39, vec![]));
    for name in &names[..39] {
        assert_eq!(room_texts(&world.events(name)), ["tea?"], "{name}");
    }
    assert_eq!(world.wires("p38", "p39"), 0);
    assert_eq!(circulars(&world, "p39").len(), 1);
}
