//! A giver that is gone shortly before the end.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use story::counted;
use story::headless::Messenger;
use story::process;

use crate::{SOON, accepted, acquainted, come, file, hash};

/// So large that its last hundredth can be met, also on a busy machine. All but its beginning and its end is empty.
const LARGE: u64 = 400_000_000;
const ENDS: [&str; 4] = ["done", "stopped", "cancelled", "failed"];
/// Whoever began anew would write more than this.
const REST: u64 = 20_000_000;

/// So long the giver sends at a time, and near the end.
const STEPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(4)];
/// What is on its way has come when nothing more came for so long.
const STILL: Duration = Duration::from_millis(100);

fn signal(messenger: &Messenger, signal: Signal) {
    let id = Pid::from_raw(i32::try_from(messenger.id()).unwrap()).unwrap();
    kill_process(id, signal).unwrap();
}

/// How much is there when nothing is on its way any more.
fn settled(there: impl Fn() -> u64) -> u64 {
    loop {
        let before = there();
        thread::sleep(STILL);
        if there() == before {
            return before;
        }
    }
}

#[test]
#[ignore = "takes a minute or two; run by ./test --all"]
fn a_giver_that_vanishes_at_99_percent_costs_only_the_rest() {
    let (place, server, [alice, bob]) = acquainted(["alice", "bob"]).unwrap();
    let [mut of_alice, mut of_bob] = [&alice, &bob].map(|person| person.messenger().unwrap());
    let online = json!({ "event": "presence", "who": alice.address(), "online": true });
    of_bob.expect(&online).unwrap();
    let path = file(&place.path().join("summer.mp4"), 1_000_000);
    let writing = OpenOptions::new().write(true).open(&path).unwrap();
    writing.write_all_at(&[7; 1_000_000], LARGE - 1_000_000).unwrap();
    let into = place.path().join("of-alice");
    fs::create_dir(&into).unwrap();
    let found = || -> Vec<(String, u64)> {
        let found = fs::read_dir(&into).unwrap().map(|found| found.unwrap());
        found.map(|one| (one.file_name().into_string().unwrap(), one.metadata().unwrap().len())).collect()
    };

    let transfer = accepted(&mut of_bob, (&mut of_alice, alice.address()), &path, &into);
    let progress = json!({ "event": "file_progress", "transfer": transfer, "direction": "in" });
    while of_alice.expect(&progress).unwrap()["done"].as_u64().unwrap() < LARGE / 100 * 40 {}
    // From here on the disk is looked at: progress is told twice a second, which is too seldom for this.
    let [most, near, nearly] = [70, 95, 99].map(|percent| LARGE / 100 * percent);
    let there = || found().first().map_or(0, |(_, bytes)| *bytes);
    process::await_sight("most of it", SOON, || (there() >= most).then_some(())).unwrap();
    signal(&of_bob, Signal::STOP);
    // The rest in small steps, of which each has come before the next is taken.
    loop {
        let there = settled(there);
        if there >= nearly {
            break;
        }
        signal(&of_bob, Signal::CONT);
        thread::sleep(STEPS[usize::from(there >= near)]);
        signal(&of_bob, Signal::STOP);
    }
    // SIGKILL.
    drop(of_bob);
    // A connection that is silent may be slow, and is waited for.
    let stopped = process::await_sight("the end of the transfer", SOON, || {
        let over = |event: &&Value| event["transfer"] == transfer && ENDS.iter().any(|end| event["state"] == *end);
        of_alice.heard().iter().find(over).cloned()
    });
    let stopped = stopped.unwrap();
    assert_eq!((&stopped["state"], &stopped["direction"]), (&json!("stopped"), &json!("in")), "{stopped}");
    let left = found();
    let [(name, kept)] = &left[..] else { panic!("{left:?}") };
    assert!(name.starts_with('.') && (nearly..LARGE).contains(kept), "{left:?}");

    // He is back, offers the same, and only the rest is sent.
    let mut of_bob = bob.messenger().unwrap();
    of_bob.expect(&online).unwrap();
    let before = counted::written(of_alice.id()).unwrap();
    let again = accepted(&mut of_bob, (&mut of_alice, alice.address()), &path, &into);
    let whole = come(&mut of_alice, &again);
    let written = counted::written(of_alice.id()).unwrap() - before;
    assert!(written < REST, "it begins anew: {written} bytes are written");
    let progress = |event: &&Value| event["event"] == "file_progress" && event["transfer"] == again;
    for told in of_alice.heard().iter().filter(progress) {
        assert!(told["done"].as_u64().unwrap() >= *kept, "{told}, after {kept}");
    }
    assert_eq!(hash(&whole), hash(&path));
    assert_eq!(found().len(), 1);
    of_alice.quit().unwrap();
    of_bob.quit().unwrap();
    server.stop().unwrap();
}
