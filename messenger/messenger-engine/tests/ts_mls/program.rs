//! The program that has another implementation of MLS: a line of JSON to it, a line of JSON back.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;

/// The oldest Node.js that has Ed25519 and X25519 (Debian 12 has it).
const OLDEST_NODE: u32 = 18;
/// How long fetching the packages may take.
const INSTALLING: Duration = Duration::from_secs(300);
/// What is pinned, and the program itself.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "member.mjs"];

/// A running program. It ends with this.
pub(crate) struct Program {
    child: Child,
    requests: ChildStdin,
    answers: mpsc::Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended needs no more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts it, with its packages, which are fetched at the first run.
    ///
    /// # Errors
    /// Why this machine cannot, for people.
    pub(crate) fn start() -> Result<Self, String> {
        let found = Command::new("node").arg("--version").output();
        let version = found.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let version = version.map_err(|error| format!("node cannot be started: {error} (Debian: nodejs)"))?;
        let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major < OLDEST_NODE) {
            return Err(format!("expected Node.js {OLDEST_NODE} or newer, found {version}"));
        }
        let mut child = Command::new("node")
            .args(["--no-warnings", "member.mjs"])
            .current_dir(installed()?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node cannot be started: {error}"))?;
        let (requests, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (hand_on, answers) = mpsc::channel();
        thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| hand_on.send(line)));
        Ok(Self { child, requests, answers })
    }

    /// Asks for one thing, and returns the answer.
    ///
    /// # Errors
    /// What it refused, in its own words.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.requests, "{request}").expect("the program runs");
        let line = self.answers.recv_timeout(PATIENCE).expect("the program answers");
        let answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }
}

/// The folder in which the program has its packages; one test at a time fetches them.
fn installed() -> Result<PathBuf, String> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ts_mls");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ts-mls");
    std::fs::create_dir_all(&folder).unwrap();
    for name in FILES {
        let (source, copy) = (std::fs::read(sources.join(name)).unwrap(), folder.join(name));
        // Another test's program may be reading it.
        if !std::fs::read(&copy).is_ok_and(|copied| copied == source) {
            std::fs::write(copy, source).unwrap();
        }
    }
    let (wanted, done) = (std::fs::read_to_string(folder.join(FILES[1])).unwrap(), folder.join("installed.json"));
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    // What npm writes goes by its lock file, hash by hash; no package's own programs are run.
    let mut npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("npm cannot be started: {error} (Debian: npm)"))?;
    match ended(&mut npm) {
        Some(status) if status.success() => std::fs::write(&done, wanted).unwrap(),
        Some(status) => return Err(format!("its packages cannot be had: npm ended with {status}")),
        None => return Err(format!("its packages cannot be had: npm took longer than {INSTALLING:?}")),
    }
    Ok(folder)
}

/// How it ended, if it did in time.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + INSTALLING;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
