//! What is said in a room beside plain texts, with the real programs: on a screen, and without one, line by line as
//! docs/headless.md has it.
#![allow(clippy::unwrap_used, missing_docs)]

use serde_json::{Value, json};
use story::company::Harbour;
use story::headless::Messenger;
use story::terminal::Terminal;

/// The place of a text of one's own, once everybody has it.
fn place_of(messenger: &mut Messenger, id: u64) -> Value {
    let all_have_it = |event: &Value| {
        event["event"] == "room_message_state"
            && event["id"] == id
            && event["delivered"].as_array().is_some_and(|delivered| delivered.len() == 2)
    };
    messenger.expect_that("its text on both devices", all_have_it).unwrap()["order"].clone()
}

/// Alice hosts the room; bob is at a screen.
#[test]
fn three_programs_answer_react_edit_and_delete_in_a_room() {
    if !Terminal::possible() {
        return story::skipped("nobody reacted to anything in a room: there is no tmux");
    }
    let mut harbour = Harbour::open().unwrap();
    let Harbour { people: [alice, bob, carol], of_alice, of_bob, of_carol, room, .. } = &mut harbour;

    // A text has one place, at whoever's it is shown; what answers it comes after.
    of_alice.tell(&json!({ "do": "room_send", "room": room, "text": "at seven?", "id": 1 })).unwrap();
    let place = place_of(of_alice, 1);
    let heard = of_carol.expect(&json!({ "event": "room_message", "id": 1, "text": "at seven?" })).unwrap();
    assert_eq!(heard["order"], place);
    of_bob.await_text("at seven?").unwrap();
    of_bob.write("/reply at eight").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    let asked = json!({ "from": alice.address(), "id": 1 });
    let answer =
        |on: Value| json!({ "event": "room_message", "from": bob.address(), "text": "at eight", "reply_to": on });
    let heard = of_carol.expect(&answer(asked.clone())).unwrap();
    assert_eq!(of_alice.expect(&answer(json!({ "id": 1 }))).unwrap()["order"], heard["order"]);
    let numbers = |order: &Value| order.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
    assert!(numbers(&heard["order"]) > numbers(&place), "{heard} after {place}");

    // Who writes is named.
    of_carol.tell(&json!({ "do": "room_typing", "room": room, "typing": true })).unwrap();
    of_bob.await_text("carol@example.org is typing").unwrap();
    of_bob.write("y").unwrap();
    of_alice.expect(&json!({ "event": "room_typing", "who": bob.address(), "typing": true })).unwrap();
    of_bob.press(&["BSpace"]).unwrap();
    of_alice.expect(&json!({ "event": "room_typing", "who": bob.address(), "typing": false })).unwrap();

    // Reactions come with a name, edits and deletions as requests of who wrote.
    of_carol.tell(&json!({ "do": "room_react", "room": room, "on": asked, "emoji": "👍", "id": 9 })).unwrap();
    of_alice.expect(&json!({ "event": "room_reaction", "from": carol.address(), "on": { "id": 1 } })).unwrap();
    of_bob.await_text("by carol@example.org").unwrap();
    of_bob.write("/react ok").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    of_bob.await_text("ok by you").unwrap();
    of_carol.expect(&json!({ "event": "room_reaction", "from": bob.address(), "emoji": "ok" })).unwrap();
    of_alice.tell(&json!({ "do": "room_edit", "room": room, "of": 1, "text": "at six?" })).unwrap();
    of_carol.expect(&json!({ "event": "room_edited", "from": alice.address(), "id": 1, "text": "at six?" })).unwrap();
    of_bob.await_text("at six?").unwrap();
    of_bob.write("/delete").unwrap();
    of_bob.press(&["Enter"]).unwrap();
    of_bob.await_text("you asked to delete this").unwrap();
    of_carol.expect(&json!({ "event": "room_delete_requested", "from": bob.address() })).unwrap();
    // What is nobody's to change is said at once.
    of_carol.tell(&json!({ "do": "room_edit", "room": room, "of": 1, "text": "never" })).unwrap();
    of_carol.expect(&json!({ "event": "error", "about": "room_edit" })).unwrap();
    harbour.close().unwrap();
}
