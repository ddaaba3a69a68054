//! Who comes back enters by a commit of her own: what overtakes it, who is lost meanwhile, and what somebody
//! achieves by it whom nobody has invited.

use std::collections::VecDeque;
use std::time::Duration;

use super::rooms::{last_delivery, leaf, say, view};
use super::world::{World, address};
use crate::api::{Command, Event, Role, RoomId};
use crate::room::{Entrance, MAX_MEMBERS, commit_name, sign};
use crate::wire::{Channel, Invited, RoomFrame, SignedInvitation, decode};

const ALL: [&str; 4] = ["alice", "bob", "carol", "dave"];
const SECOND: Duration = Duration::from_secs(1);

/// A room whose host, alice, has removed carol as lost.
fn without_carol() -> (World, RoomId) {
    let mut world = World::of(&["alice", "bob", "carol", "dave", "erin"]);
    let room = world.room(&ALL);
    for other in ["alice", "bob", "dave"] {
        world.be_deaf("carol", other);
    }
    world.pass(14 * SECOND);
    assert_eq!(view(&world.events("bob")).2, ["alice", "bob", "dave"].map(address));
    world.forget_all();
    (world, room)
}

/// The connections that led nowhere end, so that she hears of it.
fn reach_carol(world: &mut World) {
    for other in ["alice", "bob", "dave"] {
        world.end("carol", other);
    }
}

/// Who has said what of a room's frames so far.
fn said(world: &World) -> Vec<(String, RoomFrame)> {
    let frames = world.tapped.iter().filter(|(_, channel, _)| *channel == Channel::Rooms);
    frames.filter_map(|(from, _, bytes)| Some((from.clone(), decode::<RoomFrame>(&bytes[4..]).unwrap()?))).collect()
}

fn count(world: &World, of_kind: impl Fn(&RoomFrame) -> bool) -> usize {
    said(world).iter().filter(|(_, frame)| of_kind(frame)).count()
}

fn is_join(frame: &RoomFrame) -> bool {
    matches!(frame, RoomFrame::Join { .. })
}

/// Frames take their time, until somebody has said so many of a kind.
fn until(world: &mut World, number: usize, of_kind: impl Fn(&RoomFrame) -> bool) {
    for _ in 0..10_000 {
        if count(world, &of_kind) >= number {
            return;
        }
        match world.slow.as_ref().is_some_and(|slow| !slow.is_empty()) {
            true => world.let_arrive(0),
            false => world.pass(Duration::from_millis(100)),
        }
    }
    panic!("nobody has said it");
}

/// Frames take their time; carol has handed in her commit, and it has not arrived.
fn carol_has_handed_in() -> (World, RoomId) {
    let (mut world, room) = without_carol();
    world.slow_down(true);
    reach_carol(&mut world);
    until(&mut world, 1, is_join);
    (world, room)
}

/// Everybody of these is in the room, in one epoch, with nobody else.
fn are_together(world: &World, names: &[&str], room: RoomId) {
    let places: Vec<_> = names.iter().map(|name| world.core_of(name).in_room(room).expect("in the room")).collect();
    assert!(places.iter().all(|place| (place.0, place.1) == (places[0].0, places[0].1)), "{places:?}");
    let members = world.core_of(names[0]).members_of(room);
    let mut expected: Vec<String> = names.iter().map(|name| address(name)).collect();
    expected.sort();
    assert_eq!(members, expected);
}

#[test]
fn who_was_lost_comes_back_by_a_commit_of_her_own_and_nobody_is_asked() {
    let (mut world, room) = without_carol();
    reach_carol(&mut world);
    world.pass(20 * SECOND);
    are_together(&world, &ALL, room);
    let frames = said(&world);
    let of = |name: &str| -> Vec<String> {
        let theirs = frames.iter().filter(|(_, frame)| frame.name() == name);
        theirs.map(|(from, _)| from.clone()).collect()
    };
    let (alice, carol) = (vec!["alice".to_owned()], vec!["carol".to_owned()]);
    assert_eq!([of("approach"), of("admission"), of("join")], [carol.clone(), alice, carol]);
    assert_eq!([of("enter"), of("welcome")], [[""; 0]; 2].map(|none| none.map(str::to_owned).to_vec()));
    for name in ALL {
        let asked = |event: &Event| matches!(event, Event::RoomInvitation { .. });
        assert!(!world.events(name).iter().any(asked), "{name}");
    }
    say(&mut world, "carol", room, "here I am again");
    assert_eq!(last_delivery(&world.events("carol")), (3, vec![]));
    say(&mut world, "dave", room, "welcome back");
    assert_eq!(last_delivery(&world.events("dave")), (3, vec![]));
    // Whom a person asks in, the host lets in.
    world.forget_all();
    world.command("dave", Command::RoomLeave { room });
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    are_together(&world, &ALL, room);
    assert_eq!((count(&world, is_join), count(&world, |frame| matches!(frame, RoomFrame::Welcome { .. }))), (0, 1));
}

/// She has the decision that let her in, and passes it on.
#[test]
fn who_has_come_back_helps_on_who_is_behind() {
    let (mut world, room) = without_carol();
    reach_carol(&mut world);
    world.pass(20 * SECOND);
    are_together(&world, &ALL, room);
    let inside = world.core("carol").inside(room).unwrap();
    let (parent, commit) = {
        let decision = inside.proofs.past().next().expect("she holds the decision");
        (decision.parent, decision.commit)
    };
    assert!(inside.order.knows_end_of(parent));
    assert_eq!(inside.order.end_of(parent), Some(commit));
    assert!(matches!(inside.proofs.leading_to(commit), Some(RoomFrame::Go { .. })));
}

#[test]
fn whose_commit_is_overtaken_makes_another_for_the_next_epoch() {
    let (mut world, room) = carol_has_handed_in();
    // The host does something else before it arrives.
    world.command("alice", Command::RoomTopic { room, topic: "oolong".into() });
    until(&mut world, 2, is_join);
    world.slow_down(false);
    world.pass(5 * SECOND);
    are_together(&world, &ALL, room);
    let invitations = said(&world).into_iter().filter_map(|(_, frame)| match frame {
        RoomFrame::Admission { invitation, .. } => Some(invitation.invited),
        _ => None,
    });
    let invitations: Vec<Invited> = invitations.collect();
    assert_eq!(invitations.len(), 2);
    assert_eq!(invitations[1].number, invitations[0].number + 1);
    assert_ne!(invitations[1].parent, invitations[0].parent);
}

/// Of what is under way, all on the connection of this frame arrives until it has.
fn arrives(world: &mut World, of_kind: impl Fn(&RoomFrame) -> bool) {
    loop {
        let slow = world.slow.as_ref().unwrap();
        let is_it = |bytes: &[u8]| decode::<RoomFrame>(&bytes[4..]).unwrap().is_some_and(|frame| of_kind(&frame));
        let Some(end) = slow.iter().find(|(_, _, bytes)| is_it(bytes)).map(|(to, on, _)| (to.clone(), *on)) else {
            return;
        };
        let mut ends: Vec<(String, u64)> = Vec::new();
        for (to, on, _) in slow {
            if !ends.contains(&(to.clone(), *on)) {
                ends.push((to.clone(), *on));
            }
        }
        world.let_arrive(ends.iter().position(|one| *one == end).unwrap());
    }
}

/// Nobody else is let in while a guest makes her commit: it would come too late.
#[test]
fn while_a_guest_makes_her_commit_other_entries_wait() {
    let (mut world, room) = without_carol();
    world.command("alice", Command::RoomInvite { room, who: address("erin") });
    world.slow_down(true);
    reach_carol(&mut world);
    until(&mut world, 1, is_join);
    world.command("erin", Command::RoomAccept { room });
    arrives(&mut world, |frame| matches!(frame, RoomFrame::Enter { .. }));
    assert_eq!(count(&world, |frame| matches!(frame, RoomFrame::Offer { .. })), 0);
    world.slow_down(false);
    world.pass(10 * SECOND);
    are_together(&world, &["alice", "bob", "carol", "dave", "erin"], room);
    assert_eq!(count(&world, |frame| matches!(frame, RoomFrame::Admission { .. })), 1);
}

/// somebody has entered since the invitation who was not there. Her person was not asked, so she makes no commit.
#[test]
fn who_comes_back_makes_no_commit_for_a_room_in_which_a_stranger_is() {
    let (mut world, room) = without_carol();
    world.command("alice", Command::RoomInvite { room, who: address("erin") });
    world.slow_down(true);
    reach_carol(&mut world);
    until(&mut world, 1, |frame| matches!(frame, RoomFrame::Approach { .. }));
    world.command("erin", Command::RoomAccept { room });
    arrives(&mut world, |frame| matches!(frame, RoomFrame::Enter { .. }));
    world.slow_down(false);
    world.pass(10 * SECOND);
    are_together(&world, &["alice", "bob", "dave", "erin"], room);
    assert!(world.core_of("carol").in_room(room).is_none());
    let admitted = count(&world, |frame| matches!(frame, RoomFrame::Admission { .. }));
    assert_eq!((admitted, count(&world, is_join)), (1, 0));
    let why = |event: &Event| matches!(event, Event::Error { message, .. } if message.contains("the room that this device was in"));
    assert!(world.events("carol").iter().any(why));
}

#[test]
fn who_is_overtaken_each_time_is_let_in_by_the_host() {
    let (mut world, room) = without_carol();
    world.slow_down(true);
    reach_carol(&mut world);
    for time in 1..=3 {
        until(&mut world, time, is_join);
        world.command("alice", Command::RoomTopic { room, topic: format!("tea number {time}") });
    }
    until(&mut world, 1, |frame| matches!(frame, RoomFrame::Welcome { .. }));
    world.slow_down(false);
    world.pass(5 * SECOND);
    are_together(&world, &ALL, room);
    assert_eq!(count(&world, is_join), 3);
}

/// Her connection ends after she has handed in her commit, and before she hears what became of it.
#[test]
fn whose_connection_to_the_host_is_lost_meanwhile_is_asked_in_anew() {
    let (mut world, room) = carol_has_handed_in();
    world.end("alice", "carol");
    world.slow_down(false);
    world.pass(40 * SECOND);
    are_together(&world, &ALL, room);
}

#[test]
fn where_the_host_is_lost_before_the_commit_reaches_her_the_next_host_asks_in_anew() {
    let (mut world, room) = carol_has_handed_in();
    world.leave("alice");
    world.slow_down(false);
    world.pass(60 * SECOND);
    are_together(&world, &["bob", "carol", "dave"], room);
}

/// What the host has offered, another offers again in her place, unchanged, and a fellow tells who entered by it.
#[test]
fn a_commit_that_lets_somebody_in_outlives_the_host_who_offered_it() {
    let (mut world, room) = carol_has_handed_in();
    let Some(RoomFrame::Join { commit, .. }) = said(&world).into_iter().map(|(_, frame)| frame).find(is_join) else {
        unreachable!("it was said")
    };
    let name = commit_name(&commit).0;
    let acknowledged = |frame: &RoomFrame| matches!(frame, RoomFrame::Ack { head, .. } if head.head.commit == name);
    // To each of two, from each of the two others: then both have staged it.
    until(&mut world, 4, acknowledged);
    let under_way = world.slow.replace(VecDeque::new()).unwrap();
    // Nothing of that reaches the host, nor comes from her any more.
    world.leave("alice");
    world.slow = Some(under_way);
    world.slow_down(false);
    world.pass(40 * SECOND);
    are_together(&world, &["bob", "carol", "dave"], room);
    let ended = |of: &str| world.core_of(of).decided_in(room).iter().any(|(_, commit)| commit.0 == name);
    assert!(["bob", "carol", "dave"].iter().all(|of| ended(of)), "by her commit of then");
}

/// a room is locked to whoever may come back, too.
#[test]
fn a_locked_room_lets_in_again_whom_it_had_lost_and_nobody_else() {
    let (mut world, room) = without_carol();
    world.command("alice", Command::RoomLock { room, locked: true });
    reach_carol(&mut world);
    world.pass(20 * SECOND);
    are_together(&world, &ALL, room);
    assert_eq!(count(&world, is_join), 1);
}

/// who was removed for good is not invited to any epoch, though she approaches.
#[test]
fn who_was_removed_for_good_is_not_admitted() {
    let mut world = World::of(&ALL);
    let room = world.room(&ALL);
    world.command("alice", Command::RoomRole { room, who: address("bob"), role: Role::Owner });
    world.command("alice", Command::RoomRemove { room, who: address("carol") });
    world.pass(SECOND);
    world.forget_all();
    world.inject("carol", "alice", RoomFrame::Approach { room: room.0 });
    world.pass(20 * SECOND);
    assert_eq!(count(&world, |frame| matches!(frame, RoomFrame::Admission { .. })), 0);
    are_together(&world, &["alice", "bob", "dave"], room);
}

/// Who is invited and does nothing holds others up for a moment, and is not invited for ever.
#[test]
fn a_guest_who_is_invited_to_an_epoch_and_does_nothing_keeps_nobody_out() {
    let mut world = World::of(&ALL);
    let room = world.room(&["alice", "bob"]);
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.forget_all();
    // Her engine does not know of it.
    world.inject("carol", "alice", RoomFrame::Approach { room: room.0 });
    world.inject("carol", "alice", RoomFrame::Approach { room: room.0 });
    let admission = |frame: &RoomFrame| matches!(frame, RoomFrame::Admission { .. });
    assert_eq!(count(&world, admission), 1);
    world.command("dave", Command::RoomAccept { room });
    world.pass(8 * SECOND);
    are_together(&world, &["alice", "bob", "dave"], room);
    world.pass(40 * SECOND);
    assert_eq!(count(&world, admission), 4);
    let failed =
        |event: &&Event| matches!(event, Event::RoomInvitationFailed { who, .. } if who.as_str() == address("carol"));
    assert_eq!(world.events("alice").iter().filter(failed).count(), 1);
    world.inject("carol", "alice", RoomFrame::Approach { room: room.0 });
    assert_eq!(count(&world, admission), 4, "that was all");
}

/// What a guest says to who has not invited her, or members who host nothing, comes to nothing; nor does another's invitation.
#[test]
fn nobody_enters_whom_the_host_has_not_invited() {
    let mut world = World::of(&ALL);
    let room = world.room(&["alice", "bob"]);
    for guest in ["carol", "dave"] {
        world.send(guest, "alice", "hello", 1);
        world.send(guest, "bob", "hello", 1);
    }
    let epoch = world.core_of("alice").in_room(room).unwrap().0;
    world.forget_all();
    for host in ["alice", "bob"] {
        world.inject("carol", host, RoomFrame::Approach { room: room.0 });
    }
    assert_eq!(count(&world, |frame| matches!(frame, RoomFrame::Admission { .. })), 0);
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.inject("carol", "alice", RoomFrame::Approach { room: room.0 });
    let Some(RoomFrame::Admission { group_info, invitation, .. }) =
        said(&world).into_iter().map(|(_, frame)| frame).find(|frame| matches!(frame, RoomFrame::Admission { .. }))
    else {
        panic!("carol is invited")
    };
    // Dave has got hold of it.
    let dave = leaf("dave");
    let forged = SignedInvitation {
        signature: sign(&invitation.invited, &dave).unwrap(),
        invited: Invited { device: dave.device().0, ..invitation.invited.clone() },
    };
    world.forget_all();
    for invitation in [&invitation, &forged] {
        let commit = Entrance::make_regardless(&group_info, invitation.to_bytes(), &dave).unwrap();
        for (from, to) in [("dave", "alice"), ("dave", "bob"), ("carol", "alice")] {
            world.inject(from, to, RoomFrame::Join { room: room.0, commit: commit.clone() });
        }
        world.inject("bob", "alice", RoomFrame::Propose { room: room.0, commit });
    }
    world.pass(SECOND);
    assert_eq!(count(&world, |frame| matches!(frame, RoomFrame::Offer { .. })), 0);
    assert_eq!(world.core_of("alice").in_room(room).unwrap().0, epoch);
    // She who handed in a commit that is not hers is turned away, and her host is told.
    let failed =
        |event: &&Event| matches!(event, Event::RoomInvitationFailed { who, .. } if who.as_str() == address("carol"));
    assert_eq!(world.events("alice").iter().filter(failed).count(), 1);
}

/// Of two of hers the host could offer one while she waits for the other.
#[test]
fn for_one_epoch_there_is_one_commit_however_often_the_host_asks() {
    let (mut world, room) = carol_has_handed_in();
    let frames = said(&world).into_iter().map(|(_, frame)| frame);
    let admission = frames.into_iter().find(|frame| matches!(frame, RoomFrame::Admission { .. })).unwrap();
    world.inject("alice", "carol", admission);
    let joins: Vec<RoomFrame> = said(&world).into_iter().map(|(_, frame)| frame).filter(is_join).collect();
    assert_eq!(joins.len(), 2);
    assert!(joins[0] == joins[1], "the same commit");
    world.slow_down(false);
    world.pass(5 * SECOND);
    are_together(&world, &ALL, room);
}

/// A decision about her own commit she follows if a quorum's signatures prove it, and no other.
#[test]
fn who_waits_for_the_decision_follows_a_proven_one_alone() {
    let (mut world, room) = carol_has_handed_in();
    let Some(RoomFrame::Join { commit, .. }) = said(&world).into_iter().map(|(_, frame)| frame).find(is_join) else {
        unreachable!("it was said")
    };
    let name = commit_name(&commit).0;
    until(&mut world, 1, |frame| matches!(frame, RoomFrame::Go { head, .. } if head.head.commit == name));
    let Some(RoomFrame::Go { head, acks, .. }) = said(&world)
        .into_iter()
        .map(|(_, frame)| frame)
        .find(|frame| matches!(frame, RoomFrame::Go { head, .. } if head.head.commit == name))
    else {
        unreachable!("it was said")
    };
    let mut broken = acks.clone();
    broken.iter_mut().for_each(|ack| ack.signature[0] ^= 1);
    let mut unsigned = head.clone();
    unsigned.signature[0] ^= 1;
    let go = |head: &crate::wire::SignedHead, acks: &[crate::wire::QuotedAck]| RoomFrame::Go {
        head: head.clone(),
        commit: commit.clone(),
        acks: acks.to_vec(),
    };
    let one = &acks[..1];
    let many = acks.iter().cycle().take(MAX_MEMBERS + 1).cloned().collect::<Vec<_>>();
    for frame in [go(&head, &broken), go(&unsigned, &acks), go(&head, one), go(&head, &[]), go(&head, &many)] {
        world.inject("alice", "carol", frame);
        assert!(world.core_of("carol").in_room(room).is_none());
    }
    world.inject("alice", "carol", go(&head, &acks));
    assert!(world.core_of("carol").in_room(room).is_some());
}
