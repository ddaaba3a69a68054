//! Keys in the keyring of a session, by a real Secret Service.

use std::path::{Path, PathBuf};

use story::homeserver::Homeserver;
use story::keyring::Session;
use story::person::Person;

use crate::{MAIL, kept, letter_to, mailbox, opens, run, secret, talk};

/// How many keys of ours are in it.
fn count(session: &Session) -> usize {
    session.items().unwrap().len()
}

#[test]
#[ignore = "needs a Secret Service (gnome-keyring); run by ./test --all"]
fn keys_in_the_keyring_open_for_every_program() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("session");
    let session = Session::start(&home).unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org").under(&["env", &session.variable()]);
    let bob = Person::new(place.path(), "bob@example.org");
    alice.trust(server.ready()).unwrap();
    alice.enroll_with(&["--key", "keyring"], &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();
    assert_eq!(kept(&alice), ["keyring"]);
    assert!(!alice.device().join("key.pem").exists());
    assert_eq!(count(&session), 2);

    alice.certtool(&["renew", "--force"]).unwrap().expect(0, "renew").unwrap();
    talk((&alice, &[]), (&bob, &[]));
    // New keys go where the old ones were, and those are taken out.
    alice.enroll_with(&["--new"], &server.outbox()).unwrap();
    assert_eq!(count(&session), 2);

    // The session ends, and another begins: the keys are still there.
    drop(session);
    let session = Session::start(&home).unwrap();
    let alice = alice.under(&["env", &session.variable()]);
    alice.certtool(&["renew", "--force"]).unwrap().expect(0, "renew in another session").unwrap();
    // Nobody's keyring: said, not waited for.
    let nowhere = alice.under(&["env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"]);
    let refused = nowhere.certtool(&["renew", "--force"]).unwrap();
    assert!(refused.code == 1 && refused.text().contains("Is a keyring running"), "{}", refused.text());
    drop(session);
}

/// A key with a certificate of another authority, as a mail program exports it, and the certificate beside it.
fn old_key(place: &Path, pass: &str) -> (String, PathBuf) {
    let at = |name: &str| place.join(name).display().to_string();
    let (key, certificate, file) = (at("old.key"), at("old.pem"), at("old.p12"));
    let new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Alice", "-keyout", &key];
    run(
        "openssl",
        &[&new[..], &["-addext", "subjectAltName=email:alice@example.org", "-out", &certificate]].concat(),
        &[],
    );
    let export = ["pkcs12", "-export", "-in", &certificate, "-inkey", &key, "-out", &file, "-passout", pass];
    run("openssl", &export, &[]);
    (file, certificate.into())
}

#[test]
#[ignore = "needs a Secret Service (gnome-keyring); run by ./test --all"]
fn keys_for_mail_lie_in_the_keyring_wherever_they_come_from() {
    let place = tempfile::tempdir().unwrap();
    let session = Session::start(&place.path().join("session")).unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [laptop, desktop, bare] = ["laptop", "desktop", "bare"]
        .map(|home| Person::new(&place.path().join(home), "alice@example.org").under(&["env", &session.variable()]));
    for person in [&laptop, &desktop] {
        person.trust(server.ready()).unwrap();
        person.enroll_with(&["--key", "keyring"], &server.outbox()).unwrap();
    }
    assert_eq!(count(&session), 4);

    // Made here, without a word where.
    laptop.enroll_with(&["--for", "mail"], &server.outbox()).unwrap();
    let first = letter_to(place.path(), &mailbox(&laptop), "first.p7m");
    assert_eq!(opens(&laptop, &first), MAIL);
    // From elsewhere.
    let pass = secret(place.path(), "pass", "old passphrase");
    let (old, certificate) = old_key(place.path(), &pass);
    let import = ["import", &old, "--file-passphrase", &pass];
    assert_eq!(laptop.certtool_json(&import).unwrap()["keys"][0]["new"], true);
    let old_letter = letter_to(place.path(), &certificate, "old.p7m");
    assert!(opens(&laptop, &old_letter).starts_with(&format!("{MAIL}/")));
    // And from before: the account's key goes, the other stays.
    laptop.enroll_with(&["--for", "mail", "--new"], &server.outbox()).unwrap();
    let now = letter_to(place.path(), &mailbox(&laptop), "now.p7m");
    let letters = [&first, &old_letter, &now];
    for letter in letters {
        opens(&laptop, letter);
    }
    assert_eq!((kept(&laptop), count(&session)), (vec!["keyring".to_owned()], 8));
    assert_eq!(laptop.certtool_json(&import).unwrap()["changed"], false);
    assert_eq!(count(&session), 8);

    // Out of a backup: into the keyring where the others are there, and into files where there are no others.
    let at = |name: &str| place.path().join(name).display().to_string();
    let (backup, words) = (at("keys.p12"), at("words"));
    let backed_up = laptop.certtool_json(&["key", "backup", "--out", &backup, "--phrase-to", &words]).unwrap();
    assert_eq!(backed_up["keys"].as_array().unwrap().len(), 3, "{backed_up}");
    let phrase = format!("file:{words}");
    let restore = ["key", "restore", &backup, "--phrase", &phrase];
    // Nobody's keyring: nothing is written.
    let nowhere = desktop.under(&["env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"]);
    for arguments in [&restore[..], &import] {
        let refused = nowhere.certtool(arguments).unwrap();
        assert!(refused.code == 1 && refused.text().contains("Is a keyring running"), "{}", refused.text());
        assert!(!desktop.home().join("mail").exists() && !desktop.home().join(".incoming").exists());
    }
    for (person, way, items) in [(&desktop, "keyring", 12), (&bare, "clear", 12)] {
        let restored = person.certtool_json(&restore).unwrap();
        let became: Vec<_> = restored["keys"].as_array().unwrap().iter().map(|key| key["became"].clone()).collect();
        assert_eq!(became, ["used", "earlier", "earlier"], "{restored}");
        assert_eq!((kept(person), count(&session)), (vec![way.to_owned()], items));
        for letter in letters {
            opens(person, letter);
        }
        assert_eq!(person.certtool_json(&restore).unwrap()["changed"], false);
        assert_eq!(count(&session), items);
    }
    // What came back is renewed like every other.
    desktop.certtool(&["renew", "--for", "mail", "--force"]).unwrap().expect(0, "renew what came back").unwrap();
    assert_eq!(opens(&desktop, &now), MAIL);
    // The keyring is gone: said, and nothing is half written.
    let clear = at("clear");
    let refused = nowhere.certtool(&["decrypt", &now, "--out", &clear]).unwrap();
    assert!(refused.code == 1 && refused.text().contains("Is a keyring running"), "{}", refused.text());
    assert!(!Path::new(&clear).exists());
    server.stop().unwrap();
}
