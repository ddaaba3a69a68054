//! What is said about texts, in the model.

use messenger_engine::{Side, TextRef};

use super::*;
use crate::app::conversation::Line;
use crate::app::remarks::About;

/// Bob and one oneself have said something: text 1 each.
fn talking() -> App {
    let mut app = app(&["bob"]);
    typed(&mut app, "hi");
    app.hear(state(1, DeliveryState::Delivered), now());
    let theirs = Event::Message { id: 1, from: who("bob"), text: "hello".to_owned(), bot: false, reply_to: None };
    app.hear(theirs, now());
    app
}

fn state(id: u64, state: DeliveryState) -> Event {
    let reason = (state != DeliveryState::Delivered).then(|| "the connection was lost".to_owned());
    Event::MessageState { id, to: who("bob"), state, reason }
}

fn bob() -> String {
    "bob@example.org".to_owned()
}

/// What is shown with the text of either side.
fn about(app: &App, side: Side) -> (String, About) {
    let lines = &app.conversation(&Entry::Person(who("bob"))).unwrap().lines;
    let found = lines.iter().find_map(|line| match line {
        Line::Mine { text, about, .. } if side == Side::Me => Some((text.clone(), about.clone())),
        Line::Theirs { text, about, .. } if side == Side::Them => Some((text.clone(), about.clone())),
        _ => None,
    });
    found.unwrap()
}

const THEIRS: TextRef = TextRef { by: Side::Them, id: 1 };

#[test]
fn commands_are_about_the_last_text() {
    let mut app = talking();
    let commands = [
        ("/react 👍", Command::React { to: bob(), on: THEIRS, emoji: "👍".to_owned(), id: Some(2) }),
        ("/edit hi bob", Command::Edit { to: bob(), of: 1, text: "hi bob".to_owned(), id: Some(3) }),
        ("/delete", Command::Delete { to: bob(), of: 1, id: Some(4) }),
        ("/nudge", Command::Nudge { to: bob(), id: Some(5) }),
        ("/here", Command::ContinueHere { to: bob(), id: Some(6) }),
        ("/reply good", Command::Send { to: bob(), text: "good".to_owned(), id: Some(7), reply_to: Some(THEIRS) }),
        ("/typing off", Command::SetSignals { typing: Some(false), read_receipts: None }),
        ("/receipts on", Command::SetSignals { typing: None, read_receipts: Some(true) }),
    ];
    for (line, command) in commands {
        assert_eq!(typed(&mut app, line), [Effect::Engine(command)], "{line}");
    }
    let lines = &app.conversation(&Entry::Person(who("bob"))).unwrap().lines;
    let Some(Line::Mine { about, .. }) = lines.back() else { panic!("{lines:?}") };
    assert_eq!(about.answers.as_deref(), Some("hello"));
}

#[test]
fn what_one_asked_for_is_shown_when_the_other_device_has_it_and_not_before() {
    let mut app = talking();
    for line in ["/react 👍", "/edit hi bob", "/delete"] {
        typed(&mut app, line);
    }
    for id in [2, 3, 4] {
        app.hear(state(id, DeliveryState::Sending), now());
    }
    assert_eq!(about(&app, Side::Me), ("hi".to_owned(), About::default()));
    assert!(about(&app, Side::Them).1.mine.is_empty());
    for id in [2, 3, 4] {
        app.hear(state(id, DeliveryState::Delivered), now());
    }
    assert_eq!(about(&app, Side::Me), ("hi bob".to_owned(), About { edited: true, delete: true, ..About::default() }));
    assert_eq!(about(&app, Side::Them).1.mine, "👍");
    // What did not get there is said, and changes nothing.
    typed(&mut app, "/react 👎");
    app.hear(state(5, DeliveryState::NotDelivered), now());
    assert_eq!(about(&app, Side::Them).1.mine, "👍");
    assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("did not arrive")), "{:?}", app.notice);
}

#[test]
fn what_they_ask_for_is_shown_as_such() {
    let mut app = talking();
    app.hear(Event::Edited { from: who("bob"), id: 1, text: "hello, alice".to_owned() }, now());
    app.hear(Event::DeleteRequested { from: who("bob"), id: 1 }, now());
    app.hear(Event::Reaction { from: who("bob"), on: TextRef { by: Side::Me, id: 1 }, emoji: "👍".to_owned() }, now());
    app.hear(Event::Read { who: who("bob"), ids: vec![1] }, now());
    let expected = About { id: Some(1), edited: true, delete: true, ..About::default() };
    assert_eq!(about(&app, Side::Them), ("hello, alice".to_owned(), expected));
    let expected = About { theirs: "👍".to_owned(), read: true, ..About::default() };
    assert_eq!(about(&app, Side::Me), ("hi".to_owned(), expected));
    // Of texts that are not there any more nothing is shown, and nothing breaks.
    app.hear(Event::Edited { from: who("bob"), id: 77, text: "x".to_owned() }, now());
    assert_eq!(app.hear(Event::Nudge { from: who("bob") }, now()), [Effect::Bell]);
    app.hear(Event::Typing { who: who("bob"), typing: true }, now());
    assert!(app.people[&who("bob")].typing);
}

#[test]
fn at_which_device_a_conversation_goes_on_is_said_in_it() {
    let mut app = talking();
    typed(&mut app, "/here");
    app.hear(state(2, DeliveryState::Delivered), now());
    app.hear(Event::Continued { from: who("bob") }, now());
    assert_eq!(app.hear(Event::ContinuedElsewhere { who: who("bob") }, now()), [Effect::Bell]);
    let lines = &app.conversation(&Entry::Person(who("bob"))).unwrap().lines;
    let notes: Vec<&str> = lines
        .iter()
        .filter_map(|line| if let Line::Note { text, .. } = line { Some(&text[..]) } else { None })
        .collect();
    let [here, theirs, elsewhere] = notes[..] else { panic!("{notes:?}") };
    assert!(here.starts_with("You go on here"), "{here}");
    assert!(theirs.contains("bob@example.org goes on"), "{theirs}");
    assert!(elsewhere.contains("certtool watch alice@example.org"), "{elsewhere}");
}

#[test]
fn nothing_can_be_said_about_nothing() {
    let mut app = app(&["bob"]);
    for line in ["/react 👍", "/edit x", "/delete", "/reply x"] {
        assert_eq!(typed(&mut app, line), [], "{line}");
        assert!(matches!(&app.notice, Some(Notice::Wrong(_))), "{line}");
    }
}

#[test]
fn others_hear_that_one_is_typing_a_text_and_not_a_command() {
    let mut app = app(&["bob"]);
    let typing = |typing| [Effect::Engine(Command::Typing { to: bob(), typing })];
    app.act(Action::SwitchPane, now());
    for (text, expected) in [("/", false), ("/", true)] {
        assert_eq!(app.act(Action::Insert(text.to_owned()), now()), typing(expected), "{text}");
    }
}

#[test]
fn what_is_on_the_screen_was_read_when_a_key_is_pressed() {
    let mut app = talking();
    assert_eq!(app.act(Action::ScrollDown, now()), [], "nobody is told anything unless one wants that");
    app.hear(Event::Appearance(PresenceSettings { read_receipts: true, ..PresenceSettings::default() }), now());
    let theirs = Event::Message { id: 2, from: who("bob"), text: "hello?".to_owned(), bot: false, reply_to: None };
    assert_eq!(app.hear(theirs, now()), [], "nobody may be there");
    let read = Command::Read { who: bob(), ids: vec![2] };
    assert_eq!(app.act(Action::ScrollDown, now()), [Effect::Engine(read)]);
    assert_eq!(app.act(Action::ScrollDown, now()), []);
}
