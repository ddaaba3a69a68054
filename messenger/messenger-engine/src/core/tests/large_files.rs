//! Files that are offered to all in a large room (R-56 to R-58 of docs/spec/rooms.md): told by way of hubs, given over a connection
//! between the two. The room is that of [`super::hubs`]: alice and bob are its hubs.

use std::time::Duration;

use super::files::{outline, states, word};
use super::hubs::{HUBS, NAMES, circulars, gathered, large};
use super::rooms::{all_are_together, last_delivery};
use super::world::{World, address};
use crate::api::{Command, Event, RoomId, Side, TransferId, TransferState};
use crate::core::files::TOO_MANY;
use crate::core::hubs::rooms_are_large_above;
use crate::core::lapse::NOT_ACCEPTED;
use crate::core::{FetchEnd, ServeEnd};
use crate::wire::{End, FileWord, Outline, Wanted};

const BEGINNING: Wanted = Wanted::Files { entry: 0, offset: 0 };
/// All but erin.
const OTHERS: [&str; 6] = ["alice", "bob", "carol", "dave", "frank", "grace"];

/// Erin offers something to all. Returns under which number she did.
fn offers(world: &mut World, room: RoomId) -> TransferId {
    world.forget_events();
    world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() });
    world.pass(Duration::from_secs(1));
    let events = world.events("erin");
    let offered = events.iter().find_map(|event| match event {
        Event::RoomFileState { transfer, state: TransferState::Offered, .. } => Some(*transfer),
        _ => None,
    });
    assert_eq!(last_delivery(&events), (OTHERS.len(), vec![]));
    offered.unwrap()
}

/// What was offered to somebody in the room.
fn offered(world: &mut World, name: &str, room: RoomId) -> Vec<TransferId> {
    let offered = |event: &Event| match event {
        Event::FileOffered { transfer, from, room: Some(there), .. } => {
            assert_eq!((from.as_str(), *there), (&*address("erin"), room));
            Some(*transfer)
        }
        _ => None,
    };
    world.events(name).iter().filter_map(offered).collect()
}

fn takes(world: &mut World, name: &str, transfer: TransferId) {
    world.command(name, Command::FileAccept { transfer, into: "/tmp".into() });
}

/// How the last transfer ended, and why.
fn end(events: &[Event]) -> (TransferState, Option<Side>, Option<String>) {
    let end = |event: &Event| match event {
        Event::FileState { state, by, reason, .. } if state.is_over() => Some((*state, *by, reason.clone())),
        _ => None,
    };
    events.iter().rev().find_map(end).unwrap()
}

#[test]
fn who_has_no_connection_to_its_author_takes_it_over_one_that_is_made_for_it() {
    use TransferState::{Done, Offered, Running, Waiting};
    let (mut world, room) = large();
    let offer = offers(&mut world, room);
    let told: Vec<Vec<TransferId>> = OTHERS.iter().map(|name| offered(&mut world, name, room)).collect();
    assert!(told.iter().all(|told| told.len() == 1 && told[0] != offer), "{told:?}");
    assert!(world.running().is_empty() && world.wires("erin", "grace") == 0);
    takes(&mut world, "grace", told[5][0]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.wires("erin", "grace"), 0, "not all dial at once (R-58)");
    world.pass(Duration::from_millis(2_100));
    assert_eq!(world.wires("erin", "grace"), 1);
    assert_eq!(world.running(), [BEGINNING], "between the two, and nobody else is asked again");
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    assert_eq!(states(&world.events("grace")), [(Waiting, None), (Running, None), (Done, None)]);
    let events = world.events("erin");
    assert_eq!(states(&events), [(Offered, None), (Running, None), (Done, None)]);
    assert!(
        events.iter().all(|event| !matches!(event, Event::FileState { with, .. } if with.as_str() != address("grace")))
    );
    // Whoever has a session has it at once.
    takes(&mut world, "bob", told[1][0]);
    assert_eq!(world.running(), [BEGINNING]);
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    assert_eq!(end(&world.events("bob")).0, Done);
    // What was made for it goes again, and what the room needs stays.
    world.pass(Duration::from_secs(200));
    assert_eq!((world.wires("erin", "grace"), world.wires("erin", "bob")), (0, 1));
    all_are_together(&world, room, &NAMES);
}

#[test]
fn what_is_withdrawn_is_taken_by_nobody_and_goes_on_to_who_has_begun() {
    let (mut world, room) = large();
    let offer = offers(&mut world, room);
    let (of_grace, of_frank) = (offered(&mut world, "grace", room)[0], offered(&mut world, "frank", room)[0]);
    takes(&mut world, "grace", of_grace);
    world.pass(Duration::from_secs(4));
    // Frank does not hear of it.
    world.carries_nothing.extend(HUBS.map(String::from));
    world.command("erin", Command::FileCancel { transfer: offer });
    assert!(world.events("erin").iter().any(|event| matches!(event,
        Event::RoomFileState { transfer, state: TransferState::Cancelled, .. } if *transfer == offer)));
    assert_eq!(world.running(), [BEGINNING], "to grace");
    takes(&mut world, "frank", of_frank);
    world.pass(Duration::from_secs(4));
    let (state, _, reason) = end(&world.events("frank"));
    assert_eq!((state, reason.as_deref()), (TransferState::Failed, Some("it is not offered any more")));
    // Who does hear of it is told.
    world.carries_nothing.clear();
    let again = offers(&mut world, room);
    let of_carol = offered(&mut world, "carol", room)[0];
    world.command("erin", Command::FileCancel { transfer: again });
    assert_eq!(end(&world.events("carol")), (TransferState::Cancelled, Some(Side::Them), None));
    takes(&mut world, "carol", of_carol);
    assert!(
        world.events("carol").iter().any(|event| matches!(event, Event::Error { about, .. } if about == "file_accept"))
    );
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    // Of the first one she heard late, as of a text.
    world.pass(Duration::from_secs(5));
    assert_eq!((world.core_of("erin").files.len(), world.core_of("carol").files.len()), (0, 0));
}

#[test]
fn who_does_not_reach_its_author_is_told_so_and_may_take_it_again() {
    let (mut world, room) = large();
    offers(&mut world, room);
    let transfer = offered(&mut world, "grace", room)[0];
    world.part("erin", "grace");
    takes(&mut world, "grace", transfer);
    world.pass(Duration::from_secs(29));
    assert_eq!(states(&world.events("grace")), [(TransferState::Waiting, None)]);
    world.pass(Duration::from_secs(2));
    let events = world.events("grace");
    let reason = events.iter().find_map(|event| match event {
        Event::FileState { state: TransferState::Offered, reason, .. } => reason.as_deref(),
        _ => None,
    });
    assert_eq!((states(&events).len(), reason), (1, Some("who offers it was not reached")));
    let asks = world.calls("grace").len();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.calls("grace").len(), asks, "and she is looked for no longer");
    world.join("erin", "grace");
    takes(&mut world, "grace", transfer);
    world.pass(Duration::from_secs(4));
    assert_eq!(world.running(), [BEGINNING]);
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    assert_eq!(end(&world.events("grace")).0, TransferState::Done);
}

#[test]
fn what_somebody_offers_ends_when_she_leaves() {
    let (mut world, room) = large();
    offers(&mut world, room);
    world.command("erin", Command::RoomLeave { room });
    world.pass(Duration::from_secs(2));
    let ended = world.events("erin").into_iter().find_map(|event| match event {
        Event::RoomFileState { state, reason, .. } => Some((state, reason)),
        _ => None,
    });
    assert_eq!(ended, Some((TransferState::Stopped, Some("the room was left".to_owned()))));
    for name in OTHERS {
        let (state, _, reason) = end(&world.events(name));
        assert_eq!(
            (state, reason.as_deref()),
            (TransferState::Stopped, Some("who offered it has left the room")),
            "{name}"
        );
    }
    // And for who leaves herself.
    let (mut world, room) = large();
    offers(&mut world, room);
    world.command("grace", Command::RoomLeave { room });
    assert_eq!(end(&world.events("grace")).0, TransferState::Stopped);
}

///
#[test]
fn nothing_is_offered_by_whose_certificate_has_lapsed() {
    let (mut world, room) = large();
    offers(&mut world, room);
    let lapse = |world: &mut World| {
        world.tables["grace"].refused.lock().unwrap().push(address("erin"));
        let now = world.now();
        world.core("grace").inside(room).unwrap().lapsed.look_now(now);
        world.pass(Duration::from_secs(1));
    };
    lapse(&mut world);
    let (state, _, reason) = end(&world.events("grace"));
    assert_eq!((state, reason.as_deref()), (TransferState::Stopped, Some(NOT_ACCEPTED)), "what was offered before");
    world.forget_events();
    world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() });
    world.pass(Duration::from_secs(1));
    assert_eq!(last_delivery(&world.events("erin")), (5, vec![NOT_ACCEPTED.to_owned()]));
    assert_eq!((offered(&mut world, "grace", room).len(), offered(&mut world, "frank", room).len()), (0, 1));
}

#[test]
fn whoever_is_blocked_is_shown_and_given_nothing_and_does_not_learn_it() {
    let (mut world, room) = large();
    world.command("carol", Command::Block { who: address("erin") });
    // Carol answers as all others do.
    let offer = offers(&mut world, room);
    assert!(offered(&mut world, "carol", room).is_empty());
    // Who blocks her later loses what she has offered.
    world.command("frank", Command::Block { who: address("erin") });
    assert_eq!(end(&world.events("frank")).0, TransferState::Stopped);
    // Whom she blocks is told no more than who comes too late.
    let transfer = offered(&mut world, "alice", room)[0];
    world.core("erin").settings.blocked.insert(address("alice").parse().unwrap());
    takes(&mut world, "alice", transfer);
    let (state, _, reason) = end(&world.events("alice"));
    assert_eq!((state, reason.as_deref()), (TransferState::Failed, Some("it is not offered any more")));
    // And all answer that it is withdrawn, whether they still had it, had asked for it, or were never shown it.
    world.forget_events();
    world.command("erin", Command::FileCancel { transfer: offer });
    world.pass(Duration::from_secs(5));
    assert_eq!(last_delivery(&world.events("erin")), (OTHERS.len(), vec![]));
    assert!(world.events("carol").iter().all(|event| !matches!(event, Event::FileState { .. })));
}

///
#[test]
fn whoever_is_a_member_no_more_is_given_nothing() {
    let (mut world, room) = large();
    let offer = offers(&mut world, room);
    world.command("bob", Command::RoomLeave { room });
    world.pass(Duration::from_secs(2));
    world.be_unanswered("bob", "erin");
    world.forget_events();
    world.inject_talk("bob", "erin", word(1, TransferId([7; 16]), FileWord::Ask { offer: offer.0 }));
    assert_eq!((world.events("erin"), world.core_of("erin").files.len()), (Vec::new(), 1));
    assert_eq!(world.wires("bob", "erin"), 1);
}

#[test]
fn what_has_changed_since_it_was_offered_is_not_given() {
    let (mut world, room) = large();
    offers(&mut world, room);
    let transfer = offered(&mut world, "bob", room)[0];
    let mut other = outline("tea");
    other.bytes += 1;
    world.desk.shelves.insert("/tea".into(), other);
    takes(&mut world, "bob", transfer);
    for name in ["bob", "erin"] {
        let (state, _, reason) = end(&world.events(name));
        assert_eq!(
            (state, reason.as_deref()),
            (TransferState::Failed, Some("it is not what was offered any more")),
            "{name}"
        );
    }
    // What cannot be read is offered to nobody.
    world.command("erin", Command::RoomFileOffer { room, path: "/nothing".into() });
    assert!(world.events("erin").iter().any(|event| matches!(event,
        Event::RoomFileState { id: None, state: TransferState::Failed, reason: Some(reason), .. } if reason == "no such file")));
}

#[test]
fn who_asks_again_and_again_is_given_it_eight_times() {
    let (mut world, room) = large();
    let offer = offers(&mut world, room);
    world.be_unanswered("alice", "erin");
    world.forget_events();
    for number in 1..=12 {
        let ask = || FileWord::Ask { offer: offer.0 };
        world.inject_talk("alice", "erin", word(3 * number - 2, TransferId([number as u8; 16]), ask()));
        // Not twice at a time.
        world.inject_talk("alice", "erin", word(3 * number - 1, TransferId([100 + number as u8; 16]), ask()));
        assert_eq!(states(&world.events("erin")).len(), usize::from(number <= 8), "{number}");
        let over = FileWord::Over { end: End::Cancelled, reason: None };
        world.inject_talk("alice", "erin", word(3 * number, TransferId([number as u8; 16]), over));
        world.forget_events();
    }
    let ask = FileWord::Ask { offer: [9; 16] };
    world.inject_talk("alice", "erin", word(37, TransferId([99; 16]), ask));
    assert!(world.events("erin").is_empty(), "what is not offered");
}

/// All in the room know the number by which it is offered to them.
#[test]
fn no_transfer_has_the_number_of_what_is_offered_to_all() {
    let (mut world, room) = large();
    let offer = offers(&mut world, room);
    world.be_unanswered("alice", "erin");
    world.forget_events();
    world.tapped.clear();
    world.inject_talk("alice", "erin", word(1, offer, FileWord::Ask { offer: offer.0 }));
    world.inject_talk("alice", "erin", word(2, offer, FileWord::Offer { what: outline("tea") }));
    assert!(circulars(&world, "erin").is_empty(), "it is not offered anew");
    assert_eq!((world.events("erin"), world.core_of("erin").files.len()), (Vec::new(), 1));
    let file = |transfer| Command::FileOffer {
        to: address("alice"),
        path: "/tea".into(),
        transfer: Some(transfer),
        device: None,
        media_type: None,
    };
    world.command("erin", file(offer));
    assert!(matches!(&world.events("erin")[..], [Event::Error { about, .. }] if about == "file_offer"));
}

/// He cancels what was offered to him at that moment.
#[test]
fn what_was_cancelled_meanwhile_is_not_offered_anew() {
    let (mut world, room) = large();
    offers(&mut world, room);
    let told = offered(&mut world, "bob", room)[0];
    world.command("bob", Command::FileRefuse { transfer: told, reason: None });
    world.forget_events();
    let what = Outline { room: Some(room.0.into()), ..outline("tea") };
    world.be_unanswered("erin", "bob");
    world.inject_talk("erin", "bob", word(2, TransferId([7; 16]), FileWord::Offer { what }));
    assert!(offered(&mut world, "bob", room).is_empty());
    assert_eq!((world.core_of("bob").files.len(), world.wires("bob", "erin")), (0, 1));
}

///
#[test]
fn who_asks_while_256_who_have_asked_are_not_done_is_refused() {
    let (mut world, room, names) = of_many(10);
    world.forget_events();
    (0..32).for_each(|_| world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() }));
    world.pass(Duration::from_secs(1));
    for name in &names[..8] {
        let told = offered(&mut world, name, room);
        assert_eq!(told.len(), 32);
        told.into_iter().for_each(|transfer| takes(&mut world, name, transfer));
        world.pass(Duration::from_secs(4));
    }
    let is_offered = |event: &Event| matches!(event, Event::FileState { state: TransferState::Offered, .. });
    assert_eq!(world.events("erin").iter().filter(|event| is_offered(event)).count(), 256);
    let transfer = offered(&mut world, &names[8], room)[0];
    takes(&mut world, &names[8], transfer);
    world.pass(Duration::from_secs(4));
    let (state, _, reason) = end(&world.events(&names[8]));
    assert_eq!((state, reason.as_deref()), (TransferState::Failed, Some(TOO_MANY)));
    // What she offers to somebody herself has places of its own.
    let (to, path) = (address(&names[0]), "/tea".to_owned());
    world.command("erin", Command::FileOffer { to, path, transfer: None, device: None, media_type: None });
    assert!(world.events("erin").iter().any(is_offered));
}

#[test]
fn nobody_offers_more_than_32_at_a_time() {
    let (mut world, room) = large();
    for _ in 0..33 {
        world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() });
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(offered(&mut world, "grace", room).len(), 32);
    assert!(
        world
            .events("erin")
            .iter()
            .any(|event| matches!(event, Event::Error { about, .. } if about == "room_file_offer"))
    );
}

/// A large room of erin and so many others, of whom the first two are its hubs.
fn of_many(others: usize) -> (World, RoomId, Vec<String>) {
    rooms_are_large_above(3, 2);
    let all: Vec<String> = (0..others).map(|number| format!("p{number}")).chain(["erin".to_owned()]).collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let (world, room) = gathered(&names);
    (world, room, all)
}

///
#[test]
fn who_asks_for_more_waits_for_who_has_asked_before_her() {
    let (mut world, room, names) = of_many(18);
    world.forget_events();
    world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() });
    world.pass(Duration::from_secs(1));
    let told: Vec<TransferId> = names[..18].iter().map(|name| offered(&mut world, name, room)[0]).collect();
    names.iter().zip(&told).for_each(|(name, transfer)| takes(&mut world, name, *transfer));
    world.pass(Duration::from_secs(5));
    let waiting = |world: &World| -> Vec<usize> {
        (0..18).filter(|at| !world.core_of("erin").files.is_given(told[*at])).collect()
    };
    let before = waiting(&world);
    assert_eq!((world.running().len(), before.len()), (16, 2));
    // One of the others asks for the rest of it while it runs, as a taker may.
    let greedy = (0..18).find(|at| !before.contains(at)).unwrap();
    world.be_unanswered(&names[greedy], "erin");
    let pull = FileWord::Pull { request: 9, wanted: BEGINNING };
    world.inject_talk(&names[greedy], "erin", word(3, told[greedy], pull));
    let after = waiting(&world);
    assert!(after.len() == 2 && after.contains(&greedy), "{before:?}, then {after:?}");
}

///
#[test]
fn sixteen_streams_run_at_a_time_and_the_others_wait_their_turn() {
    let (mut world, room, names) = of_many(21);
    world.forget_events();
    world.command("erin", Command::RoomFileOffer { room, path: "/tea".into() });
    world.pass(Duration::from_secs(1));
    for name in &names[..20] {
        let transfer = offered(&mut world, name, room)[0];
        takes(&mut world, name, transfer);
    }
    world.pass(Duration::from_secs(5));
    assert_eq!(world.running().len(), 16);
    // To whom a stream has begun, as erin sees it.
    let begun = |world: &mut World| -> Vec<String> {
        let runs = |event: Event| match event {
            Event::FileState { state: TransferState::Running, with, .. } => Some(with.to_string()),
            _ => None,
        };
        world.events("erin").into_iter().filter_map(runs).collect()
    };
    let first = begun(&mut world);
    // While something moves nobody gives up her place.
    world.pass(Duration::from_secs(20));
    world.moved("erin", 10);
    world.pass(Duration::from_secs(15));
    assert_eq!(begun(&mut world), [""; 0]);
    // Then those who take nothing give it up to those who wait, and come after them.
    world.pass(Duration::from_secs(16));
    let next = begun(&mut world);
    assert_eq!(world.running().len(), 16);
    let waited: Vec<String> =
        names[..20].iter().map(|name| address(name)).filter(|name| !first.contains(name)).collect();
    assert!(waited.len() == 4 && waited.iter().all(|name| next.contains(name)), "{next:?}");
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    assert_eq!(world.running().len(), 4, "who waits");
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    for name in &names[..20] {
        assert_eq!(end(&world.events(name)).0, TransferState::Done, "{name}");
    }
}
