//! Two people who are shown two histories of one log, and meet.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use story::person::Person;
use story::process::await_sight;

use super::{Forked, files, judge};

const SOON: Duration = Duration::from_secs(30);

/// The newest checkpoint that somebody's messenger has seen.
fn newest(person: &Person, origin: &str) -> Option<String> {
    let log = hex::encode(Sha256::digest(origin));
    std::fs::read_to_string(person.home().join("logs").join(log).join("newest")).ok()
}

/// The log of the authority that certified somebody.
fn origin(person: &Person) -> String {
    let shown = person.certtool_json(&["trust", "show"]).unwrap();
    shown["authorities"][0]["log"].as_str().unwrap().to_owned()
}

fn size(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_people_shown_two_histories_find_out_when_they_meet() {
    let forked = Forked::new(&["alice", "bob"]);
    let (alice, bob) = (forked.person("alice"), forked.person("bob"));
    let origin = origin(&alice);

    // Bob's messenger runs while he is shown one history. He is the only one.
    let server = forked.start();
    forked.enrol(&server, &["carol"]);
    let expected = size(&std::fs::read_to_string(forked.folder.join("log/checkpoint")).unwrap());
    let mut bobs = bob.messenger_with(&[]).unwrap();
    bobs.expect(&json!({ "event": "online" })).unwrap();
    await_sight("bob's view of the log", SOON, || newest(&bob, &origin).filter(|seen| size(seen) >= expected)).unwrap();
    server.stop().unwrap();
    bobs.expect(&json!({ "event": "offline" })).unwrap();

    forked.begin_the_other();
    let server = forked.start();
    forked.enrol(&server, &["dave", "erin", "frank"]);
    let mut alices = alice.messenger_with(&[]).unwrap();
    alices.expect(&json!({ "event": "online" })).unwrap();
    bobs.expect(&json!({ "event": "online" })).unwrap();
    assert!(files(&alice).is_empty() && files(&bob).is_empty());

    // They meet. The text arrives as if nothing were the matter, and the contradiction is told.
    alices.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    bobs.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    alices.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();
    alices.tell(&json!({ "do": "send", "to": bob.address(), "text": "hello", "id": 1 })).unwrap();
    bobs.expect(&json!({ "event": "message", "text": "hello" })).unwrap();
    alices.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();
    for (person, messenger) in [(&alice, &mut alices), (&bob, &mut bobs)] {
        let told = messenger.expect(&json!({ "event": "contradiction", "about": origin })).unwrap();
        let file = told["evidence"].as_str().unwrap();
        assert_eq!(files(person), [Path::new(file)], "{told}");
        let judgement = judge(forked.place.path(), Path::new(file));
        assert_eq!(judgement["proves_misbehaviour"], true, "{judgement}");
        assert!(judgement["of"].as_str().unwrap().starts_with("the log localhost"), "{judgement}");
    }

    // What is proven is told to whoever is met next, who has seen nothing wrong herself.
    let erin = forked.person("erin");
    let mut erins = erin.messenger_with(&[]).unwrap();
    erins.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    alices.tell(&json!({ "do": "add_contact", "who": erin.address() })).unwrap();
    erins.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();
    erins.tell(&json!({ "do": "send", "to": alice.address(), "text": "is it true?", "id": 1 })).unwrap();
    let told = erins.expect(&json!({ "event": "contradiction", "about": origin })).unwrap();
    assert!(told["message"].as_str().unwrap().contains("alice@example.org holds the proof"), "{told}");
    judge(forked.place.path(), Path::new(told["evidence"].as_str().unwrap()));

    for messenger in [alices, bobs, erins] {
        messenger.quit().unwrap();
    }
    server.stop().unwrap();
}

#[test]
fn people_who_see_the_same_have_nothing_to_tell() {
    let forked = Forked::new(&["alice", "bob"]);
    let (alice, bob) = (forked.person("alice"), forked.person("bob"));
    let origin = origin(&alice);
    let server = forked.start();
    let mut bobs = bob.messenger_with(&[]).unwrap();
    bobs.expect(&json!({ "event": "online" })).unwrap();
    let before = await_sight("bob's view of the log", SOON, || newest(&bob, &origin)).unwrap();
    // Bob's view is older than alice's, and of the same history.
    forked.enrol(&server, &["carol"]);
    let mut alices = alice.messenger_with(&[]).unwrap();
    alices.expect(&json!({ "event": "online" })).unwrap();
    alices.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    bobs.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    alices.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();
    for id in 1..20 {
        alices.tell(&json!({ "do": "send", "to": bob.address(), "text": "hello", "id": id })).unwrap();
        alices.expect(&json!({ "event": "message_state", "id": id, "state": "delivered" })).unwrap();
    }
    // What alice told made him look, and what he saw is what he saw before and more.
    await_sight("bob's newer view", SOON, || newest(&bob, &origin).filter(|seen| size(seen) > size(&before))).unwrap();
    for messenger in [&mut alices, &mut bobs] {
        assert!(!messenger.heard().iter().any(|event| event["event"] == "contradiction"));
    }
    assert!(files(&alice).is_empty() && files(&bob).is_empty());
    alices.quit().unwrap();
    bobs.quit().unwrap();
    server.stop().unwrap();
}
