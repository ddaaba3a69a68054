//! What is laid aside, and put back.

use std::time::Duration;

use super::super::error::MovingError;
use super::super::{before, folder};
use super::*;

/// Takes in what is given, as often as it is asked.
fn take(book: &ContactBook, package: Package, laid_aside: &mut bool) -> Result<(), MovingError> {
    let trust = Trust::new(Vec::new()).unwrap();
    folder::take(book, &trust, package, &who("alice"), laid_aside).map(drop)
}

fn book() -> (tempfile::TempDir, ContactBook) {
    let folder = tempfile::tempdir().unwrap();
    let book = ContactBook::new(Home::at(folder.path()).unwrap());
    book.add(&who("dora")).unwrap();
    (folder, book)
}

fn contacts(book: &ContactBook) -> Vec<Identifier> {
    book.load().unwrap().into_keys().collect()
}

/// A messenger that runs would write what it knows over what was put back.
#[test]
fn nothing_is_put_back_while_a_messenger_runs() {
    let World { _folder, book, desk } = world();
    take(&book, given(), &mut false).unwrap();
    assert!(matches!(before::put_back(&book), Err(MovingError::Running)));
    assert_eq!(contacts(&book).len(), 2);
    drop(desk);
    before::put_back(&book).unwrap();
    assert!(contacts(&book).is_empty());
}

#[test]
fn whom_somebody_else_bound_since_stays_bound() {
    let (_folder, book) = book();
    let home = book.home();
    let bind = |name: &str, root: u8| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(7));
        home.change_bindings(|bindings| bindings.bind(&who(name), "town", &[root; 32], now)).unwrap();
    };
    bind("dora", 3);
    let mut package = there();
    package.bindings.bind(&who("carol"), "town", &[4; 32], UnixTime::since_unix_epoch(Duration::from_secs(7)));
    take(&book, Package::of(package, None), &mut false).unwrap();
    // Carol is bound anew, dora to another root by an update of the policy, eve for the first time.
    home.change_bindings(|bindings| drop((bindings.release(&who("carol")), bindings.release(&who("dora"))))).unwrap();
    bind("carol", 6);
    bind("dora", 7);
    bind("eve", 8);
    before::put_back(&book).unwrap();
    let bound: Vec<_> =
        home.bindings().unwrap().iter().map(|(who, binding)| (who.clone(), binding.root.0[0])).collect();
    assert_eq!(bound, [(who("carol"), 6), (who("dora"), 7), (who("eve"), 8)]);
}

/// However often it takes, what is put back is what was before the first try.
#[test]
fn a_part_that_was_taken_in_is_not_what_was_before() {
    let (_folder, book) = book();
    let mut laid_aside = false;
    // A folder stands where the settings go.
    let settings = book.home().folder().join("messenger/settings.toml");
    std::fs::create_dir(&settings).unwrap();
    assert!(take(&book, given(), &mut laid_aside).is_err() && !laid_aside, "it cannot be laid aside");
    assert_eq!(contacts(&book), [who("dora")]);
    std::fs::remove_dir(&settings).unwrap();
    // In the middle: the contacts cannot be locked.
    let lock = book.home().folder().join("messenger/.contacts.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    assert!(take(&book, given(), &mut laid_aside).is_err() && laid_aside);
    assert!(book.home().bindings().unwrap().get(&who("bob")).is_some(), "a part of it is there");
    std::fs::remove_dir(&lock).unwrap();
    take(&book, given(), &mut laid_aside).unwrap();
    before::put_back(&book).unwrap();
    assert_eq!(contacts(&book), [who("dora")]);
    assert!(book.home().bindings().unwrap().get(&who("bob")).is_none());
    assert!(!book.home().folder().join("messenger/presence.toml").exists());
}

/// Half of what was before is none of it: a folder that was not completed is nobody's.
#[test]
fn what_was_before_is_replaced_as_a_whole() {
    let (_folder, book) = book();
    take(&book, given(), &mut false).unwrap();
    let aside = |name: &str| book.home().folder().join("messenger").join(name);
    std::fs::create_dir(aside("before.new")).unwrap();
    std::fs::write(aside("before.new/contacts.toml"), "contacts = []").unwrap();
    before::put_back(&book).unwrap();
    assert_eq!(contacts(&book), [who("dora")]);
    take(&book, given(), &mut false).unwrap();
    assert!(!aside("before.new").exists());
    std::fs::remove_file(aside("before/bound.json")).unwrap();
    assert!(matches!(before::put_back(&book), Err(MovingError::NothingBefore)));
    assert_eq!(contacts(&book).len(), 3);
}

#[test]
fn what_no_file_can_hold_is_refused_before_anything_changes() {
    let (_folder, book) = book();
    let mut many = Decided::default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(7));
    for n in 0..7_000 {
        many.contacts.insert(who(&format!("p{n}")), About::default());
        many.bindings.bind(&who(&format!("p{n}")), "town", &[1; 32], now);
    }
    let (package, mut laid_aside) = (Package::of(many, None), false);
    let error = take(&book, package, &mut laid_aside).unwrap_err();
    assert!(matches!(error, MovingError::Full(_)) && !laid_aside, "{error}");
    assert_eq!(contacts(&book), [who("dora")]);
    assert_eq!(book.home().bindings().unwrap(), Bindings::default());
}
