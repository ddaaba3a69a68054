//! The story as `./demo --check` tells it, and nothing left behind when it is interrupted.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
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

/// A story on a terminal of its own, which tmux makes; gone when this is dropped.
struct OnTerminal {
    socket: std::path::PathBuf,
}

impl OnTerminal {
    /// None if there is no tmux.
    fn open(place: &Path) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            story::skipped("tmux is missing (on Debian: apt-get install tmux)");
            return None;
        }
        let terminal = Self { socket: place.join("tmux") };
        let (stage, told) = (place.join("stage"), place.join("told"));
        std::fs::create_dir(&stage).unwrap();
        // Its exit code stays when its terminal has gone.
        let story = format!(
            "TMPDIR='{}' '{}'; echo $? > '{}'",
            stage.display(),
            guard::program("story").unwrap().display(),
            told.display()
        );
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", &story]);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments).env("TERM", "xterm-256color").env_remove("TMUX");
        let done = process::run("tmux", command, STORY).unwrap();
        done.stdout
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn await_words(&self, words: &str) {
        let seen = await_sight(words, STORY, || self.screen().contains(words).then_some(()));
        assert!(seen.is_ok(), "expected {words:?} on the screen:\n{}", self.screen());
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

#[test]
fn the_story_ends_in_a_messenger_where_what_is_typed_at_once_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let Some(terminal) = OnTerminal::open(place.path()) else { return };
    terminal.await_words("People");
    terminal.tmux(&["send-keys", "-l", "good morning"]);
    terminal.tmux(&["send-keys", "Enter"]);
    let came_back = await_sight("the echo", STORY, || {
        let screen = terminal.screen();
        (screen.matches("good morning").count() == 2 && screen.contains("✓ delivered")).then_some(())
    });
    let screen = terminal.screen();
    assert!(came_back.is_ok() && screen.contains("echo@example.org") && !screen.contains("not delivered"), "{screen}");
    let stage = place.path().join("stage");
    let folder = std::fs::read_dir(&stage).unwrap().next().unwrap().unwrap().path();
    assert_ne!(processes_of(&folder), 0, "the search finds what runs");

    terminal.tmux(&["send-keys", "C-c"]);
    let told = place.path().join("told");
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
