//! Rooms: entered, talked in, left; and what a hostile member or host gets away with, which is nothing.

use std::time::Duration;

use super::world::{World, address, room_texts};
use crate::api::{Command, Event, RoomId, RoomSuite};
use crate::room::{DeviceKey, Entrance, Group, Joining, MyLeaf, ROOM_VERSION, Wanted, sign};
use crate::time::Now;
use crate::wire::{Acknowledged, Channel, QuotedAck, RoomFrame, TalkFrame, decode};

/// Epoch, code and members as last told to somebody.
pub(super) fn view(events: &[Event]) -> (u64, String, Vec<String>) {
    let last = events.iter().rev().find_map(|event| match event {
        Event::Room { epoch, code, members, .. } => {
            Some((*epoch, code.clone(), members.iter().map(ToString::to_string).collect()))
        }
        _ => None,
    });
    last.expect("a room event")
}

pub(super) fn last_delivery(events: &[Event]) -> (usize, Vec<String>) {
    let last = events.iter().rev().find_map(|event| match event {
        Event::RoomMessageState { delivered, missing, .. } => {
            Some((delivered.len(), missing.iter().map(|m| m.reason.clone()).collect()))
        }
        _ => None,
    });
    last.expect("a delivery event")
}

pub(super) fn say(world: &mut World, who: &str, room: RoomId, text: &str) {
    world.command(who, Command::RoomSend { room, text: text.into(), id: None, reply_to: None });
}

#[test]
fn three_people_talk_and_every_device_acknowledges() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let views: Vec<_> = ["alice", "bob", "carol"].map(|name| view(&world.events(name))).to_vec();
    assert_eq!(views[0], views[1]);
    assert_eq!(views[1], views[2]);
    assert_eq!(views[0].2, ["alice", "bob", "carol"].map(address));
    assert_eq!(world.wires("bob", "carol"), 1, "members link up with each other");
    for speaker in ["alice", "bob"] {
        say(&mut world, speaker, room, &format!("{speaker} speaks"));
        assert_eq!(last_delivery(&world.events(speaker)), (2, vec![]));
    }
    assert_eq!(room_texts(&world.events("carol")), ["alice speaks", "bob speaks"]);
    say(&mut world, "carol", room, "carol speaks");
    assert_eq!(last_delivery(&world.events("carol")), (2, vec![]));
}

#[test]
fn members_who_are_strangers_to_each_other_link_up() {
    let mut world = World::of(&["alice"]);
    world.add("bob", vec![address("alice").parse().unwrap()]);
    world.add("carol", vec![address("alice").parse().unwrap()]);
    for name in ["bob", "carol"] {
        world.command("alice", Command::AddContact { who: address(name) });
        world.go_online(name);
    }
    let room = world.room(&["alice", "bob", "carol"]);
    say(&mut world, "bob", room, "hello carol");
    assert_eq!(room_texts(&world.events("carol")), ["hello carol"]);
    // The link is for the room alone: a one-to-one text rings first.
    world.forget_events();
    world.send("bob", "carol", "psst", 1);
    assert!(matches!(&world.events("carol")[..], [Event::Incoming { contact: false, .. }]));
}

#[test]
fn who_left_cannot_read_what_follows() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let before = view(&world.events("alice"));
    world.forget_events();
    world.command("bob", Command::RoomLeave { room });
    assert!(world.events("bob").iter().any(|event| matches!(event, Event::RoomClosed { .. })));
    for name in ["alice", "carol"] {
        let events = world.events(name);
        assert!(events.contains(&Event::RoomLeft { room, who: address("bob").parse().unwrap() }), "{name}");
        let after = view(&events);
        assert_eq!((after.0, after.2), (before.0 + 1, vec![address("alice"), address("carol")]));
        assert_ne!(after.1, before.1);
    }
    world.tapped.clear();
    say(&mut world, "alice", room, "now that bob is gone");
    assert_eq!(last_delivery(&world.events("alice")), (1, vec![]));
    assert!(room_texts(&world.events("bob")).is_empty());
}

/// Somebody's key.
pub(super) fn leaf(name: &str) -> MyLeaf {
    let seed: Vec<u8> = name.bytes().cycle().take(32).collect();
    let key = ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap());
    let device = DeviceKey(key.verifying_key().to_bytes());
    MyLeaf::new(super::world::certificate(&address(name), &device), key)
}

pub(super) fn device(name: &str) -> DeviceKey {
    leaf(name).device()
}

/// These, and nobody else, are in one room, in one epoch under one host.
pub(super) fn all_are_together(world: &World, room: RoomId, names: &[&str]) {
    let place = |name: &str| world.core_of(name).in_room(room).map(|(epoch, id, host)| (epoch, id, host.device));
    let first = place(names[0]);
    for name in names {
        assert!(place(name).is_some() && place(name) == first, "{name} is elsewhere");
        assert_eq!(world.core_of(name).members_of(room).len(), names.len(), "{name}");
    }
}

/// The room frames that somebody put on a wire.
pub(super) fn frames(world: &World, by: &str) -> Vec<RoomFrame> {
    let frames = world.tapped.iter().filter(|(from, channel, _)| from == by && *channel == Channel::Rooms);
    frames.filter_map(|(_, _, bytes)| decode::<RoomFrame>(&bytes[4..]).unwrap()).collect()
}

/// The same with keys instead of wires: bob keeps his group, is removed, and gets every frame.
#[test]
fn a_removed_members_keys_open_nothing_that_follows() {
    let world = World::of(&["alice"]);
    let now = world.now();
    let credentials = world.tables["alice"].clone();
    let (alice, bob) = (leaf("alice"), leaf("bob"));
    let room = RoomId([7; 16]);
    let mut host = Group::create(room, ("tea", RoomSuite::Hybrid), &alice, &*credentials, now).unwrap();
    let (joining, key_package) = Joining::new(room, RoomSuite::Hybrid, &bob).unwrap();
    let guest = host.verify_guest(&key_package, bob.device(), &*credentials, now).unwrap();
    let entry = host.make(Wanted::Enter(Box::new(guest)), &alice).unwrap();
    let welcome = host.merge(entry.id, now).unwrap().welcome.unwrap().1;
    let mut member = joining.enter((&welcome, entry.id), alice.device(), &*credentials, now).unwrap();
    assert_eq!(host.code(), member.code());

    let text = |id| crate::wire::RoomPlaintext::Text { id, seen: 0, text: "tea at five".into(), reply: None };
    let heard = host.seal(&text(1), &alice).unwrap();
    assert_eq!(member.open(&heard, alice.device()).unwrap().plaintext, text(1));

    let removal = host.make(Wanted::Remove(vec![bob.device()]), &alice).unwrap();
    let commit = host.staged_message(removal.id).unwrap().to_vec();
    assert_eq!(host.merge(removal.id, now).unwrap().removed.len(), 1);
    let after = host.seal(&text(2), &alice).unwrap();
    assert!(member.open(&after, alice.device()).is_err(), "without the commit");
    assert_eq!(member.stage(&commit, &*credentials, now).unwrap(), removal);
    assert_eq!(member.epoch(), 1, "staged, and not merged");
    assert!(member.merge(removal.id, now).unwrap().myself_removed);
    assert!(member.open(&after, alice.device()).is_err(), "with the commit");
    assert!(member.seal(&text(3), &bob).is_err(), "and he cannot speak");
}

/// However long the epoch lasted: what counts is when it ended.
#[test]
fn texts_of_a_past_epoch_are_opened_for_ten_seconds() {
    let world = World::of(&["alice"]);
    let (began, credentials) = (world.now(), world.tables["alice"].clone());
    let at = |seconds| Now { instant: began.instant + Duration::from_secs(seconds), ..began };
    let (alice, bob, carol) = (leaf("alice"), leaf("bob"), leaf("carol"));
    let room = RoomId([7; 16]);
    let mut host = Group::create(room, ("tea", RoomSuite::Hybrid), &alice, &*credentials, began).unwrap();
    let enter = |host: &mut Group, guest: &MyLeaf, now| {
        let (joining, key_package) = Joining::new(room, RoomSuite::Hybrid, guest).unwrap();
        let entering = host.verify_guest(&key_package, guest.device(), &*credentials, now).unwrap();
        let entry = host.make(Wanted::Enter(Box::new(entering)), &alice).unwrap();
        let welcome = host.merge(entry.id, now).unwrap().welcome.unwrap().1;
        joining.enter((&welcome, entry.id), alice.device(), &*credentials, now).unwrap()
    };
    let mut member = enter(&mut host, &bob, began);
    let text = |id| crate::wire::RoomPlaintext::Text { id, seen: 0, text: "tea at five".into(), reply: None };
    let [first, second, third] = [1, 2, 3].map(|id| member.seal(&text(id), &bob).unwrap());
    enter(&mut host, &carol, at(100));
    host.forget_past_epochs(at(100));
    assert_eq!(host.open(&first, bob.device()).unwrap().plaintext, text(1));
    assert_eq!(host.next_deadline(), Some(at(110).instant), "that of alice alone went before");
    host.forget_past_epochs(at(109));
    assert_eq!(host.open(&second, bob.device()).unwrap().plaintext, text(2));
    host.forget_past_epochs(at(110));
    assert!(host.open(&third, bob.device()).is_err());
    assert_eq!(host.next_deadline(), None);
}

/// What openmls wants kept is not kept but for the private keys that it asks for again, and of those no more than are of use.
#[test]
fn a_room_keeps_the_private_keys_of_its_epoch_and_no_others() {
    let world = World::of(&["alice"]);
    let (now, credentials) = (world.now(), world.tables["alice"].clone());
    let (alice, bob, carol) = (leaf("alice"), leaf("bob"), leaf("carol"));
    let room = RoomId([7; 16]);
    let mut host = Group::create(room, ("tea", RoomSuite::Hybrid), &alice, &*credentials, now).unwrap();
    let of_an_epoch = (0, 0, 1);
    assert_eq!(host.keys_kept(), of_an_epoch);
    let (joining, key_package) = Joining::new(room, RoomSuite::Hybrid, &bob).unwrap();
    assert_eq!(joining.keys_kept(), (1, 0, 0), "that of the key package");
    let entering = host.verify_guest(&key_package, bob.device(), &*credentials, now).unwrap();
    let entry = host.make(Wanted::Enter(Box::new(entering)), &alice).unwrap();
    let welcome = host.merge(entry.id, now).unwrap().welcome.unwrap().1;
    let mut member = joining.enter((&welcome, entry.id), alice.device(), &*credentials, now).unwrap();
    assert_eq!((host.keys_kept(), member.keys_kept()), (of_an_epoch, of_an_epoch));

    // One that is decided, and one of the same epoch that is not.
    let follow = |host: &mut Group, member: &mut Group, wanted| {
        let me = member.members().find(|person| person.device == bob.device()).unwrap().clone();
        let lost = member.make(Wanted::Update(Box::new(me)), &bob).unwrap();
        let commit = host.make(wanted, &alice).unwrap();
        let message = host.staged_message(commit.id).unwrap().to_vec();
        assert_ne!(lost, member.stage(&message, &*credentials, now).unwrap());
        host.merge(commit.id, now).unwrap();
        member.merge(commit.id, now).unwrap();
        assert_eq!((host.keys_kept(), member.keys_kept()), (of_an_epoch, of_an_epoch));
        assert_eq!(host.code(), member.code());
    };
    let me = host.host().clone();
    follow(&mut host, &mut member, Wanted::Update(Box::new(me)));
    let (_, key_package) = Joining::new(room, RoomSuite::Hybrid, &carol).unwrap();
    let entering = host.verify_guest(&key_package, carol.device(), &*credentials, now).unwrap();
    follow(&mut host, &mut member, Wanted::Enter(Box::new(entering)));
    follow(&mut host, &mut member, Wanted::Remove(vec![carol.device()]));
    let (info, invitation) = host.invite(carol.device(), &alice).unwrap();
    let (kind, offered) = ((room, RoomSuite::Hybrid), (&info[..], &invitation));
    let entrance = Entrance::make(kind, alice.device(), offered, &carol, &*credentials, now).unwrap();
    assert_eq!(entrance.into_group().keys_kept(), of_an_epoch, "by a commit of her own");
    let text = crate::wire::RoomPlaintext::Text { id: 1, seen: 0, text: "tea at five".into(), reply: None };
    let sealed = member.seal(&text, &bob).unwrap();
    assert_eq!(host.open(&sealed, bob.device()).unwrap().plaintext, text);
    assert_eq!((host.keys_kept(), member.keys_kept()), (of_an_epoch, of_an_epoch));
}

#[test]
fn a_leaf_whose_key_is_not_the_certificates_is_refused() {
    let world = World::of(&["alice"]);
    let now = world.now();
    let credentials = world.tables["alice"].clone();
    let key = |byte| ed25519_dalek::SigningKey::from_bytes(&[byte; 32]);
    let device = |byte| DeviceKey(key(byte).verifying_key().to_bytes());
    let alice = MyLeaf::new(super::world::certificate("alice@example.org", &device(1)), key(1));
    let host = Group::create(RoomId([7; 16]), ("tea", RoomSuite::Hybrid), &alice, &*credentials, now).unwrap();
    // Mallory signs with her own key under bob's certificate.
    let mallory = MyLeaf::new(super::world::certificate("bob@example.org", &device(2)), key(3));
    let (_, key_package) = Joining::new(RoomId([7; 16]), RoomSuite::Hybrid, &mallory).unwrap();
    let refused = host.verify_guest(&key_package, device(3), &*credentials, now).err().unwrap();
    assert!(refused.to_string().contains("the certificate's key"), "{refused}");
}

/// Of the suite of an invitation nobody is led away: a key package serves one.
#[test]
fn a_rooms_suite_is_that_of_its_invitation() {
    let world = World::of(&["alice"]);
    let (now, credentials) = (world.now(), world.tables["alice"].clone());
    let (alice, bob, room) = (leaf("alice"), leaf("bob"), RoomId([7; 16]));
    let (hybrid, classical) = (RoomSuite::Hybrid, RoomSuite::Classical);
    for (made_with, asked_for) in [(hybrid, classical), (classical, hybrid)] {
        let host = Group::create(room, ("tea", made_with), &alice, &*credentials, now).unwrap();
        let (_, key_package) = Joining::new(room, asked_for, &bob).unwrap();
        let refused = host.verify_guest(&key_package, bob.device(), &*credentials, now).err().unwrap();
        assert!(refused.to_string().contains("a KeyPackage for the room's suite"), "{refused}");
    }
    let mut host = Group::create(room, ("tea", classical), &alice, &*credentials, now).unwrap();
    let (joining, key_package) = Joining::new(room, classical, &bob).unwrap();
    let guest = host.verify_guest(&key_package, bob.device(), &*credentials, now).unwrap();
    let entry = host.make(Wanted::Enter(Box::new(guest)), &alice).unwrap();
    let welcome = host.merge(entry.id, now).unwrap().welcome.unwrap().1;
    // Asked into the other kind, she does not come by this welcome.
    let (other, _) = Joining::new(room, hybrid, &bob).unwrap();
    assert!(other.enter((&welcome, entry.id), alice.device(), &*credentials, now).is_err());
    let member = joining.enter((&welcome, entry.id), alice.device(), &*credentials, now).unwrap();
    assert_eq!((member.suite(), member.code()), (classical.number(), host.code()));
}

#[test]
fn a_classical_room_is_said_to_be_one_and_another_suite_is_declined() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room_of(RoomSuite::Classical, &["alice", "bob", "carol"]);
    for name in ["bob", "carol"] {
        let events = world.events(name);
        let asked = |event: &Event| matches!(event, Event::RoomInvitation { suite: RoomSuite::Classical, .. });
        assert!(events.iter().any(asked), "{events:?}");
        let told = |event: &Event| matches!(event, Event::Room { suite, .. } if suite == "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519");
        assert!(events.iter().any(told), "{events:?}");
    }
    say(&mut world, "bob", room, "hello");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
    // P-256: a leaf's key is none of its.
    let (name, members) = ("tea".into(), Vec::new());
    world.inject(
        "alice",
        "bob",
        RoomFrame::Invite { room: [9; 16], name, suite: 2, members, version: Some(ROOM_VERSION) },
    );
    let RoomFrame::Decline { reason, .. } = tapped(&world, |frame| matches!(frame, RoomFrame::Decline { .. })) else {
        unreachable!()
    };
    assert!(reason.contains("does not speak the room's suite"), "{reason}");
}

#[test]
fn a_member_whose_connection_to_the_host_is_lost_is_removed() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    world.network = false;
    world.end("alice", "bob");
    world.pass(Duration::from_secs(8));
    assert!(world.events("bob").iter().any(|event| matches!(event, Event::RoomClosed { .. })));
    assert_eq!(view(&world.events("carol")).2, [address("alice"), address("carol")]);
    say(&mut world, "carol", room, "bob?");
    assert_eq!(last_delivery(&world.events("carol")), (1, vec![]));
}

#[test]
fn an_invitation_can_be_declined_and_names_nobody_offline() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice"]);
    world.command("alice", Command::RoomInvite { room, who: address("bob") });
    let events = world.events("bob");
    let invitation = events.iter().find(|event| matches!(event, Event::RoomInvitation { .. })).unwrap();
    let Event::RoomInvitation { name, from, members, .. } = invitation else { unreachable!() };
    assert_eq!((name.as_str(), from.as_str(), members.len()), ("tea", "alice@example.org", 1));
    world.forget_events();
    world.command("bob", Command::RoomDecline { room });
    assert!(matches!(&world.events("alice")[..], [Event::RoomInvitationFailed { reason, .. }] if reason == "declined"));
    world.command("carol", Command::GoOffline);
    world.forget_events();
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    assert!(
        matches!(&world.events("alice")[..], [Event::RoomInvitationFailed { reason, .. }] if reason.contains("not online"))
    );
}

#[test]
fn a_guest_whose_certificate_a_member_refuses_makes_that_member_leave() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.tables["bob"].refused.lock().unwrap().push(address("carol"));
    let room = world.room(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(13));
    let events = world.events("bob");
    assert!(
        events.iter().any(|event| matches!(event, Event::RoomClosed { reason, .. } if reason.contains("CHAIN-01"))),
        "{events:?}"
    );
    assert_eq!(view(&world.events("alice")).2, [address("alice"), address("carol")]);
    say(&mut world, "carol", room, "hello");
    assert_eq!(last_delivery(&world.events("carol")), (1, vec![]));
}

#[test]
fn a_guest_who_refuses_a_member_does_not_enter() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.tables["carol"].refused.lock().unwrap().push(address("bob"));
    world.room(&["alice", "bob", "carol"]);
    world.pass(Duration::from_secs(8));
    assert!(world.events("carol").iter().any(|event| matches!(event, Event::RoomClosed { .. })));
    assert_eq!(view(&world.events("alice")).2, [address("alice"), address("bob")]);
}

#[test]
fn only_the_invited_enter() {
    let mut world = World::of(&["alice", "mallory"]);
    let room = world.room(&["alice"]);
    world.send("mallory", "alice", "hello", 1);
    world.forget_events();
    world.inject("mallory", "alice", RoomFrame::Enter { room: room.0, key_package: vec![1, 2, 3] });
    assert!(world.events("alice").is_empty());
    // Invited, but with garbage for a key package.
    world.command("alice", Command::RoomInvite { room, who: address("mallory") });
    world.inject("mallory", "alice", RoomFrame::Enter { room: room.0, key_package: vec![1, 2, 3] });
    assert!(matches!(&world.events("alice")[..], [Event::RoomInvitationFailed { .. }]));
}

#[test]
fn one_device_cannot_fill_the_rooms_of_another() {
    let mut world = World::of(&["alice", "mallory"]);
    world.send("mallory", "alice", "hello", 1);
    world.forget_events();
    let suite = RoomSuite::Hybrid.number();
    for room in 0..100 {
        let invite = RoomFrame::Invite {
            room: [room; 16],
            name: "spam".into(),
            suite,
            members: vec![],
            version: Some(ROOM_VERSION),
        };
        world.inject("mallory", "alice", invite);
    }
    let asked = world.events("alice").iter().filter(|e| matches!(e, Event::RoomInvitation { .. })).count();
    assert_eq!(asked, 8);
    world.room(&["alice"]);
}

/// The last frame of a kind that went over a wire.
pub(super) fn tapped(world: &World, of_kind: impl Fn(&RoomFrame) -> bool) -> RoomFrame {
    let frames = world.tapped.iter().rev().filter(|(_, channel, _)| *channel == Channel::Rooms);
    let mut frames = frames.filter_map(|(_, _, bytes)| decode::<RoomFrame>(&bytes[4..]).unwrap());
    frames.find(of_kind).expect("such a frame was sent")
}

#[test]
fn what_a_member_has_not_signed_counts_for_nothing() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let RoomFrame::Go { head, commit, mut acks } = tapped(&world, |frame| matches!(frame, RoomFrame::Go { .. })) else {
        unreachable!()
    };
    world.forget_events();
    // An old decision changes nothing, and one that is not proven even less.
    world.inject("carol", "bob", RoomFrame::Go { head: head.clone(), commit: commit.clone(), acks: acks.clone() });
    acks.iter_mut().for_each(|ack| ack.signature[0] ^= 1);
    world.inject("carol", "bob", RoomFrame::Go { head: head.clone(), commit: commit.clone(), acks });
    world.inject("carol", "bob", RoomFrame::Decline { room: room.0, reason: "so there".into() });
    let mut forged = head.clone();
    forged.head.commit = [9; 32];
    world.inject("carol", "bob", RoomFrame::Offer { head: forged.clone(), commit, grants: Vec::new() });
    let ack = QuotedAck { from: 0, signature: [9; 64] };
    world.inject("carol", "bob", RoomFrame::Ack { head: forged, ack });
    assert!(world.events("bob").is_empty());
    // She can hand in what she likes: a host offers what is hers.
    world.inject("carol", "alice", RoomFrame::Propose { room: room.0, commit: vec![1, 2, 3] });
    assert!(world.events("alice").is_empty());
}

/// two commits signed in one ballot prove who did it.
#[test]
fn a_host_who_signs_two_offers_in_one_ballot_is_named() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    let RoomFrame::Ack { mut head, .. } = tapped(&world, |frame| matches!(frame, RoomFrame::Ack { .. })) else {
        unreachable!()
    };
    let alice = leaf("alice");
    head.head.commit = [9; 32];
    head.signature = sign(&head.head, &alice).unwrap();
    let acknowledged = Acknowledged { head: head.head.clone(), from: 0 };
    let ack = QuotedAck { from: 0, signature: sign(&acknowledged, &alice).unwrap() };
    world.forget_events();
    let evidence = RoomFrame::Ack { head, ack };
    world.inject("alice", "bob", evidence.clone());
    world.inject("alice", "bob", evidence);
    let events = world.events("bob");
    let warned = events.iter().filter(|event| matches!(event, Event::Error { message, .. } if message.contains("alice@example.org") && message.contains("two different changes")));
    assert_eq!(warned.count(), 1, "{events:?}");
    // Who is accused hosts the room no longer where that is known: bob claims, and carol is told as well.
    assert!(world.core_of("bob").in_room(room).is_some());
}

#[test]
fn a_room_text_from_a_device_that_did_not_seal_it_is_refused() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.tapped.clear();
    world.stall("alice", "bob");
    say(&mut world, "alice", room, "from alice");
    let sealed = world.tapped.iter().find_map(|(_, channel, bytes)| match channel {
        Channel::Talk => match decode::<TalkFrame>(&bytes[4..]).unwrap() {
            Some(TalkFrame::RoomText { message, .. }) => Some(message),
            _ => None,
        },
        Channel::Rooms | Channel::Files => None,
    });
    world.forget_events();
    world.inject_talk("carol", "bob", TalkFrame::RoomText { number: 1, room: room.0, message: sealed.unwrap() });
    assert!(room_texts(&world.events("bob")).is_empty());
}

#[test]
fn a_member_who_does_not_follow_is_removed() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.forget_events();
    for other in ["alice", "carol"] {
        world.be_deaf(other, "bob");
    }
    world.command("alice", Command::RoomInvite { room, who: address("dave") });
    world.command("dave", Command::RoomAccept { room });
    assert!(!world.events("dave").iter().any(|event| matches!(event, Event::Room { .. })), "the welcome waits for bob");
    world.pass(Duration::from_secs(22));
    let everybody = ["alice", "carol", "dave"].map(address).to_vec();
    let mut told = view(&world.events("alice")).2;
    told.sort();
    assert_eq!(told, everybody);
    assert_eq!(view(&world.events("dave")).2.len(), 3);
}

#[test]
fn a_text_to_a_member_without_a_link_waits_a_moment_and_then_says_so() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.network = false;
    // Nor is there anybody who hears her.
    world.cut("alice", "carol");
    world.pass(Duration::from_secs(3));
    world.end("bob", "carol");
    world.forget_events();
    say(&mut world, "bob", room, "hello");
    assert_eq!(last_delivery(&world.events("bob")), (1, vec![]), "carol is pending");
    world.pass(Duration::from_secs(7));
    assert_eq!(
        last_delivery(&world.events("bob")),
        (1, vec!["no connection, neither direct nor by way of a member".into()])
    );
    // The network comes back, and the mesh is repaired.
    world.network = true;
    world.pass(Duration::from_secs(60));
    say(&mut world, "bob", room, "hello again");
    assert_eq!(last_delivery(&world.events("bob")), (2, vec![]));
    assert!(room_texts(&world.events("carol")).contains(&"hello again".to_owned()));
}

/// A directory that ignores which device is meant rings another one, which answers: it is in no room with carol.
#[test]
fn a_member_connects_to_no_other_device_than_the_one_in_the_room() {
    let mut world = World::of(&["alice", "bob/phone", "carol"]);
    let room = world.room(&["alice", "bob/phone"]);
    let contacts = ["alice", "carol"].map(|name| address(name).parse().unwrap()).to_vec();
    world.add("bob/desk", contacts);
    world.go_online("bob/desk");
    world.tells_devices_apart = false;
    world.command("alice", Command::RoomInvite { room, who: address("carol") });
    world.command("carol", Command::RoomAccept { room });
    assert_eq!((world.wires("carol", "bob/desk"), world.wires("carol", "bob/phone")), (0, 0));
    world.tells_devices_apart = true;
    world.pass(Duration::from_secs(10));
    assert_eq!((world.wires("carol", "bob/desk"), world.wires("carol", "bob/phone")), (0, 1));
}
