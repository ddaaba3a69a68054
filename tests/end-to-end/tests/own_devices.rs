//! Two devices of one person: the new one is confirmed by the code, endorsed, and given contacts, names and blocks, with the real
//! programs and a directory between them that holds nothing of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

/// One of alice's devices, enrolled for her.
fn device(place: &Path, name: &str, server: &Homeserver) -> Person {
    let device = Person::new(&place.join(name), ALICE);
    device.join(server.ready(), &server.outbox()).unwrap();
    device
}

fn online(device: &Person) -> Messenger {
    let mut messenger = device.messenger().unwrap();
    messenger.expect(&json!({ "event": "online" })).unwrap();
    messenger
}

fn ask(messenger: &mut Messenger, what: &str) {
    messenger.tell(&json!({ "do": what })).unwrap();
}

/// One calls, the other accepts; each is told what it shows of the other.
fn meet(caller: &mut Messenger, callee: &mut Messenger) -> [Value; 2] {
    ask(caller, "reach_devices");
    let call = callee.expect(&json!({ "event": "incoming", "from": ALICE })).unwrap();
    callee.tell(&json!({ "do": "accept", "call": call["call"] })).unwrap();
    [caller, callee].map(|one| one.expect(&json!({ "event": "own_device" })).unwrap())
}

#[test]
fn contacts_move_to_a_device_whose_code_was_compared_and_to_no_other() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [laptop, phone] = ["laptop", "phone"].map(|name| device(place.path(), name, &server));
    let contacts = laptop.home().join("messenger");
    std::fs::create_dir_all(&contacts).unwrap();
    let list = format!("contacts = [\"{BOB}\"]\n[about.\"{BOB}\"]\nname = \"Bobby\"\ngroup = \"Family\"\n");
    std::fs::write(contacts.join("contacts.toml"), list).unwrap();
    let (mut on_laptop, mut on_phone) = (online(&laptop), online(&phone));
    on_laptop.tell(&json!({ "do": "block", "who": "mallory@example.org" })).unwrap();

    let shown = meet(&mut on_laptop, &mut on_phone);
    assert_eq!(shown[0]["code"], shown[1]["code"]);
    assert_eq!((&shown[0]["confirmed"], &shown[1]["confirmed"]), (&json!(false), &json!(false)));
    // Before anything was compared nothing goes, and a wrong code confirms nobody.
    ask(&mut on_laptop, "give_to_device");
    on_laptop.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.tell(&json!({ "do": "confirm_device", "code": "0000-0000-0000-0000-0000-0000" })).unwrap();
    on_laptop.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    let confirm = json!({ "do": "confirm_device", "code": shown[0]["code"] });
    on_laptop.tell(&confirm).unwrap();
    on_laptop.expect(&json!({ "event": "device_confirmed" })).unwrap();
    // One side is not enough.
    ask(&mut on_laptop, "give_to_device");
    on_phone.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_phone.tell(&confirm).unwrap();
    on_phone.expect(&json!({ "event": "device_confirmed" })).unwrap();

    ask(&mut on_laptop, "give_to_device");
    let offered = on_phone.expect(&json!({ "event": "device_offers" })).unwrap();
    assert_eq!(offered["summary"]["new"], json!([BOB]));
    assert_eq!(offered["summary"]["blocked"], json!(["mallory@example.org"]));
    on_laptop.expect(&json!({ "event": "device_given" })).unwrap();
    assert!(!phone.home().join("messenger/contacts.toml").exists(), "nothing changes before it is said");
    ask(&mut on_phone, "take_from_device");
    let taken = on_phone.expect(&json!({ "event": "device_taken" })).unwrap();
    assert_eq!(taken["summary"]["endorsed"], json!(true));
    on_phone.expect(&json!({ "event": "appearance", "blocked": ["mallory@example.org"] })).unwrap();
    // A text goes between the two as well.
    on_phone.tell(&json!({ "do": "send", "to": ALICE, "text": "here I am", "id": 1 })).unwrap();
    on_laptop.expect(&json!({ "event": "message", "from": ALICE, "text": "here I am" })).unwrap();
    on_laptop.quit().unwrap();
    on_phone.quit().unwrap();

    let kept = std::fs::read_to_string(phone.home().join("messenger/contacts.toml")).unwrap();
    assert!(kept.contains("Bobby") && kept.contains("Family"), "{kept}");
    for home in [laptop.home(), phone.home()] {
        let left = std::fs::read_dir(home.join("messenger/moving")).unwrap().count();
        assert_eq!(left, 0, "{}", home.display());
    }
    let status = phone.certtool_json(&["status"]).unwrap();
    let own = laptop.certtool_json(&["card"]).unwrap();
    assert_eq!(status["devices"][0]["endorsed_by"][0]["by"], own["device_keys"][0]);

    // They know each other from now on, and what was taken can be put back.
    let (mut on_laptop, mut on_phone) = (online(&laptop), online(&phone));
    let shown = meet(&mut on_phone, &mut on_laptop);
    assert_eq!((&shown[0]["confirmed"], &shown[1]["confirmed"]), (&json!(true), &json!(true)));
    let undo = |exit: i32| {
        let undo = phone.command("messenger", &["devices", "undo", "--yes"]).unwrap();
        let done = story::process::run("messenger", undo, std::time::Duration::from_secs(60)).unwrap();
        done.expect(exit, "undo").unwrap();
    };
    // Not while it runs; and one that is lost is known no longer, though it endorsed this one.
    undo(1);
    let forget = phone.command("messenger", &["devices", "forget", shown[0]["device"].as_str().unwrap()]).unwrap();
    story::process::run("messenger", forget, std::time::Duration::from_secs(60)).unwrap().expect(0, "forget").unwrap();
    ask(&mut on_laptop, "give_to_device");
    on_phone.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.quit().unwrap();
    on_phone.quit().unwrap();
    undo(0);
    assert!(!phone.home().join("messenger/contacts.toml").exists());
    server.stop().unwrap();
}
