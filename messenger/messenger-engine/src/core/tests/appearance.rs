//! How one appears: what the directory and the client are told.

use std::time::Duration;

use directory_protocol as directory;
use directory_protocol::{Capabilities, Status};

use super::world::{World, address, last_state, texts};
use crate::api::{Audience, Command, DeliveryState, Event, MAX_NAMED, OwnStatus, PresenceSettings, Purpose, RoomSuite};
use crate::wire::Close;

fn settings(events: &[Event]) -> Vec<PresenceSettings> {
    let settings = |event: &Event| if let Event::Appearance(settings) = event { Some(settings.clone()) } else { None };
    events.iter().filter_map(settings).collect()
}

fn invisible() -> Command {
    Command::SetStatus { status: OwnStatus::Invisible, text: None }
}

fn visible_to(audience: Audience) -> Command {
    Command::SetAudience { visible_to: Some(audience), may_knock: None }
}

fn knocks(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Incoming { .. })).count()
}

/// Somebody opens another room, and asks somebody in.
fn invite(world: &mut World, host: &str, guest: &str) {
    world.command(host, Command::RoomCreate { name: "another".into(), suite: RoomSuite::default() });
    let events = world.events(host);
    let room = events.iter().find_map(|e| if let Event::Room { room, .. } = e { Some(*room) } else { None });
    world.command(host, Command::RoomInvite { room: room.unwrap(), who: address(guest) });
}

#[test]
fn what_is_decided_is_announced_and_told() {
    let mut world = World::of(&["alice", "bob"]);
    assert!(settings(&world.events("alice")).is_empty(), "nothing was ever set");
    let text = Some("at lunch".to_owned());
    world.command("alice", Command::SetStatus { status: OwnStatus::Away, text });
    world.command("alice", Command::SetIdle { seconds: 300 });
    world.command("alice", Command::SetAudience { visible_to: Some(Audience::Nobody), may_knock: None });
    world.command("alice", Command::Block { who: address("mallory") });
    let announced = world.announced("alice");
    assert_eq!(announced.appearance, directory::Appearance::As(Status::Away));
    assert_eq!((announced.details.note.as_str(), announced.details.idle_s), ("at lunch", 300));
    assert_eq!(announced.details.capabilities, Capabilities::TEXT.and(Capabilities::ROOMS));
    assert_eq!(announced.visible_to, directory::Audience::Nobody);
    assert_eq!(announced.may_knock, directory::Audience::Everyone);
    assert_eq!(announced.blocked, [address("mallory").parse().unwrap()]);
    assert_eq!(announced.contacts.len(), 1);
    let told = settings(&world.events("alice"));
    assert_eq!(told.len(), 3, "idle time is nobody's decision");
    assert_eq!(told[2].blocked.len(), 1);

    // Without a text the words stay; a new connection appears as decided.
    world.command("alice", Command::SetStatus { status: OwnStatus::Invisible, text: None });
    assert_eq!(world.announced("alice").details.note, "at lunch");
    world.command("alice", Command::GoOffline);
    world.events("alice");
    world.command("alice", Command::GoOnline);
    world.go_online("alice");
    assert_eq!(settings(&world.events("alice")).last().unwrap().status, OwnStatus::Invisible);
    assert_eq!(world.announced("alice").appearance, directory::Appearance::Invisible);
}

#[test]
fn what_cannot_be_announced_is_refused_and_changes_nothing() {
    let mut world = World::of(&["alice"]);
    world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: Some("x".repeat(201)) });
    world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: Some("two\nlines".to_owned()) });
    // What the directory would refuse for good.
    world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: Some("two\u{2028}lines".to_owned()) });
    world.command("alice", Command::Unblock { who: address("mallory") });
    world.command("alice", Command::Block { who: address("alice") });
    let events = world.events("alice");
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Error { .. })).count(), 5);
    let many = || Audience::Named((0..=MAX_NAMED).map(|n| address(&format!("p{n}")).parse().unwrap()).collect());
    world.command("alice", visible_to(many()));
    world.command("alice", Command::SetAudience { visible_to: Some(Audience::Nobody), may_knock: Some(many()) });
    let refused = world.events("alice");
    assert!(refused.iter().all(|event| matches!(event, Event::Error { about, .. } if about == "set_audience")));
    assert_eq!((refused.len(), world.announced("alice").visible_to), (2, directory::Audience::Contacts));
    assert!(settings(&events).is_empty());
    assert_eq!(world.announced("alice").appearance, directory::Appearance::As(Status::Available));
}

#[test]
fn a_conversation_with_somebody_blocked_ends() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    assert_eq!(texts(&world.events("bob")), ["hello"]);
    assert_eq!(world.wires("alice", "bob"), 1);
    world.command("bob", Command::Block { who: address("alice") });
    assert_eq!(world.wires("alice", "bob"), 0);
    // A directory that lets her call through all the same finds nobody.
    world.forget_events();
    world.send("alice", "bob", "are you there", 2);
    assert!(world.events("bob").is_empty());
    world.pass(Duration::from_secs(40));
    assert!(matches!(last_state(&world.events("alice")), Some((DeliveryState::NotDelivered, _))));
}

#[test]
fn a_text_of_a_contact_from_whom_one_hides_rings() {
    for hiding in [invisible(), visible_to(Audience::Nobody), visible_to(Audience::Named([].into()))] {
        let mut world = World::of(&["alice", "bob"]);
        world.command("alice", hiding);
        world.forget_events();
        world.send("bob", "alice", "are you there", 1);
        let events = world.events("alice");
        assert!(matches!(&events[..], [Event::Incoming { contact: true, .. }]), "{events:?}");
        assert_eq!(world.wires("alice", "bob"), 0);
        world.pass(Duration::from_secs(40));
        assert!(matches!(last_state(&world.events("bob")), Some((DeliveryState::NotDelivered, _))));
        let named = Audience::Named([address("bob").parse().unwrap()].into());
        world.command("alice", Command::SetStatus { status: OwnStatus::Busy, text: None });
        world.command("alice", visible_to(named));
        world.send("bob", "alice", "now", 2);
        assert_eq!(texts(&world.events("alice")), ["now"]);
    }
}

#[test]
fn who_writes_to_somebody_who_knocks_lets_them_in() {
    let mut world = World::of(&["alice", "bob"]);
    world.command("alice", invisible());
    world.send("bob", "alice", "are you there", 1);
    world.forget_events();
    world.send("alice", "bob", "for you I am", 1);
    assert_eq!(texts(&world.events("bob")), ["for you I am"]);
    let events = world.events("alice");
    assert_eq!(texts(&events), ["are you there"]);
    assert!(events.iter().any(|event| matches!(event, Event::IncomingEnded { .. })), "{events:?}");
    assert_eq!(world.wires("alice", "bob"), 1);
}

#[test]
fn whoever_hides_ends_what_stands_but_not_what_she_opens_herself() {
    for hiding in [invisible(), visible_to(Audience::Nobody)] {
        let mut world = World::of(&["alice", "bob"]);
        world.send("bob", "alice", "hello", 1);
        assert_eq!(world.wires("alice", "bob"), 1);
        world.command("alice", hiding.clone());
        assert_eq!(world.wires("alice", "bob"), 0);
        world.forget_events();
        world.send("alice", "bob", "only for you", 1);
        world.command("alice", hiding);
        world.send("bob", "alice", "I see", 2);
        assert_eq!(texts(&world.events("bob")), ["only for you"]);
        assert_eq!(texts(&world.events("alice")), ["I see"]);
    }
}

#[test]
fn a_room_keeps_its_links_while_somebody_in_it_hides() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let room = world.room(&["alice", "bob", "carol"]);
    world.command("carol", invisible());
    assert_eq!((world.wires("alice", "carol"), world.wires("bob", "carol")), (1, 1));
    world.cut("bob", "carol");
    world.forget_events();
    world.pass(Duration::from_secs(10));
    assert_eq!(world.wires("bob", "carol"), 1, "a fellow member's call does not ring");
    assert_eq!(knocks(&world.events("carol")), 0);
    world.command("carol", Command::RoomLeave { room });
}

#[test]
fn texts_and_invitations_of_somebody_blocked_do_not_come_through_a_room() {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "hello", 1);
    world.room(&["alice", "bob"]);
    world.forget_events();
    invite(&mut world, "alice", "bob");
    assert!(matches!(&world.events("bob")[..], [Event::RoomInvitation { .. }]));
    world.command("bob", Command::Block { who: address("alice") });
    assert_eq!(world.wires("alice", "bob"), 1, "the room needs it");
    assert!(world.events("bob").iter().any(|event| matches!(event, Event::RoomClosed { .. })), "the one that waited");
    world.forget_events();
    world.send("alice", "bob", "still there?", 2);
    assert!(matches!(last_state(&world.events("alice")), Some((DeliveryState::NotDelivered, Some(_)))));
    invite(&mut world, "alice", "bob");
    assert!(world.events("bob").is_empty());
    // Not being a contact looks the same.
    let refusal = |world: &mut World, id| {
        world.send("alice", "bob", "still there?", id);
        last_state(&world.events("alice")).unwrap()
    };
    let blocked = refusal(&mut world, 3);
    world.command("bob", Command::Unblock { who: address("alice") });
    world.command("bob", Command::RemoveContact { who: address("alice") });
    assert_eq!(refusal(&mut world, 4), blocked);
}

#[test]
fn a_call_let_in_a_moment_before_leads_nowhere() {
    for ending in [Command::Block { who: address("alice") }, invisible(), visible_to(Audience::Nobody)] {
        let mut world = World::of(&["alice", "bob"]);
        world.network = false;
        world.send("alice", "bob", "hello", 1);
        world.command("bob", ending);
        let alice = world.person("alice");
        assert_eq!(world.intrude("bob", alice), [Close::NOT_INTRODUCED]);
    }
}

#[test]
fn calls_that_cross_come_together_even_if_one_blocks_the_other() {
    // The call with the lower id stays: it is the blocked one's in one of the two.
    for (blocks, other) in [("alice", "bob"), ("bob", "alice")] {
        let mut world = World::of(&["alice", "bob"]);
        world.command(blocks, Command::Block { who: address(other) });
        world.forget_events();
        world.both_send("alice", "bob");
        assert_eq!(texts(&world.events(other)), [format!("from {blocks}")]);
        let events = world.events(blocks);
        assert!(texts(&events).is_empty(), "{events:?}");
    }
}

#[test]
fn idle_time_grows_until_it_is_told() {
    let mut world = World::of(&["alice"]);
    world.command("alice", Command::SetIdle { seconds: 300 });
    world.pass(Duration::from_secs(60));
    assert_eq!(world.announced("alice").details.idle_s, 360, "as a new connection tells it");
    world.command("alice", Command::SetIdle { seconds: 361 });
    assert_eq!(world.announced("alice").details.idle_s, 360, "a second is rounding");
    world.command("alice", Command::SetIdle { seconds: 1_000 });
    assert_eq!(world.announced("alice").details.idle_s, 1_000);
    world.command("alice", Command::SetIdle { seconds: 0 });
    world.pass(Duration::from_secs(60));
    assert_eq!(world.announced("alice").details.idle_s, 0);
}

/// No accept is sent, and with it no address, before one has agreed.
#[test]
fn whom_one_wants_to_be_asked_about_rings_also_for_text() {
    let mut world = World::of(&["alice", "bob"]);
    world.command("alice", Command::AskFirst { who: address("bob"), ask: true });
    assert_eq!(settings(&world.events("alice"))[0].ask_first, [address("bob").parse().unwrap()].into());
    world.send("bob", "alice", "psst", 1);
    let events = world.events("alice");
    let knock = events.iter().find_map(|event| match event {
        Event::Incoming { call, contact, .. } => Some((*call, *contact)),
        _ => None,
    });
    let (call, contact) = knock.unwrap();
    assert!(contact && world.wires("alice", "bob") == 0);
    world.command("alice", Command::Accept { call });
    assert_eq!(texts(&world.events("alice")), ["psst"]);
    // What she agreed to goes on without asking again.
    world.cut("alice", "bob");
    world.send("bob", "alice", "and on", 2);
    world.pass(Duration::from_secs(2));
    assert_eq!(texts(&world.events("alice")), ["and on"]);
    // One's own text is one's own decision.
    world.end("alice", "bob");
    world.send("alice", "bob", "hello", 3);
    assert_eq!(last_state(&world.events("alice")).unwrap().0, DeliveryState::Delivered);
    world.end("alice", "bob");
    world.forget_events();
    world.command("alice", Command::AskFirst { who: address("bob"), ask: true });
    assert_eq!(settings(&world.events("alice"))[0].ask_first.len(), 1, "as it stands already");
    world.command("alice", Command::AskFirst { who: address("bob"), ask: false });
    assert!(settings(&world.events("alice"))[0].ask_first.is_empty());
    world.command("alice", Command::AskFirst { who: address("bob"), ask: false });
    let nothing = world.events("alice");
    assert!(matches!(&nothing[..], [Event::Error { about, .. }] if about == "ask_first"), "{nothing:?}");
    // Until what both tried for the session that has ended is over.
    world.pass(Duration::from_secs(13));
    world.send("bob", "alice", "again", 4);
    assert_eq!(texts(&world.events("alice")), ["again"]);
}

#[test]
fn whom_one_wants_to_be_asked_about_rings_also_for_a_room_one_does_not_share() {
    let mut world = World::of(&["alice", "bob"]);
    world.command("alice", Command::AskFirst { who: address("bob"), ask: true });
    world.forget_events();
    invite(&mut world, "bob", "alice");
    let events = world.events("alice");
    assert!(matches!(&events[..], [Event::Incoming { purpose: Purpose::Room, contact: true, .. }]), "{events:?}");
    assert_eq!(world.wires("alice", "bob"), 0);
}

#[test]
fn who_was_let_in_meanwhile_is_asked_about_after_all() {
    let mut world = World::of(&["alice", "bob"]);
    world.hold_dials();
    world.send("bob", "alice", "psst", 1);
    world.command("alice", Command::AskFirst { who: address("bob"), ask: true });
    world.release_dials();
    assert!(texts(&world.events("alice")).is_empty());
}
