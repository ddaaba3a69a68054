//! The terminal messenger as a person starts it and leaves it open: how long until its first screen stands, what it has
//! resident with many contacts, and what it uses of a processor while nobody does anything. The real programs, which have to
//! lie beside this one (`./bench` sees to that), in a terminal that `script` makes (starting that, a shell and `stty` counts as
//! well: some ten milliseconds).

use std::io::Read as _;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use story::homeserver::Homeserver;
use story::person::Person;
use story::process::{self, Running};
use story::{Context as _, Failure, guard};
use tokio::runtime::Runtime;

use crate::measure::{Pair, Scale, median};

/// Starts of the program.
const STARTS: usize = 15;
/// Contacts whose presence is watched.
const CONTACTS: usize = 500;
/// How long anything may take on a very busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// What takes memory for a moment at the beginning has been there by then.
const SETTLED: Duration = Duration::from_secs(3);
/// What a start has to do is done by then, the first look into the log, too.
const RESTED: Duration = Duration::from_secs(15);
/// How long nobody does anything.
const IDLE: Duration = Duration::from_secs(60);
/// What runs in the terminal that `script` (util-linux) makes: the messenger, in a window of this size; its number comes first.
const IN_TERMINAL: &str = "stty columns 200 rows 60; echo \"number $$.\"; exec \"$MESSENGER\" --theme dark";

/// From the start of the process to the first screen, with contacts; beside it `messenger --version`, which only starts.
pub(crate) fn start(_runtime: &Runtime, scale: Scale) -> Pair {
    measured(|place| {
        let (_server, alice) = alice(place, CONTACTS)?;
        let version = || -> Result<f64, Failure> {
            let begun = Instant::now();
            let mut command = Command::new(guard::program("messenger")?);
            command.arg("--version").stdout(Stdio::null()).status().context("messenger --version")?;
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        };
        let (mut figures, mut baselines) = (Vec::new(), Vec::new());
        for _ in 0..STARTS * scale.factor {
            baselines.push(version()?);
            let begun = Instant::now();
            let mut messenger = OnTerminal::start(&alice)?;
            messenger.await_text("People")?;
            figures.push(begun.elapsed().as_secs_f64() * 1e3);
            messenger.end()?;
        }
        Ok(Pair::new(median(figures), median(baselines)))
    })
}

/// The most that it has had resident once it is online, with contacts; beside it the same without any.
pub(crate) fn memory(_runtime: &Runtime, _scale: Scale) -> Pair {
    measured(|place| {
        let with = place.join("with");
        let without = place.join("without");
        let mut figures = Vec::new();
        for (folder, contacts) in [(&with, CONTACTS), (&without, 0)] {
            std::fs::create_dir(folder).context("a folder")?;
            let (_server, alice) = alice(folder, contacts)?;
            let mut messenger = OnTerminal::start(&alice)?;
            messenger.await_text("online at")?;
            // Nothing says that nothing more comes.
            std::thread::sleep(SETTLED);
            figures.push(messenger.peak_mb()?);
        }
        Ok(Pair::new(figures[0], figures[1]).noted(format!("with {CONTACTS} contacts; beside it with none")))
    })
}

/// What it uses of a processor over a minute in which nothing happens, online with contacts; beside it the same without any.
pub(crate) fn idle(_runtime: &Runtime, scale: Scale) -> Pair {
    measured(|place| {
        let (with, without) = (place.join("with"), place.join("without"));
        let mut resting = Vec::new();
        for (folder, contacts) in [(&with, CONTACTS), (&without, 0)] {
            std::fs::create_dir(folder).context("a folder")?;
            let (server, alice) = alice(folder, contacts)?;
            let mut messenger = OnTerminal::start(&alice)?;
            messenger.await_text("online at")?;
            resting.push((server, messenger));
        }
        std::thread::sleep(RESTED);
        let used = || resting.iter().map(|(_, messenger)| messenger.cpu_seconds()).collect::<Result<Vec<_>, _>>();
        let (before, began) = (used()?, Instant::now());
        std::thread::sleep(IDLE * u32::try_from(scale.factor).unwrap_or(1));
        let (after, took) = (used()?, began.elapsed().as_secs_f64());
        let percent = |of: usize| (after[of] - before[of]) / took * 100.0;
        Ok(Pair::new(percent(0), percent(1))
            .noted(format!("over {took:.0} s with {CONTACTS} contacts; beside it with none")))
    })
}

fn measured(measure: impl FnOnce(&std::path::Path) -> Result<Pair, Failure>) -> Pair {
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    measure(place.path()).unwrap_or_else(|why| Pair::new(f64::NAN, f64::NAN).noted(format!("not measured: {why}")))
}

/// A home server, and alice enrolled there with so many contacts.
fn alice(place: &std::path::Path, contacts: usize) -> Result<(Homeserver, Person), Failure> {
    let server = Homeserver::start(&place.join("server"), &[])?;
    let alice = Person::new(place, "alice@example.org");
    alice.join(server.ready(), &server.outbox())?;
    let list = place.join("contacts.toml");
    let names: Vec<_> = (0..contacts).map(|n| format!("\"person{n}@example.org\"")).collect();
    std::fs::write(&list, format!("contacts = [{}]\n", names.join(", "))).context("writing contacts")?;
    let list = list.display().to_string();
    let import = alice.command("messenger", &["contacts", "import", &list])?;
    process::run("messenger contacts import", import, PATIENCE)?.expect(0, "messenger contacts import")?;
    Ok((server, alice))
}

/// The messenger on a terminal: when this is dropped, the terminal ends, and the messenger says goodbye.
struct OnTerminal {
    _running: Running,
    shown: Receiver<Vec<u8>>,
    so_far: Vec<u8>,
}

impl OnTerminal {
    fn start(person: &Person) -> Result<Self, Failure> {
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", IN_TERMINAL, "/dev/null"]);
        command.env("MESSENGER", guard::program("messenger")?).env("INPERSON_HOME", person.home());
        command.env("TERM", "xterm-256color").env("SHELL", "/bin/sh").env_remove("NO_COLOR");
        // Its input stays open: at the end of it script would end the program.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running::start("script", command)?;
        let shown = read_all(running.take_stdout().context("its output is not in our hands")?);
        Ok(Self { _running: running, shown, so_far: Vec::new() })
    }

    /// The process id of the messenger.
    fn id(&self) -> Result<u32, Failure> {
        let said = String::from_utf8_lossy(&self.so_far);
        let number = said.split_once("number ").and_then(|(_, rest)| rest.split_once('.')).map(|(number, _)| number);
        number.context("it told no number")?.parse().context("reading its number")
    }

    /// Ends it, and waits until it is gone: its goodbyes are not the next one's time.
    fn end(self) -> Result<(), Failure> {
        let program = std::path::PathBuf::from(format!("/proc/{}", self.id()?));
        drop(self);
        process::await_sight("the end of the messenger", PATIENCE, || (!program.exists()).then_some(()))
    }

    /// Waits until it has drawn this, in one piece.
    fn await_text(&mut self, text: &str) -> Result<(), Failure> {
        let until = Instant::now() + PATIENCE;
        while !self.so_far.windows(text.len()).any(|window| window == text.as_bytes()) {
            let left = until.saturating_duration_since(Instant::now());
            let more = self.shown.recv_timeout(left);
            self.so_far.extend(more.map_err(|_| Failure::new(format!("expected {text:?} on the screen, saw none")))?);
        }
        Ok(())
    }

    /// What it has used of processors so far, by threads that have ended as well (utime and stime, proc_pid_stat(5)).
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()?)).context("its times")?;
        // The name stands in brackets, and may have any in it; the third field follows.
        let (_, fields) = stat.rsplit_once(") ").context("its times")?;
        let ticks: Vec<f64> = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        let [user, system] = ticks[..] else { return Err(Failure::new("its times are no numbers")) };
        Ok((user + system) / rustix::param::clock_ticks_per_second() as f64)
    }

    /// The most that it has had resident so far (VmHWM).
    fn peak_mb(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()?)).context("its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("its status names no peak")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().context("reading its status")?;
        Ok(kilobytes / 1024.0)
    }
}

/// What the program writes, until its end.
fn read_all(mut output: ChildStdout) -> Receiver<Vec<u8>> {
    let (send, shown) = mpsc::channel();
    std::thread::spawn(move || {
        let mut part = vec![0; 65_536];
        while let Ok(read @ 1..) = output.read(&mut part) {
            if send.send(part[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    shown
}
