//! Who may change what of a room, with the real programs: on a screen, and without one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::terminal::Terminal;

/// Alice hosts and owns the room; bob, who is at a screen, becomes a moderator; carol has no role.
#[test]
fn owners_and_moderators_change_a_room_and_nobody_else_does() {
    if !Terminal::possible() {
        return story::skipped("nobody changed a room: there is no tmux");
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let people = ["alice", "bob", "carol"].map(|name| Person::new(place.path(), &format!("{name}@example.org")));
    for person in &people {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    for person in &people {
        let mut messenger = person.messenger().unwrap();
        for other in people.iter().filter(|other| other.address() != person.address()) {
            messenger.tell(&json!({ "do": "add_contact", "who": other.address() })).unwrap();
        }
        messenger.quit().unwrap();
    }
    let [alice, bob, carol] = people;
    let [mut of_alice, mut of_carol] = [&alice, &carol].map(|person| person.messenger().unwrap());
    let folder = place.path().join("terminal");
    fs::create_dir(&folder).unwrap();
    let (home, own) = (bob.home().display().to_string(), folder.display().to_string());
    let variables = [("INPERSON_HOME", home.as_str()), ("HOME", own.as_str()), ("XDG_CONFIG_HOME", own.as_str())];
    let of_bob = Terminal::start(&folder, (140, 30), &variables, ("messenger", &[])).unwrap();
    for other in [&bob, &carol] {
        of_alice.expect(&json!({ "event": "presence", "who": other.address(), "online": true })).unwrap();
    }

    of_alice.tell(&json!({ "do": "room_create", "name": "harbour" })).unwrap();
    let room = of_alice.expect(&json!({ "event": "room" })).unwrap()["room"].clone();
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": bob.address() })).unwrap();
    of_bob.await_text("Waiting for your answer").unwrap();
    of_bob.press(&["F2"]).unwrap();
    of_bob.await_text("Write to harbour").unwrap();
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": carol.address() })).unwrap();
    of_carol.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
    of_carol.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
    of_carol.expect(&json!({ "event": "room", "room": room, "owners": [alice.address()] })).unwrap();

    // Without a role nothing is changed, and it is said why.
    of_bob.write("/topic boats").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    of_bob.await_text("may not set the topic: that takes a moderator").unwrap();
    let made = json!({ "do": "room_role", "room": room, "who": bob.address(), "role": "moderator" });
    of_alice.tell(&made).unwrap();
    of_bob.await_text("alice@example.org made you a moderator").unwrap();

    of_bob.write("/topic boats and tides").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    let topic = json!({ "event": "room_changed", "what": "topic", "by": bob.address(), "topic": "boats and tides" });
    for messenger in [&mut of_alice, &mut of_carol] {
        messenger.expect(&topic).unwrap();
        messenger.expect(&json!({ "event": "room", "topic": "boats and tides" })).unwrap();
    }
    of_bob.await_text("You set the topic: boats and tides").unwrap();
    of_bob.write("/room lock").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    of_bob.await_text("You locked the room: nobody new comes in").unwrap();
    let screen = of_bob.await_text("# harbour locked · boats and tides").unwrap();
    assert!(screen.contains("alice@example.org (host, owner)") && screen.contains("you (moderator)"), "{screen}");
    of_alice.expect(&json!({ "event": "room_changed", "what": "lock", "locked": true })).unwrap();
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": "dora@example.org" })).unwrap();
    of_alice.expect(&json!({ "event": "error", "about": "room_invite", "message": "the room is locked" })).unwrap();

    of_bob.write("/room remove carol@example.org").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    of_alice.expect(&json!({ "event": "room_changed", "what": "remove", "who": carol.address() })).unwrap();
    of_alice.expect(&json!({ "event": "room_left", "who": carol.address() })).unwrap();
    let reason = "bob@example.org removed this device from the room";
    of_carol.expect(&json!({ "event": "room_closed", "room": room, "reason": reason })).unwrap();
    refused(&mut of_carol, &json!({ "do": "room_topic", "room": room, "topic": "mine" }), "expected a room");

    of_bob.press(&["C-q"]).unwrap();
    for messenger in [of_alice, of_carol] {
        messenger.quit().unwrap();
    }
    server.stop().unwrap();
}

fn refused(messenger: &mut Messenger, command: &Value, why: &str) {
    messenger.tell(command).unwrap();
    let fits = |event: &Value| event["event"] == "error" && event["message"].as_str().is_some_and(|m| m.contains(why));
    messenger.expect_that(why, fits).unwrap();
}
