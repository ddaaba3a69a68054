//! The story as `./demo --check` tells it, and nothing left behind when it is interrupted.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use story::guard;
use story::process::{self, Running, await_sight};

const STORY: Duration = Duration::from_secs(240);

fn story() -> Command {
    let mut command = guard::guarded(&guard::program("story").unwrap()).unwrap();
    command.arg("--check");
    command
}

#[test]
fn the_story_is_true() {
    let told = process::run("story", story(), STORY).unwrap().expect(0, "story --check").unwrap();
    println!("{}", told.stdout);
    assert_eq!(told.stdout.lines().last(), Some("demo: ok"));
    for words in ["witnessed only by the CA's operator", "\"delivered\"", "\"not_delivered\"", "\"room_left\""] {
        assert!(told.stdout.contains(words), "the transcript lacks {words}");
    }
    // What is kept nowhere was looked for, by a search that finds what is there.
    if told.stdout.contains("(not searched: ") {
        story::skipped("a search of the server's memory, which the kernel forbids");
        return;
    }
    for words in ["not in the server process's memory", "(The same search did find"] {
        assert!(told.stdout.contains(words), "the transcript lacks {words}");
    }
}

#[test]
fn an_interrupted_story_leaves_no_process_and_no_folder() {
    let place = tempfile::tempdir().unwrap();
    let mut command = story();
    command.env("TMPDIR", place.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running::start("story", command).unwrap();
    let stage = place.path().to_path_buf();
    let checkpoint = await_sight("a log below the story's folder", STORY, || {
        let mut folders = std::fs::read_dir(&stage).ok()?.filter_map(Result::ok);
        folders.find_map(|folder| Some(folder.path().join("server/lock")).filter(|lock| lock.exists()))
    });
    let server: u32 = await_sight("the home server's process id", STORY, || {
        std::fs::read_to_string(checkpoint.as_ref().ok()?).ok()?.trim().parse().ok()
    })
    .unwrap();
    running.signal(Signal::INT).unwrap();
    assert_eq!(running.wait(STORY).unwrap().code(), Some(130));
    await_sight("the home server's end", Duration::from_secs(10), || (!lives(server)).then_some(())).unwrap();
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the story's folder is still there");
}

/// Whether a process with this id runs (one that waits to be reaped does not).
fn lives(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}
