//! Files between real messengers: offered, taken, refused and cancelled in a terminal; sent from scripts; taken and offered by
//! bots; on disks that end.
#![allow(clippy::unwrap_used, missing_docs)]

mod disks;
mod rooms;
mod vanishing;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use story::company::acquainted;
use story::headless::Messenger;
use story::person::Person;
use story::process::{self, Running};
use story::terminal::Terminal;

const SOON: Duration = Duration::from_secs(120);

fn hash(path: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(path).unwrap()))
}

/// A file that compresses to nothing shorter, and that could be run where it lies.
fn file(path: &Path, bytes: usize) -> PathBuf {
    let mut content = Vec::with_capacity(bytes + 32);
    let mut block = Sha256::digest(path.as_os_str().as_encoded_bytes());
    while content.len() < bytes {
        content.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    content.truncate(bytes);
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_owned()
}

/// Offers a file to somebody, who takes it into a folder; returns the transfer.
fn accepted(giver: &mut Messenger, (taker, address): (&mut Messenger, &str), path: &Path, into: &Path) -> Value {
    giver.tell(&json!({ "do": "file_offer", "to": address, "path": path })).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let offered = taker.expect(&json!({ "event": "file_offered", "name": name })).unwrap();
    let transfer = offered["transfer"].clone();
    taker.tell(&json!({ "do": "file_accept", "transfer": transfer, "into": into })).unwrap();
    transfer
}

/// Waits until a file has come, however slow the machine is, as long as it gets on; returns where it is.
fn come(taker: &mut Messenger, transfer: &Value) -> PathBuf {
    loop {
        let gets_on = |event: &Value| {
            event["transfer"] == *transfer && (event["event"] == "file_progress" || event["state"] == "done")
        };
        let event = taker.expect_that(&format!("{transfer} done, or more of it"), gets_on).unwrap();
        if event["state"] == "done" {
            return event["path"].as_str().unwrap().into();
        }
    }
}

#[test]
fn in_a_terminal_files_come_go_are_refused_and_cancelled() {
    if !Terminal::possible() {
        return story::skipped("no file was sent in a terminal: there is no tmux");
    }
    let (place, server, [alice, bob]) = acquainted(["alice", "bob"]).unwrap();
    let mut of_bob = bob.messenger().unwrap();
    let folder = place.path().join("terminal");
    fs::create_dir(&folder).unwrap();
    let (home, own) = (alice.home().display().to_string(), folder.display().to_string());
    let variables = [("INPERSON_HOME", home.as_str()), ("HOME", own.as_str()), ("XDG_CONFIG_HOME", own.as_str())];
    let terminal = Terminal::start(&folder, (80, 24), &variables, ("messenger", &[])).unwrap();
    terminal.await_text("bob@example.org ● online").unwrap();

    // One comes.
    let picnic = file(&place.path().join("picnic.jpg"), 8_000_000);
    of_bob.tell(&json!({ "do": "file_offer", "to": alice.address(), "path": picnic })).unwrap();
    terminal.await_text("F6 takes it into ~/Downloads").unwrap();
    assert!(!folder.join("Downloads").exists(), "nothing is made before she wants it");
    terminal.press(&["F6"]).unwrap();
    terminal.await_text("✓ is in ~/Downloads/picnic.jpg").unwrap();
    let come = folder.join("Downloads/picnic.jpg");
    assert_eq!(hash(&come), hash(&picnic));
    assert_eq!(come.metadata().unwrap().permissions().mode() & 0o111, 0, "nothing that came can be run");
    assert_eq!(fs::read_dir(folder.join("Downloads")).unwrap().count(), 1, "nothing else is left");
    of_bob.expect(&json!({ "event": "file_state", "state": "done", "direction": "out" })).unwrap();

    // One goes, found by Tab, and is not wanted.
    let tea = file(&folder.join("tea time.txt"), 1000);
    terminal.write("/file ~/te").unwrap();
    terminal.press(&["Tab"]).unwrap();
    terminal.await_text("/file ~/tea\\ time.txt").unwrap();
    terminal.press(&["Enter"]).unwrap();
    let offered = of_bob.expect(&json!({ "event": "file_offered", "name": "tea time.txt", "bytes": 1000 })).unwrap();
    let reason = "no tea\u{1b}[2J";
    of_bob.tell(&json!({ "do": "file_refuse", "transfer": offered["transfer"], "reason": reason })).unwrap();
    terminal.await_text("✗ they do not take it: no tea␛[2J").unwrap();

    // It goes again, and is called back.
    terminal.paste(&format!("/file '{}'", tea.display())).unwrap();
    terminal.press(&["Enter"]).unwrap();
    let offered = of_bob.expect(&json!({ "event": "file_offered", "name": "tea time.txt" })).unwrap();
    terminal.await_text("offered, and not answered yet").unwrap();
    terminal.press(&["F9"]).unwrap();
    terminal.await_text("✗ cancelled by you").unwrap();
    let cancelled =
        json!({ "event": "file_state", "transfer": offered["transfer"], "state": "cancelled", "by": "them" });
    of_bob.expect(&cancelled).unwrap();

    // And taken at last.
    let into = place.path().join("of-bob");
    fs::create_dir(&into).unwrap();
    terminal.write("/file ~/tea\\ time.txt").unwrap();
    terminal.press(&["Enter"]).unwrap();
    let offered = of_bob.expect(&json!({ "event": "file_offered", "name": "tea time.txt" })).unwrap();
    of_bob.tell(&json!({ "do": "file_accept", "transfer": offered["transfer"], "into": into })).unwrap();
    let done = of_bob.expect(&json!({ "event": "file_state", "state": "done", "direction": "in" })).unwrap();
    assert_eq!(hash(Path::new(done["path"].as_str().unwrap())), hash(&tea));
    terminal.await_text("✓ is there, and the same as here").unwrap();

    terminal.press(&["C-q"]).unwrap();
    assert!(terminal.ended().unwrap().0.is_none_or(|code| code == 0));
    of_bob.quit().unwrap();
    server.stop().unwrap();
}

/// A bot with this program; it ends when this is dropped.
fn bot(person: &Person, options: &[&str], exec: &Path) -> Running {
    let exec = exec.display().to_string();
    let all = [&["bot", "--json", "--exec", &exec], options].concat();
    let mut command = person.command("messenger", &all).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(process::sink(&person.home().with_extension("log")).unwrap());
    Running::start("the bot", command).unwrap()
}

fn stopped(mut bot: Running) {
    bot.signal(rustix::process::Signal::TERM).unwrap();
    assert!(bot.wait(SOON).unwrap().success());
}

#[test]
fn scripts_send_files_and_bots_take_and_offer_them_if_they_may() {
    let (place, server, [alice, robot]) = acquainted(["alice", "robot"]).unwrap();
    let exec = place.path().join("receive.sh");
    let script = "#!/bin/sh\n[ -n \"$INPERSON_FILE\" ] || exit 0\necho \"got ${INPERSON_FILE##*/}\"\nprintf '%s\\n' \"$INPERSON_FILE\" > \"$INPERSON_OFFERS\"\n";
    fs::write(&exec, script).unwrap();
    fs::set_permissions(&exec, fs::Permissions::from_mode(0o755)).unwrap();
    let (small, large) = (file(&place.path().join("small"), 1000), file(&place.path().join("large"), 3000));
    let mut of_alice = alice.messenger().unwrap();
    let (coming, gone) = (
        json!({ "event": "presence", "who": robot.address(), "online": true }),
        json!({ "event": "presence", "who": robot.address(), "online": false }),
    );

    // By default a bot takes nothing.
    let takes_nothing = bot(&robot, &[], &exec);
    of_alice.expect(&coming).unwrap();
    of_alice.tell(&json!({ "do": "file_offer", "to": robot.address(), "path": small })).unwrap();
    let refused = of_alice.expect(&json!({ "event": "file_state", "state": "refused" })).unwrap();
    assert_eq!(refused["reason"], "this bot takes no files");
    stopped(takes_nothing);
    of_alice.expect(&gone).unwrap();

    let into = place.path().join("of-robot");
    fs::create_dir(&into).unwrap();
    let takes = bot(&robot, &["--files", into.to_str().unwrap(), "--largest", "2000"], &exec);
    of_alice.expect(&coming).unwrap();
    of_alice.tell(&json!({ "do": "file_offer", "to": robot.address(), "path": large })).unwrap();
    let refused = of_alice.expect(&json!({ "event": "file_state", "state": "refused" })).unwrap();
    assert_eq!(refused["reason"], "this bot takes files of at most 2.0 kB");
    of_alice.tell(&json!({ "do": "file_offer", "to": robot.address(), "path": small })).unwrap();
    of_alice.expect(&json!({ "event": "file_state", "state": "done", "direction": "out" })).unwrap();
    assert_eq!(hash(&into.join("small")), hash(&small));
    of_alice.expect(&json!({ "event": "message", "text": "got small", "bot": true })).unwrap();
    let back = of_alice.expect(&json!({ "event": "file_offered", "name": "small", "bytes": 1000 })).unwrap();
    of_alice.tell(&json!({ "do": "file_refuse", "transfer": back["transfer"] })).unwrap();
    of_alice.quit().unwrap();

    // From a script.
    let send = |paths: &[&Path]| {
        let mut arguments = vec!["send", robot.address(), "--json"];
        for path in paths {
            arguments.extend(["--file", path.to_str().unwrap()]);
        }
        let done = alice.command("messenger", &arguments).unwrap().stdin(Stdio::null()).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (code, said) = send(&[&small]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#""file":"small""#) && said.contains(r#""state":"done""#), "{said}");
    assert_eq!(hash(&into.join("small (2)")), hash(&small), "no other file's place is taken");
    // Of a folder files alone go, and what does not is told.
    let folder = place.path().join("letters");
    fs::create_dir(&folder).unwrap();
    file(&folder.join("letter"), 10);
    std::os::unix::fs::symlink(&small, folder.join("link")).unwrap();
    let (code, said) = send(&[&folder]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(r#""left_out":1"#), "{said}");
    assert_eq!(fs::read_dir(into.join("letters")).unwrap().count(), 1);
    let (code, said) = send(&[&small, &large]);
    assert_eq!(code, Some(4), "one was refused: {said}");
    assert_eq!(send(&[Path::new("/none/such")]).0, Some(2));
    stopped(takes);
    server.stop().unwrap();
}
