//! What is seen of histories.

use std::collections::BTreeMap;

use super::*;
use crate::app::keeping::Past;

fn past(id: i64, from: Option<&str>, text: &str) -> Past {
    let at = date(2026, 11, 20).at(9, 30, 0, 0);
    Past { id, from: from.map(who), text: text.to_owned(), at, delivered: id != 1, edited: id == 2, deleted: false }
}

#[test]
fn who_keeps_a_history_stands_below_and_what_was_said_before_above() {
    let mut app = online(&["bob"], SMALL);
    app.hear(says("bob", "Do you remember?"), at(10, 42));
    app.hear(Event::History { who: who("bob"), keeps: true }, at(10, 42));
    let bob = Entry::Person(who("bob"));
    app.keeps(true, BTreeMap::from([(bob.clone(), None)]));
    let before = vec![
        past(1, None, "Bread?"),
        past(2, Some("bob"), "Fresh bread, and \u{1b}[2J cheese."),
        past(3, None, "See you then."),
    ];
    app.showed_before(&bob, before);
    compare("history", &app);
    let found = vec![past(2, Some("bob"), "Fresh bread, and \u{1b}[2J cheese."), past(1, None, "Bread?")];
    app.found_in_history("bread".to_owned(), found);
    compare("history-found", &app);
}

#[test]
fn a_room_of_which_a_history_is_kept_says_so() {
    let mut app = online(&["bob"], SMALL);
    app.hear(room(&["alice", "bob"], 2), at(10, 40));
    let entry = Entry::Room(RoomId([9; 16]));
    app.keeps(true, BTreeMap::from([(entry.clone(), Some(90))]));
    app.selected = Some(entry);
    let (text, _) = screen(&app);
    assert!(text.contains("history: you keep one") && text.contains("you (host), bob"), "{text}");
}

#[test]
fn whoever_begins_a_conversation_that_is_kept_is_told_no_other_thing() {
    let mut app = online(&["bob"], SMALL);
    app.hear(Event::History { who: who("bob"), keeps: true }, at(10, 42));
    app.hear(presence("carol", true), at(10, 42));
    let (text, _) = screen(&app);
    assert!(!text.contains("Nobody stores it") && text.contains("history: they keep one"), "{text}");
}

#[test]
fn a_passphrase_for_the_history_is_dots() {
    let mut app = online(&["bob"], SMALL);
    write(&mut app, "/history on passphrase", at(10, 42));
    app.act(Action::Insert("open sesame".to_owned()), at(10, 42));
    compare("history-passphrase", &app);
}
