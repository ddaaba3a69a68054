//! A program in a real terminal: tmux shows what a person would see, and types what she would type.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::process::{self, Running};
use crate::{Context, Failure, guard};

/// How long something may take to appear on a very busy machine.
const SIGHT: Duration = Duration::from_secs(60);
const TMUX: Duration = Duration::from_secs(30);
/// How many glances in a row see the same screen if it stands still.
const STILL: u32 = 5;

/// A terminal of its own in which one program runs; both end when it is dropped.
#[derive(Debug)]
pub struct Terminal {
    _server: Running,
    socket: PathBuf,
}

impl Terminal {
    /// Whether there is tmux on this machine.
    #[must_use]
    pub fn possible() -> bool {
        Command::new("tmux").arg("-V").output().is_ok_and(|done| done.status.success())
    }

    /// Starts one of the project's programs in a terminal of `size` (columns, rows), with these variables set; `folder` is
    /// for this terminal alone, and short: a socket's path has about a hundred bytes.
    ///
    /// # Errors
    /// tmux or the program cannot be started.
    pub fn start(
        folder: &Path,
        size: (u16, u16),
        variables: &[(&str, &str)],
        (program, arguments): (&str, &[&str]),
    ) -> Result<Self, Failure> {
        Self::start_any(folder, size, variables, (&guard::program(program)?, arguments))
    }

    /// As [`Terminal::start`] for any program, such as a shell that runs one of ours.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn start_any(
        folder: &Path,
        size: (u16, u16),
        variables: &[(&str, &str)],
        (program, arguments): (&Path, &[&str]),
    ) -> Result<Self, Failure> {
        let socket = folder.join("tmux");
        let settings = folder.join("tmux.conf");
        // What the program said last stays there to be read.
        std::fs::write(&settings, "set -g remain-on-exit on\nset -g default-terminal tmux-256color\n")
            .context("writing tmux' settings")?;
        // Of a server that ends with this process.
        let mut command = guard::guarded(Path::new("tmux"))?;
        command.arg("-S").arg(&socket).arg("-f").arg(&settings).arg("-D").env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let server = Running::start("tmux".to_owned(), command)?;
        process::await_sight("tmux' socket", TMUX, || socket.exists().then_some(()))?;
        let terminal = Self { _server: server, socket };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let mut start = terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows]);
        for (name, value) in variables {
            start.arg("-e").arg(format!("{name}={value}"));
        }
        start.arg(program).args(arguments);
        process::run("tmux new-session", start, TMUX)?.expect(0, "tmux new-session")?;
        Ok(terminal)
    }

    /// Presses keys, by tmux' names for them: `Enter`, `C-p`, `F1`.
    ///
    /// # Errors
    /// The program has ended.
    pub fn press(&self, keys: &[&str]) -> Result<(), Failure> {
        self.done(&[&["send-keys"], keys].concat())
    }

    /// Types a text as it is.
    ///
    /// # Errors
    /// The program has ended.
    pub fn write(&self, text: &str) -> Result<(), Failure> {
        self.done(&["send-keys", "-l", text])
    }

    /// Pastes a text, in brackets if the program wants them.
    ///
    /// # Errors
    /// The program has ended.
    pub fn paste(&self, text: &str) -> Result<(), Failure> {
        // As an argument a long one would be refused.
        let file = self.socket.with_file_name("paste");
        std::fs::write(&file, text).context("writing what is to be pasted")?;
        self.done(&["load-buffer", &file.display().to_string()])?;
        self.done(&["paste-buffer", "-p"])
    }

    /// What stands on the screen.
    ///
    /// # Errors
    /// tmux does not say.
    pub fn screen(&self) -> Result<String, Failure> {
        self.shown(&[])
    }

    /// The same with the escape sequences for colours, as the program wrote them.
    ///
    /// # Errors
    /// tmux does not say.
    pub fn coloured(&self) -> Result<String, Failure> {
        self.shown(&["-e"])
    }

    fn shown(&self, more: &[&str]) -> Result<String, Failure> {
        let command = self.tmux(&[&["capture-pane", "-p"], more].concat());
        Ok(process::run("tmux capture-pane", command, TMUX)?.expect(0, "tmux capture-pane")?.stdout)
    }

    /// Waits until the screen holds `text`; returns the screen.
    ///
    /// # Errors
    /// It does not; the message carries what was there last.
    pub fn await_text(&self, text: &str) -> Result<String, Failure> {
        self.await_screen(text, |screen| screen.contains(text))
    }

    /// Waits until the screen holds all of these words and stands still: what is half drawn changes at one of the next glances.
    /// Returns the screen.
    ///
    /// # Errors
    /// As [`Terminal::await_text`].
    pub fn await_still(&self, words: &[&str]) -> Result<String, Failure> {
        let (before, stood) = (RefCell::new(String::new()), Cell::new(0));
        self.await_screen(&format!("a screen that stands still, with {words:?}"), |screen| {
            let same = before.replace(screen.to_owned()) == screen;
            stood.set(if same { stood.get() + 1 } else { 0 });
            stood.get() >= STILL && words.iter().all(|word| screen.contains(word))
        })
    }

    /// Waits until the screen is as wanted; `awaited` describes it.
    ///
    /// # Errors
    /// As [`Terminal::await_text`].
    pub fn await_screen(&self, awaited: &str, fits: impl Fn(&str) -> bool) -> Result<String, Failure> {
        let look = || self.screen().ok().filter(|screen| fits(screen));
        process::await_sight(awaited, SIGHT, look)
            .map_err(|error| Failure::new(format!("{error}; on the screen:\n{}", self.screen().unwrap_or_default())))
    }

    /// The process id of the program.
    ///
    /// # Errors
    /// tmux does not say.
    pub fn id(&self) -> Result<u32, Failure> {
        self.ask("#{pane_pid}")?.parse().context("reading the program's process id")
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.id()?).ok().and_then(Pid::from_raw).context("no process has this id")?;
        rustix::process::kill_process(pid, signal).context("sending the signal")
    }

    /// Waits for the program's end; returns its exit code, if tmux has seen it (3.3 now and then misses that a child has
    /// ended), and what stands on the screen then.
    ///
    /// # Errors
    /// It does not end.
    pub fn ended(&self) -> Result<(Option<i32>, String), Failure> {
        let id = self.id()?;
        let gone = || match std::fs::read_to_string(format!("/proc/{id}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')).then_some(()),
            Err(_) => Some(()),
        };
        process::await_sight("the program's end", SIGHT, gone)?;
        let dead = || self.ask("#{pane_dead}").ok().filter(|dead| dead == "1");
        process::await_sight("the end of what it wrote", SIGHT, dead)?;
        // With what has left the screen at its top.
        Ok((self.ask("#{pane_dead_status}")?.parse().ok(), self.shown(&["-S", "-"])?))
    }

    /// What tmux knows of the terminal, by its names for it: `#{alternate_on}`.
    ///
    /// # Errors
    /// tmux does not say.
    pub fn ask(&self, what: &str) -> Result<String, Failure> {
        let told = process::run("tmux display", self.tmux(&["display-message", "-p", what]), TMUX)?;
        Ok(told.expect(0, "tmux display")?.stdout.trim().to_owned())
    }

    fn done(&self, arguments: &[&str]) -> Result<(), Failure> {
        let name = format!("tmux {}", arguments.first().copied().unwrap_or_default());
        process::run(&name, self.tmux(arguments), TMUX)?.expect(0, &name).map(|_| ())
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(arguments).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
    }
}
