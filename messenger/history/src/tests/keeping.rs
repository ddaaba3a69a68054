use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn what_was_said_comes_back_page_by_page_after_a_restart() {
    let (_home, folder, mut history) = begun();
    for n in 0..25 {
        let words = format!("text {n}");
        assert!(history.add(&bob(), &if n % 2 == 0 { text(n, &words) } else { theirs(n, &words) }).unwrap());
    }
    drop(history);
    let history = open(&folder).unwrap();
    let last = history.page(&bob(), None, 10).unwrap();
    assert_eq!((texts(&last)[0], texts(&last)[9]), ("text 15", "text 24"));
    let before = history.page(&bob(), Some(last[0].id), 10).unwrap();
    assert_eq!((texts(&before)[0], texts(&before)[9]), ("text 5", "text 14"));
    assert_eq!(history.page(&bob(), Some(before[0].id), 10).unwrap().len(), 5);
    assert_eq!((last[9].sender.as_deref(), last[8].sender.as_deref()), (None, Some("bob@example.org")));
    assert!(history.page(&bob(), None, usize::MAX).unwrap().len() <= MAX_PAGE);
}

#[test]
fn nothing_is_kept_of_what_was_not_switched_on() {
    let (_home, _folder, mut history) = begun();
    let carol = Conversation::Person("carol@example.org".to_owned());
    assert!(!history.add(&carol, &text(1, "nobody asked for it")).unwrap());
    assert!(matches!(history.page(&carol, None, 10), Err(HistoryError::NoConversation(who)) if who == carol.name()));
    history.add(&bob(), &text(1, "kept")).unwrap();
    history.keep(&bob(), "", false).unwrap();
    assert!(!history.add(&bob(), &text(2, "not any more")).unwrap());
    assert_eq!(texts(&history.page(&bob(), None, 10).unwrap()), ["kept"]);
    assert_eq!(history.keeping().unwrap(), [(room(), None)].into());
    assert!(history.keeps(&room()).unwrap() && !history.keeps(&bob()).unwrap());
    let kept = history.list().unwrap();
    assert_eq!((kept[0].keeps, kept[0].entries, kept[1].title.as_str()), (false, 1, "tea"));
}

#[test]
fn what_is_kept_is_in_no_file_in_clear() {
    let (home, _folder, mut history) = begun();
    history.add(&bob(), &text(3, SECRET)).unwrap();
    // While it is open, too.
    let files = bytes(home.path());
    assert!(!files.is_empty() && !contains(&files, SECRET) && !contains(&files, "bob@example.org"));
    assert!(!contains(&files, "SQLite format"), "the header, too");
}

#[test]
fn the_same_number_is_the_same_text_within_a_run_and_no_other() {
    let (_home, folder, mut history) = begun();
    let sending = New { state: State::Sending, ..text(1, "hi") };
    history.add(&bob(), &sending).unwrap();
    assert!(history.progress(&bob(), 1, State::NotDelivered).unwrap());
    assert!(!history.add(&bob(), &sending).unwrap(), "sent again");
    assert!(history.progress(&bob(), 1, State::Delivered).unwrap());
    assert!(!history.progress(&bob(), 1, State::Unknown).unwrap(), "what arrived has arrived");
    assert!(history.add(&bob(), &theirs(1, "their own number")).unwrap());
    // Theirs are of runs of theirs, which nobody tells apart here: each is another text.
    assert!(history.add(&bob(), &theirs(1, "the same of another run of theirs")).unwrap());
    drop(history);
    let mut history = open(&folder).unwrap();
    history.begin_run().unwrap();
    assert!(history.add(&bob(), &text(1, "of another run")).unwrap());
    let page = history.page(&bob(), None, 10).unwrap();
    assert_eq!(texts(&page), ["hi", "their own number", "the same of another run of theirs", "of another run"]);
    assert_eq!(page[0].state, State::Delivered);
}

#[test]
fn marks_are_applied_and_what_was_read_stays() {
    let (_home, _folder, mut history) = begun();
    history.add(&bob(), &theirs(1, "I will come at fife")).unwrap();
    history.add(&bob(), &text(1, "mine")).unwrap();
    let of = Number { sender: Some("bob@example.org"), number: 1 };
    assert!(history.edit(&bob(), of, "I will come at five", 5).unwrap());
    assert!(history.mark_deleted(&bob(), of, 6).unwrap());
    assert!(!history.edit(&bob(), Number { sender: Some("bob@example.org"), number: 9 }, "no such text", 5).unwrap());
    let page = history.page(&bob(), None, 10).unwrap();
    assert_eq!(texts(&page), ["I will come at five", "mine"]);
    assert_eq!((page[0].edited, page[0].deleted, page[1].edited), (Some(5), Some(6), None));
    assert_eq!(history.earlier(page[0].id).unwrap()[0].text, "I will come at fife");
    assert_eq!(history.search("five", None, None, 10).unwrap().len(), 1);
    assert!(history.search("fife", None, None, 10).unwrap().is_empty(), "what stands there now is found");
    history.check().unwrap();
}

#[test]
fn files_are_for_their_owner_alone_and_limits_hold() {
    let (home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "hi")).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing lies beside it");
    let long = "x".repeat(MAX_TEXT_BYTES);
    assert!(history.add(&bob(), &text(2, &long)).unwrap());
    let longer = long + "x";
    assert!(matches!(history.add(&bob(), &text(3, &longer)), Err(HistoryError::Limit { found: 32_769, .. })));
    let name = Conversation::Person("x".repeat(MAX_NAME_BYTES + 1));
    assert!(matches!(history.keep(&name, "", true), Err(HistoryError::Limit { .. })));
    for days in [0, MAX_DAYS + 1] {
        assert!(matches!(history.retain(&bob(), Some(days)), Err(HistoryError::Limit { .. })));
    }
}

#[test]
fn an_export_has_all_of_it_in_order() {
    let (_home, _folder, mut history) = begun();
    history.add(&bob(), &theirs(1, "fife\nor six")).unwrap();
    history
        .edit(&bob(), Number { sender: Some("bob@example.org"), number: 1 }, "five\nor six", 1_795_435_300_000)
        .unwrap();
    history.add(&room(), &New { state: State::NotDelivered, ..text(2, "to all") }).unwrap();
    let mut written = Vec::new();
    assert_eq!(history.export(None, &Form::JsonLines, &mut written).unwrap(), 2);
    let lines: Vec<serde_json::Value> =
        String::from_utf8(written).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines[0],
        serde_json::json!({
            "conversation": "bob@example.org", "at": "2026-11-23T12:00:01Z", "from": "bob@example.org",
            "state": "delivered", "text": "five\nor six", "edited": "2026-11-23T12:01:40Z",
            "earlier": [{ "until": "2026-11-23T12:01:40Z", "text": "fife\nor six" }],
        })
    );
    assert_eq!((&lines[1]["room"], &lines[1]["state"]), (&"tea".into(), &"not_delivered".into()));
    assert!(lines[1].get("from").is_none());
    let mut written = Vec::new();
    let form = Form::Text(jiff::tz::TimeZone::UTC, &|text| text.replace("six", "VI"));
    history.export(Some(&bob()), &form, &mut written).unwrap();
    let expected = "2026-11-23 12:00  bob@example.org  bob@example.org: [edited] five\n    or VI\n";
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

/// As the first version wrote it.
#[test]
fn a_history_of_an_earlier_version_becomes_one_of_this() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "kept")).unwrap();
    history.connection.execute_batch("ALTER TABLE runs DROP COLUMN erased; PRAGMA user_version = 1").unwrap();
    drop(history);
    let mut history = open(&folder).unwrap();
    assert_eq!(texts(&history.page(&bob(), None, 10).unwrap()), ["kept"]);
    history.add(&bob(), &text(2, "goes on")).unwrap();
    assert_eq!(texts(&history.page(&bob(), None, 10).unwrap()), ["kept", "goes on"]);
    history.check().unwrap();
}
