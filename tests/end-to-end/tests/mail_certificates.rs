//! A certificate for mail goes from one person's device to another's: with the real programs, and OpenSSL, which encrypts with
//! what came.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const PATIENCE: Duration = Duration::from_secs(120);
const LETTER: &[u8] = b"Come on Saturday, and bring bread.\n";

/// `messenger certificate`, to its end.
fn certificate(person: &Person, options: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["certificate", BOB].iter().chain(options).copied().collect();
    process::run("messenger certificate", person.command("messenger", &arguments).unwrap(), PATIENCE).unwrap()
}

fn openssl(arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments);
    process::run("openssl", command, PATIENCE).unwrap().expect(0, &format!("openssl {}", arguments.join(" "))).unwrap();
}

/// Bob's messenger, in which alice is a contact; it says when it is online.
fn online(bob: &Person) -> Messenger {
    let mut messenger = bob.messenger().unwrap();
    messenger.tell(&json!({ "do": "add_contact", "who": ALICE })).unwrap();
    messenger.expect(&json!({ "event": "online" })).unwrap();
    messenger
}

/// What is kept of bob's at somebody's.
fn kept(person: &Person) -> Vec<std::path::PathBuf> {
    let folder = person.home().join("mail/.others").join(BOB);
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Encrypts a letter with the one and opens it with the other.
fn there_and_back(place: &Path, certificate: &str, bob: &Person) {
    let at = |name: &str| place.join(name).display().to_string();
    let (letter, sealed, opened) = (at("letter"), at("letter.p7m"), at("opened"));
    std::fs::write(&letter, LETTER).unwrap();
    openssl(&[
        "cms",
        "-encrypt",
        "-binary",
        "-aes256",
        "-in",
        &letter,
        "-outform",
        "DER",
        "-out",
        &sealed,
        certificate,
    ]);
    let own = bob.home().join("mail").join(BOB);
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| own.join(name).display().to_string());
    openssl(&["cms", "-decrypt", "-inform", "DER", "-in", &sealed, "-recip", &chain, "-inkey", &key, "-out", &opened]);
    assert_eq!(std::fs::read(&opened).unwrap(), LETTER);
}

#[test]
#[ignore = "takes two minutes; run by ./test --all"]
fn a_certificate_for_mail_comes_from_its_owners_device_and_from_nowhere_else() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = [ALICE, BOB].map(|who| Person::new(place.path(), who));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    let done = certificate(&alice, &[]).expect(4, "nobody is there").unwrap();
    assert!(done.text().contains("online"), "{}", done.text());

    let messenger = online(&bob);
    let done = certificate(&alice, &[]).expect(1, "he has none").unwrap();
    assert!(done.text().contains("certtool enroll --for mail"), "{}", done.text());
    assert!(kept(&alice).is_empty());
    messenger.quit().unwrap();

    // A device that has one tells it, whether it was there at the start...
    bob.enroll_with(&["--for", "mail"], &server.outbox()).unwrap();
    let messenger = online(&bob);
    let file = place.path().join("bob.pem").display().to_string();
    let done = certificate(&alice, &["--json", "--output", &file]).expect(0, "fetching it").unwrap();
    let said: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    assert_eq!((&said["who"], &said["file"], &said["kept"]), (&json!(BOB), &json!(file), &json!(true)), "{said}");
    assert_eq!(kept(&alice).len(), 1);
    there_and_back(place.path(), &file, &bob);
    alice.certtool(&["verify", &file, "--for", "mail"]).unwrap().expect(0, "certtool verify").unwrap();

    // It is written where it was wanted also if it cannot be kept.
    let (others, aside) = (alice.home().join("mail/.others"), place.path().join("others"));
    std::fs::rename(&others, &aside).unwrap();
    std::fs::write(&others, "no folder").unwrap();
    let done = certificate(&alice, &[]).expect(1, "it cannot be kept").unwrap();
    assert!(done.text().contains("is not kept"), "{}", done.text());
    std::fs::remove_file(&file).unwrap();
    let done = certificate(&alice, &["--json", "--output", &file]).expect(0, "it is written").unwrap();
    let said: Value = serde_json::from_str(done.stdout.trim()).unwrap();
    assert!(said["kept"] == false && done.text().contains("is not kept"), "{}", done.text());
    there_and_back(place.path(), &file, &bob);
    std::fs::remove_file(&others).unwrap();
    std::fs::rename(&aside, &others).unwrap();

    // ...or came meanwhile: who talks with him has it without asking.
    std::fs::remove_file(&kept(&alice)[0]).unwrap();
    bob.enroll_with(&["--for", "mail", "--new", "--key-type", "rsa3072"], &server.outbox()).unwrap();
    let mut alices = alice.messenger().unwrap();
    alices.tell(&json!({ "do": "add_contact", "who": BOB })).unwrap();
    alices.expect(&json!({ "event": "presence", "who": BOB, "online": true })).unwrap();
    alices.tell(&json!({ "do": "send", "to": BOB, "text": "hello", "id": 1 })).unwrap();
    alices.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();
    // The first of the two may have come before his messenger looked into its folder.
    let newest = std::fs::read(bob.home().join("mail").join(BOB).join("chain.pem")).unwrap();
    process::await_sight("the newer one", PATIENCE, || {
        let kept = kept(&alice);
        kept.iter().any(|path| std::fs::read(path).is_ok_and(|pem| pem == newest)).then_some(())
    })
    .unwrap();
    there_and_back(place.path(), &kept(&alice)[0].display().to_string(), &bob);
    alices.quit().unwrap();
    messenger.quit().unwrap();

    // certtool takes what is kept; who has lost it has the messenger ask, for as long as he is there.
    let letter = place.path().join("letter").display().to_string();
    std::fs::write(&letter, LETTER).unwrap();
    let sealed = format!("{letter}.p7m");
    let encrypts = |out: &str| alice.certtool(&["encrypt", &letter, "--to", BOB, "--out", out]).unwrap();
    let opens = |sealed: &str| {
        let opened = format!("{sealed}.opened");
        bob.certtool(&["decrypt", sealed, "--out", &opened]).unwrap().expect(0, "decrypting").unwrap();
        assert_eq!(std::fs::read(&opened).unwrap(), LETTER);
    };
    encrypts(&sealed).expect(0, "encrypting to what is kept").unwrap();
    opens(&sealed);
    kept(&alice).iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let done = encrypts(&format!("{sealed}.away")).expect(4, "he is away").unwrap();
    assert!(done.text().contains("is kept here, and their device gave none"), "{}", done.text());
    let messenger = online(&bob);
    let fetched = format!("{sealed}.fetched");
    encrypts(&fetched).expect(0, "encrypting to what his device tells").unwrap();
    opens(&fetched);
    messenger.quit().unwrap();

    // He is away: what is kept is named, and nobody else is asked.
    let done = certificate(&alice, &[]).expect(4, "he is away").unwrap();
    assert!(done.text().contains("the one that is kept here counts until"), "{}", done.text());

    // Who keeps it to himself is as one who has none.
    bob.home().join("messenger").is_dir().then_some(()).unwrap();
    std::fs::write(bob.home().join("messenger/settings.toml"), "tell_mail_certificate = false\n").unwrap();
    let messenger = online(&bob);
    certificate(&alice, &[]).expect(1, "he tells none").unwrap();
    messenger.quit().unwrap();
    server.stop().unwrap();
}
