use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::key::Key;

const PAGE: usize = 4096;

/// A history of some forty pages, closed.
fn written() -> (TempDir, Folder, Vec<u8>) {
    let (home, folder, mut history) = begun();
    for n in 0..300 {
        history.add(&bob(), &text(n, &format!("number {n} of a long conversation about bread and cheese"))).unwrap();
    }
    drop(history);
    let database = fs::read(folder.path().join("history.db")).unwrap();
    assert!(database.len() > 20 * PAGE);
    (home, folder, database)
}

/// Reads everything.
fn read_all(folder: &Folder) -> Result<(), HistoryError> {
    // Past the passphrase, which costs what it has to.
    let lock = fs::File::open(folder.path()).unwrap();
    let history = History::open(&folder.path().join("history.db"), &Key::new(&[7; 32]), lock)?;
    history.check()?;
    history.export(None, &Form::JsonLines, &mut Vec::new()).map(drop)
}

#[test]
fn a_flipped_bit_anywhere_is_told_and_nothing_is_written() {
    let (_home, folder, database) = written();
    let path = folder.path().join("history.db");
    for at in (0..database.len()).step_by(PAGE / 2 + 77).chain([0, 15, 16, 17, database.len() - 1]) {
        let mut damaged = database.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        let error = read_all(&folder).unwrap_err();
        assert!(matches!(error, HistoryError::Foreign(_) | HistoryError::Damaged(_)), "at {at}: {error:?}");
        assert!(!error.remedy().is_empty());
        assert!(fs::read(&path).unwrap() == damaged, "what can still be saved is left as it is");
    }
    fs::write(&path, &database).unwrap();
    read_all(&folder).unwrap();
}

#[test]
fn a_history_that_ends_too_early_is_told() {
    let (_home, folder, database) = written();
    let path = folder.path().join("history.db");
    for length in [0, 1, 16, 100, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE, database.len() - PAGE, database.len() - 1] {
        fs::write(&path, &database[..length]).unwrap();
        let error = read_all(&folder).unwrap_err();
        assert!(matches!(error, HistoryError::Foreign(_) | HistoryError::Damaged(_)), "{length}: {error:?}");
    }
}

#[test]
fn files_of_others_are_no_history() {
    let (_home, folder, _) = written();
    let path = folder.path().join("history.db");
    let plain = folder.path().join("plain.db");
    let other = rusqlite::Connection::open(&plain).unwrap();
    other.execute_batch("CREATE TABLE entries (x); INSERT INTO entries VALUES (1)").unwrap();
    drop(other);
    let random: Vec<u8> = (0..3 * PAGE).map(|n| ((n * 2_654_435_761_usize) >> 13) as u8).collect();
    for content in [fs::read(&plain).unwrap(), b"# my notes\n".to_vec(), vec![0; 2 * PAGE], random] {
        fs::write(&path, &content).unwrap();
        assert!(matches!(open(&folder), Err(HistoryError::Foreign(_))));
        assert!(fs::read(&path).unwrap() == content, "nobody's file is overwritten");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(&folder), Err(HistoryError::Foreign(_))), "no new one is begun in its place");
    assert!(!path.exists());
}

#[test]
fn a_damaged_key_is_told_and_a_lost_one() {
    let (_home, folder, _) = written();
    let path = folder.path().join("key");
    let sealed = fs::read(&path).unwrap();
    let cases: [&[u8]; 5] = [b"", b"nonsense", b"keyring:1234", b"\xff\xfe", &sealed[..sealed.len() / 2]];
    for content in cases {
        fs::write(&path, content).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(error, HistoryError::KeyFile { .. }), "{error:?}");
        assert!(fs::read(&path).unwrap() == content);
    }
    for at in (60..sealed.len() - 40).step_by(31) {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let error = open(&folder).unwrap_err();
        let told =
            matches!(error, HistoryError::KeyFile { .. } | HistoryError::WrongPassphrase | HistoryError::Foreign(_));
        assert!(told, "at {at}: {error:?}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(&folder), Err(HistoryError::KeyGone(_))));
    // Forgetting works all the same: there is nothing else that one could do with it.
    folder.forget().unwrap();
}

#[test]
fn what_a_later_program_wrote_is_left_alone() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "hi")).unwrap();
    history.connection.pragma_update(None, "user_version", 99).unwrap();
    drop(history);
    assert!(matches!(open(&folder), Err(HistoryError::Newer { known: 2, found: 99 })));
}

#[test]
fn a_folder_that_may_not_be_written() {
    let home = tempfile::tempdir().unwrap();
    let nowhere = Folder::at(home.path().join("is/not/there"));
    let place = &passphrase("x");
    let error = nowhere.create(KeyPlace::Passphrase(place), &[1; 32], &[1; 32]).unwrap_err();
    assert!(matches!(error, HistoryError::Io { .. }), "{error:?}");
    if may_write_everywhere(home.path()) {
        // Who runs as root is refused by nobody but a file system; tests/end-to-end mounts one.
        return;
    }
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let folder = Folder::at(home.path().join("history"));
    let error = folder.create(KeyPlace::Passphrase(place), &[1; 32], &[1; 32]).unwrap_err();
    assert!(matches!(error, HistoryError::ReadOnly(_)), "{error:?}");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

fn may_write_everywhere(folder: &std::path::Path) -> bool {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o500)).unwrap();
    let may = fs::write(folder.join("probe"), "").is_ok();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let _ = fs::remove_file(folder.join("probe"));
    may
}

/// SQLite's own limit stands for the disk's end: it is told by the same code.
#[test]
fn a_full_disk_loses_nothing() {
    let (_home, folder, mut history) = begun();
    for n in 0..50 {
        history.add(&bob(), &text(n, &format!("before {n}"))).unwrap();
    }
    let pages: i64 = history.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    history.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let long = "x ".repeat(8000);
    let new: Vec<New<'_>> = (100..120).map(|n| text(n, &long)).collect();
    assert!(matches!(history.add_all(&bob(), &new), Err(HistoryError::Full)));
    assert_eq!(history.page(&bob(), None, 500).unwrap().len(), 50, "all of it or none");
    history.connection.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).unwrap();
    assert_eq!(history.add_all(&bob(), &new).unwrap(), 20, "and it goes on when there is room");
    drop(history);
    read_all(&folder).unwrap();
}
