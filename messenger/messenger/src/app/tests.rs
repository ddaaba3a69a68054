//! The model, driven without a screen.

mod remarks;
mod room_remarks;

use identity::Identifier;
use identity::card::{ContactCard, Link};
use jiff::civil::{DateTime, date};
use messenger_engine::{
    Audience, CallId, Command, DeliveryState, Event, OwnStatus, PresenceSettings, Purpose, RoomId, RoomSuite, Seen,
    SessionState, Status,
};

use super::list::MAX_WAITING;
use super::*;
use crate::keys::{Action, Place};
use crate::picture;

pub(crate) const ROOM: RoomId = RoomId([9; 16]);
const CALL: CallId = CallId([7; 16]);

pub(crate) fn now() -> DateTime {
    date(2026, 11, 23).at(10, 42, 0, 0)
}

pub(crate) fn who(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

fn card(name: &str) -> ContactCard {
    let genesis = "5f1c09aa1b2c3d4e5f60718293a4b5c6d7e8f9010a1b2c3d4e5f60718293a4b5";
    format!("inperson:{name}@example.org?genesis={genesis}&directory=localhost:8444").parse().unwrap()
}

pub(crate) fn presence(name: &str, online: bool) -> Event {
    let status = online.then_some(Status::Available);
    Event::Presence { who: who(name), online, seen: Seen { status, ..Seen::default() } }
}

pub(crate) fn app(contacts: &[&str]) -> App {
    let mut app = connecting(contacts);
    app.hear(online(), now());
    app
}

fn online() -> Event {
    Event::Online { identifier: who("alice"), directory: "localhost".to_owned() }
}

fn connecting(contacts: &[&str]) -> App {
    let me = Me {
        identifier: who("alice"),
        authority: "Home".to_owned(),
        until: "7 Dec".to_owned(),
        directory: "localhost".to_owned(),
        card: Some(card("alice")),
    };
    App::new(me, contacts.iter().map(|name| who(name)), (80, 24))
}

pub(crate) fn typed(app: &mut App, text: &str) -> Vec<Effect> {
    if app.place() != Place::Writing {
        app.act(Action::SwitchPane, now());
    }
    app.act(Action::Insert(text.to_owned()), now());
    app.act(Action::Send, now())
}

pub(crate) fn not_delivered(id: u64) -> Event {
    Event::MessageState {
        id,
        to: who("bob"),
        state: DeliveryState::NotDelivered,
        reason: Some("bob is not online".to_owned()),
    }
}

fn send(text: &str, id: u64) -> Vec<Effect> {
    vec![Effect::Engine(Command::Send {
        to: "bob@example.org".to_owned(),
        text: text.to_owned(),
        id: Some(id),
        reply_to: None,
    })]
}

pub(crate) fn room(host: &str, members: &[&str]) -> Event {
    Event::Room {
        room: ROOM,
        name: "picnic".to_owned(),
        host: who(host),
        members: members.iter().map(|name| who(name)).collect(),
        epoch: 1,
        suite: String::new(),
        code: "12".to_owned(),
        topic: String::new(),
        locked: false,
        owners: vec![who("alice")],
        moderators: Vec::new(),
    }
}

#[test]
fn what_is_typed_before_the_first_connection_goes_with_it_unless_another_key_is_pressed() {
    let mut app = connecting(&["bob"]);
    assert_eq!(typed(&mut app, "hi"), []);
    assert!(matches!(&app.notice, Some(Notice::Said(words)) if words.contains("as soon as you are online")));
    assert_eq!(app.hear(online(), now()), send("hi", 1));
    assert_eq!(app.notice, None);
    assert_eq!(app.hear(online(), now()), [], "once");

    let mut app = connecting(&["bob"]);
    typed(&mut app, "hi");
    app.act(Action::Insert(" there".to_owned()), now());
    assert_eq!(app.hear(online(), now()), []);
    assert_eq!(app.act(Action::Send, now()), send("hi there", 1));

    let mut app = connecting(&["bob"]);
    typed(&mut app, "hi");
    app.hear(Event::Offline { reason: "no route".to_owned() }, now());
    assert!(matches!(&app.notice, Some(Notice::Said(words)) if words.contains("it stays here")));
    assert_eq!(app.hear(online(), now()), [], "there was no connection for a while");
}

#[test]
fn what_failed_comes_back_and_one_key_sends_it_again() {
    let mut app = app(&["bob"]);
    assert_eq!(typed(&mut app, "hi"), send("hi", 1));
    app.hear(not_delivered(1), now());
    assert_eq!(app.act(Action::SendAgain, now()), send("hi", 1));
    app.hear(not_delivered(1), now());
    assert_eq!(app.act(Action::Send, now()), send("hi", 1), "Enter does the same");
    app.hear(Event::MessageState { id: 1, to: who("bob"), state: DeliveryState::Delivered, reason: None }, now());
    assert_eq!(app.act(Action::SendAgain, now()), []);
    assert_eq!(app.at_stake(), 0);
}

#[test]
fn a_conversation_that_reconnects_is_marked_and_says_when_it_could_not() {
    let mut app = app(&["bob"]);
    typed(&mut app, "hi");
    let session =
        |state, reason: Option<&str>| Event::Session { who: who("bob"), state, reason: reason.map(str::to_owned) };
    let reconnecting = |app: &App| app.people[&who("bob")].reconnecting;
    app.hear(session(SessionState::Reconnecting, None), now());
    assert!(reconnecting(&app));
    app.hear(session(SessionState::Resumed, None), now());
    assert!(!reconnecting(&app));
    app.hear(session(SessionState::Reconnecting, None), now());
    app.hear(session(SessionState::Lost, Some("no other connection could be made")), now());
    assert!(!reconnecting(&app));
    let unknown = Event::MessageState {
        id: 1,
        to: who("bob"),
        state: DeliveryState::Unknown,
        reason: Some("no acknowledgement".to_owned()),
    };
    app.hear(unknown, now());
    assert_eq!(app.act(Action::SendAgain, now()), send("hi", 1), "one key sends it again, under its number");
}

#[test]
fn commands_are_not_sent_and_slashes_can_be() {
    let mut app = app(&["bob"]);
    assert_eq!(
        typed(&mut app, "/room create picnic"),
        [Effect::Engine(Command::RoomCreate { name: "picnic".to_owned(), suite: RoomSuite::Hybrid })]
    );
    assert_eq!(
        typed(&mut app, "/room classical picnic"),
        [Effect::Engine(Command::RoomCreate { name: "picnic".to_owned(), suite: RoomSuite::Classical })]
    );
    assert_eq!(typed(&mut app, "/dance"), []);
    assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("/dance")));
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    assert_eq!(typed(&mut app, "//etc"), send("/etc", 1));
    app.hear(not_delivered(1), now());
    assert_eq!(app.act(Action::Send, now()), send("/etc", 1), "what came back is no command");
}

#[test]
fn a_contact_card_is_taken_before_its_person_is_added() {
    let mut app = app(&[]);
    let add = Effect::Engine(Command::AddContact { who: "bob@example.org".to_owned() });
    let expected = [Effect::Take(Box::new(card("bob"))), add, Effect::Remember(who("bob"))];
    app.act(Action::AskContact, now());
    app.paste(&card("bob").to_string().replace("inperson", "INPERSON"));
    assert_eq!(app.act(Action::Yes, now()), expected);
    assert_eq!(typed(&mut app, &format!("/add {}", card("bob"))), expected);
    assert_eq!(typed(&mut app, "/add inperson:bob@example.org"), []);
    assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("no contact card")), "{:?}", app.notice);
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    // The same by a picture of its code, which is read outside of the model.
    let picture = std::path::PathBuf::from(picture::tests::BOB);
    let look = [Effect::Read(picture.clone())];
    assert_eq!(typed(&mut app, &format!("/add {}", picture.display())), look);
    assert_eq!(app.pictured(picture::link(&picture)), expected);
    app.act(Action::AskContact, now());
    app.paste(picture::tests::BOB);
    assert_eq!(app.act(Action::Yes, now()), look);
    assert!(app.cover.is_none());
    assert_eq!(app.pictured(Err("bob.png: no code.".to_owned())), []);
    assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("no code")), "{:?}", app.notice);
    assert_eq!(typed(&mut app, &format!("/add {}", card("alice"))), []);
    assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("That is you")), "{:?}", app.notice);
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    typed(&mut app, "/card");
    assert!(matches!(app.cover, Some(Cover::Card)));
    app.act(Action::Close, now());
    assert!(app.cover.is_none());
}

#[test]
fn a_card_that_the_messenger_was_opened_with_is_proposed_and_added_by_one_key() {
    let mut app = connecting(&["carol"]);
    app.propose(&Link::Card(card("bob")));
    // Coming online takes it away from nobody.
    app.hear(online(), now());
    app.hear(presence("carol", true), now());
    assert!(
        matches!(&app.notice, Some(Notice::Said(words)) if words.contains("Add bob@example.org")),
        "{:?}",
        app.notice
    );
    assert!(!app.people.contains_key(&who("bob")));
    let add = Effect::Engine(Command::AddContact { who: "bob@example.org".to_owned() });
    assert_eq!(app.act(Action::Yes, now()), [Effect::Take(Box::new(card("bob"))), add, Effect::Remember(who("bob"))]);

    app.propose(&Link::Card(card("carol")));
    assert_eq!((app.cover.is_none(), &app.selected), (true, &Some(Entry::Person(who("carol")))));
    app.propose(&Link::Card(card("alice")));
    assert!(app.cover.is_none() && matches!(&app.notice, Some(Notice::Said(words)) if words.contains("your own")));
    app.propose(&Link::Card(card("dora")));
    assert_eq!(app.act(Action::Close, now()), []);
    assert!(app.cover.is_none() && !app.people.contains_key(&who("dora")));
}

#[test]
fn a_contact_is_added_kept_and_removed() {
    let mut app = app(&[]);
    app.act(Action::AskContact, now());
    app.paste("nonsense");
    assert_eq!(app.act(Action::Yes, now()), []);
    assert!(matches!(&app.cover, Some(Cover::Ask { wrong: Some(_), .. })), "the question stays");
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    app.paste(" Bob@Example.org\n");
    let added = app.act(Action::Yes, now());
    assert_eq!(
        added,
        [Effect::Engine(Command::AddContact { who: "bob@example.org".to_owned() }), Effect::Remember(who("bob"))]
    );
    assert_eq!(app.place(), Place::Writing);
    app.act(Action::ToList, now());
    app.act(Action::AskRemove, now());
    let removed = app.act(Action::Yes, now());
    assert_eq!(
        removed,
        [Effect::Engine(Command::RemoveContact { who: "bob@example.org".to_owned() }), Effect::Forget(who("bob"))]
    );
    assert_eq!(app.selected, None);
    assert_eq!(typed(&mut app, "x"), []);
}

#[test]
fn a_newcomer_adds_her_first_contact_by_a_command_too() {
    let mut app = app(&[]);
    assert_eq!(app.place(), Place::List);
    app.act(Action::AskCommand, now());
    app.paste("add nonsense");
    assert_eq!(app.act(Action::Yes, now()), []);
    assert!(matches!(&app.cover, Some(Cover::Ask { wrong: Some(_), .. })), "the question stays");
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    app.paste("/add bob@example.org");
    let added = app.act(Action::Yes, now());
    let add = Effect::Engine(Command::AddContact { who: "bob@example.org".to_owned() });
    assert_eq!(added, [add, Effect::Remember(who("bob"))]);
    assert_eq!((app.place(), app.cover.is_none()), (Place::Writing, true));
    app.act(Action::ToList, now());
    app.act(Action::AskCommand, now());
    app.paste("card");
    app.act(Action::Yes, now());
    assert!(matches!(app.cover, Some(Cover::Card)), "a command may open a page");
}

#[test]
fn the_help_gives_a_question_back() {
    let mut app = app(&[]);
    app.act(Action::AskContact, now());
    app.paste("bob@example.org");
    app.act(Action::Help, now());
    assert!(matches!(app.cover, Some(Cover::Help { .. })));
    app.act(Action::Close, now());
    assert!(matches!(&app.cover, Some(Cover::Ask { answer, .. }) if answer.text() == "bob@example.org"));
    app.act(Action::Close, now());
    assert!(app.cover.is_none());
}

#[test]
fn one_does_not_add_oneself() {
    let mut app = app(&["bob"]);
    assert_eq!(typed(&mut app, "/add alice@example.org"), []);
    assert_eq!(app.notice, Some(Notice::Wrong("That is you.".to_owned())));
}

#[test]
fn a_knock_waits_for_an_answer_and_does_not_take_keys_from_a_message() {
    let mut app = app(&["bob"]);
    app.act(Action::Open, now());
    let rung =
        app.hear(Event::Incoming { call: CALL, from: who("mallory"), purpose: Purpose::Text, contact: false }, now());
    assert_eq!(rung[0], Effect::Bell);
    assert_eq!(app.place(), Place::Writing);
    assert_eq!(app.act(Action::Accept, now()), [Effect::Engine(Command::Accept { call: CALL })]);
    assert_eq!(app.selected, Some(Entry::Person(who("mallory"))));
    assert!(!app.people[&who("mallory")].contact);
}

#[test]
fn a_knock_that_ends_leaves_the_curtain() {
    let mut app = app(&[]);
    app.hear(Event::Incoming { call: CALL, from: who("mallory"), purpose: Purpose::Text, contact: false }, now());
    assert_eq!(app.place(), Place::Curtain);
    app.hear(Event::IncomingEnded { call: CALL, reason: "they gave up".to_owned() }, now());
    assert_eq!((app.place(), app.waiting.len()), (Place::List, 0));
    assert_eq!(app.act(Action::Accept, now()), []);
}

#[test]
fn strangers_cannot_fill_the_screen() {
    let mut app = app(&[]);
    for n in 0..MAX_WAITING as u8 {
        app.hear(
            Event::Incoming { call: CallId([n; 16]), from: who("mallory"), purpose: Purpose::Text, contact: false },
            now(),
        );
    }
    let call = CallId([99; 16]);
    let effects =
        app.hear(Event::Incoming { call, from: who("mallory"), purpose: Purpose::Text, contact: false }, now());
    assert_eq!(effects, [Effect::Engine(Command::Decline { call })]);
    assert_eq!(app.waiting.len(), MAX_WAITING);
}

#[test]
fn a_room_from_opening_to_closing() {
    let mut app = app(&["bob"]);
    typed(&mut app, "/room create picnic");
    app.hear(room("alice", &["alice"]), now());
    assert_eq!(app.selected, Some(Entry::Room(ROOM)));
    assert_eq!(typed(&mut app, "alone"), [], "nobody would hear it");
    app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    let invited = typed(&mut app, "/invite bob@example.org");
    assert_eq!(invited, [Effect::Engine(Command::RoomInvite { room: ROOM, who: "bob@example.org".to_owned() })]);
    app.hear(room("alice", &["alice", "bob"]), now());
    assert_eq!(
        typed(&mut app, "hi"),
        [Effect::Engine(Command::RoomSend { room: ROOM, text: "hi".to_owned(), id: Some(1), reply_to: None })]
    );
    let entry = Entry::Room(ROOM);
    let missing = vec![messenger_engine::Missing { who: who("bob"), reason: "gone".to_owned() }];
    app.hear(Event::RoomMessageState { room: ROOM, id: 1, delivered: Vec::new(), missing, order: None }, now());
    assert_eq!(app.conversation(&entry).unwrap().draft.text(), "hi", "nobody has it: it comes back");
    app.hear(Event::RoomClosed { room: ROOM, reason: "you left".to_owned() }, now());
    assert!(!app.writable());
    app.act(Action::ToList, now());
    app.act(Action::AskRemove, now());
    assert_eq!(app.act(Action::Yes, now()), [], "a closed room needs no leaving");
    assert!(app.rooms.is_empty());
}

#[test]
fn an_invitation_accepted_opens_the_room() {
    let mut app = app(&["bob"]);
    app.hear(
        Event::RoomInvitation {
            room: ROOM,
            name: "picnic".to_owned(),
            from: who("bob"),
            members: vec![who("bob")],
            suite: RoomSuite::Hybrid,
        },
        now(),
    );
    assert_eq!(app.act(Action::Accept, now()), [Effect::Engine(Command::RoomAccept { room: ROOM })]);
    app.hear(room("bob", &["bob", "alice"]), now());
    assert_eq!((app.selected.clone(), app.place()), (Some(Entry::Room(ROOM)), Place::Writing));
    assert_eq!(typed(&mut app, "/leave"), [Effect::Engine(Command::RoomLeave { room: ROOM })]);
}

#[test]
fn leaving_with_texts_at_stake_asks_once() {
    let mut app = app(&["bob"]);
    app.act(Action::Open, now());
    app.act(Action::Insert("draft".to_owned()), now());
    assert_eq!(app.act(Action::Quit, now()), []);
    app.act(Action::Insert("!".to_owned()), now());
    assert_eq!(app.act(Action::Quit, now()), [], "another key in between: asked again");
    assert_eq!(app.act(Action::Quit, now()), [Effect::Engine(Command::Quit), Effect::Quit]);
}

#[test]
fn unread_texts_are_counted_until_looked_at() {
    let mut app = app(&["bob", "carol"]);
    app.hear(Event::Message { id: 1, from: who("carol"), text: "psst".to_owned(), bot: false, reply_to: None }, now());
    let carol = Entry::Person(who("carol"));
    assert_eq!(app.conversation(&carol).unwrap().unread, 1);
    app.act(Action::NextEntry, now());
    assert_eq!(app.conversation(&carol).unwrap().unread, 0);
}

#[test]
fn offline_means_nobodys_presence_is_known() {
    let mut app = app(&["bob"]);
    app.hear(presence("bob", true), now());
    app.hear(Event::Offline { reason: "no network".to_owned() }, now());
    assert_eq!(app.people[&who("bob")].online, None);
}

#[test]
fn those_online_stand_first_and_the_choice_stays() {
    let mut app = app(&["bob", "carol"]);
    app.act(Action::ToList, now());
    app.hear(presence("carol", true), now());
    let people: Vec<_> = app.list().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(people, [Entry::Person(who("carol")), Entry::Person(who("bob"))]);
    assert_eq!(app.selected, Some(Entry::Person(who("bob"))));
}

#[test]
fn a_contact_who_never_showed_herself_can_be_knocked_at() {
    let mut app = app(&["bob"]);
    app.hear(presence("bob", false), now());
    typed(&mut app, "hi");
    app.hear(not_delivered(1), now());
    assert!(matches!(&app.notice, Some(Notice::Said(text)) if text.contains("Ctrl-K")));
    let bob = || "bob@example.org".to_owned();
    let knock = [
        Effect::Engine(Command::RemoveContact { who: bob() }),
        Effect::Engine(Command::Send { to: bob(), text: "hi".to_owned(), id: Some(1), reply_to: None }),
        Effect::Engine(Command::AddContact { who: bob() }),
    ];
    assert_eq!(app.act(Action::Knock, now()), knock);
    assert_eq!(app.act(Action::Knock, now()), [], "nothing more to say");
    app.hear(presence("bob", true), now());
    assert_eq!(typed(&mut app, "/knock"), [], "who is there needs no knock");
}

#[test]
fn one_can_type_at_once_to_somebody_who_is_there() {
    let mut app = app(&["bob", "carol"]);
    app.hear(presence("bob", false), now());
    app.hear(presence("carol", true), now());
    assert_eq!((app.selected.clone(), app.place()), (Some(Entry::Person(who("carol"))), Place::Writing));
    app.act(Action::Insert("h".to_owned()), now());
    app.hear(presence("bob", true), now());
    assert_eq!(app.selected, Some(Entry::Person(who("carol"))), "not under her fingers");
}

#[test]
fn too_long_a_paste_is_refused_whole() {
    let mut app = app(&["bob"]);
    app.act(Action::Open, now());
    app.paste(&"x".repeat(editor::MAX_TEXT_BYTES + 1));
    assert!(matches!(&app.notice, Some(Notice::Wrong(text)) if text.contains("Nothing was inserted")));
    assert_eq!(app.at_stake(), 0);
}

#[test]
fn how_one_appears_is_decided_by_commands_and_told_once() {
    let mut app = app(&["bob"]);
    let text = Some("at lunch".to_owned());
    let command = Command::SetStatus { status: OwnStatus::Away, text };
    assert_eq!(typed(&mut app, "/status away at lunch"), vec![Effect::Engine(command)]);
    let command = Command::SetAudience { visible_to: None, may_knock: Some(Audience::Contacts) };
    assert_eq!(typed(&mut app, "/reachable contacts"), vec![Effect::Engine(command)]);
    let bob = || who("bob").to_string();
    assert_eq!(typed(&mut app, "/block"), vec![Effect::Engine(Command::Block { who: bob() })], "who is open");
    assert_eq!(typed(&mut app, "/ask"), vec![Effect::Engine(Command::AskFirst { who: bob(), ask: true })]);
    assert_eq!(typed(&mut app, "/unblock bob@example.org"), vec![Effect::Engine(Command::Unblock { who: bob() })]);

    let settings = PresenceSettings { status: OwnStatus::Away, text: "at lunch".to_owned(), ..Default::default() };
    app.hear(Event::Appearance(settings), now());
    let Some(Notice::Said(words)) = &app.notice else { panic!("{:?}", app.notice) };
    assert_eq!(words, "You are away (at lunch). Who may see you: your contacts. Who may knock: everyone.");
}

#[test]
fn who_wants_no_disturbance_hears_no_bell() {
    let mut app = app(&[]);
    let settings = PresenceSettings { status: OwnStatus::DoNotDisturb, ..Default::default() };
    app.hear(Event::Appearance(settings), now());
    let knock = Event::Incoming { call: CALL, from: who("mallory"), purpose: Purpose::Text, contact: false };
    assert_eq!(app.hear(knock, now()), vec![]);
    assert_eq!(app.waiting.len(), 1, "shown all the same");
}
