//! Two devices of one person: the new one is confirmed by the code or added by an invitation, endorsed, and given contacts, names and
//! blocks, with the real programs and a directory between them that holds nothing of it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::memory::{Needle, search_files, search_process};
use story::person::Person;
use story::random;
use story::terminal::Terminal;

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

/// The link that the known device shows.
fn invitation(known: &mut Messenger) -> String {
    ask(known, "invite_device");
    let shown = known.expect(&json!({ "event": "device_invitation", "seconds": 3600 })).unwrap();
    shown["link"].as_str().unwrap().to_owned()
}

/// The known one is called by the new one, and lets it in.
fn accept(known: &mut Messenger) {
    let call = known.expect(&json!({ "event": "incoming", "from": ALICE })).unwrap();
    known.tell(&json!({ "do": "accept", "call": call["call"] })).unwrap();
}

/// Alice's laptop, with bob among the contacts; whoever is added to it has him, too.
fn laptop(place: &Path, server: &Homeserver) -> Person {
    let laptop = device(place, "laptop", server);
    let contacts = laptop.home().join("messenger");
    std::fs::create_dir_all(&contacts).unwrap();
    let list = format!("contacts = [\"{BOB}\"]\n[about.\"{BOB}\"]\nname = \"Bobby\"\n");
    std::fs::write(contacts.join("contacts.toml"), list).unwrap();
    laptop
}

#[test]
fn a_device_is_added_by_an_invitation_once_and_by_no_other_link() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let laptop = laptop(place.path(), &server);
    let [phone, another] = ["phone", "another"].map(|name| device(place.path(), name, &server));
    let (mut on_laptop, mut on_phone) = (online(&laptop), online(&phone));
    let old = invitation(&mut on_laptop);
    let link = invitation(&mut on_laptop);
    assert_ne!(old, link);
    // The one before is none any more, and a wrong one ends the one that stands.
    on_phone.tell(&json!({ "do": "join_devices", "link": old })).unwrap();
    on_phone.expect(&json!({ "event": "device_joining" })).unwrap();
    accept(&mut on_laptop);
    on_laptop.expect_that("a wrong claim", |event| event["message"].to_string().contains("wrong invitation")).unwrap();
    assert!(!phone.home().join("messenger/contacts.toml").exists());

    // The two are connected by now.
    let link = invitation(&mut on_laptop);
    on_phone.tell(&json!({ "do": "join_devices", "link": link })).unwrap();
    accept(&mut on_laptop);
    on_laptop.expect(&json!({ "event": "device_added" })).unwrap();
    on_laptop.expect(&json!({ "event": "device_given" })).unwrap();
    let taken = on_phone.expect(&json!({ "event": "device_taken" })).unwrap();
    assert_eq!((&taken["summary"]["new"], &taken["summary"]["endorsed"]), (&json!([BOB]), &json!(true)));
    on_phone.quit().unwrap();
    let kept = std::fs::read_to_string(phone.home().join("messenger/contacts.toml")).unwrap();
    assert!(kept.contains("Bobby"), "{kept}");
    assert!(!phone.home().join("messenger/invitation.toml").exists());
    let own = laptop.certtool_json(&["card"]).unwrap();
    assert_eq!(phone.certtool_json(&["status"]).unwrap()["devices"][0]["endorsed_by"][0]["by"], own["device_keys"][0]);

    // It was for one device.
    let mut on_another = online(&another);
    on_another.tell(&json!({ "do": "join_devices", "link": link })).unwrap();
    accept(&mut on_laptop);
    on_laptop
        .expect_that("none stands", |event| event["message"].to_string().contains("none of this device's"))
        .unwrap();
    on_another
        .expect_that("a refusal", |event| event["message"].to_string().contains("has not taken the claim"))
        .unwrap();
    assert!(!another.home().join("messenger/contacts.toml").exists());
    on_another.quit().unwrap();
    on_laptop.quit().unwrap();
    server.stop().unwrap();
}

/// What begins so in a box of the screen, over all its rows.
fn in_the_box(screen: &str, beginning: &str) -> String {
    let above = screen.lines().position(|row| row.contains(beginning)).unwrap();
    let rows: Vec<Vec<char>> = screen.lines().skip(above).map(|row| row.chars().collect()).collect();
    let beginning: Vec<char> = beginning.chars().collect();
    let left = rows[0].windows(beginning.len()).position(|some| some == beginning).unwrap();
    let width = rows[0][left..].iter().position(|c| *c == '│').unwrap();
    let parts = rows.iter().map(|row| row[left..left + width].iter().collect::<String>().trim().to_owned());
    parts.take_while(|part| !part.is_empty() && !part.starts_with('─')).collect()
}

/// As a person does it: the first start in an empty folder, with nothing but the link and her mail.
#[test]
fn from_an_invitation_to_ones_contacts_at_the_first_start() {
    if !Terminal::possible() {
        return story::skipped("the messenger did not run in a terminal: there is no tmux");
    }
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let laptop = laptop(place.path(), &server);
    let folder = place.path().join("of-the-laptop");
    std::fs::create_dir(&folder).unwrap();
    let home = laptop.home().display().to_string();
    let on_laptop = Terminal::start(&folder, (120, 60), &[("INPERSON_HOME", &home)], ("messenger", &[])).unwrap();
    on_laptop.await_text("● online").unwrap();
    on_laptop.write("/devices add").unwrap();
    on_laptop.press(&["Enter"]).unwrap();
    // The last row of all that is drawn then.
    let screen = on_laptop.await_text("Esc close").unwrap();
    assert!(screen.contains("A new device of yours"), "{screen}");
    assert!(screen.contains('█') || screen.contains('▀'), "{screen}");
    let link = in_the_box(&screen, "inperson:");

    let phone = Person::new(&place.path().join("phone"), ALICE);
    let folder = place.path().join("of-the-phone");
    std::fs::create_dir(&folder).unwrap();
    let home = phone.home().display().to_string();
    let terminal =
        Terminal::start(&folder, (120, 40), &[("INPERSON_HOME", &home)], ("messenger", &["--linear"])).unwrap();
    let line = |text: &str| {
        terminal.write(text).unwrap();
        terminal.press(&["Enter"]).unwrap();
    };
    terminal.await_text("Card or address:").unwrap();
    line(&link);
    terminal.await_text("one of alice@example.org's").unwrap();
    line("");
    terminal.await_text("Your address [alice@example.org]:").unwrap();
    line("");
    terminal.await_text("The code in it").unwrap();
    let mail = server.outbox().await_mail(ALICE, 1, Duration::from_secs(120)).unwrap();
    line(&mail.code().unwrap());
    terminal.await_text("Your words:").unwrap();
    line("");
    // Who sees her comes from the laptop.
    terminal.await_text("Enter opens the messenger:").unwrap();
    line("");
    terminal.await_text("Calling the device that invited this one").unwrap();
    on_laptop.await_text("y accept").unwrap();
    on_laptop.press(&["y"]).unwrap();
    on_laptop.await_text("That is your device from now on").unwrap();
    terminal.await_text("Taken in: new contacts bob@example.org").unwrap();
    terminal.press(&["C-d"]).unwrap();
    terminal.ended().unwrap();
    on_laptop.press(&["C-q"]).unwrap();
    on_laptop.ended().unwrap();
    let kept = std::fs::read_to_string(phone.home().join("messenger/contacts.toml")).unwrap();
    assert!(kept.contains("Bobby") && !kept.contains(ALICE), "{kept}");
    server.stop().unwrap();
}

/// No file of the server holds this word. The log's name, which it certainly knows, is in one.
fn not_on_its_disk(server: &Homeserver, word: &str) {
    let (needle, control) = (Needle::new(word), Needle::new(&server.ready().log));
    search_files(&[server.folder()], &needle, &control).unwrap().nothing_found("the server's folder").unwrap();
}

/// Nor its memory, in which alice is, whose devices are at the directory.
fn not_in_its_memory(server: &Homeserver, word: &str) {
    match search_process(server.id(), &Needle::new(word), &Needle::new(ALICE)) {
        Ok(search) => _ = search.nothing_found("the server's memory").unwrap(),
        Err(error) => {
            story::skipped(format!("a search of the server, whose memory the kernel forbids to read: {error}"));
        }
    }
}

#[test]
fn contacts_move_to_a_device_whose_code_was_compared_and_to_no_other() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [laptop, phone] = ["laptop", "phone"].map(|name| device(place.path(), name, &server));
    let contacts = laptop.home().join("messenger");
    std::fs::create_dir_all(&contacts).unwrap();
    let [called, group, blocked] = [(); 3].map(|()| random::unheard_of());
    let blocked = format!("{blocked}@example.org");
    let list = format!("contacts = [\"{BOB}\"]\n[about.\"{BOB}\"]\nname = \"{called}\"\ngroup = \"{group}\"\n");
    std::fs::write(contacts.join("contacts.toml"), list).unwrap();
    let (mut on_laptop, mut on_phone) = (online(&laptop), online(&phone));
    on_laptop.tell(&json!({ "do": "block", "who": blocked })).unwrap();
    on_laptop.tell(&json!({ "do": "set_signals", "read_receipts": true })).unwrap();
    on_laptop.expect(&json!({ "event": "appearance", "blocked": [blocked], "read_receipts": true })).unwrap();

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
    assert_eq!(offered["summary"]["blocked"], json!([blocked]));
    assert_eq!(offered["summary"]["settings"], json!(["read_receipts"]));
    on_laptop.expect(&json!({ "event": "device_given" })).unwrap();
    assert!(!phone.home().join("messenger/contacts.toml").exists(), "nothing changes before it is said");
    ask(&mut on_phone, "take_from_device");
    let taken = on_phone.expect(&json!({ "event": "device_taken" })).unwrap();
    assert_eq!(taken["summary"]["endorsed"], json!(true));
    on_phone.expect(&json!({ "event": "appearance", "blocked": [blocked], "read_receipts": true })).unwrap();
    for word in [&called, &group, &blocked] {
        not_on_its_disk(&server, word);
    }
    // Whom she blocks the directory is told by each of her devices, as long as it is there: it turns their calls away.
    for word in [&called, &group] {
        not_in_its_memory(&server, word);
    }
    // A text goes between the two as well.
    on_phone.tell(&json!({ "do": "send", "to": ALICE, "text": "here I am", "id": 1 })).unwrap();
    on_laptop.expect(&json!({ "event": "message", "from": ALICE, "text": "here I am" })).unwrap();
    on_laptop.quit().unwrap();
    on_phone.quit().unwrap();

    let kept = std::fs::read_to_string(phone.home().join("messenger/contacts.toml")).unwrap();
    assert!(kept.contains(&called) && kept.contains(&group), "{kept}");
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
        let done = story::process::run("messenger", undo, Duration::from_secs(60)).unwrap();
        done.expect(exit, "undo").unwrap();
    };
    // Not while it runs; and one that is lost is known no longer, though it endorsed this one.
    undo(1);
    let forget = phone.command("messenger", &["devices", "forget", shown[0]["device"].as_str().unwrap()]).unwrap();
    story::process::run("messenger", forget, Duration::from_secs(60)).unwrap().expect(0, "forget").unwrap();
    ask(&mut on_laptop, "give_to_device");
    on_phone.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.expect(&json!({ "event": "error", "about": "devices" })).unwrap();
    on_laptop.quit().unwrap();
    on_phone.quit().unwrap();
    undo(0);
    assert!(!phone.home().join("messenger/contacts.toml").exists());
    server.stop().unwrap();
}
