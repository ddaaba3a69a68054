//! A certificate that renews itself while a messenger runs, with a real home server and a clock that the test sets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use story::headless::Messenger;
use story::homeserver::Homeserver;
use story::person::Person;

/// The clock of every program in this test, by Debian's `faketime` library, which reads it anew each time it is asked.
struct Clock {
    file: PathBuf,
    wrapper: Vec<String>,
}

impl Clock {
    fn new(folder: &Path) -> Option<Self> {
        let libraries = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
        let library =
            libraries.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let Some(library) = library else {
            story::skipped("faketime is missing (on Debian: apt-get install faketime)");
            return None;
        };
        let file = folder.join("clock");
        let (preload, read) =
            (format!("LD_PRELOAD={}", library.display()), format!("FAKETIME_TIMESTAMP_FILE={}", file.display()));
        // Intervals stay true, only the date changes.
        let words = ["env", &preload, &read, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
        let clock = Self { wrapper: words.map(str::to_owned).to_vec(), file };
        clock.set("+0");
        Some(clock)
    }

    /// From now on it is so far ahead, such as `+13d`.
    fn set(&self, ahead: &str) {
        let next = self.file.with_extension("next");
        std::fs::write(&next, ahead).unwrap();
        std::fs::rename(next, &self.file).unwrap();
    }

    fn person(&self, folder: &Path, name: &str) -> Person {
        let words: Vec<&str> = self.wrapper.iter().map(String::as_str).collect();
        Person::new(folder, &format!("{name}@example.org")).under(&words)
    }

    fn server(&self, folder: &Path, options: &[&str]) -> Homeserver {
        Homeserver::start_with(folder, Homeserver::command_under(&self.wrapper, folder, options).unwrap()).unwrap()
    }
}

fn renewed(messenger: &mut Messenger) -> u64 {
    let event = messenger.expect(&json!({ "event": "certificate", "state": "renewed" })).unwrap();
    event["not_after"].as_u64().unwrap()
}

#[test]
fn a_messenger_that_runs_renews_its_certificate_and_goes_on_when_the_older_one_has_ended() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("server");
    let Some(clock) = Clock::new(place.path()) else { return };
    let server = clock.server(&folder, &["--https-port", "0", "--directory-port", "0"]);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| clock.person(place.path(), name));
    for person in [&alice, &bob, &carol] {
        person.join(server.ready(), &server.outbox()).unwrap();
    }
    server.stop().unwrap();

    // Their certificates last fourteen days, and end before the next one is over.
    clock.set("+13d");
    let server = clock.server(&folder, &["--clock-is-right"]);
    carol.certtool(&["watch", "--once"]).unwrap().expect(0, "a look, which brings a revocation list of today").unwrap();
    server.stop().unwrap();
    let mut carols = carol.messenger().unwrap();
    let told = carols.expect(&json!({ "event": "certificate", "state": "not_renewed" })).unwrap();
    assert!(told["message"].as_str().unwrap().contains("cannot be reached"), "{told}");
    carols.quit().unwrap();

    let server = clock.server(&folder, &["--clock-is-right"]);
    let [mut alices, mut bobs] = [&alice, &bob].map(|person| person.messenger().unwrap());
    for (messenger, other) in [(&mut alices, &bob), (&mut bobs, &alice)] {
        messenger.tell(&json!({ "do": "add_contact", "who": other.address() })).unwrap();
    }
    let until = [renewed(&mut alices), renewed(&mut bobs)];
    alices.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();

    // The older ones have ended: whoever showed one now would be refused.
    clock.set("+15d");
    // What is sent in the moment in which a directory is shown the newer one may have to be sent again.
    let delivered = (1..=5).any(|id| {
        alices.tell(&json!({ "do": "send", "to": bob.address(), "text": "still here", "id": id })).unwrap();
        let ended =
            |event: &Value| event["event"] == "message_state" && event["id"] == id && event["state"] != "sending";
        // A call that was lost on the way rings on for half a minute, which is as long as is waited here.
        alices.expect_that("what became of the text", ended).is_ok_and(|event| event["state"] == "delivered")
    });
    assert!(delivered, "{:?}", alices.heard());
    let shown = bobs.expect(&json!({ "event": "peer", "who": alice.address() })).unwrap();
    assert_eq!(shown["not_after"].as_u64(), Some(until[0]), "{shown}");
    for messenger in [&mut alices, &mut bobs] {
        let wrong = |event: &&Value| event["event"] == "certificate" && event["state"] != "renewed";
        assert_eq!(messenger.heard().iter().find(wrong), None);
    }
    alices.quit().unwrap();
    bobs.quit().unwrap();
    server.stop().unwrap();
}
