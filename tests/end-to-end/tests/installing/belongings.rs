//! What alice has beside her certificate when an archive is kept, and what every later release has to find of it: contacts with
//! names and groups, how she appears, settings, the lock, a history with what was said, drafts, a letter to an earlier key for
//! mail, another device. Rooms and presence are nowhere on a disk; what was said in a room is in the history.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process;
use story::terminal::Terminal;

const SOON: Duration = Duration::from_secs(120);
const BOB: &str = "bob@example.org";
/// Who is never there.
const DAVE: &str = "dave@example.org";
/// Who is in the list of the other device alone, before anything is taken in there.
const ERIN: &str = "erin@example.org";
const LETTER: &str = "Come on Saturday, and bring bread.\n";
const LOCK: &str = "open sesame";
const CONTACTS: &str = r#"contacts = ["bob@example.org", "dave@example.org"]

[about."dave@example.org"]
name = "Davy"
group = "Family"
alert = "always"
"#;
const SETTINGS: [(&str, &str); 4] = [
    ("/notify text", "notify = \"text\""),
    ("/mail off", "tell_mail_certificate = false"),
    ("/lock after 600", "lock_after_minutes = 600"),
    ("/downloads /var/tmp", "downloads = \"/var/tmp\""),
];
/// What she wrote, and what nobody has heard.
const DRAFTS: [&str; 2] = ["half a sentence", "never delivered"];

/// The passphrase of the history, as an option.
fn passphrase(place: &Path) -> String {
    let file = place.join("words");
    fs::write(&file, "correct horse battery").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    format!("--history-passphrase=file:{}", file.display())
}

fn messenger(who: &Person, arguments: &[&str]) -> String {
    let done = process::run("messenger", who.command("messenger", arguments).unwrap(), SOON).unwrap();
    done.expect(0, &format!("messenger {arguments:?}")).unwrap().stdout
}

fn told(who: &Person, arguments: &[&str]) -> Value {
    serde_json::from_str(messenger(who, arguments).trim()).unwrap()
}

fn online(who: &Person, options: &[&str]) -> Messenger {
    let mut messenger = who.messenger_with(options).unwrap();
    messenger.expect(&json!({ "event": "online" })).unwrap();
    messenger
}

fn import(who: &Person, place: &Path, contacts: &str) {
    let file = place.join("list.toml");
    fs::write(&file, contacts).unwrap();
    messenger(who, &["contacts", "import", file.to_str().unwrap()]);
}

/// Her messenger in a terminal, once it is online.
fn on_a_screen(place: &Path, alice: &Person, words: &str) -> Terminal {
    let folder = place.join("screen");
    fs::create_dir(&folder).unwrap();
    let home = alice.home().display().to_string();
    let screen = Terminal::start(&folder, (120, 30), &[("INPERSON_HOME", &home)], ("messenger", &[words])).unwrap();
    // However she appears.
    screen.await_text(" at localhost").unwrap();
    screen
}

fn types(screen: &Terminal, line: &str) {
    screen.write(line).unwrap();
    screen.press(&["Enter"]).unwrap();
}

/// Alice and bob live for a while, as far as it leaves anything.
pub(crate) fn gather(place: &Path, server: &Homeserver, [alice, bob]: [&Person; 2]) {
    let words = passphrase(place);
    let letter = alice.home().join("letter.txt");
    fs::write(&letter, LETTER).unwrap();
    for options in [&["--for", "mail"][..], &["--for", "mail", "--new"]] {
        alice.enroll_with(options, &server.outbox()).unwrap();
        // To the first of the two keys.
        if letter.exists() {
            let encrypt = ["encrypt", letter.to_str().unwrap(), "--to", alice.address()];
            alice.certtool(&encrypt).unwrap().expect(0, "encrypt").unwrap();
            fs::remove_file(&letter).unwrap();
        }
    }
    bob.enroll_with(&["--for", "mail"], &server.outbox()).unwrap();
    import(alice, place, CONTACTS);
    messenger(alice, &["history", "create", "--key", "passphrase", &words]);
    messenger(alice, &["history", "on", BOB, &words]);
    messenger(alice, &["history", "on", DAVE, "--days", "36525", &words]);
    converse(alice, bob, &words);
    invite(place, server, alice, &words);
    appear(alice, &words);
    leave_drafts(place, [alice, bob], &words);
    let export = alice.home().join("said.jsonl");
    messenger(alice, &["history", "export", export.to_str().unwrap(), &words]);
}

/// Texts of every kind, with a person and in a room.
fn converse(alice: &Person, bob: &Person, words: &str) {
    let (mut hers, mut his) = (online(alice, &[words]), online(bob, &[]));
    his.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    let card = bob.certtool_json(&["card"]).unwrap()["link"].clone();
    hers.tell(&json!({ "do": "add_contact", "who": card })).unwrap();
    hers.expect(&json!({ "event": "presence", "who": BOB, "online": true })).unwrap();
    hers.tell(&json!({ "do": "send", "to": BOB, "text": "Fresh bread at seven", "id": 1 })).unwrap();
    his.expect(&json!({ "event": "message", "text": "Fresh bread at seven" })).unwrap();
    hers.tell(&json!({ "do": "edit", "to": BOB, "of": 1, "text": "Fresh bread at eight", "id": 2 })).unwrap();
    his.expect(&json!({ "event": "edited", "text": "Fresh bread at eight" })).unwrap();
    his.tell(&json!({ "do": "send", "to": alice.address(), "text": "I bring cheese", "id": 1 })).unwrap();
    hers.expect(&json!({ "event": "message", "text": "I bring cheese" })).unwrap();
    his.tell(&json!({ "do": "delete", "to": alice.address(), "of": 1, "id": 2 })).unwrap();
    hers.expect(&json!({ "event": "delete_requested", "from": BOB })).unwrap();
    hers.expect(&json!({ "event": "mail_certificate", "who": BOB })).unwrap();
    hers.tell(&json!({ "do": "send", "to": DAVE, "text": "Are you there?", "id": 3 })).unwrap();
    hers.expect(&json!({ "event": "message_state", "id": 3, "state": "not_delivered" })).unwrap();

    hers.tell(&json!({ "do": "room_create", "name": "kitchen" })).unwrap();
    let room = hers.expect(&json!({ "event": "room" })).unwrap()["room"].as_str().unwrap().to_owned();
    hers.tell(&json!({ "do": "room_invite", "room": room, "who": BOB })).unwrap();
    his.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
    his.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
    his.expect(&json!({ "event": "room", "room": room })).unwrap();
    messenger(alice, &["history", "on", &room, words]);
    // Her messenger has taken that up when it says so there.
    his.expect(&json!({ "event": "room_message", "room": room, "from": alice.address() })).unwrap();
    his.tell(&json!({ "do": "room_send", "room": room, "text": "Tea is ready" })).unwrap();
    hers.expect(&json!({ "event": "room_message", "room": room, "text": "Tea is ready" })).unwrap();
    his.quit().unwrap();
    hers.quit().unwrap();
}

/// Her telephone is added, and takes in what she has decided.
fn invite(place: &Path, server: &Homeserver, alice: &Person, words: &str) {
    let phone = Person::new(&place.join("phone"), alice.address());
    phone.join(server.ready(), &server.outbox()).unwrap();
    import(&phone, place, &format!("contacts = [\"{ERIN}\"]\n"));
    let (mut here, mut there) = (online(alice, &[words]), online(&phone, &[]));
    here.tell(&json!({ "do": "invite_device" })).unwrap();
    let link = here.expect(&json!({ "event": "device_invitation" })).unwrap()["link"].clone();
    there.tell(&json!({ "do": "join_devices", "link": link })).unwrap();
    let call = here.expect(&json!({ "event": "incoming", "from": alice.address() })).unwrap()["call"].clone();
    here.tell(&json!({ "do": "accept", "call": call })).unwrap();
    there.expect(&json!({ "event": "device_taken" })).unwrap();
    here.expect(&json!({ "event": "device_given" })).unwrap();
    there.quit().unwrap();
    here.quit().unwrap();
    // The certificate in her name is that of her telephone.
    alice.certtool(&["watch", alice.address(), "--once", "--known"]).unwrap();
    fs::write(alice.home().join("devices.json"), told(alice, &["devices", "list", "--json"]).to_string()).unwrap();
}

/// How she appears, as `appearance` says it.
fn appearance() -> Value {
    json!({
        "event": "appearance", "status": "away", "text": "at lunch", "visible_to": "contacts", "may_knock": [BOB, DAVE],
        "blocked": ["eve@example.org"], "ask_first": [DAVE], "typing": false, "read_receipts": true,
    })
}

fn appear(alice: &Person, words: &str) {
    let mut hers = online(alice, &[words]);
    for command in [
        json!({ "do": "set_status", "status": "away", "text": "at lunch" }),
        json!({ "do": "set_audience", "visible_to": "contacts", "may_knock": [BOB, DAVE] }),
        json!({ "do": "block", "who": "eve@example.org" }),
        json!({ "do": "ask_first", "who": DAVE, "ask": true }),
        json!({ "do": "set_signals", "typing": false, "read_receipts": true }),
    ] {
        hers.tell(&command).unwrap();
    }
    hers.expect(&appearance()).unwrap();
    hers.quit().unwrap();
}

/// Whom she met and when, settings, a passphrase for the lock, and texts that are nowhere else when she is logged out.
fn leave_drafts(place: &Path, [alice, bob]: [&Person; 2], words: &str) {
    let mut his = online(bob, &[]);
    let screen = on_a_screen(place, alice, words);
    screen.await_text("bob@example.org ● online").unwrap();
    types(&screen, "Bread is ready");
    his.expect(&json!({ "event": "message", "text": "Bread is ready" })).unwrap();
    his.quit().unwrap();
    screen.await_text("bob@example.org ○ offline").unwrap();
    for (command, setting) in SETTINGS {
        types(&screen, command);
        let kept = || {
            fs::read_to_string(alice.home().join("messenger/settings.toml")).is_ok_and(|text| text.contains(setting))
        };
        process::await_sight(setting, SOON, || kept().then_some(())).unwrap();
    }
    types(&screen, "/lock passphrase");
    screen.await_text("What is to open the locked screen?").unwrap();
    types(&screen, LOCK);
    screen.await_text("The same once more").unwrap();
    types(&screen, LOCK);
    screen.await_text("this passphrase opens it").unwrap();
    types(&screen, DRAFTS[1]);
    screen.await_text("✗ not delivered").unwrap();
    screen.press(&["C-u"]).unwrap();
    screen.write(DRAFTS[0]).unwrap();
    screen.await_text(DRAFTS[0]).unwrap();
    screen.signal(Signal::TERM).unwrap();
    screen.ended().unwrap();
    drop(screen);
    fs::remove_dir_all(place.join("screen")).unwrap();
}

/// All of it is there, and works. Nothing of it is in the very first archive.
pub(crate) fn found(place: &Path, server: &Homeserver, alice: &Person) {
    if !alice.home().join("messenger/history").exists() {
        assert!(!place.join("phone").exists());
        return;
    }
    let words = passphrase(place);
    let listed = told(alice, &["contacts", "list", "--json"])["contacts"].clone();
    let contact = |who: &str| {
        listed.as_array().unwrap().iter().find(|one| one["address"] == who).unwrap_or_else(|| panic!("{listed}"))
    };
    assert!(!contact(BOB)["seen"].is_null() && !contact(BOB)["devices"].is_null(), "{listed}");
    for (what, value) in [("name", "Davy"), ("group", "Family"), ("alert", "always")] {
        assert_eq!(contact(DAVE)[what], value);
    }
    remembered(place, alice, &words);
    decided_elsewhere(place, alice);
    let (sealed, opened) = (alice.home().join("letter.txt.p7m"), alice.home().join("letter.txt"));
    alice.certtool(&["decrypt", sealed.to_str().unwrap()]).unwrap().expect(0, "decrypt").unwrap();
    assert_eq!(fs::read_to_string(opened).unwrap(), LETTER);

    // For the same key, which the drafts are sealed with; her certificate has ended since.
    alice.renew(&server.outbox()).unwrap().expect(0, "renew").unwrap();
    let mut hers = online(alice, &[&words]);
    hers.expect(&appearance()).unwrap();
    // She is to be reached by whoever comes now.
    hers.tell(&json!({ "do": "set_audience", "may_knock": "contacts" })).unwrap();
    hers.expect(&json!({ "event": "appearance", "may_knock": "contacts" })).unwrap();
    hers.quit().unwrap();
    if Terminal::possible() {
        seen_again(place, alice, &words);
    } else {
        story::skipped("no drafts of an earlier release were given back: there is no tmux");
    }
}

/// What was said then is in the history word by word, is found, and goes on.
fn remembered(place: &Path, alice: &Person, words: &str) {
    messenger(alice, &["history", "check", words]);
    let export = place.join("said-today.jsonl");
    messenger(alice, &["history", "export", export.to_str().unwrap(), words]);
    let read = |path: &Path| -> Vec<Value> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (then, now) = (read(&alice.home().join("said.jsonl")), read(&export));
    assert!(then.len() >= 4 && then.len() == now.len(), "{then:?} {now:?}");
    for (then, now) in then.iter().zip(&now) {
        // A later release may say more of a text.
        then.as_object().unwrap().iter().for_each(|(what, value)| assert_eq!(&now[what], value, "{what}"));
    }
    for (looked_for, text) in
        [("fresh brea", "Fresh bread at eight"), ("tea", "Tea is ready"), ("there", "Are you there?")]
    {
        let found = told(alice, &["history", "search", "--json", looked_for, words]);
        assert_eq!(
            (&found["found"][0]["text"], found["found"].as_array().unwrap().len()),
            (&json!(text), 1),
            "{found}"
        );
    }
    let kept = told(alice, &["history", "list", "--json", words])["conversations"].clone();
    let of = |fits: &dyn Fn(&str) -> bool| {
        let mut all = kept.as_array().unwrap().iter();
        all.find(|one| fits(one["conversation"].as_str().unwrap())).unwrap_or_else(|| panic!("{kept}"))
    };
    let (bob, room) = (of(&|name| name == BOB), of(&|name| !name.contains('@')));
    assert!(bob["days"].is_null() && bob["keeps"] == true && room["keeps"] == true, "{kept}");
    assert_eq!(of(&|name| name == DAVE)["days"], 36_525);
}

/// Her two devices know each other, and what the one took in of the other can be undone.
fn decided_elsewhere(place: &Path, alice: &Person) {
    let then: Value = serde_json::from_str(&fs::read_to_string(alice.home().join("devices.json")).unwrap()).unwrap();
    assert_eq!(then["devices"].as_array().unwrap().len(), 1);
    assert_eq!(told(alice, &["devices", "list", "--json"])["devices"], then["devices"]);
    let phone = Person::new(&place.join("phone"), alice.address());
    assert_eq!(told(&phone, &["devices", "list", "--json"])["devices"].as_array().unwrap().len(), 1);
    let contacts = |who: &Person| messenger(who, &["contacts", "list"]);
    assert!([BOB, DAVE, "Davy", ERIN].iter().all(|one| contacts(&phone).contains(one)), "{}", contacts(&phone));
    messenger(&phone, &["devices", "undo", "--yes"]);
    assert_eq!(contacts(&phone).trim(), ERIN);
}

/// Drafts, settings and the lock.
fn seen_again(place: &Path, alice: &Person, words: &str) {
    let screen = on_a_screen(place, alice, words);
    let shown = screen.await_text("2 texts that were nowhere else are back").unwrap();
    assert!(DRAFTS.iter().all(|draft| shown.contains(draft)), "{shown}");
    screen.press(&["C-l"]).unwrap();
    screen.await_text("The passphrase of your keys, or the one of this lock").unwrap();
    types(&screen, LOCK);
    screen.await_text(DRAFTS[0]).unwrap();
    screen.press(&["C-u"]).unwrap();
    types(&screen, "/downloads");
    screen.await_text("What comes is put into /var/tmp.").unwrap();
    for _ in 0..2 {
        screen.press(&["C-q"]).unwrap();
    }
    screen.ended().unwrap();
}
