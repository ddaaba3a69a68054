//! Files, without a disk and without an engine.

use identity::trust::Fingerprint;

use super::*;
use crate::app::Notice;
use crate::app::tests::{ROOM, app, now, room, typed, who};
use crate::keys::Action;
use crate::places::Places;

const ID: TransferId = TransferId([5; 16]);

fn placed() -> App {
    app(&["bob", "carol"]).placed(Places { home: "/home/alice".into(), downloads: "/home/alice/Downloads".into() })
}

fn offered(n: u8, from: &str) -> Event {
    Event::FileOffered {
        transfer: TransferId([n; 16]),
        from: who(from),
        device: Fingerprint([1; 32]),
        room: None,
        name: "secret.txt".to_owned(),
        folder: false,
        files: 1,
        bytes: 40,
        media_type: None,
    }
}

fn state(direction: Direction, state: TransferState) -> Event {
    let (with, name) = (who("bob"), "tea".to_owned());
    Event::FileState { transfer: ID, with, direction, name, state, by: None, reason: None, path: None, left_out: None }
}

fn wrong(app: &App) -> &str {
    match &app.notice {
        Some(Notice::Wrong(text) | Notice::Said(text)) => text,
        None => "",
    }
}

#[test]
fn several_files_are_offered_at_once_to_a_person_and_to_a_room() {
    let mut app = placed();
    let offer = |path: &str| {
        Effect::Engine(Command::FileOffer {
            to: "bob@example.org".to_owned(),
            path: path.to_owned(),
            transfer: None,
            device: None,
            media_type: None,
        })
    };
    assert_eq!(
        typed(&mut app, "/file ~/tea '/srv/my file' /a\\ b"),
        [offer("/home/alice/tea"), offer("/srv/my file"), offer("/a b")]
    );
    app.hear(room("alice", &["alice", "bob"]), now());
    app.select(Entry::Room(ROOM));
    let path = "/srv/tea".to_owned();
    assert_eq!(typed(&mut app, "/file /srv/tea"), [Effect::Engine(Command::RoomFileOffer { room: ROOM, path })]);
}

#[test]
fn an_offer_is_answered_by_key_and_by_number_and_tells_where_it_goes() {
    let mut app = placed();
    app.hear(offered(5, "bob"), now());
    app.hear(offered(6, "carol"), now());
    let take = |transfer, into: &str| Effect::Engine(Command::FileAccept { transfer, into: into.to_owned() });
    assert_eq!(app.act(Action::File(Deed::Take), now()), [take(ID, "/home/alice/Downloads")]);
    assert_eq!(typed(&mut app, "/take 2"), [take(TransferId([6; 16]), "/home/alice/Downloads")]);
    let refuse = Effect::Engine(Command::FileRefuse { transfer: ID, reason: None });
    assert_eq!(app.act(Action::File(Deed::Refuse), now()), [refuse]);
    app.act(Action::PauseOrContinue, now());
    assert!(wrong(&app).contains("no such file"), "{}", wrong(&app));
    app.hear(offered(7, "bob"), now());
    typed(&mut app, "/downloads ~/in");
    assert_eq!(typed(&mut app, "/take"), [take(TransferId([7; 16]), "/home/alice/in")]);
    typed(&mut app, "/cancel 99");
    assert!(wrong(&app).contains("no such file"), "{}", wrong(&app));
}

#[test]
fn what_is_on_its_way_is_put_off_goes_on_and_ends() {
    let mut app = placed();
    app.hear(state(Direction::Out, TransferState::Offered), now());
    app.hear(state(Direction::Out, TransferState::Running), now());
    let key = |app: &mut App| app.act(Action::PauseOrContinue, now());
    assert_eq!(key(&mut app), [Effect::Engine(Command::FilePause { transfer: ID })]);
    app.hear(state(Direction::Out, TransferState::Paused), now());
    assert_eq!(key(&mut app), [Effect::Engine(Command::FileContinue { transfer: ID })]);
    assert_eq!(typed(&mut app, "/cancel"), [Effect::Engine(Command::FileCancel { transfer: ID })]);
    assert_eq!(app.act(Action::Quit, now()), [], "it would end");
    assert!(wrong(&app).contains("1 file is on the way"), "{}", wrong(&app));
    app.hear(state(Direction::Out, TransferState::Cancelled), now());
    assert!(app.transfers.is_empty(), "what is over is not kept in mind");
    assert_eq!(app.act(Action::Quit, now()).last(), Some(&Effect::Quit));
}

#[test]
fn what_is_offered_to_all_in_a_large_room_stands_there_and_is_withdrawn() {
    let mut app = placed();
    app.hear(room("alice", &["alice", "bob"]), now());
    app.select(Entry::Room(ROOM));
    let state = |state| {
        let (reason, name) = (None, "tea".to_owned());
        Event::RoomFileState { room: ROOM, transfer: ID, id: Some(9), name, state, reason, left_out: None }
    };
    app.hear(state(TransferState::Offered), now());
    let file = app.transfer(ID).unwrap();
    assert!(file.is_to_all() && file.number == 1 && !file.allows(Deed::Take), "{file:?}");
    assert_eq!(app.conversation(&Entry::Room(ROOM)).unwrap().transfers().count(), 1);
    // How far it gets at others is told by its id, as of a text.
    let told = |id| {
        let missing = vec![Missing { who: who("bob"), reason: "the certificate has ended".into() }];
        Event::RoomMessageState { room: ROOM, id, delivered: Vec::new(), missing, order: None }
    };
    app.hear(told(8), now());
    assert!(app.notice.is_none(), "{:?}", app.notice);
    app.hear(told(9), now());
    let expected = "tea is not offered to bob@example.org: the certificate has ended";
    assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words == expected), "{:?}", app.notice);
    assert_eq!(app.act(Action::Quit, now()).last(), Some(&Effect::Quit), "nothing of it is on its way");
    assert_eq!(typed(&mut app, "/cancel"), [Effect::Engine(Command::FileCancel { transfer: ID })]);
    app.hear(state(TransferState::Cancelled), now());
    assert!(app.transfers.is_empty());
    let file = app.conversation(&Entry::Room(ROOM)).unwrap().transfers().next().unwrap().clone();
    assert_eq!((file.state, file.by), (TransferState::Cancelled, Some(Side::Me)));
}

#[test]
fn an_offer_is_announced_without_its_name_and_a_flood_once() {
    let mut app = placed();
    let announced: Vec<_> = (0..40).flat_map(|n| app.hear(offered(n, "carol"), now())).collect();
    let [Effect::Notify(one)] = &announced[..] else { panic!("{announced:?}") };
    assert_eq!((one.title.as_str(), one.body.as_str()), ("carol@example.org offers a file", ""));
    assert_eq!(app.conversation(&Entry::Person(who("carol"))).unwrap().unread, 40);
}

#[test]
fn tab_goes_on_with_a_path_as_far_as_one_way_leads() {
    let mut app = placed();
    let draft = |app: &App| app.conversation(&Entry::Person(who("bob"))).unwrap().draft.text().to_owned();
    app.act(Action::Insert("/file ~/te".to_owned()), now());
    assert_eq!(app.act(Action::SwitchPane, now()), [Effect::Complete("~/te".to_owned())]);
    app.completed("~/te", &["~/tea time".to_owned(), "~/tea.txt".to_owned()]);
    assert_eq!(draft(&app), "/file ~/tea");
    app.completed("~/tea", &["~/tea time".to_owned(), "~/tea.txt".to_owned()]);
    assert_eq!(wrong(&app), "tea time  tea.txt");
    app.completed("~/tea", &["~/tea time".to_owned()]);
    assert_eq!(draft(&app), "/file ~/tea\\ time ");
    assert_eq!(app.act(Action::SwitchPane, now()), [Effect::Complete(String::new())], "the next one begins");
    app.completed("", &[]);
    assert!(wrong(&app).contains("Nothing there"));
}
