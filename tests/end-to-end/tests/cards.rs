//! Contact cards: the shared vectors, judged by us and by a reader in Python from the page alone; QR codes that other
//! people's programs write and read; and two people who find each other by a card and nothing else.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use identity::card::ContactCard;
use serde_json::{Value, json};
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;

/// How long another program may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A Python with the packages of this file; why not, where they cannot be had.
fn python(folder: &str, requirements: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let made = story::python::environment(&folder, &tests().join("independent").join(requirements));
    made.map_err(|reason| story::skipped(format_args!("other people's programs did not run: {reason}"))).ok()
}

fn run(python: &Path, script: &str, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(python);
    command.arg("-B").arg(tests().join("independent").join(script)).args(arguments);
    let mut running = process::collect(script, command).unwrap();
    input.lines().for_each(|line| running.type_line(line));
    running.finish(PATIENCE).unwrap().expect(0, script).unwrap().stdout
}

fn as_json(card: &ContactCard) -> Value {
    json!({
        "identifier": card.identifier,
        "genesis": card.genesis,
        "policy": card.policy,
        "directory": { "name": card.directory.name, "address": card.directory.address },
        "keys": card.keys.iter().map(hex::encode).collect::<Vec<_>>(),
    })
}

#[test]
fn the_vectors_are_judged_alike_by_two_programs() {
    let file = tests().join("vectors/contact-card.json");
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(vectors.iter().filter(|vector| vector["card"].is_null()).count() > 20);
    for vector in &vectors {
        let read = vector["link"].as_str().unwrap().parse::<ContactCard>();
        assert_eq!(read.as_ref().map_or(Value::Null, as_json), vector["card"], "{}: {read:?}", vector["name"]);
        assert_eq!(read.ok().map(|card| card.to_string()).as_deref(), vector["written"].as_str(), "{}", vector["name"]);
    }
    let Some(python) = python("independent", "requirements.txt") else { return };
    let answers = run(&python, "card.py", &[file.to_str().unwrap()], "");
    assert_eq!(answers.lines().count(), vectors.len());
    for (answer, vector) in answers.lines().zip(&vectors) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        for member in ["name", "card", "written"] {
            assert_eq!(answer[member], vector[member], "{}", vector["name"]);
        }
    }
}

#[test]
fn other_peoples_programs_read_and_write_the_codes() {
    let Some(python) = python("codes", "codes-requirements.txt") else { return };
    let place = tempfile::tempdir().unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    let file = tests().join("vectors/contact-card.json");
    let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let names = ["whole", "other-script", "eight-keys"];
    for vector in vectors.iter().filter(|vector| names.iter().any(|name| vector["name"] == *name)) {
        let link = vector["written"].as_str().unwrap();
        for (how, name) in [("write", "code.png"), ("photograph", "code.jpg")] {
            let picture = place.path().join(name);
            run(&python, "codes.py", &[how, link, picture.to_str().unwrap()], "");
            let read = alice.certtool_json(&["card", picture.to_str().unwrap()]).unwrap();
            assert_eq!(read["link"], link, "{how}");
        }
        let shown = alice.certtool(&["card", link]).unwrap().expect(0, "card").unwrap();
        let code: Vec<_> = shown.stdout.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
        assert_eq!(run(&python, "codes.py", &["read"], &code.join("\n")).trim(), link);
    }
}

#[test]
fn two_people_find_each_other_by_a_card_alone() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    alice.join(server.ready(), &server.outbox()).unwrap();
    let card = |person: &Person| person.certtool_json(&["card"]).unwrap();
    let of_alice = card(&alice);
    assert_eq!(of_alice["genesis"], server.ready().fingerprint.as_str());
    let of_alice = of_alice["link"].as_str().unwrap().to_owned();

    // Bob has nothing but the card.
    let pinned = bob.certtool(&["trust", "add", &of_alice]).unwrap().expect(0, "trust add").unwrap();
    assert!(pinned.text().contains("alice@example.org is known by localhost from now on"), "{}", pinned.text());
    bob.enroll(&server.outbox()).unwrap();
    let of_bob = card(&bob)["link"].as_str().unwrap().to_owned();
    // Her certificate is the one that her card means; his is not.
    let chain = |person: &Person| person.device().join("chain.pem").display().to_string();
    let compare = |certificate: &str| bob.certtool(&["card", &of_alice, "--certificate", certificate]).unwrap();
    let same = compare(&chain(&alice)).expect(0, "comparing").unwrap();
    assert!(same.text().contains("is the certificate that the card means"), "{}", same.text());
    let other = compare(&chain(&bob)).expect(3, "comparing").unwrap();
    assert!(other.text().contains("expected alice@example.org, found bob@example.org"), "{}", other.text());
    // A later device of hers: another key than the card's.
    let laptop = Person::new(&place.path().join("laptop"), "alice@example.org");
    laptop.join(server.ready(), &server.outbox()).unwrap();
    let other = compare(&chain(&laptop)).expect(3, "comparing").unwrap();
    assert!(other.text().contains("expected the key"), "{}", other.text());

    let (mut of_a, mut of_b) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    of_a.expect(&json!({ "event": "online" })).unwrap();
    of_b.expect(&json!({ "event": "online" })).unwrap();
    of_a.tell(&json!({ "do": "add_contact", "who": of_bob })).unwrap();
    // He has a picture of the code, as other people's programs draw it, if there is one here.
    let picture = place.path().join("alice.png").display().to_string();
    let given = python("codes", "codes-requirements.txt").map_or_else(
        || of_alice.clone(),
        |python| {
            run(&python, "codes.py", &["write", &of_alice, &picture], "");
            picture
        },
    );
    of_b.tell(&json!({ "do": "add_contact", "who": given })).unwrap();
    of_b.expect(&json!({ "event": "presence", "who": "alice@example.org", "online": true })).unwrap();
    of_b.tell(&json!({ "do": "send", "to": "alice@example.org", "text": "your card", "id": 1 })).unwrap();
    of_a.expect(&json!({ "event": "message", "from": "bob@example.org", "text": "your card" })).unwrap();
    of_b.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();
    // Both see the certificate of the other, and the code by which they can compare that.
    let [at_a, at_b] = [(&mut of_a, &bob), (&mut of_b, &alice)].map(|(messenger, other)| {
        let is_peer = |event: &&Value| event["event"] == "peer" && event["who"] == other.address();
        messenger.heard().iter().find(is_peer).cloned().unwrap()
    });
    assert_eq!(at_a["code"], at_b["code"]);
    assert!(at_a["device"] != at_b["device"] && at_a["witnessed_only_by_operator"] == true, "{at_a}");

    // A card under a policy that is not pinned: she becomes a contact, and it is said.
    let other = of_alice.replace(&server.ready().fingerprint, &"0".repeat(64)).replace("alice@", "carol@");
    of_b.tell(&json!({ "do": "add_contact", "who": other })).unwrap();
    let told = of_b.expect(&json!({ "event": "error", "about": "carol@example.org" })).unwrap();
    assert!(told["message"].as_str().unwrap().contains("not pinned here"), "{told}");
    of_a.quit().unwrap();
    of_b.quit().unwrap();
    server.stop().unwrap();
}
