//! Certificates in leaves that end or are revoked while a room lives.

use std::time::Duration;

use super::rooms::{last_delivery, leaf, say};
use super::updates::{epoch, errors, newer};
use super::world::{World, address, certificate_of, room_texts};
use crate::api::{Command, Event, Role, RoomId};
use crate::core::lapse::{AGAIN, NOT_ACCEPTED};
use crate::room::{DeviceKey, Person};
use crate::wire::RoomFrame;

const ALL: [&str; 3] = ["alice", "bob", "carol"];
/// When the certificate in a leaf ends here, from the world's beginning.
const END: Duration = Duration::from_secs(150);
/// Time for what follows from that.
const SETTLED: Duration = Duration::from_secs(9);

fn device(name: &str) -> DeviceKey {
    leaf(name).device()
}

/// Hers that ends soon.
fn ending(world: &World, name: &str) -> Person {
    newer(&world.person(name), 5, world.now().unix.as_secs() - world.time.as_secs() + END.as_secs())
}

/// A room, in which one of them has a certificate that ends soon; her connections show one that does not, which her program
/// does not bring into the room.
fn with_an_old_leaf(of: &str) -> (World, RoomId) {
    let mut world = World::of(&ALL);
    let old = certificate_of(&ending(&world, of));
    world.core(of).me.leaf.renew(old);
    let room = world.room(&ALL);
    stall(&mut world, of, room);
    let renewed = certificate_of(&newer(&world.person(of), 6, world.now().unix.as_secs() + 5_000_000));
    world.core(of).me.leaf.renew(renewed);
    world.forget_events();
    (world, room)
}

/// Her program never renews what it has in the room.
fn stall(world: &mut World, of: &str, room: RoomId) {
    let never = world.now().instant + Duration::from_secs(10_000_000);
    world.core(of).inside(room).unwrap().keys_since.insert(device(of), never);
}

/// It does after all.
fn brings_a_newer_one(world: &mut World, of: &str, room: RoomId) {
    let since = world.now().instant - Duration::from_secs(61);
    for name in ALL {
        world.core(name).inside(room).unwrap().keys_since.insert(device(of), since);
    }
}

fn passes(world: &mut World, until: Duration) {
    world.pass(until.saturating_sub(world.time));
}

/// Who is in the room, as somebody sees it.
fn members(world: &mut World, at: &str, room: RoomId) -> Vec<String> {
    let inside = world.core(at).inside(room).unwrap();
    inside.group.members().map(|person| person.identifier.to_string()).collect()
}

fn lapses(events: &[Event]) -> Vec<(String, String)> {
    let told = events.iter().filter_map(|event| match event {
        Event::RoomLapsed { who, reason, .. } => Some((who.to_string(), reason.clone())),
        _ => None,
    });
    told.collect()
}

fn closings(events: &[Event]) -> Vec<String> {
    let told = events.iter().filter_map(|event| match event {
        Event::RoomClosed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    told.collect()
}

#[test]
fn whose_certificate_ends_in_her_leaf_is_removed_is_told_why_and_comes_back_with_another() {
    let (mut world, room) = with_an_old_leaf("bob");
    let before = epoch(&world, "alice", room);
    passes(&mut world, END);
    assert_eq!(epoch(&world, "alice", room), before, "it has not ended");
    assert_eq!(lapses(&world.events("alice")), []);
    world.pass(Duration::from_secs(2) + SETTLED);
    for name in ["alice", "carol"] {
        let told = lapses(&world.events(name));
        assert!(matches!(&told[..], [(who, why)] if *who == address("bob") && why.contains("CHAIN-06")), "{told:?}");
        assert_eq!(members(&mut world, name, room), ALL.map(address), "{name}: bob is back");
    }
    let told = closings(&world.events("bob"));
    assert!(matches!(&told[..], [why] if why.contains("that this device had in the room") && why.contains("CHAIN-06")));
    assert_eq!(epoch(&world, "bob", room), before + 2, "removed, and let in again");
    say(&mut world, "bob", room, "here I am again");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
    assert_eq!(room_texts(&world.events("carol")), ["here I am again"]);
}

/// R-17 lets nobody in whose certificate would not be taken from anybody.
#[test]
fn she_does_not_come_back_with_the_certificate_that_has_ended() {
    let (mut world, room) = with_an_old_leaf("bob");
    let old = certificate_of(&ending(&world, "bob"));
    world.core("bob").me.leaf.renew(old);
    // Her own program does not look at it, so that she tries.
    world.core("bob").inside(room).unwrap().lapsed.look_no_more(device("bob"));
    passes(&mut world, END + Duration::from_secs(1));
    world.pass(SETTLED);
    for name in ["alice", "carol"] {
        assert_eq!(members(&mut world, name, room), ["alice", "carol"].map(address), "{name}");
    }
    let refused = world.events("alice").into_iter().find_map(|event| match event {
        Event::RoomInvitationFailed { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(refused.is_some_and(|why| why.contains("CHAIN-06")), "she has tried");
    assert!(world.core_of("bob").in_room(room).is_none());
}

#[test]
fn a_revoked_certificate_is_noticed_within_a_minute_or_so_and_renewing_it_in_the_room_heals_that() {
    let (mut world, room) = with_an_old_leaf("bob");
    // Carol alone knows: the host's list is late.
    let revoked = lapsing_text(&world, "bob");
    world.tables["carol"].refused.lock().unwrap().push(revoked);
    world.pass(AGAIN + Duration::from_secs(1));
    let told = lapses(&world.events("carol"));
    assert!(matches!(&told[..], [(who, why)] if *who == address("bob") && why.contains("CHAIN-01")), "{told:?}");
    assert_eq!(lapses(&world.events("alice")), []);

    say(&mut world, "bob", room, "carol does not see this");
    assert_eq!(last_delivery(&world.events("bob")), (1, vec![NOT_ACCEPTED.to_owned()]));
    assert_eq!(room_texts(&world.events("carol")), [""; 0]);
    say(&mut world, "carol", room, "and bob does not see this");
    assert_eq!(last_delivery(&world.events("carol")), (1, vec![NOT_ACCEPTED.to_owned()]));
    assert_eq!(room_texts(&world.events("bob")), [""; 0]);

    // Her program brings the newer one: a commit of hers that nobody refuses.
    brings_a_newer_one(&mut world, "bob", room);
    world.pass(SETTLED);
    assert_eq!(members(&mut world, "carol", room), ALL.map(address), "nobody was removed");
    world.forget_events();
    say(&mut world, "bob", room, "by a good one");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
    assert_eq!(lapses(&world.events("carol")), [], "and told once");
}

/// Whoever has a connection refused because of a new list looks at the rooms at once.
#[test]
fn what_closes_a_connection_is_looked_for_in_rooms_at_once() {
    let (mut world, room) = with_an_old_leaf("bob");
    world.tables["alice"].refused.lock().unwrap().push(address("bob"));
    let now = world.now();
    // A connection of anybody's.
    world.core("alice").no_longer_accepted(9999, "REV-01", now);
    assert!(world.core("alice").inside(room).unwrap().lapsed.has(device("bob")));
}

#[test]
fn a_host_whose_certificate_ends_in_her_leaf_is_replaced_though_she_is_heard() {
    let (mut world, room) = with_an_old_leaf("alice");
    passes(&mut world, END + Duration::from_secs(1));
    world.pass(SETTLED);
    for name in ["bob", "carol"] {
        let told = lapses(&world.events(name));
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        let (_, _, host) = world.core_of(name).in_room(room).unwrap();
        assert_eq!(host.identifier.as_str(), address("bob"), "{name}");
    }
    assert_eq!(members(&mut world, "carol", room), ALL.map(address), "she is back by R-17");
}

/// The others have noticed, and neither of them claims yet.
fn with_a_lapsed_host() -> (World, RoomId) {
    let (mut world, room) = with_an_old_leaf("alice");
    let later = world.now().instant + Duration::from_secs(600);
    for name in ["bob", "carol"] {
        let inside = world.core(name).inside(room).unwrap();
        inside.next_claim = later;
        inside.lapsed.look_no_more(device("alice"));
    }
    world.pass(Duration::from_secs(1));
    (world, room)
}

#[test]
fn nobody_agrees_to_what_a_host_offers_whose_certificate_has_ended() {
    let (mut world, room) = with_a_lapsed_host();
    let before = epoch(&world, "bob", room);
    world.command("alice", Command::RoomName { room, name: "another".to_owned() });
    world.pass(Duration::from_secs(3));
    assert_eq!([epoch(&world, "alice", room), epoch(&world, "bob", room)], [before; 2]);
}

#[test]
fn but_she_may_offer_a_certificate_that_holds() {
    let (mut world, room) = with_a_lapsed_host();
    let before = epoch(&world, "bob", room);
    brings_a_newer_one(&mut world, "alice", room);
    world.pass(Duration::from_secs(3));
    for name in ["bob", "carol"] {
        assert_eq!(epoch(&world, name, room), before + 1, "{name}");
        assert!(!world.core(name).inside(room).unwrap().lapsed.has(device("alice")), "{name}");
    }
}

#[test]
fn nobody_promises_anything_to_whose_certificate_has_ended() {
    for lapsed in [false, true] {
        let (mut world, room) = with_an_old_leaf("bob");
        let carols = world.core("carol").inside(room).unwrap();
        if lapsed {
            carols.lapsed.look_no_more(device("bob"));
        }
        // She has lost the host, and would grant it to anybody.
        let _ = carols.order.step(room_order::Input::HostLost);
        let (leaf, parent) = (carols.group.leaves().iter().nth(1).unwrap().0, carols.order.epoch().id);
        let before = carols.order.promised();
        let claim = crate::wire::Claimed { room: room.0, parent: parent.0, term: before.term + 1, leaf: leaf.0 };
        let signature = crate::room::sign(&claim, &super::rooms::leaf("bob")).unwrap();
        world.inject("bob", "carol", RoomFrame::Claim { claim, signature });
        let promised = world.core("carol").inside(room).unwrap().order.promised();
        assert_eq!(promised == before, lapsed);
    }
}

#[test]
fn a_host_does_not_offer_what_somebody_hands_in_whose_certificate_has_ended() {
    for lapsed in [false, true] {
        let (mut world, room) = with_an_old_leaf("bob");
        world.command("alice", Command::RoomRole { room, who: address("bob"), role: Role::Owner });
        world.pass(Duration::from_secs(3));
        if lapsed {
            world.core("alice").inside(room).unwrap().lapsed.look_no_more(device("bob"));
        }
        world.command("bob", Command::RoomTopic { room, topic: "mine".to_owned() });
        world.pass(Duration::from_secs(3));
        let topic = world.core("carol").inside(room).unwrap().group.standing().topic().to_owned();
        assert_eq!(topic.is_empty(), lapsed);
    }
}

#[test]
fn whose_own_certificate_ends_leaves_and_is_told_so() {
    let mut world = World::of(&ALL);
    let old = ending(&world, "bob");
    world.renew("bob", old);
    let room = world.room(&ALL);
    world.forget_events();
    passes(&mut world, END + Duration::from_secs(2));
    let told = closings(&world.events("bob"));
    assert!(matches!(&told[..], [why] if why.contains("own certificate") && why.contains("CHAIN-06")), "{told:?}");
    assert!(world.core_of("bob").in_room(room).is_none());
    world.pass(SETTLED);
    for name in ["alice", "carol"] {
        assert_eq!(members(&mut world, name, room), ["alice", "carol"].map(address), "{name}");
        assert_eq!(errors(&world.events(name)), [""; 0], "{name}");
    }
}

/// nothing that stood still because of the certificate that has ended stands still any longer when another one is shown.
#[test]
fn whose_own_certificate_has_ended_is_back_as_soon_as_she_shows_another() {
    for who in ["bob", "alice"] {
        let mut world = World::of(&ALL);
        let (before, old) = (world.person(who), ending(&world, who));
        world.renew(who, old);
        let room = world.room(&ALL);
        passes(&mut world, END + Duration::from_secs(2));
        world.lose_directory(who);
        // By now the others look for her a minute apart, if they do.
        world.pass(Duration::from_secs(100));
        assert!(world.core_of(who).in_room(room).is_none(), "{who}");
        world.reintroduced.clear();
        let renewed = newer(&before, 6, world.now().unix.as_secs() + 5_000_000);
        world.renew(who, renewed);
        world.pass(Duration::from_secs(1));
        assert_eq!(world.reintroduced, [who], "the directory that has refused the old one is shown the newer");
        world.go_online(who);
        world.pass(Duration::from_secs(4));
        for name in ALL {
            assert_eq!(world.core_of(name).members_of(room), ALL.map(address), "{name} sees {who}");
        }
    }
}

/// The directory may not know that it has ended, or is revoked: then she has tried in vain.
#[test]
fn who_was_refused_dials_anew_when_she_shows_another() {
    let mut world = World::of(&ALL);
    let old = ending(&world, "bob");
    let before = world.person("bob");
    world.renew("bob", old);
    let room = world.room(&ALL);
    passes(&mut world, END);
    world.network = false;
    world.pass(Duration::from_secs(100));
    assert!(world.core_of("bob").in_room(room).is_none());
    world.network = true;
    let renewed = newer(&before, 6, world.now().unix.as_secs() + 5_000_000);
    world.renew("bob", renewed);
    // A call that was under way when the network came back has its time.
    world.pass(Duration::from_secs(20));
    for name in ALL {
        assert_eq!(world.core_of(name).members_of(room), ALL.map(address), "{name}");
    }
}

/// The certificate that has ended, as the table of this world knows it.
fn lapsing_text(world: &World, name: &str) -> String {
    String::from_utf8(certificate_of(&ending(world, name))[32..].to_vec()).unwrap()
}

#[test]
fn a_room_in_which_most_certificates_have_ended_freezes_and_ends() {
    let (mut world, room) = with_an_old_leaf("bob");
    let text = [lapsing_text(&world, "alice"), address("alice"), address("bob")];
    world.tables["carol"].refused.lock().unwrap().extend(text);
    let now = world.now();
    world.core("carol").inside(room).unwrap().lapsed.look_now(now);
    world.pass(Duration::from_secs(14));
    assert!(world.core_of("carol").is_stalled(room), "nobody is left who could decide with her");
    world.pass(Duration::from_secs(60));
    assert_eq!(closings(&world.events("carol")).len(), 1);
}

#[test]
fn a_device_on_which_nothing_happens_wakes_to_look_at_leaves() {
    let (mut world, room) = with_an_old_leaf("bob");
    let soon = Duration::from_millis(700);
    let due = world.now().instant + soon;
    world.core("carol").inside(room).unwrap().lapsed.look_at(due);
    world.core("carol").inside(room).unwrap().next_beat = due + soon;
    let now = world.now();
    assert!(world.core_of("carol").next_deadline(now) <= due);
}

/// What is verified once a minute is what was verified before, and nobody is asked twice for one that has ended.
#[test]
fn leaves_are_looked_at_once_a_minute() {
    let (mut world, _) = with_an_old_leaf("bob");
    let asked = |world: &World| world.tables["carol"].asked.lock().unwrap().len();
    world.pass(AGAIN + Duration::from_secs(3));
    let before = asked(&world);
    world.pass(AGAIN);
    assert_eq!(asked(&world) - before, ALL.len());
}
