use super::*;

const DAY: i64 = 86_400_000;

/// As a thief with the key would see it: every page in clear, through SQLCipher's own export.
fn in_clear(folder: &Folder) -> Vec<u8> {
    let history = open(folder).unwrap();
    let plain = folder.path().join("plain");
    let path = plain.to_str().unwrap();
    std::fs::write(&plain, "").unwrap();
    history.connection.execute("ATTACH DATABASE ? AS plain KEY ''", [path]).unwrap();
    // The export copies rows; free pages and old words are looked for page by page.
    history.connection.query_row("SELECT sqlcipher_export('plain')", [], |_| Ok(())).unwrap();
    history.connection.execute_batch("DETACH DATABASE plain").unwrap();
    let mut all = std::fs::read(&plain).unwrap();
    std::fs::remove_file(&plain).unwrap();
    let mut blocks = history.connection.prepare("SELECT block FROM words_data").unwrap();
    for block in blocks.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        all.extend(block.unwrap());
    }
    all
}

#[test]
fn what_cannot_be_taken_out_of_the_file_yet_is_said() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, SECRET)).unwrap();
    // Another program reads at this moment.
    let reader = open(&folder).unwrap();
    reader.connection.execute_batch("BEGIN; SELECT count(*) FROM entries").unwrap();
    history.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let all = Erase { of: None, before: None };
    assert!(matches!(history.erase(all), Err(HistoryError::Remains(_))));
    assert_eq!(history.page(&bob(), None, 10).unwrap(), [], "it is erased all the same");
    drop(reader);
    assert_eq!(history.erase(all).unwrap(), 0);
}

#[test]
fn what_is_erased_is_nowhere_any_more() {
    let (_home, folder, mut history) = begun();
    for n in 0..200 {
        history.add(&bob(), &text(n, &format!("{SECRET}{n} secretword"))).unwrap();
        history.add(&room(), &text(n, &format!("stays {n}"))).unwrap();
    }
    history.edit(&bob(), Number { sender: None, number: 3 }, "secretedit", 5).unwrap();
    drop(history);
    let seen = in_clear(&folder);
    assert!(contains(&seen, SECRET) && contains(&seen, "secretword"), "as a control");
    let mut history = open(&folder).unwrap();
    assert_eq!(history.erase(Erase { of: Some(&bob()), before: None }).unwrap(), 200);
    assert_eq!(history.page(&bob(), None, 10).unwrap(), [], "and it is still one that is kept");
    assert!(history.search(SECRET, None, None, 10).unwrap().is_empty());
    assert_eq!(history.search("stays", None, None, 500).unwrap().len(), 200);
    let free: i64 = history.connection.pragma_query_value(None, "freelist_count", |row| row.get(0)).unwrap();
    assert_eq!(free, 0);
    history.check().unwrap();
    drop(history);
    let seen = in_clear(&folder);
    assert!(!contains(&seen, SECRET) && !contains(&seen, "secret"));
    assert!(contains(&seen, "stays"));
    let journal = std::fs::metadata(folder.path().join("history.db-wal")).map_or(0, |file| file.len());
    assert_eq!(journal, 0);
}

#[test]
fn no_number_is_given_to_two_entries() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "one")).unwrap();
    history.add(&bob(), &text(2, "two")).unwrap();
    let next = history.next().unwrap();
    history.erase(Erase { of: None, before: None }).unwrap();
    assert_eq!(history.next().unwrap(), next);
    drop(history);
    let mut history = open(&folder).unwrap();
    assert_eq!(history.next().unwrap(), next, "nor after another start");
    history.add_all(&bob(), &[text(3, "three"), text(4, "four")]).unwrap();
    assert_eq!(history.page(&bob(), None, 10).unwrap().iter().map(|one| one.id - next).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_expired_leaves_the_journal_once_nobody_reads() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &New { at: 0, ..text(1, SECRET) }).unwrap();
    history.retain(&bob(), Some(1)).unwrap();
    let reader = open(&folder).unwrap();
    reader.connection.execute_batch("BEGIN; SELECT count(*) FROM entries").unwrap();
    history.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let journal = || std::fs::metadata(folder.path().join("history.db-wal")).map_or(0, |file| file.len());
    assert_eq!(history.expire(2 * DAY).unwrap(), 1);
    assert!(journal() > 0);
    drop(reader);
    assert_eq!(history.expire(2 * DAY).unwrap(), 0);
    assert_eq!(journal(), 0);
}

#[test]
fn before_a_day_and_what_has_been_kept_long_enough() {
    let (_home, _folder, mut history) = begun();
    let at = |day: i64, number| New { at: day * DAY, ..text(number, "a word") };
    for day in 0..10 {
        history.add(&bob(), &at(day, day as u64)).unwrap();
        history.add(&room(), &at(day, day as u64)).unwrap();
    }
    assert_eq!(history.erase(Erase { of: None, before: Some(2 * DAY) }).unwrap(), 4);
    assert_eq!(history.expire(100 * DAY).unwrap(), 0, "no time was named");
    history.retain(&bob(), Some(3)).unwrap();
    assert_eq!(history.expire(9 * DAY).unwrap(), 4, "days 2 to 5");
    assert_eq!(history.expire(9 * DAY).unwrap(), 0);
    let entries = |history: &History| history.list().unwrap().iter().map(|kept| kept.entries).collect::<Vec<_>>();
    assert_eq!(entries(&history), [4, 8]);
    history.retain(&bob(), None).unwrap();
    assert_eq!(history.expire(1000 * DAY).unwrap(), 0);
    // What is not kept any more, and of which nothing is left, is not named any more, either.
    history.keep(&bob(), "", false).unwrap();
    history.erase(Erase { of: None, before: None }).unwrap();
    assert_eq!(history.list().unwrap().len(), 1);
    assert!(matches!(history.erase(Erase { of: Some(&bob()), before: None }), Err(HistoryError::NoConversation(_))));
    assert!(history.search("word", None, None, 10).unwrap().is_empty());
    history.check().unwrap();
}
