use super::*;

#[test]
fn the_passphrase_opens_it_and_no_other_does() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "hi")).unwrap();
    drop(history);
    let before = bytes(folder.path());
    for wrong in ["open sesam", "x", "Open Sesame"] {
        let error = folder.open(&mut || Ok(passphrase(wrong))).unwrap_err();
        assert!(matches!(error, HistoryError::WrongPassphrase), "{error}");
    }
    assert!(bytes(folder.path()) == before, "nothing was written");
    assert!(folder.needs_passphrase().unwrap());
    assert_eq!(open(&folder).unwrap().page(&bob(), None, 10).unwrap().len(), 1);
}

#[test]
fn another_passphrase_takes_the_first_ones_place() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "hi")).unwrap();
    let new = passphrase("another");
    let old = &mut || Ok(passphrase("open sesame"));
    assert!(matches!(folder.move_key(old, KeyPlace::Passphrase(&new), &[9; 32]), Err(HistoryError::InUse(_))));
    drop(history);
    let wrong = folder.move_key(&mut || Ok(passphrase("wrong")), KeyPlace::Passphrase(&new), &[9; 32]);
    assert!(matches!(wrong, Err(HistoryError::WrongPassphrase)));
    folder.move_key(old, KeyPlace::Passphrase(&new), &[9; 32]).unwrap();
    assert!(matches!(open(&folder), Err(HistoryError::WrongPassphrase)));
    assert_eq!(folder.open(&mut || Ok(passphrase("another"))).unwrap().page(&bob(), None, 10).unwrap().len(), 1);
}

#[test]
fn the_key_of_another_history_opens_nothing() {
    let (_home, folder, history) = begun();
    drop(history);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Folder::at(elsewhere.path().join("history"));
    drop(other.create(KeyPlace::Passphrase(&passphrase("open sesame")), &[9; 32], &[8; 32]).unwrap());
    std::fs::copy(other.path().join("key"), folder.path().join("key")).unwrap();
    assert!(matches!(open(&folder), Err(HistoryError::Foreign(_))));
}

#[test]
fn forgetting_throws_everything_away_and_waits_for_nobody() {
    let (home, folder, history) = begun();
    assert!(matches!(folder.forget(), Err(HistoryError::InUse(_))), "another program has it");
    assert!(open(&folder).is_ok(), "nothing is gone");
    drop(history);
    folder.forget().unwrap();
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    assert!(matches!(open(&folder), Err(HistoryError::None(_))));
    folder.forget().unwrap();
}

#[test]
fn one_that_is_there_is_not_taken_the_place_of() {
    let (_home, folder, mut history) = begun();
    history.add(&bob(), &text(1, "hi")).unwrap();
    let again = folder.create(KeyPlace::Passphrase(&passphrase("x")), &[1; 32], &[1; 32]);
    assert!(matches!(again, Err(HistoryError::Exists(_))));
    // Two programs at once, each sees what the other one has written.
    let mut other = open(&folder).unwrap();
    other.begin_run().unwrap();
    other.add(&bob(), &text(1, "from the other one")).unwrap();
    assert_eq!(history.page(&bob(), None, 10).unwrap().len(), 2);
}

#[test]
fn what_an_interrupted_beginning_left_is_in_nobodys_way() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("history"));
    std::fs::create_dir(home.path().join("history.new")).unwrap();
    std::fs::write(home.path().join("history.new/history.db"), "half").unwrap();
    assert!(matches!(folder.open(&mut never), Err(HistoryError::None(_))));
    folder.create(KeyPlace::Passphrase(&passphrase("x")), &[1; 32], &[1; 32]).unwrap();
    assert!(!home.path().join("history.new").exists());
}
