//! Files: offered and answered, pulled from where they have got to, put off, ended by either side and by what happens between.

use std::time::Duration;

use identity::trust::Fingerprint;

use super::world::{World, address};
use crate::api::{Command, Direction, Event, Side, TransferId, TransferState};
use crate::core::{FetchEnd, ServeEnd};
use crate::wire::{End, FileWord, Mark, Outline, TalkFrame, Wanted, capability};

const TEA: TransferId = TransferId([0x7e; 16]);
const BEGINNING: Wanted = Wanted::Files { entry: 0, offset: 0 };

pub(super) fn outline(name: &str) -> Outline {
    Outline { name: name.into(), folder: false, files: 1, bytes: 1_000, media_type: None, room: None }
}

/// Alice and bob talk, and alice has files and a folder.
fn talking() -> World {
    let mut world = World::of(&["alice", "bob"]);
    for number in 0..10 {
        world.desk.shelves.insert(format!("/tea{number}"), outline(&format!("tea{number}")));
    }
    let folder = Outline { folder: true, files: 3, ..outline("pots") };
    world.desk.shelves.insert("/pots".into(), folder);
    world.send("alice", "bob", "hello", 1);
    world.forget_events();
    world
}

fn offer(world: &mut World, path: &str, transfer: TransferId) {
    let transfer = Some(transfer);
    world.command(
        "alice",
        Command::FileOffer { to: address("bob"), path: path.into(), transfer, device: None, media_type: None },
    );
}

fn accept(world: &mut World, transfer: TransferId) {
    world.command("bob", Command::FileAccept { transfer, into: "/tmp".into() });
}

/// Offered and accepted.
fn running(path: &str) -> World {
    let mut world = talking();
    offer(&mut world, path, TEA);
    accept(&mut world, TEA);
    world
}

/// How a transfer stood, one after the other, and through whom.
pub(super) fn states(events: &[Event]) -> Vec<(TransferState, Option<Side>)> {
    let state = |event: &Event| match event {
        Event::FileState { state, by, .. } => Some((*state, *by)),
        _ => None,
    };
    events.iter().filter_map(state).collect()
}

fn last(world: &mut World, name: &str) -> (TransferState, Option<Side>) {
    *states(&world.events(name)).last().unwrap()
}

fn offers(world: &mut World) -> usize {
    world.events("bob").iter().filter(|event| matches!(event, Event::FileOffered { .. })).count()
}

pub(super) fn word(number: u64, transfer: TransferId, word: FileWord) -> TalkFrame {
    TalkFrame::Mark { number, id: 900 + number, mark: Mark::File { transfer: transfer.0, word } }
}

#[test]
fn what_is_offered_and_accepted_goes_and_both_learn_that_it_is_there() {
    use TransferState::{Done, Offered, Running, Waiting};
    let mut world = talking();
    offer(&mut world, "/tea", TEA);
    let offered = Event::FileOffered {
        transfer: TEA,
        from: address("alice").parse().unwrap(),
        device: Fingerprint(world.person("alice").device.spki_digest()),
        room: None,
        name: "tea".into(),
        folder: false,
        files: 1,
        bytes: 1_000,
        media_type: None,
    };
    assert_eq!(world.events("bob"), [offered]);
    assert!(world.running().is_empty(), "nothing goes before it was accepted");
    accept(&mut world, TEA);
    assert_eq!(world.running(), [BEGINNING]);
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    let events = world.events("bob");
    assert_eq!(states(&events), [(Waiting, None), (Running, None), (Done, None)]);
    assert!(events.iter().any(|e| matches!(e, Event::FileState { path: Some(path), .. } if path == "/tmp/tea")));
    assert_eq!(states(&world.events("alice")), [(Offered, None), (Running, None), (Done, None)]);
    assert_eq!(world.desk.forgotten.len(), 2);
    assert_eq!((world.core_of("alice").files.len(), world.core_of("bob").files.len()), (0, 0));
}

#[test]
fn of_a_folder_the_manifest_goes_first() {
    let mut world = running("/pots");
    assert_eq!(world.running(), [Wanted::Manifest]);
    let second = Wanted::Files { entry: 1, offset: 7 };
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Left(second));
    assert_eq!(world.running(), [second], "from where the disk has got to");
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/pots".into()));
    assert_eq!(last(&mut world, "alice").0, TransferState::Done);
}

#[test]
fn what_of_a_folder_is_not_offered_is_told_to_its_giver_alone() {
    let mut world = talking();
    world.desk.links.insert("/pots".into(), 3);
    offer(&mut world, "/pots", TEA);
    let left_out = |events: &[Event]| -> Vec<Option<u64>> {
        let of = |event: &Event| match event {
            Event::FileState { left_out, .. } => Some(*left_out),
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    assert_eq!(left_out(&world.events("alice")), [None, Some(3)], "before and after it was looked at");
    accept(&mut world, TEA);
    assert_eq!(left_out(&world.events("alice")), [Some(3)]);
    assert!(left_out(&world.events("bob")).iter().all(Option::is_none));
}

#[test]
fn it_goes_on_where_it_was_on_another_connection() {
    let mut world = running("/tea");
    world.cut("alice", "bob");
    world.streams_break();
    assert!(world.running().is_empty(), "there is no connection");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.wires("alice", "bob"), 1, "the session has moved");
    assert_eq!(world.running(), [BEGINNING]);
    let half = Wanted::Files { entry: 0, offset: 500 };
    world.streams_end(&ServeEnd::Cut, &FetchEnd::Left(half));
    assert_eq!(world.running(), [half]);
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    assert_eq!(last(&mut world, "bob").0, TransferState::Done);
    assert_eq!(last(&mut world, "alice").0, TransferState::Done);
}

#[test]
fn either_side_pauses_it_and_only_both_let_it_go_on() {
    let mut world = running("/tea");
    world.forget_events();
    world.command("bob", Command::FilePause { transfer: TEA });
    assert!(world.running().is_empty());
    assert_eq!(last(&mut world, "bob"), (TransferState::Paused, Some(Side::Me)));
    assert_eq!(last(&mut world, "alice"), (TransferState::Paused, Some(Side::Them)));
    world.command("alice", Command::FilePause { transfer: TEA });
    world.command("bob", Command::FileContinue { transfer: TEA });
    assert!(world.running().is_empty(), "alice holds it still");
    assert_eq!(last(&mut world, "bob"), (TransferState::Paused, Some(Side::Them)));
    world.command("alice", Command::FileContinue { transfer: TEA });
    assert_eq!(world.running(), [BEGINNING]);
    assert_eq!(last(&mut world, "alice"), (TransferState::Running, None));
}

#[test]
fn either_side_cancels_it_and_what_came_is_not_kept() {
    for (who, other) in [("alice", "bob"), ("bob", "alice")] {
        let mut world = running("/tea");
        world.command(who, Command::FileCancel { transfer: TEA });
        assert_eq!(last(&mut world, who), (TransferState::Cancelled, Some(Side::Me)));
        assert_eq!(last(&mut world, other), (TransferState::Cancelled, Some(Side::Them)));
        assert!(world.running().is_empty());
        assert!(world.desk.forgotten.iter().all(|(_, _, kept)| !kept));
        world.command(who, Command::FileContinue { transfer: TEA });
        assert!(matches!(&world.events(who)[..], [Event::Error { .. }]), "it is over");
    }
}

#[test]
fn what_is_refused_goes_nowhere() {
    let mut world = talking();
    offer(&mut world, "/tea", TEA);
    world.command("bob", Command::FileRefuse { transfer: TEA, reason: Some("no room".into()) });
    let events = world.events("alice");
    assert!(events.iter().any(|event| matches!(event,
        Event::FileState { state: TransferState::Refused, reason: Some(reason), .. } if reason == "no room")));
    assert_eq!(last(&mut world, "bob").0, TransferState::Refused);
}

#[test]
fn an_offer_that_is_taken_back_before_it_could_go_out_never_arrives() {
    let mut world = World::of(&["alice", "bob"]);
    world.hold_dials();
    offer(&mut world, "/tea", TEA);
    world.command("alice", Command::FileCancel { transfer: TEA });
    world.release_dials();
    assert_eq!(offers(&mut world), 0);
    let events = world.events("alice");
    assert_eq!(states(&events).last(), Some(&(TransferState::Cancelled, Some(Side::Me))));
    assert!(!events.iter().any(|event| matches!(event, Event::MessageState { .. })), "no id that nobody gave");
}

#[test]
fn the_end_of_the_conversation_stops_it_and_what_came_is_kept() {
    let mut world = running("/tea");
    world.end("alice", "bob");
    for name in ["alice", "bob"] {
        assert_eq!(last(&mut world, name).0, TransferState::Stopped, "{name}");
    }
    assert!(world.desk.forgotten.iter().all(|(_, _, kept)| *kept));
    // Another offer goes on where the disk has got to.
    let half = Wanted::Files { entry: 0, offset: 500 };
    world.desk.begun.insert("tea".into(), Ok(half));
    offer(&mut world, "/tea", TransferId([1; 16]));
    accept(&mut world, TransferId([1; 16]));
    assert_eq!(world.running(), [half]);
}

#[test]
fn a_few_run_at_a_time_and_the_others_follow_in_their_order() {
    let mut world = talking();
    for number in 0..10 {
        offer(&mut world, &format!("/tea{number}"), TransferId([number; 16]));
    }
    for number in 0..10 {
        accept(&mut world, TransferId([number; 16]));
    }
    assert_eq!(world.running().len(), 4);
    for left in [4, 2, 0] {
        world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
        assert_eq!(world.running().len(), left);
    }
    let done = |event: &Event| matches!(event, Event::FileState { state: TransferState::Done, .. });
    assert_eq!(world.events("alice").iter().filter(|event| done(event)).count(), 10);
}

/// A clock that nobody can heed would keep the device awake.
#[test]
fn who_is_to_be_asked_again_while_others_have_her_place_waits_for_it_and_not_for_the_clock() {
    let mut world = talking();
    for number in 0..6 {
        offer(&mut world, &format!("/tea{number}"), TransferId([number; 16]));
        accept(&mut world, TransferId([number; 16]));
    }
    // Four bring nothing; two others come first, and then two of the four.
    world.streams_break();
    assert_eq!(world.running().len(), 2);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.running().len(), 4);
    let now = world.now();
    assert_eq!(world.core_of("bob").files.next_deadline(), None, "at {now:?}");
}

#[test]
fn ten_thousand_offers_wait_for_few_answers_and_take_no_memory() {
    let mut world = talking();
    world.be_unanswered("alice", "bob");
    for number in 1..=10_000_u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        // Alice's number 1 was her text.
        world.inject_talk("alice", "bob", word(number + 1, TransferId(id), FileWord::Offer { what: outline("tea") }));
    }
    assert_eq!(offers(&mut world), 32);
    assert_eq!(world.core_of("bob").files.len(), 32);
    let refused = world.tapped.iter().filter(|(name, _, bytes)| name == "bob" && contains(bytes, b"too many offers"));
    assert!(refused.count() > 0, "each of the others was refused, with the reason");
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn one_offers_only_so_many_oneself() {
    let mut world = talking();
    for number in 0..300_u32 {
        let mut id = [9; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        offer(&mut world, "/tea", TransferId(id));
    }
    // Those that bob's device refused are over.
    assert_eq!(world.core_of("alice").files.len(), 32);
    assert_eq!(offers(&mut world), 32);
}

#[test]
fn what_fails_is_told_to_both_without_paths() {
    let mut world = talking();
    world.command(
        "alice",
        Command::FileOffer {
            to: address("bob"),
            path: "/nothing".into(),
            transfer: Some(TEA),
            device: None,
            media_type: None,
        },
    );
    assert_eq!(last(&mut world, "alice").0, TransferState::Failed);
    assert_eq!(offers(&mut world), 0);

    for (given, taken) in [
        (ServeEnd::Failed("/secret/tea cannot be read".into()), FetchEnd::Left(BEGINNING)),
        (ServeEnd::Sent, FetchEnd::Failed("/secret/tmp is full".into())),
    ] {
        let mut world = running("/tea");
        world.forget_all();
        world.streams_end(&given, &taken);
        for name in ["alice", "bob"] {
            assert_eq!(last(&mut world, name).0, TransferState::Failed, "{name}");
        }
        assert!(!world.tapped.iter().any(|(_, _, bytes)| contains(bytes, b"secret")));
    }
    let mut world = talking();
    world.desk.begun.insert("tea".into(), Err("the disk is full".into()));
    offer(&mut world, "/tea", TEA);
    accept(&mut world, TEA);
    for name in ["alice", "bob"] {
        assert_eq!(last(&mut world, name).0, TransferState::Failed, "{name}");
    }
}

#[test]
fn a_giver_who_breaks_off_all_the_time_is_given_up() {
    let mut world = running("/tea");
    world.forget_events();
    for _ in 0..10 {
        world.streams_end(&ServeEnd::Cut, &FetchEnd::Left(BEGINNING));
        assert!(world.running().is_empty(), "not at once again");
        world.pass(Duration::from_secs(2));
        assert_eq!(world.running(), [BEGINNING]);
    }
    world.streams_end(&ServeEnd::Cut, &FetchEnd::Left(BEGINNING));
    assert_eq!(last(&mut world, "bob").0, TransferState::Failed);
}

#[test]
fn progress_is_told_now_and_then_and_keeps_the_conversation() {
    let mut world = running("/tea");
    world.forget_events();
    for step in 0..1_000 {
        world.moved("bob", step);
        world.pass(Duration::from_millis(100));
    }
    let told = |event: &&Event| matches!(event, Event::FileProgress { direction: Direction::In, bytes: 1_000, .. });
    let told = world.events("bob").iter().filter(told).count();
    assert!((190..=201).contains(&told), "{told} times in 100 s");
    world.pass(Duration::from_secs(300));
    assert_eq!(world.running(), [BEGINNING], "nothing was said for a while, and yet it is needed");
    world.command("bob", Command::FileCancel { transfer: TEA });
    world.pass(Duration::from_secs(300));
    assert_eq!(world.wires("alice", "bob"), 0, "now it is not");
}

#[test]
fn words_about_transfers_that_are_none_do_nothing() {
    let mut world = talking();
    let words = [
        FileWord::Pull { request: 1, wanted: BEGINNING },
        FileWord::Hold { held: true },
        FileWord::Over { end: End::Done, reason: None },
    ];
    world.be_unanswered("bob", "alice");
    for (number, said) in (1..).zip(words) {
        world.inject_talk("bob", "alice", word(number, TEA, said));
    }
    assert!(world.events("alice").is_empty() && world.running().is_empty());
    // A giver cannot say that it is done.
    let mut world = running("/tea");
    world.be_unanswered("alice", "bob");
    world.inject_talk("alice", "bob", word(3, TEA, FileWord::Over { end: End::Done, reason: None }));
    assert_eq!(last(&mut world, "bob").0, TransferState::Failed);
    // Nor is it there before anything of it was sent.
    let mut world = talking();
    offer(&mut world, "/tea", TEA);
    world.be_unanswered("bob", "alice");
    world.inject_talk("bob", "alice", word(1, TEA, FileWord::Over { end: End::Done, reason: None }));
    assert_eq!(last(&mut world, "alice").0, TransferState::Failed);
    // Nor is anything sent that was not offered to her who asks.
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.send("carol", "alice", "hello", 1);
    world.be_unanswered("carol", "alice");
    offer(&mut world, "/tea", TEA);
    world.inject_talk("carol", "alice", word(2, TEA, FileWord::Pull { request: 1, wanted: BEGINNING }));
    world.inject_talk("carol", "alice", word(3, TEA, FileWord::Over { end: End::Cancelled, reason: None }));
    assert!(world.running().is_empty());
    accept(&mut world, TEA);
    assert_eq!(world.running(), [BEGINNING]);
}

#[test]
fn who_is_blocked_gets_nothing_more() {
    let mut world = running("/tea");
    world.command("alice", Command::Block { who: address("bob") });
    assert!(world.running().is_empty());
    assert_eq!(world.core_of("alice").files.len(), 0);
}

#[test]
fn who_does_not_take_files_is_offered_none() {
    let mut world = World::of(&["alice", "bob"]);
    let without = |frame: &mut TalkFrame| {
        if let TalkFrame::Hello { capabilities, .. } = frame {
            *capabilities &= !capability::FILES;
        }
    };
    world.meddling.insert("bob".into(), Box::new(without));
    offer(&mut world, "/tea", TEA);
    let events = world.events("alice");
    assert!(events.iter().any(|event| matches!(event,
        Event::FileState { state: TransferState::Failed, reason: Some(reason), .. } if reason.contains("messenger does not know"))));
    assert_eq!(offers(&mut world), 0);
}

#[test]
fn in_a_room_it_is_offered_to_every_member_and_nobody_else_may() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let room = world.room(&["alice", "bob", "carol"]);
    for who in ["bob", "carol"] {
        // They are no contacts: outside of the room they would have to knock.
        world.command(who, Command::RemoveContact { who: address("alice") });
    }
    world.forget_events();
    world.command("alice", Command::RoomFileOffer { room, path: "/tea".into() });
    for who in ["bob", "carol"] {
        let events = world.events(who);
        let offered: Vec<_> = events.iter().filter(|event| matches!(event, Event::FileOffered { .. })).collect();
        assert!(matches!(offered[..], [Event::FileOffered { room: Some(found), .. }] if *found == room), "{who}");
        let [Event::FileOffered { transfer, .. }] = offered[..] else { panic!("{who}: {offered:?}") };
        world.command(who, Command::FileAccept { transfer: *transfer, into: "/tmp".into() });
    }
    assert_eq!(world.running().len(), 2);
    world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
    let done = world.events("alice");
    assert_eq!(states(&done).iter().filter(|state| state.0 == TransferState::Done).count(), 2);
    // Outside of it, or in another one, it is refused.
    world.be_unanswered("alice", "bob");
    for what in [None, Some([9; 16].into())] {
        world.forget_all();
        let offer = FileWord::Offer { what: Outline { room: what, ..outline("tea") } };
        let number = 2 + u64::from(what.is_some());
        world.inject_talk("alice", "bob", word(number, TransferId([7; 16]), offer));
        assert_eq!(offers(&mut world), 0);
    }
    // A contact may offer, but in no room where she is not.
    world.command("bob", Command::AddContact { who: address("alice") });
    world.forget_all();
    let offer = |room| FileWord::Offer { what: Outline { room, ..outline("tea") } };
    world.inject_talk("alice", "bob", word(4, TransferId([7; 16]), offer(Some([9; 16].into()))));
    assert_eq!(offers(&mut world), 0);
    world.inject_talk("alice", "bob", word(5, TransferId([7; 16]), offer(None)));
    assert_eq!(offers(&mut world), 1);
}
