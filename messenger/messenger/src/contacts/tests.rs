//! What is kept of contacts, and what files from elsewhere may say.

use std::os::unix::fs::PermissionsExt;

use super::about::{Alert, OwnName};
use super::*;

fn who(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn name(text: &str) -> Option<OwnName> {
    Some(OwnName::try_from(text.to_owned()).unwrap())
}

#[test]
fn keeps_whom_one_adds() {
    let folder = tempfile::tempdir().unwrap();
    let book = ContactBook::new(Home::at(folder.path()).unwrap());
    assert!(book.load().unwrap().is_empty());
    book.add(&who("bob@example.org")).unwrap();
    book.add(&who("alice@example.org")).unwrap();
    book.add(&who("bob@example.org")).unwrap();
    let names: Vec<_> = book.load().unwrap().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["alice@example.org", "bob@example.org"]);
    let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    book.remove(&who("bob@example.org")).unwrap();
    assert_eq!(book.load().unwrap().len(), 1);
}

#[test]
fn keeps_what_one_calls_them_and_when_one_saw_them_last() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let book = ContactBook::new(home.clone());
    // As a program that knew no more wrote it.
    home.messenger_folder().unwrap();
    home.write_text(FILE, "contacts = [\"bob@example.org\"]\n").unwrap();
    let seen = LastSeen::new(jiff::civil::date(2026, 11, 23).at(10, 42, 7, 0));
    let about = About { name: name("Bob"), group: name("Family"), alert: Alert::Always, ..About::default() };
    book.keep(&who("bob@example.org"), &about).unwrap();
    book.keep_seen(&[(who("bob@example.org"), seen), (who("mallory@example.org"), seen)].into()).unwrap();
    let kept = About { seen: Some(seen), ..about };
    assert_eq!(book.load().unwrap(), [(who("bob@example.org"), kept)].into());
    book.add(&who("bob@example.org")).unwrap();
    assert_eq!(book.load().unwrap()[&who("bob@example.org")].name, name("Bob"), "adding again forgets nothing");
    assert!(home.read_text(FILE).unwrap().unwrap().contains("seen = \"2026-11-23T10:42\""));
    book.remove(&who("bob@example.org")).unwrap();
    assert!(!home.read_text(FILE).unwrap().unwrap().contains("Family"), "what was kept goes with them");
}

#[test]
fn a_damaged_list_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path()).unwrap();
    let book = ContactBook::new(home.clone());
    let about = |line: &str| format!("contacts = [\"bob@example.org\"]\n[about.\"bob@example.org\"]\n{line}");
    for (text, hint) in [
        ("contacts = [\"bob\"]".to_owned(), ""),
        ("contacts = 3".to_owned(), "sequence"),
        ("names = []".to_owned(), "unknown field `names`"),
        ("contacts = [\"Bob@Example.org\"]".to_owned(), ""),
        ("[about.\"bob@example.org\"]\nname = \"Bob\"".to_owned(), "not among the contacts"),
        (about("nick = \"Bob\""), "unknown field `nick`"),
        (about("alert = \"often\""), "once"),
        (about("name = \"carol@example.org\""), "could pass for one"),
        (about("name = \"+14155550123\""), "could pass for one"),
        (about("name = \"a\\u202Eb\""), "reorder"),
        (about("name = \"  \""), "1 to 64"),
        (about("seen = \"yesterday\""), "expected a time"),
    ] {
        home.messenger_folder().unwrap();
        home.write_text(FILE, &text).unwrap();
        let error = book.add(&who("carol@example.org")).unwrap_err();
        assert!(matches!(error, ContactsError::Damaged { .. }), "{text}");
        assert!(error.to_string().contains(hint), "{text}: {error}");
        assert_eq!(home.read_text(FILE).unwrap().unwrap(), text);
    }
}

#[test]
fn a_list_goes_to_another_folder_and_yours_wins() {
    let [one, other] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    let [here, there] = [&one, &other].map(|folder| ContactBook::new(Home::at(folder.path()).unwrap()));
    for book in [&here, &there] {
        book.add(&who("bob@example.org")).unwrap();
    }
    here.add(&who("carol@example.org")).unwrap();
    let seen = LastSeen::new(jiff::civil::date(2026, 11, 23).at(10, 42, 0, 0));
    let kept =
        About { name: name("Bob"), group: name("Family"), alert: Alert::Once, seen: Some(seen), ..About::default() };
    here.keep(&who("bob@example.org"), &kept).unwrap();
    there.keep(&who("bob@example.org"), &About { name: name("Robert"), ..About::default() }).unwrap();
    let file = one.path().join("list.toml");
    here.export(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(here.export(&file).unwrap_err().to_string().contains("exists"), "no file is replaced");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("2026"), "when one saw them is nobody's business");

    assert_eq!(there.import(&file).unwrap(), [who("carol@example.org")]);
    assert_eq!(there.import(&file).unwrap(), []);
    let bob = there.load().unwrap()[&who("bob@example.org")].clone();
    assert_eq!(bob, About { name: name("Robert"), group: name("Family"), ..About::default() });
    std::fs::write(&file, "contacts = [\"dave@example.org\"]\ncolour = 1").unwrap();
    assert!(there.import(&file).unwrap_err().to_string().contains("colour"));
    std::fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(there.import(&file).unwrap_err().to_string().contains("at most"));
    assert_eq!(there.load().unwrap().len(), 2, "nothing of it was taken in");
}

#[test]
fn a_list_that_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let book = ContactBook::new(Home::at(folder.path().join("home")).unwrap());
    let list = |from: usize| {
        let contacts: Vec<_> = (from..from + 20_000).map(|n| format!("\"person-number-{n}@example.org\"")).collect();
        let path = folder.path().join(format!("{from}.toml"));
        std::fs::write(&path, format!("contacts = [{}]", contacts.join(", "))).unwrap();
        path
    };
    book.import(&list(0)).unwrap();
    let before = book.load().unwrap();
    let refused = book.import(&list(20_000)).unwrap_err();
    assert!(matches!(refused, ContactsError::Home(HomeError::TooLarge { .. })), "{refused}");
    assert_eq!(book.load().unwrap(), before);
}
