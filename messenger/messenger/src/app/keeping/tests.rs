use messenger_engine::Event;

use super::*;
use crate::app::Notice;
use crate::app::tests::{ROOM, app, now, room, typed, who};
use crate::keys::Action;

fn bob() -> Entry {
    Entry::Person(who("bob"))
}

fn past(id: i64, text: &str) -> Past {
    let at = now().checked_sub(jiff::ToSpan::days(3)).unwrap();
    let from = (id % 2 == 0).then(|| who("bob"));
    Past { id, from, text: text.to_owned(), at, delivered: id != 1, edited: false, deleted: false }
}

#[test]
fn the_first_one_asks_where_its_key_shall_be() {
    let mut app = app(&["bob"]);
    assert_eq!(typed(&mut app, "/history on"), []);
    assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("/history on keyring")));
    app.act(Action::Edit(crate::app::editor::Edit::DeleteToStart), now());
    let begin = |passphrase| vec![Effect::History(Deed::Begin { passphrase, entry: bob() })];
    assert_eq!(typed(&mut app, "/history on keyring"), begin(None));
    assert_eq!(typed(&mut app, "/history on passphrase"), []);
    for expected in [Vec::new(), begin(Passphrase::new("sesame".to_owned().into()))] {
        app.act(Action::Insert("sesame".to_owned()), now());
        assert_eq!(app.act(Action::Yes, now()), expected);
    }
    app.keeps(true, BTreeMap::new());
    let keep = |entry, keeps| vec![Effect::History(Deed::Keep { entry, keeps })];
    assert_eq!(typed(&mut app, "/history on"), keep(bob(), true));
    assert_eq!(typed(&mut app, "/history on carol@example.org"), keep(Entry::Person(who("carol")), true));
    assert_eq!(typed(&mut app, "/history off"), [], "none is kept");
    app.keeps(true, BTreeMap::from([(bob(), None)]));
    app.act(Action::Edit(crate::app::editor::Edit::DeleteToStart), now());
    assert_eq!(typed(&mut app, "/history off"), keep(bob(), false));
    assert_eq!(typed(&mut app, "/history days 90"), [Effect::History(Deed::Retain { entry: bob(), days: Some(90) })]);
}

#[test]
fn who_keeps_one_stands_at_the_conversation_and_is_told() {
    let mut app = app(&["bob"]);
    assert_eq!(app.history_mark(&bob()), None);
    app.hear(Event::History { who: who("bob"), keeps: true }, now());
    app.hear(Event::History { who: who("bob"), keeps: true }, now());
    assert_eq!(app.history_mark(&bob()), Some("history: they keep one"));
    let notes = app.conversation(&bob()).unwrap().lines.len();
    assert_eq!(notes, 1, "said once");
    app.keeps(true, BTreeMap::from([(bob(), None)]));
    assert_eq!(app.history_mark(&bob()), Some("history: you and they keep one"));
    assert_eq!(
        app.kept_from_now(&bob(), true, now()),
        [Effect::Engine(Command::KeepHistory { who: "bob@example.org".to_owned(), keeps: true })]
    );
    app.hear(Event::History { who: who("bob"), keeps: false }, now());
    assert_eq!(app.history_mark(&bob()), Some("history: you keep one"));
    // In a room it is said to those who are in.
    app.hear(room("alice", &["alice", "bob"]), now());
    let told = app.kept_from_now(&Entry::Room(ROOM), true, now());
    let says =
        |told: &[Effect]| matches!(told, [Effect::Engine(Command::RoomSend { text, .. })] if text.contains("history"));
    assert!(says(&told));
    // And to whoever comes.
    let of_three = || room("alice", &["alice", "bob", "carol"]);
    assert_eq!(app.hear(room("alice", &["alice", "bob"]), now()), [], "nobody is new");
    let before = app.conversation(&Entry::Room(ROOM)).unwrap().unread;
    assert_eq!(app.hear(of_three(), now()), [], "of this room none is kept");
    app.hear(room("alice", &["alice", "bob"]), now());
    app.keeps(true, BTreeMap::from([(Entry::Room(ROOM), None)]));
    assert!(says(&app.hear(of_three(), now())));
    assert_eq!(app.hear(of_three(), now()), [], "once");
    assert_eq!(app.hear(room("alice", &["alice", "bob"]), now()), [], "who goes is told nothing");
    assert_eq!(app.conversation(&Entry::Room(ROOM)).unwrap().unread, before);
}

#[test]
fn scrolling_up_shows_what_was_said_before_and_nothing_of_it_is_at_stake() {
    let mut app = app(&["bob"]);
    app.hear(Event::Message { id: 1, from: who("bob"), text: "now".to_owned(), bot: false, reply_to: None }, now());
    assert_eq!(app.act(Action::ScrollUp, now()), [], "there is none");
    app.keeps(true, BTreeMap::from([(bob(), None)]));
    let back = |before| vec![Effect::History(Deed::Back { entry: bob(), before })];
    assert_eq!(app.act(Action::ScrollUp, now()), back(None));
    app.showed_before(&bob(), vec![past(1, "not delivered then"), past(2, "theirs"), past(3, "mine")]);
    let conversation = app.conversation(&bob()).unwrap();
    let shown: Vec<String> = conversation
        .lines
        .iter()
        .map(|line| match line {
            Line::Mine { text, .. } | Line::Theirs { text, .. } | Line::Note { text, .. } => text.clone(),
            Line::File { .. } => "a file".to_owned(),
        })
        .collect();
    assert_eq!(shown, ["Friday, 20 November 2026, from your history", "not delivered then", "theirs", "mine", "now"]);
    assert_eq!((app.at_stake(), app.unsent().len()), (0, 0), "it was over long ago");
    assert_eq!(app.act(Action::ScrollUp, now()), back(Some(1)));
    app.showed_before(&bob(), Vec::new());
    assert_eq!(app.act(Action::ScrollUp, now()), [], "that is all");
    for n in 0..MAX_LINES {
        app.conversation_mut(&bob()).note(n.to_string(), now());
    }
    app.conversation_mut(&bob()).before = None;
    app.showed_before(&bob(), vec![past(1, "does not fit")]);
    assert_eq!(app.conversation(&bob()).unwrap().lines.len(), MAX_LINES);
}

#[test]
fn what_is_not_on_the_screen_any_more_is_looked_for_in_the_history() {
    let mut app = app(&["bob"]);
    typed(&mut app, "/find bread");
    assert!(matches!(&app.notice, Some(Notice::Wrong(words)) if words.contains("nowhere here")));
    app.act(Action::Edit(crate::app::editor::Edit::DeleteToStart), now());
    app.keeps(true, BTreeMap::from([(bob(), None)]));
    let find = [Effect::History(Deed::Find { entry: bob(), needle: "bread".to_owned() })];
    assert_eq!(typed(&mut app, "/find bread"), find);
    assert_eq!(typed(&mut app, "/history find bread"), find);
    app.found_in_history("bread".to_owned(), vec![past(2, "fresh bread")]);
    assert!(matches!(&app.cover, Some(Cover::Found { found, .. }) if found.len() == 1));
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    for (typed, hint) in [
        ("often", "on, off, days"),
        ("on nobody", "That is no address"),
        ("days", "days 90"),
        ("days 0", "days 90"),
        ("find", "/history find bread"),
        ("back now", "on, off, days"),
    ] {
        let error = parse(typed).unwrap_err();
        assert!(error.contains(hint), "{typed}: {error}");
    }
    assert_eq!(parse("days never"), Ok(HistoryWish::Days(None)));
    assert_eq!(parse("on bob@example.org keyring"), Ok(HistoryWish::On(Some(who("bob")), Some(KeyPlace::Keyring))));
}
