//! Bots and `messenger send`, as docs/bots.md has them: the examples in Python and shell, programs that go wrong, and how
//! far a text got as an exit code.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use story::company::acquainted;
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};

const SOON: Duration = Duration::from_secs(120);

fn example(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../messenger/examples")).join(name)
}

/// Makes each a contact of the other.
fn acquaint(one: &Person, other: &Person) {
    for (person, whom) in [(one, other), (other, one)] {
        let mut messenger = person.messenger().unwrap();
        messenger.tell(&json!({ "do": "add_contact", "who": whom.address() })).unwrap();
        messenger.quit().unwrap();
    }
}

/// A bot that this program answers for; it ends when this is dropped. Its lines lie in the file.
fn bot(person: &Person, exec: &str, arguments: &[&str]) -> (Running, PathBuf) {
    let all = [&["bot", "--json", "--exec", exec, "--"], arguments].concat();
    let mut command = person.command("messenger", &all).unwrap();
    let said = person.home().with_extension("said");
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&said).unwrap());
    command.stderr(process::sink(&person.home().with_extension("log")).unwrap());
    (Running::start("the bot", command).unwrap(), said)
}

/// What the bot printed, once there is an event of this kind.
fn noted(said: &Path, event: &str) -> Value {
    let look = || {
        let text = std::fs::read_to_string(said).unwrap();
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["event"] == event)
    };
    process::await_sight(event, SOON, look).unwrap()
}

/// Says something to the bot, and reads its answer.
fn answer(of_alice: &mut Messenger, to: &Person, text: &str) -> String {
    of_alice.tell(&json!({ "do": "send", "to": to.address(), "text": text })).unwrap();
    let answer = of_alice.expect(&json!({ "event": "message", "from": to.address(), "bot": true })).unwrap();
    answer["text"].as_str().unwrap().to_owned()
}

fn stopped(mut bot: Running) {
    bot.signal(rustix::process::Signal::TERM).unwrap();
    assert!(bot.wait(SOON).unwrap().success());
}

#[test]
fn programs_in_any_language_answer_and_those_that_fail_do_no_harm() {
    let (_place, server, [alice, robot]) = acquainted(["alice", "robot"]).unwrap();
    let mut of_alice = alice.messenger().unwrap();

    let online = json!({ "event": "presence", "who": robot.address(), "online": true });
    let gone = json!({ "event": "presence", "who": robot.address(), "online": false });
    let (dice, _) = bot(&robot, example("dice.py").to_str().unwrap(), &[]);
    let seen = of_alice.expect(&online).unwrap();
    assert!(seen["can"].as_array().unwrap().contains(&json!("bot")), "everybody sees that it is one: {seen}");
    let thrown = answer(&mut of_alice, &robot, "2d6");
    let sum = thrown.split_once(" = ").unwrap().1.parse::<u32>().unwrap();
    assert!((2..=12).contains(&sum), "{thrown}");
    assert!(answer(&mut of_alice, &robot, "$(reboot)").starts_with("Write 2d6"));
    stopped(dice);
    of_alice.expect(&gone).unwrap();

    let (machine, _) = bot(&robot, example("machine.sh").to_str().unwrap(), &["alice@example.org"]);
    of_alice.expect(&online).unwrap();
    assert_eq!(answer(&mut of_alice, &robot, "load").split(' ').count(), 3);
    assert_eq!(answer(&mut of_alice, &robot, "help"), "Write disk or load.");
    stopped(machine);
    of_alice.expect(&gone).unwrap();
    let (machine, _) = bot(&robot, example("machine.sh").to_str().unwrap(), &["bob@example.org"]);
    of_alice.expect(&online).unwrap();
    assert_eq!(answer(&mut of_alice, &robot, "load"), "I answer bob@example.org alone.");
    stopped(machine);
    of_alice.expect(&gone).unwrap();

    // A flood, a crash, and the bot goes on.
    let script =
        "case \"$(cat)\" in flood) yes;; crash) echo secret >&2; kill -9 $$;; slow) sleep 1000;; *) echo well;; esac";
    let (shell, said) = bot(&robot, "sh", &["-c", script]);
    of_alice.expect(&online).unwrap();
    for text in ["flood", "crash"] {
        of_alice.tell(&json!({ "do": "send", "to": robot.address(), "text": text })).unwrap();
        of_alice.expect(&json!({ "event": "message_state", "state": "delivered" })).unwrap();
    }
    assert_eq!(answer(&mut of_alice, &robot, "how are you?"), "well");
    assert!(noted(&said, "no_answer")["reason"].as_str().unwrap().contains("32768 bytes"));
    assert_eq!(noted(&said, "program_says")["words"], "secret\n");
    // One that works when the bot ends, ends with it; and who writes all the time is not read all the time.
    for _ in 0..40 {
        of_alice.tell(&json!({ "do": "send", "to": robot.address(), "text": "slow" })).unwrap();
    }
    let refused = of_alice.expect(&json!({ "event": "message", "from": robot.address() })).unwrap();
    assert!(refused["text"].as_str().unwrap().contains("too many texts"), "{refused}");
    noted(&said, "too_many");
    stopped(shell);
    of_alice.expect(&gone).unwrap();
    of_alice.quit().unwrap();
    server.stop().unwrap();
}

#[test]
fn bots_do_not_answer_bots_and_may_be_blocked() {
    let (_place, server, [alice, robot]) = acquainted(["alice", "robot"]).unwrap();
    let mut of_alice = alice.messenger().unwrap();
    let (shell, _) = bot(&robot, "cat", &[]);
    of_alice.expect(&json!({ "event": "presence", "who": robot.address(), "online": true })).unwrap();
    assert_eq!(answer(&mut of_alice, &robot, "hi"), "hi");
    of_alice.tell(&json!({ "do": "block", "who": robot.address() })).unwrap();
    of_alice.expect(&json!({ "event": "appearance", "blocked": [robot.address()] })).unwrap();
    stopped(shell);
    let refused = send(&robot, &["alice@example.org", "let me in"], "");
    assert_eq!(refused.0, 4, "{}", refused.1);
    of_alice.quit().unwrap();
    server.stop().unwrap();
}

/// `messenger send` with these arguments and this on standard input: exit code, and what it said.
fn send(person: &Person, arguments: &[&str], input: &str) -> (i32, String) {
    let command = person.command("messenger", &[&["send"], arguments].concat()).unwrap();
    let mut sending = process::collect("messenger send", command).unwrap();
    if !input.is_empty() {
        sending.type_line(input);
    }
    let done = sending.finish(SOON).unwrap();
    (done.code, done.text())
}

#[test]
fn a_text_is_sent_from_a_script_and_its_exit_code_says_how_far_it_got() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|address| Person::new(place.path(), address));
    for person in [&alice, &bob] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    acquaint(&alice, &bob);
    // A messenger of hers that runs meanwhile is not touched.
    let (mut of_alice, mut of_bob) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    let there = json!({ "event": "presence", "who": bob.address(), "online": true });
    of_alice.expect(&there).unwrap();

    let (code, said) = send(&alice, &["bob@example.org", "hello"], "");
    assert_eq!((code, said.contains("delivered to bob@example.org")), (0, true), "{said}");
    of_bob.expect(&json!({ "event": "message", "from": "alice@example.org", "text": "hello" })).unwrap();
    let (code, said) = send(&alice, &["--json", "bob@example.org"], "two\nlines");
    assert_eq!((code, said.trim()), (0, r#"{"state":"delivered","to":"bob@example.org"}"#));
    of_bob.expect(&json!({ "event": "message", "text": "two\nlines" })).unwrap();
    let (code, said) = send(&alice, &["bob@example.org"], "");
    assert_eq!((code, said.contains("found nothing")), (2, true), "{said}");
    of_alice.tell(&json!({ "do": "send", "to": bob.address(), "text": "still here", "id": 1 })).unwrap();
    of_bob.expect(&json!({ "event": "message", "text": "still here" })).unwrap();

    // Whoever reads nothing any more gives no word: it left, and nobody knows.
    let stopped = |signal| {
        let id = rustix::process::Pid::from_raw(i32::try_from(of_bob.id()).unwrap()).unwrap();
        rustix::process::kill_process(id, signal).unwrap();
    };
    stopped(rustix::process::Signal::STOP);
    let (code, said) = send(&alice, &["bob@example.org", "are you there?"], "");
    assert!(matches!(code, 4 | 5), "not delivered, or unknown, never a success: {code} {said}");
    stopped(rustix::process::Signal::CONT);
    of_bob.quit().unwrap();
    of_alice.expect(&json!({ "event": "presence", "who": bob.address(), "online": false })).unwrap();
    let (code, said) = send(&alice, &["--json", "bob@example.org", "gone?"], "");
    let told: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!((code, &told["error"]["exit"]), (4, &json!(4)), "{said}");
    of_alice.quit().unwrap();
    server.stop().unwrap();
    let (code, said) = send(&alice, &["bob@example.org", "nobody there"], "");
    assert_eq!(code, 4, "{said}");
}
