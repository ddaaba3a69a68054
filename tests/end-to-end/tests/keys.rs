//! A device's keys under a passphrase, in a token and in the keyring of a session, through the programs that use them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use story::guard;
use story::homeserver::Homeserver;
use story::keyring::Session;
use story::person::Person;
use story::process;

const SOON: Duration = Duration::from_secs(60);

/// A file for its owner alone, as where a passphrase or a PIN comes from.
fn secret(place: &Path, name: &str, text: &str) -> String {
    let path = place.join(name);
    std::fs::write(&path, format!("{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("file:{}", path.display())
}

/// Runs another's program to its good end; what it says.
fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = guard::guarded(Path::new(program)).unwrap();
    command.args(arguments).envs(environment.iter().copied());
    process::run(program, command, SOON).unwrap().expect(0, &format!("{program} {arguments:?}")).unwrap().stdout
}

/// Both go online by the options given, and a text of each arrives.
fn talk(alice: (&Person, &[&str]), bob: (&Person, &[&str])) {
    let mut online = [alice, bob].map(|(person, options)| {
        let mut messenger = person.messenger_with(options).unwrap();
        messenger.expect(&json!({ "event": "online", "identifier": person.address() })).unwrap();
        messenger
    });
    let [first, second] = &mut online;
    for (messenger, other) in [(&mut *first, bob.0), (&mut *second, alice.0)] {
        messenger.tell(&json!({ "do": "add_contact", "who": other.address() })).unwrap();
    }
    first.expect(&json!({ "event": "presence", "who": bob.0.address(), "online": true })).unwrap();
    for (from, to, messengers) in [(alice.0, bob.0, [0, 1]), (bob.0, alice.0, [1, 0])] {
        let text = format!("from {}", from.address());
        online[messengers[0]].tell(&json!({ "do": "send", "to": to.address(), "text": text })).unwrap();
        online[messengers[1]].expect(&json!({ "event": "message", "from": from.address(), "text": text })).unwrap();
    }
    for messenger in online {
        messenger.quit().unwrap();
    }
}

/// A room, whose every message the device's key signs.
fn meet(host: (&Person, &[&str]), guest: (&Person, &[&str])) {
    let [mut host_side, mut guest_side] = [host, guest].map(|(person, options)| {
        let mut messenger = person.messenger_with(options).unwrap();
        messenger.expect(&json!({ "event": "online", "identifier": person.address() })).unwrap();
        messenger
    });
    for (messenger, other) in [(&mut host_side, guest.0), (&mut guest_side, host.0)] {
        messenger.tell(&json!({ "do": "add_contact", "who": other.address() })).unwrap();
    }
    host_side.expect(&json!({ "event": "presence", "who": guest.0.address(), "online": true })).unwrap();
    host_side.tell(&json!({ "do": "room_create", "name": "keys" })).unwrap();
    let room = host_side.expect(&json!({ "event": "room" })).unwrap()["room"].clone();
    host_side.tell(&json!({ "do": "room_invite", "room": room, "who": guest.0.address() })).unwrap();
    guest_side.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
    guest_side.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
    guest_side.expect(&json!({ "event": "room", "room": room })).unwrap();
    guest_side.tell(&json!({ "do": "room_send", "room": room, "text": "signed" })).unwrap();
    host_side.expect(&json!({ "event": "room_message", "room": room, "text": "signed" })).unwrap();
    host_side.quit().unwrap();
    guest_side.quit().unwrap();
}

#[test]
fn keys_under_a_passphrase_open_for_every_program() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    let (old, new) = (secret(place.path(), "old", "correct horse"), secret(place.path(), "new", "battery staple"));
    alice.trust(server.ready()).unwrap();
    alice.enroll_with(&["--passphrase", &old], &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();

    let listed = alice.certtool_json(&["key", "list"]).unwrap();
    let kept: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["kept"].as_str().unwrap()).collect();
    assert_eq!(kept, ["sealed", "sealed"]);
    // Other people's program opens it, and our own says what it can without a passphrase.
    let key = alice.device().join("key.pem");
    let shown = run("openssl", &["pkey", "-in", key.to_str().unwrap(), "-passin", &old, "-noout", "-text"], &[]);
    assert!(shown.contains("ED25519"), "{shown}");
    alice.certtool(&["status"]).unwrap().expect(0, "status without a passphrase").unwrap();
    alice.certtool(&["verify", "alice@example.org"]).unwrap().expect(0, "verify without a passphrase").unwrap();

    let renew = ["renew", "--force"];
    for (options, said) in [
        (&["--passphrase", &new][..], "the passphrase is not the one"),
        // There is no terminal to be asked at.
        (&[], "--passphrase"),
        (&["--passphrase", "fd:9"], "/dev/fd/9"),
    ] {
        let refused = alice.under(&["setsid", "--wait"]).certtool(&[&renew[..], options].concat()).unwrap();
        assert!(refused.code == 1 && refused.text().contains(said), "{}", refused.text());
    }
    alice.certtool(&[&renew[..], &["--passphrase", &old]].concat()).unwrap().expect(0, "renew").unwrap();

    // Another passphrase; then every program with it, from an option, an environment variable or a descriptor.
    let seal = ["key", "seal", "--passphrase", &old, "--new-passphrase", &new];
    alice.certtool(&seal).unwrap().expect(0, "key seal").unwrap();
    alice.certtool(&[&renew[..], &["--passphrase", &new]].concat()).unwrap().expect(0, "renew").unwrap();
    let variable = format!("INPERSON_PASSPHRASE_FROM={new}");
    alice.under(&["env", &variable]).certtool(&renew).unwrap().expect(0, "renew by the environment").unwrap();
    let from_pipe = format!("exec \"$@\" 3< '{}'", new.trim_start_matches("file:"));
    let piped = alice.under(&["bash", "-c", &from_pipe, "bash"]);
    piped.certtool(&[&renew[..], &["--passphrase", "fd:3"]].concat()).unwrap().expect(0, "renew by fd").unwrap();
    talk((&alice, &["--passphrase", &new]), (&bob, &[]));
    let mut bot = alice.command("messenger", &["bot", "--echo", "--passphrase", &old]).unwrap();
    bot.stdin(Stdio::null());
    let refused = process::run("bot", bot, SOON).unwrap();
    assert!(refused.code == 1 && refused.text().contains("the passphrase is not the one"), "{}", refused.text());

    // What is made beside sealed keys is sealed, too; and all can be left in clear again.
    let watch = ["watch", "alice@example.org", "--once", "--passphrase", &new];
    alice.certtool(&watch).unwrap().expect(0, "watch").unwrap();
    alice.enroll_with(&["--new", "--passphrase", &new], &server.outbox()).unwrap();
    assert!(std::fs::read_to_string(&key).unwrap().contains("ENCRYPTED"));
    alice.certtool(&["key", "unseal", "--passphrase", &new]).unwrap().expect(0, "key unseal").unwrap();
    alice.certtool(&renew).unwrap().expect(0, "renew without a passphrase").unwrap();
}

#[test]
fn keys_in_a_token_open_for_every_program() {
    let place = tempfile::tempdir().unwrap();
    let (tokens, configuration) = (place.path().join("tokens"), place.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&configuration, text).unwrap();
    let configuration = ("SOFTHSM2_CONF", configuration.to_str().unwrap());
    let pin = secret(place.path(), "pin", "482913");
    let initialise = ["--init-token", "--free", "--label", "Card", "--pin", "482913", "--so-pin", "12345678"];
    run("softhsm2-util", &initialise, &[configuration]);
    let module = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];
    let module = module.into_iter().find(|path| Path::new(path).exists()).expect("softhsm2 is installed");
    let uri = |object: &str| format!("pkcs11:token=Card;object={object}?module-path={module}&pin-source={pin}");

    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let variable = format!("{}={}", configuration.0, configuration.1);
    let alice = Person::new(place.path(), "alice@example.org").under(&["env", &variable]);
    let bob = Person::new(place.path(), "bob@example.org");
    alice.trust(server.ready()).unwrap();
    alice.enroll_with(&["--key", &uri("alice")], &server.outbox()).unwrap();
    bob.join(server.ready(), &server.outbox()).unwrap();

    let listed = alice.certtool_json(&["key", "list"]).unwrap();
    assert_eq!(listed["keys"][0], json!({ "file": "devices/alice@example.org/key.uri", "kept": "token" }));
    assert!(!alice.device().join("key.pem").exists() && !alice.device().join("account.pem").exists());
    let show = ["--module", module, "--token-label", "Card", "--login", "--pin", "482913", "--list-objects"];
    let objects = run("pkcs11-tool", &show, &[configuration]);
    for label in ["alice", "alice account"] {
        assert!(objects.lines().any(|line| line.trim() == format!("label:      {label}")), "{objects}");
    }
    assert!(objects.contains("never extractable"), "{objects}");

    alice.certtool(&["renew", "--force"]).unwrap().expect(0, "renew").unwrap();
    talk((&alice, &[]), (&bob, &[]));
    meet((&alice, &[]), (&bob, &[]));
    // A new key needs a name of its own.
    let refused = alice.certtool(&["enroll", "alice@example.org", "--new"]).unwrap();
    assert!(refused.code == 1 && refused.text().contains("a name of its own"), "{}", refused.text());
    alice.enroll_with(&["--new", "--key", &uri("alice-2")], &server.outbox()).unwrap();
    // Without the token nobody speaks for her, and she is told why.
    std::fs::rename(&tokens, place.path().join("taken-out")).unwrap();
    std::fs::create_dir(&tokens).unwrap();
    let refused = alice.certtool(&["renew", "--force"]).unwrap();
    assert!(refused.code == 1 && refused.text().contains("expected the token"), "{}", refused.text());
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
    let listed = alice.certtool_json(&["key", "list"]).unwrap();
    let kept: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["kept"].as_str().unwrap()).collect();
    assert_eq!(kept, ["keyring", "keyring"]);
    assert!(!alice.device().join("key.pem").exists());
    let count = || session.items().unwrap().len();
    assert_eq!(count(), 2);

    alice.certtool(&["renew", "--force"]).unwrap().expect(0, "renew").unwrap();
    talk((&alice, &[]), (&bob, &[]));
    // New keys go where the old ones were, and those are taken out.
    alice.enroll_with(&["--new"], &server.outbox()).unwrap();
    assert_eq!(count(), 2);

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
