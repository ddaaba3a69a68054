//! What whoever takes a disk away finds on it, as docs/threat-model.md says: two people talk, everything is stopped, and
//! every file is searched.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use serde_json::json;
use story::homeserver::Homeserver;
use story::memory::{Needle, search_files};
use story::person::Person;
use story::random;

/// Whether `word` is in a file below `folder`, where `control` certainly is.
fn is_below(folder: &Path, word: &str, control: &str) -> bool {
    let search = search_files(&[folder], &Needle::new(word), &Needle::new(control)).unwrap();
    assert!(!search.control.is_empty(), "{}: not even {control} was found", folder.display());
    !search.found.is_empty()
}

#[test]
fn no_disk_holds_what_was_said_and_the_logs_holds_no_address() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    let [text, answer, room, note] =
        ["one to one", "in answer", "in the room", "at the"].map(|what| format!("{what} {}", random::unheard_of()));
    let (mut of_alice, mut of_bob) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    of_alice.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    of_bob.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    of_bob.tell(&json!({ "do": "set_status", "status": "away", "text": note })).unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": bob.address(), "online": true, "text": note })).unwrap();
    of_alice.tell(&json!({ "do": "send", "to": bob.address(), "text": text })).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": text })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": alice.address(), "text": answer })).unwrap();
    of_alice.expect(&json!({ "event": "message", "text": answer })).unwrap();
    of_alice.tell(&json!({ "do": "room_create", "name": "kitchen" })).unwrap();
    let opened = of_alice.expect(&json!({ "event": "room" })).unwrap();
    of_alice.tell(&json!({ "do": "room_invite", "room": opened["room"], "who": bob.address() })).unwrap();
    let asked = of_bob.expect(&json!({ "event": "room_invitation" })).unwrap();
    of_bob.tell(&json!({ "do": "room_accept", "room": asked["room"] })).unwrap();
    of_bob.expect(&json!({ "event": "room", "room": asked["room"] })).unwrap();
    of_bob.tell(&json!({ "do": "room_send", "room": asked["room"], "text": room })).unwrap();
    of_alice.expect(&json!({ "event": "room_message", "text": room })).unwrap();
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    let folder = server.folder().to_path_buf();
    let log = server.ready().log.clone();
    server.stop().unwrap();

    for said in [&text, &answer, &room] {
        assert!(!is_below(alice.home(), said, bob.address()), "{said}: with alice");
        assert!(!is_below(bob.home(), said, alice.address()), "{said}: with bob");
        assert!(!is_below(&folder, said, bob.address()), "{said}: on the server");
    }
    // How one appears is kept where one set it, and nowhere else.
    assert!(is_below(bob.home(), &note, alice.address()), "his own setting");
    assert!(!is_below(alice.home(), &note, bob.address()) && !is_below(&folder, &note, bob.address()), "{note}");
    // The authority knows whom it has certified; its log does not.
    for address in [alice.address(), bob.address()] {
        assert!(is_below(&folder, address, &log), "the authority's books");
        assert!(!is_below(&folder.join("log"), address, &log), "{address}: in the log");
    }
}
