//! Keys in a token of SoftHSM: a device's, its account's, and those for mail, which open letters there.

use std::path::{Path, PathBuf};

use serde_json::json;
use story::homeserver::Homeserver;
use story::person::Person;

use crate::{MAIL, kept, letter_to, mailbox, meet, opens, run, secret, talk};

const PIN: &str = "482913";

/// A token, in a folder of its own.
struct Card {
    place: PathBuf,
    configuration: String,
    module: &'static str,
    pin: String,
}

impl Card {
    fn new(place: &Path) -> Self {
        let (tokens, configuration) = (place.join("tokens"), place.join("softhsm2.conf"));
        std::fs::create_dir(&tokens).unwrap();
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        std::fs::write(&configuration, text).unwrap();
        let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
        let module = module.into_iter().find(|path| Path::new(path).exists()).expect("softhsm2 is installed");
        let (configuration, pin) = (configuration.display().to_string(), secret(place, "pin", PIN));
        let card = Self { place: place.to_owned(), configuration, module, pin };
        let initialise = ["--init-token", "--free", "--label", "Card", "--pin", PIN, "--so-pin", "12345678"];
        run("softhsm2-util", &initialise, &[card.variable()]);
        card
    }

    fn variable(&self) -> (&str, &str) {
        ("SOFTHSM2_CONF", &self.configuration)
    }

    fn uri(&self, object: &str) -> String {
        let Self { module, pin, .. } = self;
        format!("pkcs11:token=Card;object={object}?module-path={module}&pin-source={pin}")
    }

    /// Alice, at whose computer it is, and who trusts the authority.
    fn alice(&self, server: &Homeserver) -> Person {
        let variable = format!("SOFTHSM2_CONF={}", self.configuration);
        let alice = Person::new(&self.place, "alice@example.org").under(&["env", &variable]);
        alice.trust(server.ready()).unwrap();
        alice
    }

    fn is_taken_out(&self) {
        let tokens = self.place.join("tokens");
        std::fs::rename(&tokens, self.place.join("taken-out")).unwrap();
        std::fs::create_dir(&tokens).unwrap();
    }
}

/// What is refused, with words in which it is told why.
fn refused(person: &Person, arguments: &[&str], why: &str) {
    let done = person.certtool(arguments).unwrap();
    assert!(done.code == 1 && done.text().contains(why), "{arguments:?}: {}", done.text());
}

#[test]
fn keys_in_a_token_open_for_every_program() {
    let place = tempfile::tempdir().unwrap();
    let card = Card::new(place.path());
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = card.alice(&server);
    let bob = Person::new(place.path(), "bob@example.org");
    alice.enroll_with(&["--key", &card.uri("alice")], &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();

    let listed = alice.certtool_json(&["key", "list"]).unwrap();
    assert_eq!(listed["keys"][0], json!({ "file": "devices/alice@example.org/key.uri", "kept": "token" }));
    assert!(!alice.device().join("key.pem").exists() && !alice.device().join("account.pem").exists());
    let show = ["--module", card.module, "--token-label", "Card", "--login", "--pin", PIN, "--list-objects"];
    let objects = run("pkcs11-tool", &show, &[card.variable()]);
    for label in ["alice", "alice account"] {
        assert!(objects.lines().any(|line| line.trim() == format!("label:      {label}")), "{objects}");
    }
    assert!(objects.contains("never extractable"), "{objects}");

    alice.certtool(&["renew", "--force"]).unwrap().expect(0, "renew").unwrap();
    talk((&alice, &[]), (&bob, &[]));
    meet((&alice, &[]), (&bob, &[]));
    // A new key needs a name of its own.
    refused(&alice, &["enroll", "alice@example.org", "--new"], "a name of its own");
    alice.enroll_with(&["--new", "--key", &card.uri("alice-2")], &server.outbox()).unwrap();
    // What she has revoked stays so, also if the token gives the same key once more.
    alice.certtool(&["revoke", "alice@example.org"]).unwrap().expect(0, "revoke").unwrap();
    let again = ["enroll", "alice@example.org", "--new", "--key", &card.uri("alice-2")];
    refused(&alice, &again, "its key is not certified again");
    alice.enroll_with(&["--new", "--key", &card.uri("alice-3")], &server.outbox()).unwrap();
    // Without the token nobody speaks for her, and she is told why.
    card.is_taken_out();
    refused(&alice, &["renew", "--force"], "expected the token");
}

#[test]
fn keys_for_mail_in_a_token_open_letters_also_from_before() {
    let place = tempfile::tempdir().unwrap();
    let card = Card::new(place.path());
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = card.alice(&server);
    alice.enroll_with(&["--for", "mail", "--key", &card.uri("mail")], &server.outbox()).unwrap();
    assert_eq!(kept(&alice), ["token"]);

    let before = letter_to(place.path(), &mailbox(&alice), "before.p7m");
    assert_eq!(opens(&alice, &before), MAIL);
    let [letter, own] = ["letter", "own.p7m"].map(|name| place.path().join(name).display().to_string());
    alice.certtool_json(&["encrypt", &letter, "--to", alice.address(), "--out", &own]).unwrap();
    assert_eq!(opens(&alice, &own), MAIL);
    alice.certtool_json(&["sign", &letter, "--by", MAIL]).unwrap();
    alice.certtool_json(&["verify", &letter, "--signer", alice.address()]).unwrap();

    // Another certificate for the same key, and then another key.
    alice.certtool_json(&["renew", "--for", "mail", "--force"]).unwrap();
    assert_eq!(opens(&alice, &before), MAIL);
    alice.enroll_with(&["--for", "mail", "--new", "--key", &card.uri("mail-2")], &server.outbox()).unwrap();
    let by = opens(&alice, &before);
    assert!(by.starts_with(&format!("{MAIL}/")), "{by}");
    assert_eq!(opens(&alice, &letter_to(place.path(), &mailbox(&alice), "now.p7m")), MAIL);

    // It gives its keys to nobody.
    let [backup, words] = ["keys.p12", "words"].map(|name| place.path().join(name).display().to_string());
    let stays = "lies in a token, which gives it to nobody";
    refused(&alice, &["key", "backup", "--out", &backup, "--phrase-to", &words], stays);
    assert!(!Path::new(&backup).exists() && !Path::new(&words).exists());
    refused(&alice, &["export", "--for", "openssl", MAIL, "--new-passphrase", &card.pin], stays);

    let wrong = secret(place.path(), "wrong", "000000");
    let uri = alice.home().join("mail/alice@example.org/key.uri");
    let right = std::fs::read_to_string(&uri).unwrap();
    std::fs::write(&uri, right.replace(&card.pin, &wrong)).unwrap();
    let clear = place.path().join("clear").display().to_string();
    refused(&alice, &["decrypt", &place.path().join("now.p7m").display().to_string(), "--out", &clear], "PIN");
    std::fs::write(&uri, right).unwrap();
    card.is_taken_out();
    refused(&alice, &["decrypt", &before, "--out", &clear], "expected the token");
    assert!(!Path::new(&clear).exists());
}
