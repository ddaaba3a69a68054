//! The story as `./demo --check` tells it, and nothing left behind when it is interrupted.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use story::guard;
use story::process::{self, Running, await_sight};
use story::terminal::Terminal;

const STORY: Duration = Duration::from_secs(240);

fn story() -> Command {
    let mut command = guard::command("story").unwrap();
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
fn the_story_ends_in_a_messenger_where_what_is_typed_at_once_comes_back() {
    if !Terminal::possible() {
        story::skipped("tmux is missing (on Debian: apt-get install tmux)");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (stage, told) = (place.path().join("stage"), place.path().join("told"));
    std::fs::create_dir(&stage).unwrap();
    // A shell writes the exit code down: tmux does not see each child's end.
    let story = format!("'{}'; echo $? > '{}'", guard::program("story").unwrap().display(), told.display());
    let variables = [("TMPDIR", stage.to_str().unwrap())];
    let terminal =
        Terminal::start_any(place.path(), (100, 30), &variables, (Path::new("sh"), &["-c", &story])).unwrap();
    // Before it there is a whole story.
    let begun = await_sight("the messenger", STORY, || terminal.screen().ok().filter(|seen| seen.contains("People")));
    assert!(begun.is_ok(), "expected People on the screen:\n{}", terminal.screen().unwrap());
    terminal.write("good morning").unwrap();
    terminal.press(&["Enter"]).unwrap();
    let came_back = |screen: &str| screen.matches("good morning").count() == 2 && screen.contains("✓ delivered");
    let screen = terminal.await_screen("the echo", came_back).unwrap();
    assert!(screen.contains("echo@example.org") && !screen.contains("not delivered"), "{screen}");
    let folder = std::fs::read_dir(&stage).unwrap().next().unwrap().unwrap().path();
    assert_ne!(processes_of(&folder), 0, "the search finds what runs");

    terminal.press(&["C-c"]).unwrap();
    let code = await_sight("the story's end", STORY, || {
        std::fs::read_to_string(&told).ok().filter(|code| code.ends_with('\n'))
    });
    assert_eq!(code.unwrap().trim(), "0");
    assert_eq!(std::fs::read_dir(&stage).unwrap().count(), 0, "the story's folder is still there");
    assert_eq!(processes_of(&folder), 0);
}

/// How many processes have this folder on their command line or in their environment.
fn processes_of(folder: &Path) -> usize {
    let folder = folder.as_os_str().as_encoded_bytes();
    let names = |path: &Path| {
        let bytes =
            [std::fs::read(path.join("cmdline")), std::fs::read(path.join("environ"))].map(Result::unwrap_or_default);
        bytes.iter().any(|bytes| bytes.windows(folder.len()).any(|window| window == folder))
    };
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(|process| names(&process.path())).count()
}

#[test]
fn an_interrupted_story_leaves_no_process_and_no_folder() {
    // Ctrl-C, and Ctrl-\.
    for signal in [Signal::INT, Signal::QUIT] {
        leaves_nothing(signal);
    }
}

fn leaves_nothing(signal: Signal) {
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
    running.signal(signal).unwrap();
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
