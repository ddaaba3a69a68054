//! What is said about texts, and at which device one goes on, between programs, line by line as docs/headless.md has it.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value, json};
use story::homeserver::Homeserver;
use story::person::Person;

#[test]
fn two_programs_say_things_about_texts() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    let (mut of_alice, mut of_bob) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    let (to_bob, to_alice) = (bob.address(), alice.address());
    of_bob.tell(&json!({ "do": "add_contact", "who": to_alice })).unwrap();
    of_bob.tell(&json!({ "do": "set_signals", "read_receipts": true })).unwrap();
    of_bob.expect(&json!({ "event": "appearance", "typing": true, "read_receipts": true })).unwrap();
    of_alice.tell(&json!({ "do": "set_signals", "read_receipts": true })).unwrap();
    of_alice.tell(&json!({ "do": "add_contact", "who": to_bob })).unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": to_bob, "online": true })).unwrap();

    of_alice.tell(&json!({ "do": "send", "to": to_bob, "text": "at seven?", "id": 1 })).unwrap();
    of_bob.expect(&json!({ "event": "message", "id": 1, "text": "at seven?" })).unwrap();
    of_alice.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();

    let (mine, theirs) = (json!({ "by": "me", "id": 1 }), json!({ "by": "them", "id": 1 }));
    of_bob.tell(&json!({ "do": "read", "who": to_alice, "ids": [1] })).unwrap();
    of_alice.expect(&json!({ "event": "read", "who": to_bob, "ids": [1] })).unwrap();
    of_bob.tell(&json!({ "do": "react", "to": to_alice, "on": theirs, "emoji": "👍", "id": 5 })).unwrap();
    of_alice.expect(&json!({ "event": "reaction", "from": to_bob, "on": mine, "emoji": "👍" })).unwrap();
    of_bob.expect(&json!({ "event": "message_state", "id": 5, "state": "delivered" })).unwrap();
    let said: [(Value, Value); 4] = [
        (
            json!({ "do": "typing", "to": to_bob, "typing": true }),
            json!({ "event": "typing", "who": to_alice, "typing": true }),
        ),
        (
            json!({ "do": "edit", "to": to_bob, "of": 1, "text": "at eight?" }),
            json!({ "event": "edited", "from": to_alice, "id": 1, "text": "at eight?" }),
        ),
        (
            json!({ "do": "delete", "to": to_bob, "of": 1 }),
            json!({ "event": "delete_requested", "from": to_alice, "id": 1 }),
        ),
        (json!({ "do": "nudge", "to": to_bob }), json!({ "event": "nudge", "from": to_alice })),
    ];
    for (command, event) in said {
        of_alice.tell(&command).unwrap();
        of_bob.expect(&event).unwrap();
    }
    of_bob.tell(&json!({ "do": "send", "to": to_alice, "text": "yes", "reply_to": theirs })).unwrap();
    of_alice.expect(&json!({ "event": "message", "text": "yes", "reply_to": mine })).unwrap();
    // What is nobody's to change is said at once.
    of_bob.tell(&json!({ "do": "edit", "to": to_alice, "of": 1, "text": "never" })).unwrap();
    of_bob.expect(&json!({ "event": "error", "about": "edit" })).unwrap();
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn bob_goes_on_at_another_device_of_his() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    let [study, phone] = ["study", "phone"].map(|device| Person::new(&place.path().join(device), "bob@example.org"));
    for person in [&alice, &study, &phone] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    let (to_alice, to_bob) = (alice.address(), study.address());
    let contact = |who: &str| json!({ "do": "add_contact", "who": who });
    let mut of_alice = alice.messenger().unwrap();
    of_alice.tell(&contact(to_bob)).unwrap();
    let mut in_study = study.messenger().unwrap();
    in_study.tell(&contact(to_alice)).unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": to_bob, "online": true })).unwrap();
    let say = |id: u64, text: &str| json!({ "do": "send", "to": to_bob, "text": text, "id": id });
    of_alice.tell(&say(1, "in the study?")).unwrap();
    in_study.expect(&json!({ "event": "message", "text": "in the study?" })).unwrap();

    let mut on_phone = phone.messenger().unwrap();
    on_phone.tell(&contact(to_alice)).unwrap();
    on_phone.expect(&json!({ "event": "presence", "who": to_alice, "online": true })).unwrap();
    on_phone.tell(&json!({ "do": "continue_here", "to": to_alice, "id": 7 })).unwrap();
    on_phone.expect(&json!({ "event": "message_state", "id": 7, "state": "delivered" })).unwrap();
    of_alice.expect(&json!({ "event": "continued", "from": to_bob })).unwrap();
    in_study.expect(&json!({ "event": "continued_elsewhere", "who": to_alice })).unwrap();
    of_alice.tell(&say(2, "on the phone?")).unwrap();
    on_phone.expect(&json!({ "event": "message", "text": "on the phone?" })).unwrap();
    of_alice.expect(&json!({ "event": "message_state", "id": 2, "state": "delivered" })).unwrap();
    for program in [of_alice, in_study, on_phone] {
        program.quit().unwrap();
    }
    server.stop().unwrap();
}
