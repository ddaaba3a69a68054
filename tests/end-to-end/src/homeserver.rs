//! A home server as a child process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Deserialize;

use crate::guard;
use crate::mail::Maildir;
use crate::process::{self, Finished, Running};
use crate::{Context, Failure};

/// How long a start may take on a very busy machine, sealed keys to open included. A quiet one takes well under a second.
const START: Duration = Duration::from_secs(120);

/// How long a graceful stop may take on a very busy machine: the server itself gives connections seven seconds.
const STOP: Duration = Duration::from_secs(60);

/// The line of JSON that `homeserver up --json` prints when everything answers.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// SHA-256 of the genesis trust policy, hexadecimal: what people pin.
    pub fingerprint: String,
    /// Where that policy can be read.
    pub policy: String,
    /// The ACME directory's address (RFC 8555 section 7.1.1).
    pub acme: String,
    /// Where the log's tiles begin.
    pub log: String,
    /// Host and port of the directory (UDP).
    pub directory: String,
    /// Its second port (UDP).
    pub observation_port: Option<u16>,
    /// Where mails go.
    pub mails: String,
    /// The Maildir where mails land that no SMTP server takes; none if one is configured.
    pub outbox: Option<PathBuf>,
}

/// A running home server.
#[derive(Debug)]
pub struct Homeserver {
    running: Running,
    folder: PathBuf,
    ready: Ready,
    took: Duration,
}

impl Homeserver {
    /// The command line that starts a home server in `folder` with these further `options`.
    ///
    /// # Errors
    /// The program has not been built.
    pub fn command(folder: &Path, options: &[&str]) -> Result<Command, Failure> {
        Self::command_under(&[], folder, options)
    }

    /// The same under another program: `faketime` for a clock that is wrong.
    ///
    /// # Errors
    /// The program has not been built.
    pub fn command_under(wrapper: &[String], folder: &Path, options: &[&str]) -> Result<Command, Failure> {
        let mut command = guard::guarded_under(wrapper, &guard::program("homeserver")?)?;
        command.args(["up", "--json", "--folder"]).arg(folder).args(options);
        Ok(command)
    }

    /// Starts one in `folder` (made if need be) on free ports, and waits until it is ready.
    ///
    /// # Errors
    /// It ends instead, or is not ready in time; the message carries what it said.
    pub fn start(folder: &Path, options: &[&str]) -> Result<Self, Failure> {
        let first = !folder.join("homeserver.toml").exists();
        let mut all = if first { vec!["--https-port", "0", "--directory-port", "0"] } else { Vec::new() };
        all.extend_from_slice(options);
        Self::start_with(folder, Self::command(folder, &all)?)
    }

    /// Starts `command`, which runs a home server in `folder`, and waits until it is ready.
    ///
    /// # Errors
    /// As [`Homeserver::start`].
    pub fn start_with(folder: &Path, mut command: Command) -> Result<Self, Failure> {
        let began = Instant::now();
        let words = Self::words_file(folder);
        // Only what this start says is of interest.
        let _ = std::fs::remove_file(&words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(process::sink(&words)?);
        let mut running = Running::start("homeserver", command)?;
        let line = running.first_line(START)?;
        // Nothing, or why in place of where.
        if line.is_empty() || line.starts_with("{\"error\"") {
            let said = std::fs::read_to_string(&words).unwrap_or_default();
            return Err(Failure::new(format!("homeserver ended before it was ready:\n{said}")));
        }
        let ready = serde_json::from_str(&line).context(format!("reading the home server's ready line {line:?}"))?;
        Ok(Self { running, folder: folder.to_path_buf(), ready, took: began.elapsed() })
    }

    /// Runs a home server that is expected to refuse, and returns what it said.
    ///
    /// # Errors
    /// It still runs after the deadline: it did not refuse.
    pub fn refused(folder: &Path, options: &[&str]) -> Result<Finished, Failure> {
        process::run("homeserver", Self::command(folder, options)?, START)
    }

    /// What it said when it was ready.
    #[must_use]
    pub const fn ready(&self) -> &Ready {
        &self.ready
    }

    /// How long it took until it was ready.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// The folder it lives in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// The Maildir where its mails land.
    #[must_use]
    pub fn outbox(&self) -> Maildir {
        Maildir::at(self.ready.outbox.clone().unwrap_or_else(|| self.folder.join("outbox")))
    }

    /// What it has told people so far (its standard error).
    #[must_use]
    pub fn words(&self) -> String {
        std::fs::read_to_string(Self::words_file(&self.folder)).unwrap_or_default()
    }

    /// Whether the process still runs.
    pub fn lives(&mut self) -> bool {
        matches!(self.running.ended(), Ok(None))
    }

    /// SIGKILL: as if the power had failed.
    pub fn kill(mut self) {
        self.running.kill();
    }

    /// SIGTERM, and waits for a graceful end.
    ///
    /// # Errors
    /// It does not end in time, or not with exit code 0.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.running.signal(Signal::TERM)?;
        let status = self.running.wait(STOP)?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "expected the home server to end with exit code 0, found {status}:\n{}",
            self.words()
        )))
    }

    /// What it says lies beside its folder, not in it: the folder is searched for people's words later.
    fn words_file(folder: &Path) -> PathBuf {
        folder.with_extension("log")
    }
}
