use ::history::State;
use messenger_engine::{DeliveryState, Missing, RoomId, RoomOrder};

use super::*;

const ROOM: RoomId = RoomId([9; 16]);
const ORDER: RoomOrder = RoomOrder { epoch: 1, count: 1, leaf: 1, id: 1 };

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into()).unwrap()
}

fn bob() -> Identifier {
    Identifier::parse("bob@example.org").unwrap()
}

/// A person's folder with a history that keeps what bob says.
fn begun() -> (tempfile::TempDir, Home, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let mut keeper = Keeper::none(&home);
    keeper.create(&home, KeyPlace::Passphrase(&passphrase("sesame")), 0).unwrap();
    keeper.keep(&with(&bob()), "", true).unwrap();
    (folder, home, keeper)
}

fn send(text: &str, id: Option<u64>) -> Command {
    Command::Send { to: "Bob@EXAMPLE.org".to_owned(), text: text.to_owned(), id, reply_to: None }
}

fn state(id: u64, state: DeliveryState) -> Event {
    Event::MessageState { id, to: bob(), state, reason: None }
}

fn shown(keeper: &Keeper, place: &Conversation) -> Vec<(String, State)> {
    let page = keeper.older(place, Some(i64::MAX)).unwrap();
    page.into_iter().map(|entry| (entry.text, entry.state)).collect()
}

#[test]
fn without_a_history_nothing_is_written_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let names =
        || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    let (mut keeper, problem) = Keeper::open(&home, None, 0);
    assert!(problem.is_none() && !keeper.exists());
    let mut command = send("hi", None);
    assert_eq!(keeper.hear_command(&mut command, 1), None);
    assert_eq!(command, send("hi", None), "the engine gives the number");
    let message = Event::Message { id: 1, from: bob(), text: "hi".to_owned(), bot: false, reply_to: None };
    assert_eq!(keeper.hear_event(&message, 2), None);
    assert_eq!(names(), before);
    assert!(keeper.to_tell().is_empty());
}

#[test]
fn what_is_said_and_what_became_of_it_is_kept() {
    let (_folder, _home, mut keeper) = begun();
    let mut command = send("hi", None);
    assert_eq!(keeper.hear_command(&mut command, 1), None);
    let Command::Send { id: Some(id), .. } = command else { panic!("no number was given") };
    assert!(id < 1 << 53);
    keeper.hear_event(&state(id, DeliveryState::NotDelivered), 2);
    keeper.hear_command(&mut send("hi", Some(id)), 3);
    keeper.hear_event(&state(id, DeliveryState::Delivered), 4);
    keeper.hear_event(&Event::Message { id: 7, from: bob(), text: "helo".to_owned(), bot: false, reply_to: None }, 5);
    keeper.hear_event(&Event::Edited { from: bob(), id: 7, text: "hello".to_owned() }, 6);
    assert_eq!(
        shown(&keeper, &with(&bob())),
        [("hi".to_owned(), State::Delivered), ("hello".to_owned(), State::Delivered)]
    );
    // One's own edit counts when the other device has it.
    let edit = |id| Command::Edit { to: "bob@example.org".to_owned(), of: 1, text: "high".to_owned(), id: Some(id) };
    keeper.hear_command(&mut send("hi", Some(1)), 7);
    keeper.hear_command(&mut edit(2), 8);
    keeper.hear_event(&state(2, DeliveryState::Sending), 9);
    keeper.hear_event(&state(2, DeliveryState::NotDelivered), 9);
    assert_eq!(shown(&keeper, &with(&bob()))[2].0, "hi");
    keeper.hear_command(&mut edit(3), 10);
    keeper.hear_event(&state(3, DeliveryState::Delivered), 11);
    assert_eq!(shown(&keeper, &with(&bob()))[2].0, "high");
    // Of nobody else anything.
    let carol = Identifier::parse("carol@example.org").unwrap();
    let message = Event::Message { id: 1, from: carol.clone(), text: "hi".to_owned(), bot: false, reply_to: None };
    assert_eq!(keeper.hear_event(&message, 12), None);
    assert!(matches!(keeper.older(&with(&carol), None), Err(HistoryError::NoConversation(_))));
}

#[test]
fn a_room_is_kept_if_it_was_asked_for() {
    let (_folder, _home, mut keeper) = begun();
    let place = Conversation::Room(ROOM.to_string());
    let said =
        Event::RoomMessage { room: ROOM, id: 1, from: bob(), text: "tea?".to_owned(), order: ORDER, reply_to: None };
    keeper.hear_event(&said, 1);
    keeper.keep(&place, "tea", true).unwrap();
    keeper.hear_event(&said, 2);
    let mut command = Command::RoomSend { room: ROOM, text: "yes".to_owned(), id: Some(5), reply_to: None };
    keeper.hear_command(&mut command, 3);
    let missing = vec![Missing { who: bob(), reason: "gone".to_owned() }];
    keeper.hear_event(&Event::RoomMessageState { room: ROOM, id: 5, delivered: Vec::new(), missing, order: None }, 4);
    assert_eq!(
        shown(&keeper, &place),
        [("tea?".to_owned(), State::Delivered), ("yes".to_owned(), State::NotDelivered)]
    );
    assert_eq!(keeper.to_tell(), [Command::KeepHistory { who: "bob@example.org".to_owned(), keeps: true }]);
}

/// Numbers are unique for who wrote a text, and not for a room.
#[test]
fn edits_and_deletions_in_a_room_are_kept_with_the_text_of_their_author() {
    let (_folder, _home, mut keeper) = begun();
    let place = Conversation::Room(ROOM.to_string());
    let carol = Identifier::parse("carol@example.org").unwrap();
    keeper.keep(&place, "tea", true).unwrap();
    let said = |from: Identifier, text: &str| {
        let text = text.to_owned();
        Event::RoomMessage { room: ROOM, id: 1, from, text, order: ORDER, reply_to: None }
    };
    keeper.hear_event(&said(bob(), "tea?"), 1);
    keeper.hear_event(&said(carol.clone(), "cake?"), 2);
    let (id, reply_to) = (Some(1), None);
    keeper.hear_command(&mut Command::RoomSend { room: ROOM, text: "yes".to_owned(), id, reply_to }, 3);
    keeper.hear_event(&Event::RoomEdited { room: ROOM, from: bob(), id: 1, text: "coffee?".to_owned() }, 4);
    keeper.hear_event(&Event::RoomDeleteRequested { room: ROOM, from: carol, id: 1 }, 5);
    // One's own counts when somebody has it.
    let mut edit = Command::RoomEdit { room: ROOM, of: 1, text: "no".to_owned(), id: None };
    keeper.hear_command(&mut edit, 6);
    let Command::RoomEdit { id: Some(id), .. } = edit else { panic!("it has a number: {edit:?}") };
    let state = |delivered| Event::RoomMessageState { room: ROOM, id, delivered, missing: Vec::new(), order: None };
    keeper.hear_event(&state(Vec::new()), 7);
    let texts = |keeper: &Keeper| shown(keeper, &place).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
    assert_eq!(texts(&keeper), ["coffee?", "cake?", "yes"]);
    keeper.hear_event(&state(vec![bob()]), 8);
    assert_eq!(texts(&keeper), ["coffee?", "cake?", "no"]);
    let deleted: Vec<bool> =
        keeper.older(&place, Some(i64::MAX)).unwrap().iter().map(|one| one.deleted.is_some()).collect();
    assert_eq!(deleted, [false, true, false]);
}

#[test]
fn a_room_that_is_kept_hears_of_it_and_so_does_whoever_comes() {
    let (_folder, _home, mut keeper) = begun();
    let place = Conversation::Room(ROOM.to_string());
    let room = |members: &[&str]| Event::Room {
        room: ROOM,
        name: "tea".to_owned(),
        host: bob(),
        members: members.iter().map(|who| Identifier::parse(&format!("{who}@example.org")).unwrap()).collect(),
        epoch: 1,
        suite: String::new(),
        code: String::new(),
        topic: String::new(),
        locked: false,
        owners: vec![bob()],
        moderators: Vec::new(),
    };
    let said = || Some(Command::RoomSend { room: ROOM, text: SAID_IN_ROOMS.to_owned(), id: None, reply_to: None });
    assert_eq!(keeper.to_say(&place, true), None, "she is not in it");
    assert_eq!(keeper.hear_who_comes(&room(&["bob"])), None);
    assert_eq!(keeper.hear_who_comes(&room(&["bob", "alice"])), None, "none is kept of it");
    keeper.keep(&place, "tea", true).unwrap();
    assert_eq!((keeper.to_say(&place, true), keeper.to_say(&place, false)), (said(), None));
    assert_eq!(keeper.hear_who_comes(&room(&["bob", "alice"])), None, "nobody is new");
    assert_eq!(keeper.hear_who_comes(&room(&["bob", "alice", "carol"])), said());
    assert_eq!(keeper.hear_who_comes(&room(&["bob", "alice"])), None);
    keeper.hear_who_comes(&Event::RoomClosed { room: ROOM, reason: String::new() });
    assert_eq!(keeper.hear_who_comes(&room(&["bob", "alice"])), said(), "she is in it again");
    assert_eq!(
        keeper.to_say(&with(&bob()), false),
        Some(Command::KeepHistory { who: "bob@example.org".to_owned(), keeps: false })
    );
}

#[test]
fn one_that_does_not_open_takes_nobodys_messenger_away() {
    let (folder, home, keeper) = begun();
    drop(keeper);
    let file = folder.path().join("wrong");
    std::fs::write(&file, "mellon").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (mut keeper, problem) = Keeper::open(&home, Some(&PassphraseSource::File(file)), 0);
    assert!(matches!(problem, Some(HistoryError::WrongPassphrase)));
    assert!(keeper.exists() && keeper.to_tell().is_empty(), "nobody is told that one is kept");
    assert_eq!(keeper.hear_command(&mut send("hi", None), 1), None);
}

#[test]
fn a_failure_is_told_once_until_something_is_kept_again() {
    let (_folder, _home, mut keeper) = begun();
    let long = "x".repeat(::history::MAX_TEXT_BYTES + 1);
    let told = keeper.hear_command(&mut send(&long, Some(1)), 1);
    assert!(
        matches!(&told, Some(Event::Error { about, message, .. }) if about == "history" && message.starts_with("not kept"))
    );
    assert_eq!(keeper.hear_command(&mut send(&long, Some(2)), 2), None);
    assert_eq!(keeper.hear_command(&mut send("short", Some(3)), 3), None);
    assert!(keeper.hear_command(&mut send(&long, Some(4)), 4).is_some());
}

#[test]
fn what_was_kept_long_enough_is_erased_while_the_program_runs() {
    let (_folder, _home, mut keeper) = begun();
    let day = 86_400_000;
    keeper.hear_command(&mut send("old", Some(1)), 0);
    keeper.retain(&with(&bob()), Some(2), day).unwrap();
    keeper.hear_command(&mut send("new", Some(2)), 3 * day);
    keeper.hear_event(&state(2, DeliveryState::Delivered), 3 * day);
    assert_eq!(shown(&keeper, &with(&bob())), [("new".to_owned(), State::Delivered)]);
}

#[test]
fn what_another_program_switches_on_or_off_is_taken_up_and_told() {
    let (_folder, home, mut keeper) = begun();
    assert_eq!(keeper.take_up(), (None, None), "what this one wrote is no news");
    let other = folder(&home).open(&mut || Ok(passphrase("sesame"))).unwrap();
    let place = Conversation::Room(ROOM.to_string());
    let said =
        Event::RoomMessage { room: ROOM, id: 1, from: bob(), text: "tea?".to_owned(), order: ORDER, reply_to: None };
    other.keep(&place, "tea", true).unwrap();
    keeper.hear_event(&said, 1);
    assert_eq!(shown(&keeper, &place), [], "not before anybody could be told");
    assert_eq!(keeper.take_up(), (Some(vec![(place.clone(), true)]), None));
    keeper.hear_event(&said, 2);
    assert_eq!(shown(&keeper, &place).len(), 1);
    other.keep(&with(&bob()), "", false).unwrap();
    assert_eq!(keeper.take_up(), (Some(vec![(with(&bob()), false)]), None));
    other.retain(&place, Some(3)).unwrap();
    assert_eq!(keeper.take_up(), (Some(Vec::new()), None), "how long it is kept may be shown");
    assert_eq!(keeper.take_up(), (None, None));
    assert_eq!(Keeper::none(&home).take_up(), (None, None));
}
