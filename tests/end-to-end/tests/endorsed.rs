//! A new device that a known one endorses alarms nobody, and one that nobody endorses does: with the real programs, as a
//! contact sees it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use serde_json::json;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::terminal::Terminal;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const ALARM: &str = "have not met";

/// One of alice's devices, enrolled for her.
fn device(place: &Path, name: &str, server: &Homeserver) -> Person {
    let device = Person::new(&place.join(name), ALICE);
    device.join(server.ready(), &server.outbox()).unwrap();
    device
}

/// Has one of alice's devices say something to bob, and end.
fn say(device: &Person, text: &str) {
    let mut messenger: Messenger = device.messenger().unwrap();
    messenger.tell(&json!({ "do": "add_contact", "who": BOB })).unwrap();
    messenger.expect(&json!({ "event": "presence", "who": BOB, "online": true })).unwrap();
    messenger.tell(&json!({ "do": "send", "to": BOB, "text": text, "id": 1 })).unwrap();
    messenger.expect(&json!({ "event": "message_state", "id": 1, "state": "delivered" })).unwrap();
    messenger.quit().unwrap();
}

#[test]
fn a_device_that_a_known_one_endorses_alarms_nobody() {
    if !Terminal::possible() {
        story::skipped("the messenger did not run in a terminal: there is no tmux");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [laptop, phone, tablet] = ["laptop", "phone", "tablet"].map(|name| device(place.path(), name, &server));
    let bob = Person::new(place.path(), BOB);
    bob.join(server.ready(), &server.outbox()).unwrap();
    let folder = place.path().join("t");
    std::fs::create_dir(&folder).unwrap();
    let home = bob.home().display().to_string();
    let screen = Terminal::start(&folder, (200, 60), &[("INPERSON_HOME", &home)], ("messenger", &[])).unwrap();
    screen.await_text("● online").unwrap();
    screen.write("a").unwrap();
    screen.await_text("Add a contact").unwrap();
    screen.write(ALICE).unwrap();
    screen.press(&["Enter"]).unwrap();
    screen.await_text("Write to alice@example.org").unwrap();
    say(&laptop, "from the laptop");
    let shown = screen.await_still(&["from the laptop"]).unwrap();
    assert!(!shown.contains(ALARM) && !shown.contains("endorses"), "{shown}");

    // What the phone shows is endorsed by the laptop, and brought back to the phone.
    let card = phone.certtool_json(&["card"]).unwrap();
    let (link, file) = (card["link"].as_str().unwrap(), place.path().join("phone.endorsement"));
    let file = file.display().to_string();
    let unasked = laptop.certtool(&["endorse", link, "--out", &file]).unwrap().expect(3, "endorse").unwrap();
    assert!(unasked.text().contains("nobody to ask"), "{}", unasked.text());
    let endorsed = laptop.certtool_json(&["endorse", link, "--out", &file, "--yes"]).unwrap();
    assert_eq!(endorsed["device_key"], card["device_keys"][0]);
    phone.certtool(&["endorse", link, "--yes"]).unwrap().expect(1, "endorsing oneself").unwrap();
    let other = tablet.certtool(&["endorse", "--accept", &file]).unwrap().expect(3, "that of the phone").unwrap();
    assert!(other.text().contains("expected an endorsement of the device"), "{}", other.text());
    let accepted = phone.certtool_json(&["endorse", "--accept", &file]).unwrap();
    assert_eq!(accepted["by"], endorsed["by"]);
    let status = phone.certtool_json(&["status"]).unwrap();
    assert_eq!(status["devices"][0]["endorsed_by"][0]["by"], endorsed["by"]);
    say(&phone, "from the phone");
    screen.await_text("one that you know endorses it").unwrap();
    let shown = screen.await_still(&["from the phone"]).unwrap();
    assert!(!shown.contains(ALARM), "{shown}");
    screen.write("/verify").unwrap();
    screen.press(&["Enter"]).unwrap();
    screen.await_text("endorsed by").unwrap();
    screen.press(&["Escape"]).unwrap();

    say(&tablet, "from the tablet");
    screen.await_text(ALARM).unwrap();
    drop(screen);
    server.stop().unwrap();
}
