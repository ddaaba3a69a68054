//! A file for a whole room: to everybody in it, to nobody else, and to no bot.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use story::terminal::Terminal;

use crate::{acquainted, bot, file, hash, stopped};

#[test]
fn what_is_offered_in_a_room_comes_to_everybody_in_it_and_to_nobody_else() {
    if !Terminal::possible() {
        return story::skipped("no file was offered in a room: there is no tmux");
    }
    let (place, server, [alice, bob, carol, dora, erin, robot]) =
        acquainted(["alice", "bob", "carol", "dora", "erin", "robot"]).unwrap();
    let [mut of_alice, mut of_bob, mut of_carol, mut of_erin] =
        [&alice, &bob, &carol, &erin].map(|person| person.messenger().unwrap());
    let folder = place.path().join("terminal");
    let [of_robot, for_bob, for_carol] = ["of-robot", "of-bob", "of-carol"].map(|name| place.path().join(name));
    for folder in [&folder, &of_robot, &for_bob, &for_carol] {
        fs::create_dir(folder).unwrap();
    }
    let (home, own) = (dora.home().display().to_string(), folder.display().to_string());
    let variables = [("INPERSON_HOME", home.as_str()), ("HOME", own.as_str()), ("XDG_CONFIG_HOME", own.as_str())];
    let terminal = Terminal::start(&folder, (120, 30), &variables, ("messenger", &[])).unwrap();
    let robot_runs = bot(&robot, &["--files", of_robot.to_str().unwrap()], Path::new("/bin/true"));
    for other in [&bob, &carol, &dora, &erin, &robot] {
        of_alice.expect(&json!({ "event": "presence", "who": other.address(), "online": true })).unwrap();
    }

    of_alice.tell(&json!({ "do": "room_create", "name": "harbour" })).unwrap();
    let room = of_alice.expect(&json!({ "event": "room" })).unwrap()["room"].clone();
    for (person, messenger) in [(&bob, &mut of_bob), (&carol, &mut of_carol)] {
        of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": person.address() })).unwrap();
        messenger.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
        messenger.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
        messenger.expect(&json!({ "event": "room", "room": room })).unwrap();
    }
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": dora.address() })).unwrap();
    terminal.await_text("Waiting for your answer").unwrap();
    terminal.press(&["F2"]).unwrap();
    terminal.await_text("Write to harbour").unwrap();
    let four =
        |event: &Value| event["event"] == "room" && event["members"].as_array().is_some_and(|all| all.len() == 4);
    of_alice.expect_that("a room of four", four).unwrap();
    // A bot is asked, and does not come.
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": robot.address() })).unwrap();
    of_alice.expect(&json!({ "event": "room_invitation_failed", "room": room, "who": robot.address() })).unwrap();

    let path = file(&place.path().join("table.jpg"), 3_000_000);
    of_alice.tell(&json!({ "do": "room_file_offer", "room": room, "path": path })).unwrap();
    for (messenger, into) in [(&mut of_bob, &for_bob), (&mut of_carol, &for_carol)] {
        let offered = json!({ "event": "file_offered", "room": room, "from": alice.address(), "name": "table.jpg" });
        let transfer = messenger.expect(&offered).unwrap()["transfer"].clone();
        messenger.tell(&json!({ "do": "file_accept", "transfer": transfer, "into": into })).unwrap();
        let done = json!({ "event": "file_state", "transfer": transfer, "state": "done", "direction": "in" });
        let done = messenger.expect(&done).unwrap();
        assert_eq!(hash(Path::new(done["path"].as_str().unwrap())), hash(&path));
    }
    let screen = terminal.await_text("F6 takes it into ~/Downloads").unwrap();
    assert!(screen.contains("# harbour") && screen.contains("table.jpg · from alice@example.org"), "{screen}");
    terminal.press(&["F6"]).unwrap();
    terminal.await_text("✓ is in ~/Downloads/table.jpg").unwrap();
    assert_eq!(hash(&folder.join("Downloads/table.jpg")), hash(&path));
    for person in [&bob, &carol, &dora] {
        let done = json!({ "event": "file_state", "with": person.address(), "state": "done", "direction": "out" });
        of_alice.expect(&done).unwrap();
    }

    // The others are contacts of everybody there: a text reaches them, and nothing before it did.
    of_alice.tell(&json!({ "do": "send", "to": erin.address(), "text": "where are you?" })).unwrap();
    of_erin.expect(&json!({ "event": "message", "from": alice.address() })).unwrap();
    let heard = |event: &Value| event.to_string().contains("harbour") || event.to_string().contains("table.jpg");
    assert!(!of_erin.heard().iter().any(heard), "{:?}", of_erin.heard());
    assert_eq!(fs::read_dir(&of_robot).unwrap().count(), 0);
    terminal.press(&["C-q"]).unwrap();
    stopped(robot_runs);
    for messenger in [of_alice, of_bob, of_carol, of_erin] {
        messenger.quit().unwrap();
    }
    server.stop().unwrap();
}
