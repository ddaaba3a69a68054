//! A person's own history with the real programs: with none, nothing of a conversation is on any disk, also after a crash;
//! with one, it is told, kept, found and erased, and nothing of it is readable.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use story::apart::{self, World};
use story::disk::Disk;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::keyring::Session;
use story::memory::{Needle, search_files};
use story::person::Person;
use story::process::{self, Finished};
use story::random;
use story::terminal::Terminal;

const PATIENCE: Duration = Duration::from_secs(180);

/// Where whatever is written to a temporary folder is written by the test's own programs.
const OWN_FOLDERS: World = World {
    namespaces: &["--mount"],
    probe: "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt",
    script: r#"
set -e
mount --make-rprivate /
for folder in /tmp /var/tmp /dev/shm; do mount -t tmpfs tmpfs "$folder"; done
exec "$@"
"#,
};

/// Somebody's messenger without a screen, whose every folder lies below `place`.
fn messenger(person: &Person, place: &Path, options: &[&str]) -> Messenger {
    let (home, runtime) = (place.join("user"), place.join("run"));
    for folder in [&home, &runtime] {
        fs::create_dir_all(folder).unwrap();
    }
    let arguments: Vec<&str> = ["headless"].into_iter().chain(options.iter().copied()).collect();
    let mut command = person.command("messenger", &arguments).unwrap();
    command.env("HOME", &home).env("XDG_RUNTIME_DIR", &runtime).env("RUST_LOG", "debug").current_dir(place);
    let words = person.home().with_extension("messenger.log");
    Messenger::start(format!("{}'s messenger", person.address()), command, &words).unwrap()
}

fn run(person: &Person, arguments: &[&str]) -> Finished {
    let arguments: Vec<&str> = ["history"].into_iter().chain(arguments.iter().copied()).collect();
    process::run("messenger", person.command("messenger", &arguments).unwrap(), PATIENCE).unwrap()
}

/// A file with a passphrase, as an option.
fn passphrase(place: &Path, name: &str, words: &str) -> String {
    let path: PathBuf = place.join(name);
    fs::write(&path, words).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    format!("--history-passphrase=file:{}", path.display())
}

/// Alice and bob, who are each other's contacts.
fn two(place: &Path) -> (Homeserver, Person, Person) {
    let server = Homeserver::start(&place.join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place, address));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    (server, alice, bob)
}

fn meet((of_alice, alice): (&mut Messenger, &Person), (of_bob, bob): (&mut Messenger, &Person)) {
    of_bob.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    of_alice.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();
}

#[test]
fn without_a_history_nothing_of_a_conversation_is_on_the_disk_also_after_a_crash() {
    let name = "without_a_history_nothing_of_a_conversation_is_on_the_disk_also_after_a_crash";
    if !apart::is_inside(name, &OWN_FOLDERS).unwrap() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (server, alice, bob) = two(place.path());
    let (mut of_alice, mut of_bob) = (messenger(&alice, place.path(), &[]), messenger(&bob, place.path(), &[]));
    meet((&mut of_alice, &alice), (&mut of_bob, &bob));
    let mut words: Vec<String> = (0..6).map(|_| random::unheard_of()).collect();
    of_alice.tell(&json!({ "do": "send", "to": bob.address(), "text": words[0], "id": 1 })).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": words[0] })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": alice.address(), "text": words[1] })).unwrap();
    of_alice.expect(&json!({ "event": "message", "text": words[1] })).unwrap();
    of_alice.tell(&json!({ "do": "edit", "to": bob.address(), "of": 1, "text": words[2] })).unwrap();
    of_bob.expect(&json!({ "event": "edited", "text": words[2] })).unwrap();
    of_alice.tell(&json!({ "do": "room_create", "name": words[3] })).unwrap();
    let room = of_alice.expect(&json!({ "event": "room" })).unwrap()["room"].clone();
    of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": bob.address() })).unwrap();
    of_bob.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
    of_bob.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
    of_bob.expect(&json!({ "event": "room", "room": room })).unwrap();
    of_bob.tell(&json!({ "do": "room_send", "room": room, "text": words[4] })).unwrap();
    of_alice.expect(&json!({ "event": "room_message", "text": words[4] })).unwrap();
    let nothing_was_told = of_bob.heard().iter().all(|event| event["event"] != "history");
    assert!(nothing_was_told);
    let screen = if Terminal::possible() {
        let carol = Person::new(place.path(), "carol@example.org");
        carol.join(server.ready(), &server.outbox()).unwrap();
        let (terminal, shown) = on_a_screen(place.path(), &carol, (&mut of_bob, &bob));
        words.extend(shown);
        Some(terminal)
    } else {
        story::skipped("nothing was said in a terminal: there is no tmux");
        None
    };
    // One text is under way when the power fails at all ends.
    of_alice.tell(&json!({ "do": "send", "to": bob.address(), "text": words[5] })).unwrap();
    drop((of_alice, of_bob));
    if let Some(terminal) = screen {
        terminal.signal(Signal::KILL).unwrap();
        terminal.ended().unwrap();
    }
    for said in &words {
        let needle = Needle::new(said);
        let everywhere: Vec<&Path> = ["/tmp", "/var/tmp", "/dev/shm"].map(Path::new).to_vec();
        let search = search_files(&everywhere, &needle, &Needle::new(bob.address())).unwrap();
        search.nothing_found("everything that was written").unwrap();
    }
    for person in [&alice, &bob] {
        assert!(!person.home().join("messenger/history").exists());
    }
    server.stop().unwrap();
}

/// Somebody's messenger in a terminal of its own, whose every folder lies below `place`.
fn terminal(place: &Path, name: &str, whose: &Person, more: &[(&str, &str)]) -> Terminal {
    let folder = place.join(name);
    fs::create_dir(&folder).unwrap();
    let [home, user, runtime] =
        [whose.home(), &place.join("user"), &place.join("run")].map(|at| at.display().to_string());
    let variables = [
        ("INPERSON_HOME", home.as_str()),
        ("HOME", user.as_str()),
        ("XDG_RUNTIME_DIR", runtime.as_str()),
        ("XDG_CONFIG_HOME", user.as_str()),
    ];
    Terminal::start(&folder, (120, 30), &[&variables, more].concat(), ("messenger", &[])).unwrap()
}

/// Adds somebody who is online.
fn add(terminal: &Terminal, who: &Person) {
    terminal.write("a").unwrap();
    terminal.await_text("Add a contact").unwrap();
    terminal.write(who.address()).unwrap();
    terminal.press(&["Enter"]).unwrap();
    terminal.await_text(&format!("{} ● online", who.address())).unwrap();
}

/// What somebody sees and writes on her screen: texts, one of which is not sent, and a file that she does not take. All is on
/// the screen when this returns.
fn on_a_screen(place: &Path, whose: &Person, (of_bob, bob): (&mut Messenger, &Person)) -> (Terminal, Vec<String>) {
    let [sent, heard, begun, offered] = [(); 4].map(|()| random::unheard_of());
    let terminal = terminal(place, "terminal", whose, &[]);
    terminal.await_text("● online").unwrap();
    of_bob.tell(&json!({ "do": "add_contact", "who": whose.address() })).unwrap();
    add(&terminal, bob);
    terminal.write(&sent).unwrap();
    terminal.press(&["Enter"]).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": sent })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": whose.address(), "text": heard })).unwrap();
    terminal.await_text(&heard).unwrap();
    // The file is bob's, and its name on his disk: it goes before anything is searched.
    let path = place.join(&offered);
    fs::write(&path, "nobody wants it").unwrap();
    of_bob.tell(&json!({ "do": "file_offer", "to": whose.address(), "path": path })).unwrap();
    let screen = terminal.await_text("F7 refuses it").unwrap();
    assert!(screen.contains(&offered), "{screen}");
    terminal.press(&["F7"]).unwrap();
    of_bob.expect(&json!({ "event": "file_state", "state": "refused" })).unwrap();
    fs::remove_file(&path).unwrap();
    terminal.write(&begun).unwrap();
    terminal.await_text(&begun).unwrap();
    (terminal, vec![sent, heard, begun, offered])
}

#[test]
fn a_history_is_told_survives_a_crash_is_found_and_goes_for_good() {
    let place = tempfile::tempdir().unwrap();
    let (server, alice, bob) = two(place.path());
    let right = passphrase(place.path(), "right", "correct horse battery");
    let wrong = passphrase(place.path(), "wrong", "incorrect horse");
    run(&alice, &["on", bob.address(), &right]).expect(1, "history on, and there is none").unwrap();
    run(&alice, &["create", "--key", "passphrase", &right]).expect(0, "history create").unwrap();
    run(&alice, &["create", "--key", "passphrase", &right]).expect(1, "history create, again").unwrap();
    run(&alice, &["on", bob.address(), "--days", "90", &right]).expect(0, "history on").unwrap();
    let (mut of_alice, mut of_bob) = (messenger(&alice, place.path(), &[&right]), messenger(&bob, place.path(), &[]));
    meet((&mut of_alice, &alice), (&mut of_bob, &bob));
    let [sent, heard] = [(); 2].map(|()| random::unheard_of());
    of_alice.tell(&json!({ "do": "send", "to": bob.address(), "text": format!("the first {sent}") })).unwrap();
    // Before he answers he knows it.
    of_bob.expect(&json!({ "event": "history", "who": alice.address(), "keeps": true })).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": format!("the first {sent}") })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": alice.address(), "text": format!("an answer {heard}") })).unwrap();
    of_alice.expect(&json!({ "event": "message" })).unwrap();
    // What is switched off and on beside a messenger that runs is taken up, and told.
    run(&alice, &["off", bob.address(), &right]).expect(0, "history off").unwrap();
    of_bob.expect(&json!({ "event": "history", "who": alice.address(), "keeps": false })).unwrap();
    run(&alice, &["on", bob.address(), &right]).expect(0, "history on").unwrap();
    of_bob.expect(&json!({ "event": "history", "who": alice.address(), "keeps": true })).unwrap();
    let in_clear = |word: &str| {
        let needle = Needle::new(word);
        let search = search_files(&[alice.home()], &needle, &Needle::new(bob.address())).unwrap();
        assert!(search.places > 10 && !search.control.is_empty());
        !search.found.is_empty()
    };
    assert!(!in_clear(&sent) && !in_clear(&heard), "while it is open");
    // SIGKILL.
    drop((of_alice, of_bob));
    assert!(!in_clear(&sent) && !in_clear(&heard), "after a crash");

    let refused = run(&alice, &["search", &sent, &wrong]).expect(1, "the wrong passphrase").unwrap();
    assert!(refused.stderr.contains("that is not the passphrase of the history"), "{}", refused.stderr);
    let found = run(&alice, &["search", "--json", &sent, &right]).expect(0, "history search").unwrap();
    let found: Value = serde_json::from_str(found.stdout.trim()).unwrap();
    assert_eq!(found["found"][0]["text"], format!("the first {sent}"));
    assert_eq!(found["found"].as_array().unwrap().len(), 1);
    let export = place.path().join("export.jsonl");
    run(&alice, &["export", export.to_str().unwrap(), &right]).expect(0, "history export").unwrap();
    let lines: Vec<Value> =
        fs::read_to_string(&export).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["from"]), (2, &json!(bob.address())));
    assert_eq!(fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    run(&alice, &["export", export.to_str().unwrap(), &right]).expect(1, "nothing is overwritten").unwrap();
    let listed = run(&alice, &["list", "--json", &right]).expect(0, "history list").unwrap();
    let listed: Value = serde_json::from_str(listed.stdout.trim()).unwrap();
    assert_eq!(listed["conversations"][0]["texts"], 2);
    assert_eq!(listed["conversations"][0]["days"], 90);

    run(&alice, &["erase", "--with", bob.address(), &right]).expect(0, "history erase").unwrap();
    let found = run(&alice, &["search", "--json", &sent, &right]).expect(0, "history search").unwrap();
    assert_eq!(found.stdout.trim(), r#"{"found":[]}"#);
    // Bob knows her history for one that goes on, until she says otherwise.
    run(&alice, &["off", bob.address(), &right]).expect(0, "history off").unwrap();
    run(&alice, &["forget", "--yes"]).expect(0, "history forget").unwrap();
    assert!(!alice.home().join("messenger/history").exists());
    run(&alice, &["list", &right]).expect(1, "there is none any more").unwrap();
    server.stop().unwrap();
}

#[test]
#[ignore = "needs a Secret Service (gnome-keyring); run by ./test --all"]
fn under_a_key_in_the_keyring_it_is_kept_found_in_another_session_and_goes_for_good() {
    const ITEM: &str = "In Person: the key of your history";
    if !Terminal::possible() {
        return story::skipped("no history was kept under a key in the keyring: there is no tmux");
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("session");
    let session = Session::start(&folder).unwrap();
    let (server, alice, bob) = two(place.path());
    let mut of_bob = messenger(&bob, place.path(), &[]);
    of_bob.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    let [sent, heard] = [(); 2].map(|()| random::unheard_of());
    let begins = |name: &str, session: &Session| {
        let screen = terminal(place.path(), name, &alice, &[("DBUS_SESSION_BUS_ADDRESS", session.address())]);
        screen.await_text("● online").unwrap();
        screen
    };
    let type_line = |screen: &Terminal, line: &str| {
        screen.write(line).unwrap();
        screen.press(&["Enter"]).unwrap();
    };

    // In the messenger, where nobody is asked for a passphrase.
    let screen = begins("first", &session);
    add(&screen, &bob);
    type_line(&screen, "/history on keyring");
    screen.await_text("You keep a history of this from now on").unwrap();
    type_line(&screen, &format!("the first {sent}"));
    of_bob.expect(&json!({ "event": "history", "who": alice.address(), "keeps": true })).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": format!("the first {sent}") })).unwrap();
    of_bob.tell(&json!({ "do": "send", "to": alice.address(), "text": format!("an answer {heard}") })).unwrap();
    screen.await_text(&heard).unwrap();
    assert_eq!(session.items().unwrap(), [ITEM]);
    let key = alice.home().join("messenger/history/key");
    let named = fs::read_to_string(&key).unwrap();
    assert!(
        named.starts_with("keyring:") && named.lines().count() == 1,
        "the folder names the key, and has none: {named}"
    );
    // Nobody can say good-bye when the power fails.
    screen.signal(Signal::KILL).unwrap();
    screen.ended().unwrap();
    for word in [&sent, &heard] {
        let search = search_files(&[alice.home()], &Needle::new(word), &Needle::new(bob.address())).unwrap();
        search.nothing_found("alice's folder").unwrap();
    }
    drop(session);
    let nowhere = alice.under(&["env", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent"]);
    let refused = run(&nowhere, &["list"]).expect(1, "without a keyring").unwrap();
    assert!(refused.stderr.contains("start the keyring of your session"), "{}", refused.stderr);

    // Another session: the messenger opens it by itself, and finds what was said in the one before; so does the command line.
    let session = Session::start(&folder).unwrap();
    let there = alice.under(&["env", &session.variable()]);
    run(&there, &["check"]).expect(0, "history check").unwrap();
    let screen = begins("second", &session);
    screen.await_text("history: you keep one").unwrap();
    screen.press(&["Enter"]).unwrap();
    screen.await_text("Write to bob@example.org").unwrap();
    type_line(&screen, &format!("/history find {heard}"));
    screen.await_text(&format!("an answer {heard}")).unwrap();
    screen.press(&["Escape"]).unwrap();
    let found = run(&there, &["search", "--json", &sent]).expect(0, "history search").unwrap();
    let found: Value = serde_json::from_str(found.stdout.trim()).unwrap();
    assert_eq!((found["found"].as_array().unwrap().len(), &found["found"][0]["state"]), (1, &json!("delivered")));
    screen.press(&["C-q"]).unwrap();
    screen.ended().unwrap();

    // The key goes out of the keyring under a passphrase, and back; what it opens stays the same.
    let words = passphrase(place.path(), "words", "correct horse battery");
    let new = words.replace("--history-passphrase=", "--new-passphrase=");
    run(&there, &["key", "passphrase", &new]).expect(0, "history key passphrase").unwrap();
    assert!(session.items().unwrap().is_empty());
    run(&nowhere, &["check", &words]).expect(0, "without a keyring, by the passphrase").unwrap();
    run(&there, &["key", "keyring", &words]).expect(0, "history key keyring").unwrap();
    assert_eq!(session.items().unwrap(), [ITEM]);
    run(&there, &["erase", "--with", bob.address()]).expect(0, "history erase").unwrap();
    let found = run(&there, &["search", "--json", &sent]).expect(0, "history search").unwrap();
    assert_eq!(found.stdout.trim(), r#"{"found":[]}"#);
    run(&there, &["forget", "--yes"]).expect(0, "history forget").unwrap();
    assert!(session.items().unwrap().is_empty(), "the key is gone with it");
    assert!(!alice.home().join("messenger/history").exists());
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn in_a_room_those_who_are_in_are_told_and_whoever_comes() {
    const SAID: &str = "I keep a history of this room on my device.";
    let place = tempfile::tempdir().unwrap();
    let (server, alice, bob) = two(place.path());
    let right = passphrase(place.path(), "right", "correct horse battery");
    run(&alice, &["create", "--key", "passphrase", &right]).expect(0, "history create").unwrap();
    let (mut of_alice, mut of_bob) = (messenger(&alice, place.path(), &[&right]), messenger(&bob, place.path(), &[]));
    meet((&mut of_alice, &alice), (&mut of_bob, &bob));
    of_alice.tell(&json!({ "do": "room_create", "name": "kitchen" })).unwrap();
    let room = of_alice.expect(&json!({ "event": "room" })).unwrap()["room"].as_str().unwrap().to_owned();
    let said = json!({ "event": "room_message", "room": room, "from": alice.address(), "text": SAID });
    let comes = |of_alice: &mut Messenger, of_bob: &mut Messenger| {
        of_alice.tell(&json!({ "do": "room_invite", "room": room, "who": bob.address() })).unwrap();
        of_bob.expect(&json!({ "event": "room_invitation", "room": room })).unwrap();
        of_bob.tell(&json!({ "do": "room_accept", "room": room })).unwrap();
        of_bob.expect(&json!({ "event": "room", "room": room })).unwrap();
    };
    comes(&mut of_alice, &mut of_bob);
    // Switched on beside the messenger that runs.
    run(&alice, &["on", &room, &right]).expect(0, "history on").unwrap();
    of_bob.expect(&said).unwrap();
    of_bob.tell(&json!({ "do": "room_leave", "room": room })).unwrap();
    of_alice.expect(&json!({ "event": "room_left", "room": room, "who": bob.address() })).unwrap();
    comes(&mut of_alice, &mut of_bob);
    of_bob.expect(&said).unwrap();
    for messenger in [of_alice, of_bob] {
        messenger.quit().unwrap();
    }
    let found = run(&alice, &["search", "--json", "history", &right]).expect(0, "history search").unwrap();
    assert!(found.stdout.contains(SAID), "{}", found.stdout);
    server.stop().unwrap();
}

#[test]
fn a_full_disk_and_a_read_only_one_are_told_and_nothing_is_lost() {
    if !apart::is_inside("a_full_disk_and_a_read_only_one_are_told_and_nothing_is_lost", &OWN_FOLDERS).unwrap() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mounted(&place.path().join("alice")).unwrap();
    let alice = Person::new(place.path(), "alice@example.org");
    let right = passphrase(place.path(), "right", "correct horse battery");
    disk.fill().unwrap();
    let refused = run(&alice, &["create", "--key", "passphrase", &right]).expect(1, "no room").unwrap();
    assert!(refused.stderr.contains("disk is full"), "{}", refused.stderr);
    assert!(!alice.home().join("messenger/history").exists(), "nothing half-made");
    assert!(!alice.home().join("messenger/history.new").exists());
    disk.free().unwrap();
    run(&alice, &["create", "--key", "passphrase", &right]).expect(0, "and with room").unwrap();
    run(&alice, &["on", "bob@example.org", &right]).expect(0, "history on").unwrap();

    disk.fill().unwrap();
    for _ in 0..3 {
        let refused = run(&alice, &["on", "carol@example.org", &right]);
        assert!(refused.code == 0 || refused.stderr.contains("disk is full"), "{}", refused.text());
    }
    disk.free().unwrap();
    run(&alice, &["check", &right]).expect(0, "nothing is damaged").unwrap();
    let listed = run(&alice, &["list", &right]).expect(0, "nothing is lost").unwrap();
    assert!(listed.stdout.contains("bob@example.org: on"), "{}", listed.stdout);

    disk.read_only(true).unwrap();
    let refused = run(&alice, &["on", "carol@example.org", &right]).expect(1, "read-only").unwrap();
    assert!(refused.stderr.contains("read-only"), "{}", refused.stderr);
    disk.read_only(false).unwrap();
    run(&alice, &["check", &right]).expect(0, "as it was").unwrap();
}
