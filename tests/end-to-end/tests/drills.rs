//! The drills of docs/operations/ca.md in short, on one machine; as they are written there they are run by `operations`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Finished};
use story::witness::{self, Witness};

const SOON: Duration = Duration::from_secs(60);

fn run(program: &str, arguments: &[&str]) -> Finished {
    process::run_program(program, arguments, SOON)
        .unwrap()
        .expect(0, &format!("{program} {}", arguments.join(" ")))
        .unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// So that the page and this file do not part.
#[test]
fn the_page_names_the_commands_that_are_run_here() {
    let page = std::fs::read_to_string(format!("{}/../../docs/operations/ca.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let drills = page.split("## Drills").nth(1).unwrap().split("\n## ").next().unwrap();
    for command in [
        "ca --folder /srv/inperson issuing request people",
        "homeserver policy draft --strike-issuer people",
        "homeserver policy sign next.json",
        "homeserver shard prepare --begins",
        "homeserver witness remove",
    ] {
        assert!(drills.lines().any(|line| line.starts_with(command)), "{command}");
    }
}

#[test]
fn a_stolen_issuing_key_is_replaced_and_ended_and_a_label_key_gets_another_log() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let server = Homeserver::start(&folder, &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|name| Person::new(place.path(), name));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let stolen = text(&alice.device().join("chain.pem"));
    let (at, keys) = (text(&folder), text(&folder.join("keys")));

    // The server was broken into: a new issuing key, and an end to the old one.
    server.stop().unwrap();
    run("ca", &["--folder", &at, "issuing", "request", "people"]);
    let (request, chain) =
        (text(&folder.join("keys/people-2.requested.csr.pem")), text(&place.path().join("chain.pem")));
    run("ca", &["issuing", "sign", &request, "--keys", &keys, "--out", &chain, "--yes"]);
    run("ca", &["--folder", &at, "issuing", "install", &chain]);
    let server = Homeserver::start(&folder, &[]).unwrap();
    let draft = run("homeserver", &["policy", "draft", "--strike-issuer", "people", "--folder", &at]);
    let next: Value = serde_json::from_str(&draft.stdout).unwrap();
    assert_eq!(next["authorities"][0]["issuers"].as_array().unwrap().len(), 2, "services, and the new one");
    let file = place.path().join("next.json");
    std::fs::write(&file, draft.stdout).unwrap();
    let signed = run("homeserver", &["policy", "sign", &text(&file), "--folder", &at]);
    assert!(signed.stdout.contains("version 2"), "{}", signed.stdout);
    // The version lies on the disk a moment before it is served.
    let updated = || {
        let done = alice.certtool(&["trust", "update", "--yes"]).unwrap();
        (!done.text().contains("is the newest")).then_some(done)
    };
    process::await_sight("the next version", SOON, updated).unwrap().expect(0, "trust update").unwrap();
    let ended = alice.certtool(&["verify", &stolen]).unwrap();
    assert!(ended.code == 3 && ended.text().contains("CHAIN-04"), "{}", ended.text());
    bob.trust(server.ready()).unwrap();
    bob.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
    bob.enroll(&server.outbox()).unwrap();
    let counts = text(&bob.device().join("chain.pem"));
    alice.certtool(&["verify", &counts]).unwrap().expect(0, "what the new key has made").unwrap();

    // The label key is known to somebody: another log begins.
    let begins = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3600);
    let prepared =
        run("homeserver", &["shard", "prepare", "--begins", &begins.to_string(), "--name", "after", "--folder", &at]);
    assert!(prepared.stdout.contains("version 3"), "{}", prepared.stdout);
    let listed = run("homeserver", &["shard", "list", "--json", "--folder", &at]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["logs"].as_array().unwrap().len(), 2, "{listed}");
    server.stop().unwrap();
}

/// A witness's key is known to somebody: a policy without it, after which what it alone has seen counts no more.
#[test]
fn a_stolen_witness_is_taken_out_of_the_policy_and_what_it_alone_has_seen_ends() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let at = text(server.folder());
    let mut stolen = Witness::of(&server, place.path()).unwrap();
    let (own, theirs) = (witness::own_quorum(), format!("{}quorum w1\n", stolen.line()));
    let server = witness::another_quorum(server, |policy| policy.replace(&own, &theirs)).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|name| Person::new(place.path(), name));
    let update =
        |person: &Person| person.certtool(&["trust", "update", "--yes"]).unwrap().expect(0, "trust update").unwrap();
    alice.trust(server.ready()).unwrap();
    update(&alice);
    alice.enroll(&server.outbox()).unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "seen by w1").unwrap();

    run("homeserver", &["witness", "remove", Witness::NAME, "--folder", &at]);
    let server = witness::another_quorum(server, |policy| policy.replace(&theirs, &own)).unwrap();
    stolen.kill();
    update(&alice);
    let ended = alice.certtool(&["verify", alice.address()]).unwrap();
    assert!(ended.code == 3 && ended.text().contains("WIT-02"), "{}", ended.text());
    // The log goes on without it, and so does everybody.
    alice.certtool(&["renew", alice.address(), "--force"]).unwrap().expect(0, "renew").unwrap();
    alice.certtool(&["verify", alice.address()]).unwrap().expect(0, "verify").unwrap();
    bob.trust(server.ready()).unwrap();
    update(&bob);
    bob.enroll(&server.outbox()).unwrap();
    bob.certtool(&["audit"]).unwrap().expect(0, "audit").unwrap();
    server.stop().unwrap();
}
