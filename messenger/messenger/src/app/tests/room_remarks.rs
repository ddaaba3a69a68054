//! What is said about texts in a room, in the model, and where texts stand.

use messenger_engine::{Missing, RoomOrder, RoomTextRef};

use super::*;
use crate::app::conversation::Line;
use crate::app::remarks::About;

const THREE: [&str; 3] = ["alice", "bob", "carol"];

fn order(count: u64, leaf: u32, id: u64) -> RoomOrder {
    RoomOrder { epoch: 1, count, leaf, id }
}

fn heard(from: &str, id: u64, text: &str, order: RoomOrder) -> Event {
    Event::RoomMessage { room: ROOM, id, from: who(from), text: text.to_owned(), order, reply_to: None }
}

/// How far something of alice's got: to so many, and not to so many.
fn state(id: u64, to: &[&str], not_to: &[&str], order: Option<RoomOrder>) -> Event {
    let missing = |name: &&str| Missing { who: who(name), reason: "the connection was lost".to_owned() };
    let (delivered, missing) = (to.iter().map(|name| who(name)).collect(), not_to.iter().map(missing).collect());
    Event::RoomMessageState { room: ROOM, id, delivered, missing, order }
}

/// Alice, bob and carol have each said something.
fn talking() -> App {
    let mut app = app(&["bob", "carol"]);
    app.hear(room("alice", &THREE), now());
    app.select(Entry::Room(ROOM));
    typed(&mut app, "hi");
    app.hear(state(1, &["bob", "carol"], &[], Some(order(1, 0, 1))), now());
    app.hear(heard("bob", 1, "hello", order(2, 1, 1)), now());
    app.hear(heard("carol", 1, "good day", order(3, 2, 1)), now());
    app
}

fn lines(app: &App) -> Vec<(String, About)> {
    let lines = app.conversation(&Entry::Room(ROOM)).unwrap().lines.iter();
    let text = |line: &Line| match line {
        Line::Mine { text, about, .. } | Line::Theirs { text, about, .. } => Some((text.clone(), about.clone())),
        _ => None,
    };
    lines.filter_map(text).collect()
}

fn texts(app: &App) -> Vec<String> {
    lines(app).into_iter().map(|(text, _)| text).collect()
}

fn carols() -> RoomTextRef {
    RoomTextRef { from: Some(who("carol")), id: 1 }
}

#[test]
fn commands_are_about_the_last_text_of_the_room() {
    let mut app = talking();
    let text = |text: &str| text.to_owned();
    let commands = [
        ("/react 👍", Command::RoomReact { room: ROOM, on: carols(), emoji: text("👍"), id: Some(2) }),
        ("/edit hi all", Command::RoomEdit { room: ROOM, of: 1, text: text("hi all"), id: Some(3) }),
        ("/delete", Command::RoomDelete { room: ROOM, of: 1, id: Some(4) }),
        ("/reply yes", Command::RoomSend { room: ROOM, text: text("yes"), id: Some(5), reply_to: Some(carols()) }),
        ("/typing off", Command::SetSignals { typing: Some(false), read_receipts: None }),
    ];
    for (line, command) in commands {
        assert_eq!(typed(&mut app, line), [Effect::Engine(command)], "{line}");
    }
    assert_eq!(lines(&app).last().unwrap().1.answers.as_deref(), Some("good day"));
    for line in ["/nudge", "/here"] {
        assert_eq!(typed(&mut app, line), [], "{line}");
        assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("one person")), "{line}");
        app.act(Action::Edit(editor::Edit::DeleteToStart), now());
    }
}

#[test]
fn nothing_can_be_said_about_nothing_in_a_room_nor_to_nobody() {
    let mut app = app(&["bob"]);
    app.hear(room("alice", &["alice"]), now());
    app.select(Entry::Room(ROOM));
    for members in [&["alice"][..], &THREE] {
        app.hear(room("alice", members), now());
        for line in ["/react 👍", "/edit x", "/delete", "/reply x"] {
            assert_eq!(typed(&mut app, line), [], "{line}");
            assert!(matches!(&app.notice, Some(Notice::Wrong(_))), "{line}");
            app.act(Action::Edit(editor::Edit::DeleteToStart), now());
        }
    }
    // What nobody has cannot be changed.
    typed(&mut app, "hi");
    assert_eq!(typed(&mut app, "/delete"), []);
}

#[test]
fn what_one_asked_for_is_shown_when_somebody_has_it_and_who_has_not_is_named() {
    let mut app = talking();
    for line in ["/react 👍", "/edit hi all", "/delete"] {
        typed(&mut app, line);
    }
    for id in [2, 3, 4] {
        app.hear(state(id, &[], &[], None), now());
    }
    assert_eq!(texts(&app), ["hi", "hello", "good day"]);
    assert!(!lines(&app)[0].1.delete && lines(&app)[2].1.mine.is_empty());
    for id in [2, 3, 4] {
        app.hear(state(id, &["bob"], &[], None), now());
    }
    assert_eq!(texts(&app), ["hi all", "hello", "good day"]);
    assert!(lines(&app)[0].1.edited && lines(&app)[0].1.delete);
    assert_eq!(lines(&app)[2].1.mine, "👍");
    assert_eq!(app.notice, None);
    app.hear(state(2, &["bob"], &["carol"], None), now());
    assert!(
        matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("did not arrive at carol@example.org")),
        "{:?}",
        app.notice
    );
    // What came to nobody changes nothing, and comes back.
    typed(&mut app, "/edit hi there");
    app.hear(state(5, &[], &["bob", "carol"], None), now());
    assert_eq!(texts(&app)[0], "hi all");
    let conversation = app.conversation(&Entry::Room(ROOM)).unwrap();
    assert_eq!(conversation.draft.text(), "/edit hi there");
}

#[test]
fn what_others_ask_for_is_shown_with_the_text_of_the_one_who_asks() {
    let mut app = talking();
    let on = RoomTextRef { from: None, id: 1 };
    for (from, emoji) in [("bob", "👍"), ("carol", "🎉"), ("carol", "")] {
        let (from, on, emoji) = (who(from), on.clone(), emoji.to_owned());
        app.hear(Event::RoomReaction { room: ROOM, from, on, emoji }, now());
    }
    app.hear(Event::RoomEdited { room: ROOM, from: who("bob"), id: 1, text: "hello all".to_owned() }, now());
    app.hear(Event::RoomDeleteRequested { room: ROOM, from: who("carol"), id: 1 }, now());
    assert_eq!(texts(&app), ["hi", "hello all", "good day"], "of the same number each");
    let about: Vec<About> = lines(&app).into_iter().map(|(_, about)| about).collect();
    assert_eq!(about[0].by_others.clone().into_iter().collect::<Vec<_>>(), [(who("bob"), "👍".to_owned())]);
    assert_eq!(
        about.iter().map(|one| (one.edited, one.delete)).collect::<Vec<_>>(),
        [(false, false), (true, false), (false, true)]
    );
    let answer = Event::RoomMessage {
        room: ROOM,
        id: 9,
        from: who("bob"),
        text: "fine".to_owned(),
        order: order(4, 1, 9),
        reply_to: Some(carols()),
    };
    app.hear(answer, now());
    assert_eq!(lines(&app)[3].1.answers.as_deref(), Some("good day"));
}

/// whatever order texts come in, they stand in one, and what has stood for two seconds is not moved.
#[test]
fn texts_stand_where_all_agree_they_do() {
    let mut app = talking();
    let later = |seconds: i64| now().checked_add(jiff::Span::new().seconds(seconds)).unwrap();
    app.hear(heard("carol", 2, "third", order(6, 2, 2)), later(10));
    app.hear(heard("bob", 2, "second", order(5, 1, 2)), later(11));
    app.hear(heard("bob", 3, "fourth", order(6, 3, 3)), later(11));
    assert_eq!(texts(&app)[3..], ["second", "third", "fourth"]);
    app.hear(heard("bob", 4, "late", order(4, 1, 4)), later(12));
    assert_eq!(texts(&app)[3..], ["second", "third", "late", "fourth"], "third has stood for 2 s");
    // One's own is where one wrote it until it is sealed.
    app.hear(room("alice", &THREE), later(20));
    app.act(Action::Insert("mine".to_owned()), later(20));
    app.act(Action::Send, later(20));
    app.hear(heard("carol", 5, "hers", order(8, 2, 5)), later(20));
    assert_eq!(texts(&app).last().unwrap(), "hers");
    app.hear(state(2, &[], &[], Some(order(9, 0, 2))), later(20));
    assert_eq!(texts(&app).last().unwrap(), "mine");
    app.hear(state(2, &["bob"], &[], Some(order(9, 0, 2))), later(20));
    assert_eq!(texts(&app).last().unwrap(), "mine");
}

#[test]
fn who_writes_in_a_room_is_named_until_the_room_closes() {
    let mut app = talking();
    let typing = |name: &str, typing| Event::RoomTyping { room: ROOM, who: who(name), typing };
    let types = |app: &App| app.who_types(&app.rooms[&ROOM]);
    assert_eq!(types(&app), "");
    app.hear(typing("bob", true), now());
    assert_eq!(types(&app), "bob@example.org is typing…");
    app.hear(typing("carol", true), now());
    app.hear(room("alice", &THREE), now());
    assert_eq!(types(&app), "bob@example.org and carol@example.org are typing…");
    app.hear(typing("bob", false), now());
    assert_eq!(types(&app), "carol@example.org is typing…");
    app.hear(Event::RoomClosed { room: ROOM, reason: "you left".to_owned() }, now());
    assert_eq!(types(&app), "");
}

#[test]
fn the_members_hear_that_one_is_typing() {
    let mut app = talking();
    let typing = |typing| [Effect::Engine(Command::RoomTyping { room: ROOM, typing })];
    app.pane = Pane::Message;
    assert_eq!(app.act(Action::Insert("t".to_owned()), now()), typing(true));
    assert_eq!(app.act(Action::Edit(editor::Edit::DeleteToStart), now()), typing(false));
    app.hear(room("alice", &["alice"]), now());
    assert_eq!(app.act(Action::Insert("t".to_owned()), now()), [], "nobody is there");
}
