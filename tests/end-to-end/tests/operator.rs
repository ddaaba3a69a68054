//! The operator's `ca` beside a running home server: looks, revokes, and is believed at once.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use directory_protocol::CloseCode;
use serde_json::{Value, json};
use story::guard;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};

const SOON: Duration = Duration::from_secs(60);

fn ca(server: &Homeserver, arguments: &[&str]) -> Finished {
    let mut command = guard::command("ca").unwrap();
    command.arg("--json").arg("--folder").arg(server.folder()).args(arguments);
    process::run("ca", command, SOON).unwrap()
}

fn lines(done: &Finished) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Alice and Bob are enrolled, online, and see each other.
fn town(place: &Path) -> (Homeserver, [Messenger; 2]) {
    let server = Homeserver::start(&place.join("server"), &[]).unwrap();
    let people = [ALICE, BOB].map(|address| Person::new(place, address));
    people.iter().for_each(|person| person.join(server.ready(), &server.outbox()).unwrap());
    let mut messengers = people.map(|person| person.messenger().unwrap());
    for (messenger, other) in messengers.iter_mut().zip([BOB, ALICE]) {
        messenger.expect(&json!({ "event": "online" })).unwrap();
        messenger.tell(&json!({ "do": "add_contact", "who": other })).unwrap();
    }
    for (messenger, other) in messengers.iter_mut().zip([BOB, ALICE]) {
        messenger.expect(&json!({ "event": "presence", "who": other, "online": true })).unwrap();
        messenger.catch_up();
    }
    (server, messengers)
}

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// The directory follows the authority's list: it ends the connection that stands, and begins no other with that certificate.
#[test]
fn whose_certificate_is_revoked_is_online_no_longer_and_whoever_saw_her_sees_her_go() {
    let place = tempfile::tempdir().unwrap();
    let (server, [mut of_alice, mut of_bob]) = town(place.path());
    let found = lines(&ca(&server, &["list", ALICE]).expect(0, "ca list").unwrap());
    let serial = found[0]["serial"].as_str().unwrap();
    ca(&server, &["revoke", serial, "--reason", "key-compromise"]).expect(0, "ca revoke").unwrap();
    of_alice.expect(&json!({ "event": "offline", "reason": CloseCode::NoLongerAccepted.to_string() })).unwrap();
    of_bob.expect(&json!({ "event": "presence", "who": ALICE, "online": false })).unwrap();
    let refused = |event: &Value| {
        let reason = event["reason"].as_str().unwrap_or_default();
        event["event"] == "offline" && reason.contains("does not accept this certificate")
    };
    of_alice.expect_that("that she is turned away when she comes again", refused).unwrap();
    // He is as he was, and she is told so by nothing but her own certificate.
    let heard = [&mut of_alice, &mut of_bob].map(|messenger| messenger.heard().to_vec());
    let after = |events: &[Value], what: &str| events.iter().filter(|event| event["event"] == what).count();
    assert_eq!((after(&heard[0], "online"), after(&heard[1], "online"), after(&heard[1], "offline")), (1, 1, 0));
    of_bob.quit().unwrap();
    of_alice.quit().unwrap();
    server.stop().unwrap();
}

/// As if the power had failed: nobody is told anything, and all come back by themselves when it runs again.
#[test]
fn a_directory_that_was_killed_gets_its_people_back() {
    let place = tempfile::tempdir().unwrap();
    let (server, mut messengers) = town(place.path());
    let (folder, before) = (server.folder().to_path_buf(), server.ready().directory.clone());
    server.kill();
    let server = Homeserver::start(&folder, &[]).unwrap();
    assert_eq!(server.ready().directory, before, "at the same port");
    for (messenger, other) in messengers.iter_mut().zip([BOB, ALICE]) {
        // What has ended without a word is noticed after half a minute of silence, and then it is tried again.
        let events = [
            json!({ "event": "offline" }),
            json!({ "event": "online" }),
            json!({ "event": "presence", "who": other, "online": true }),
        ];
        for event in events {
            messenger.expect(&event).or_else(|_| messenger.expect(&event)).unwrap();
        }
    }
    let [mut of_alice, mut of_bob] = messengers;
    of_alice.tell(&json!({ "do": "send", "to": BOB, "text": "there again", "id": 1 })).unwrap();
    of_bob.expect(&json!({ "event": "message", "from": ALICE, "text": "there again" })).unwrap();
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn an_operator_finds_and_revokes_a_certificate_while_the_server_runs() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    for address in ["alice@example.org", "bob@example.org"] {
        Person::new(place.path(), address).join(server.ready(), &server.outbox()).unwrap();
    }

    let found = lines(&ca(&server, &["list", "Alice@example.org"]).expect(0, "ca list").unwrap());
    assert_eq!((found.len(), found[0]["state"].as_str()), (1, Some("valid")));
    let serial = found[0]["serial"].as_str().unwrap().to_owned();
    let nobody = ca(&server, &["list", "nobody@example.org"]).expect(3, "ca list").unwrap();
    assert!(nobody.text().contains("no certificate of nobody@example.org"), "{}", nobody.text());
    let begun = lines(&ca(&server, &["list", &serial[..8]]).expect(0, "ca list").unwrap());
    assert_eq!(begun[0]["serial"], found[0]["serial"]);
    // Alice's and Bob's, and the server's own.
    let stats = lines(&ca(&server, &["stats"]).expect(0, "ca stats").unwrap());
    assert_eq!((stats[0]["current"].as_u64(), stats[0]["revoked"].as_u64()), (Some(3), Some(0)));

    let unknown = ca(&server, &["revoke", &"40".repeat(16), "--reason", "superseded"]);
    assert_eq!(unknown.code, 3, "{}", unknown.text());
    let done = ca(&server, &["revoke", &serial, "--reason", "privilege-withdrawn"]).expect(0, "ca revoke").unwrap();
    assert_eq!(lines(&done)[0]["done"], "revoked");
    let after = lines(&ca(&server, &["list", "alice@example.org"]).expect(0, "ca list").unwrap());
    assert_eq!(
        (after[0]["state"].as_str(), after[0]["revoked"]["reason"].as_str()),
        (Some("revoked"), Some("privilege-withdrawn"))
    );

    let audited = lines(&ca(&server, &["audit", "verify"]).expect(0, "ca audit verify").unwrap());
    let counts = &audited[0]["counts"];
    for what in ["account-made", "ordered", "code-made", "control-proven", "planned"] {
        assert_eq!(counts[what], 2, "{what} in {counts}");
    }
    assert!(counts["about-to-sign"].as_u64() >= Some(2) && counts["revoked"] == 1, "{counts}");
    let path = server.folder().join("audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("example.org"), "addresses stand in the database alone");

    // While the server is stopped the wish waits for it.
    let folder = server.folder().to_path_buf();
    let newest = lines(&ca(&server, &["list", "bob@example.org", "--limit", "1"]).expect(0, "ca list").unwrap());
    assert_eq!(newest[0]["state"], "valid");
    server.kill();
    let lines_of = text.lines().count();
    let altered = text.replacen("control-proven", "control-pruven", 1);
    std::fs::write(&path, &altered).unwrap();
    let mut command = guard::command("ca").unwrap();
    command.arg("--folder").arg(&folder).args(["audit", "verify"]);
    let broken = process::run("ca", command, SOON).unwrap();
    assert!(lines_of > 5 && broken.code == 3 && broken.stderr.contains("expected the hash"), "{}", broken.text());
    std::fs::write(&path, &text).unwrap();
    let mut command = guard::command("ca").unwrap();
    let serial = newest[0]["serial"].as_str().unwrap();
    command.arg("--folder").arg(&folder).args(["revoke", serial, "--reason", "superseded"]);
    let waiting = process::run("ca", command, SOON).unwrap().expect(0, "ca revoke").unwrap();
    assert!(waiting.stdout.contains("when one starts"), "{}", waiting.text());
    let server = Homeserver::start(&folder, &[]).unwrap();
    process::await_sight("a revoked certificate", SOON, || {
        let listed = lines(&ca(&server, &["list", serial]).expect(0, "ca list").ok()?);
        (listed[0]["state"] == "revoked").then_some(())
    })
    .unwrap();
    // What the authority revokes by itself a timer has made good at once, for the same key.
    let bob = Person::new(place.path(), "bob@example.org");
    let renewed = bob.certtool_json(&["renew", "--all"]).unwrap();
    assert_eq!(renewed["done"], "renewed", "{renewed}");
    bob.certtool(&["verify", bob.address()]).unwrap().expect(0, "verify").unwrap();
}
