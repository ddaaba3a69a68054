//! A member who signs what she likes: she stops nobody else, makes nobody leave, and puts nothing on anybody else's account.

use std::time::Duration;

use room_order::Ballot;

use super::rooms::{leaf, tapped, view};
use super::world::{World, address};
use crate::api::{Command, Event, RoomId};
use crate::room::{Deed, Wanted, sign};
use crate::wire::{Acknowledged, Claimed, Granted, Head, QuotedAck, RoomFrame, SignedGrant, SignedHead, decode};

/// An acknowledgement, in somebody's own name, of an offer that is hers too.
fn own_ack(name: &str, head: Head) -> RoomFrame {
    let (key, from) = (leaf(name), head.leaf);
    let acknowledged = Acknowledged { head: head.clone(), from };
    let ack = QuotedAck { from, signature: sign(&acknowledged, &key).unwrap() };
    RoomFrame::Ack { head: SignedHead { signature: sign(&head, &key).unwrap(), head }, ack }
}

fn lets_in(world: &mut World, host: &str, room: RoomId, guest: &str) {
    world.command(host, Command::RoomInvite { room, who: address(guest) });
    world.command(guest, Command::RoomAccept { room });
    world.pass(Duration::from_secs(8));
}

fn is_left(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::RoomClosed { .. } | Event::RoomLeft { .. }))
}

#[test]
fn grants_that_nobody_asked_for_make_nobody_leave() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let parent = world.core_of("bob").in_room(room).unwrap().1.0;
    let carol = leaf("carol");
    for term in 2..10 {
        let ballot = Ballot { term, leaf: room_order::Leaf(2) };
        let group = &mut world.core("carol").inside(room).unwrap().group;
        let commit = group.make(Wanted::Host(ballot), &carol).unwrap().id;
        let message = group.staged_message(commit).unwrap().to_vec();
        let head = Head { room: room.0, parent, term, leaf: 2, commit: commit.0 };
        let staged = Some(SignedHead { signature: sign(&head, &carol).unwrap(), head });
        let claim = Claimed { room: room.0, parent, term, leaf: 2 };
        let granted = Granted { claim, from: 2, staged };
        let grant = Box::new(SignedGrant { signature: sign(&granted, &carol).unwrap(), granted });
        for to in ["alice", "bob"] {
            world.inject("carol", to, RoomFrame::Grant { grant: grant.clone(), commit: Some(message.clone()) });
        }
    }
    world.forget_events();
    lets_in(&mut world, "alice", room, "dave");
    for name in ["alice", "bob", "carol", "dave"] {
        let events = world.events(name);
        assert_eq!(view(&events).2.len(), 4, "{name}");
        assert!(!is_left(&events), "{name}: {events:?}");
    }
}

#[test]
fn acknowledgements_of_what_nobody_offered_stop_nothing() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let parent = world.core_of("bob").in_room(room).unwrap().1.0;
    for term in 2..130 {
        let head = Head { room: room.0, parent, term, leaf: 2, commit: [9; 32] };
        for to in ["alice", "bob"] {
            world.inject("carol", to, own_ack("carol", head.clone()));
        }
    }
    world.forget_events();
    lets_in(&mut world, "alice", room, "dave");
    let (_, epoch, _) = world.core_of("alice").in_room(room).unwrap();
    for name in ["alice", "bob", "carol", "dave"] {
        assert_eq!(view(&world.events(name)).2.len(), 4, "{name}");
        assert_eq!(world.core_of(name).in_room(room).unwrap().1, epoch, "{name}");
    }
}

/// who claims again and again and offers nothing keeps nobody else from it.
#[test]
fn a_member_who_claims_all_the_time_does_not_stop_the_others() {
    let mut world = World::of(&["alice", "bob", "carol", "dave", "erin"]);
    let room = world.room(&["alice", "bob", "carol", "dave", "erin"]);
    world.pass(Duration::from_secs(8));
    let parent = world.core_of("bob").in_room(room).unwrap().1.0;
    let key = leaf("carol");
    let mut term = 0;
    let mut claims = |world: &mut World| {
        term += 1;
        let claim = Claimed { room: room.0, parent, term, leaf: 2 };
        let signature = sign(&claim, &key).unwrap();
        for to in ["bob", "dave", "erin"] {
            world.inject("carol", to, RoomFrame::Claim { claim: claim.clone(), signature });
        }
    };
    // Her claim is there before anybody has lost the host.
    claims(&mut world);
    world.core("carol").inside(room).unwrap().next_claim += Duration::from_secs(3600);
    world.command("alice", Command::GoOffline);
    for _ in 0..40 {
        world.pass(Duration::from_secs(1));
        claims(&mut world);
    }
    let (_, epoch, host) = world.core_of("bob").in_room(room).unwrap();
    assert_ne!(epoch.0, parent, "nobody took over");
    assert_eq!(host.identifier.as_str(), address("bob"));
}

/// carol has acknowledged what the host offered, and promised the host a higher ballot. Whether bob offers another commit, with a
/// quorum's grants, in a ballot between the two: carol does not acknowledge that one, and follows the first only if he does not.
fn carol_follows_the_first(bob_offers: bool) -> bool {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(8));
    let epoch = world.core("carol").inside(room).unwrap().order.epoch().clone();
    let parent = epoch.id.0;
    let made = |world: &mut World, by: &str, wanted: Wanted| {
        let group = &mut world.core(by).inside(room).unwrap().group;
        let commit = group.make(wanted, &leaf(by)).unwrap().id;
        (commit.0, group.staged_message(commit).unwrap().to_vec())
    };
    let signed = |by: &str, head: Head| SignedHead { signature: sign(&head, &leaf(by)).unwrap(), head };
    let (first, message) = made(&mut world, "alice", Wanted::Settle(Deed::Topic("cake".into())));
    let head = Head { room: room.0, parent, term: epoch.host.term, leaf: 0, commit: first };
    let head = signed("alice", head);
    world.inject(
        "alice",
        "carol",
        RoomFrame::Offer { head: head.clone(), commit: message.clone(), grants: Vec::new() },
    );

    let claim = Claimed { room: room.0, parent, term: epoch.host.term + 2, leaf: 0 };
    let signature = sign(&claim, &leaf("alice")).unwrap();
    world.inject("alice", "carol", RoomFrame::Claim { claim, signature });
    if bob_offers {
        let term = epoch.host.term + 1;
        let (other, message) = made(&mut world, "bob", Wanted::Host(Ballot { term, leaf: room_order::Leaf(1) }));
        let claim = Claimed { room: room.0, parent, term, leaf: 1 };
        let grants = [("alice", 0), ("bob", 1)].map(|(name, from)| {
            let granted = Granted { claim: claim.clone(), from, staged: None };
            SignedGrant { signature: sign(&granted, &leaf(name)).unwrap(), granted }
        });
        let head = signed("bob", Head { room: room.0, parent, term, leaf: 1, commit: other });
        world.tapped.clear();
        world.inject("bob", "carol", RoomFrame::Offer { head, commit: message, grants: grants.to_vec() });
        let said = world.tapped.iter().filter(|(from, ..)| from == "carol");
        let said: Vec<RoomFrame> = said.filter_map(|(_, _, bytes)| decode(&bytes[4..]).unwrap()).collect();
        assert!(!said.iter().any(|frame| matches!(frame, RoomFrame::Ack { .. } | RoomFrame::Leave { .. })), "{said:?}");
    }
    let acks = [("alice", 0), ("carol", 2)].map(|(name, from)| {
        let acknowledged = Acknowledged { head: head.head.clone(), from };
        QuotedAck { from, signature: sign(&acknowledged, &leaf(name)).unwrap() }
    });
    world.inject("alice", "carol", RoomFrame::Go { head, commit: message, acks: acks.to_vec() });
    world.pass(Duration::from_secs(6));
    let now = world.core_of("carol").in_room(room).unwrap().1;
    assert!(now == epoch.id || now.0 == first);
    now.0 == first
}

#[test]
fn an_offer_that_a_quorum_granted_contradicts_though_a_higher_ballot_is_promised() {
    assert!(carol_follows_the_first(false));
    assert!(!carol_follows_the_first(true));
}

/// a leaf is somebody in its own epoch alone.
#[test]
fn nobody_is_named_for_what_was_signed_by_who_had_her_leaf_before() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.command("alice", Command::RoomLeave { room });
    // The last epoch that alice hosted.
    let RoomFrame::Ack { head, .. } =
        tapped(&world, |frame| matches!(frame, RoomFrame::Ack { head, .. } if head.head.leaf == 0))
    else {
        unreachable!()
    };
    lets_in(&mut world, "bob", room, "dave");
    let inside = world.core("carol").inside(room).unwrap();
    assert_eq!(inside.leaves().device(room_order::Leaf(0)), Some(leaf("dave").device()));
    // The one who entered at the leaf of the one who left hosts the room now.
    world.command("bob", Command::RoomLeave { room });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.core_of("carol").in_room(room).unwrap().2.identifier.as_str(), address("dave"));
    world.forget_events();
    if world.wires("alice", "carol") == 0 {
        world.send("alice", "carol", "hello", 1);
    }
    world.inject("alice", "carol", own_ack("alice", Head { commit: [9; 32], ..head.head }));
    let events = world.events("carol");
    let warned =
        |event: &&Event| matches!(event, Event::Error { message, .. } if message.contains("two different changes"));
    let Some(Event::Error { message, .. }) = events.iter().find(warned) else { panic!("{events:?}") };
    assert!(message.contains("somebody who is in the room no longer"), "{message}");
    assert!(world.core("carol").inside(room).unwrap().accused.is_none());
}
