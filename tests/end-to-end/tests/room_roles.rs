//! Who may change what of a room, with the real programs: on a screen, and without one.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value, json};
use story::company::Harbour;
use story::headless::Messenger;
use story::terminal::Terminal;

/// Alice hosts and owns the room; bob, who is at a screen, becomes a moderator; carol has no role.
#[test]
fn owners_and_moderators_change_a_room_and_nobody_else_does() {
    if !Terminal::possible() {
        return story::skipped("nobody changed a room: there is no tmux");
    }
    let mut harbour = Harbour::open().unwrap();
    let Harbour { people: [_, bob, carol], of_alice, of_bob, of_carol, room, .. } = &mut harbour;

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
    for messenger in [&mut *of_alice, &mut *of_carol] {
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
    refused(of_carol, &json!({ "do": "room_topic", "room": room, "topic": "mine" }), "expected a room");

    harbour.close().unwrap();
}

fn refused(messenger: &mut Messenger, command: &Value, why: &str) {
    messenger.tell(command).unwrap();
    let fits = |event: &Value| event["event"] == "error" && event["message"].as_str().is_some_and(|m| m.contains(why));
    messenger.expect_that(why, fits).unwrap();
}
