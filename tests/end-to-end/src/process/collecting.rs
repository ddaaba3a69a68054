//! A program of which all that it says is kept, and what it left behind.

use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::Running;
use crate::{Context, Failure, guard};

/// What a program that ran to its end left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code; 128 + n if signal n ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Both outputs, as a person at a terminal would see them: first how it went, then the result.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}{}", self.stderr, self.stdout)
    }

    /// The one object that it printed for other programs.
    ///
    /// # Errors
    /// It printed something else; the message carries what it said.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_str(self.stdout.trim()).context(format!("expected one object, found {}", self.text()))
    }

    /// This value if the exit code is `code`.
    ///
    /// # Errors
    /// It is another one; the message carries what the program said.
    pub fn expect(self, code: i32, doing: &str) -> Result<Self, Failure> {
        if self.code == code {
            return Ok(self);
        }
        Err(Failure::new(format!("{doing}: expected exit code {code}, found {}:\n{}", self.code, self.text())))
    }
}

/// A program that is running and whose output is being collected.
#[derive(Debug)]
pub struct Collecting {
    running: Running,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

/// Starts `command` with its three standard streams in our hands.
///
/// # Errors
/// The kernel refuses to start it.
pub fn collect(name: &str, mut command: Command) -> Result<Collecting, Failure> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(name, command)?;
    let stdout = drain(running.child.stdout.take());
    let stderr = drain(running.child.stderr.take());
    Ok(Collecting { running, stdout, stderr })
}

impl Collecting {
    /// Writes a line to its standard input. A program that has stopped listening is no error: its exit code tells.
    pub fn type_line(&mut self, line: &str) {
        if let Some(stdin) = self.running.child.stdin.as_mut() {
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
    }

    /// The process itself.
    pub const fn process(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Closes its standard input and waits for its end.
    ///
    /// # Errors
    /// It still runs at the deadline (it is killed then).
    pub fn finish(mut self, deadline: Duration) -> Result<Finished, Failure> {
        drop(self.running.child.stdin.take());
        let status = self.running.wait(deadline)?;
        Ok(Finished { code: exit_code(status), stdout: joined(self.stdout), stderr: joined(self.stderr) })
    }
}

/// Runs `command` to its end without any input.
///
/// # Errors
/// It cannot be started, or still runs at the deadline.
pub fn run(name: &str, command: Command, deadline: Duration) -> Result<Finished, Failure> {
    collect(name, command)?.finish(deadline)
}

/// Runs one of the project's programs to its end, without any input.
///
/// # Errors
/// It has not been built, cannot be started, or still runs at the deadline.
pub fn run_program(name: &str, arguments: &[&str], deadline: Duration) -> Result<Finished, Failure> {
    let mut command = guard::command(name)?;
    command.args(arguments);
    run(name, command, deadline)
}

/// The exit code as a shell would show it.
fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn drain(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What could be read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(thread: JoinHandle<String>) -> String {
    thread.join().unwrap_or_default()
}
