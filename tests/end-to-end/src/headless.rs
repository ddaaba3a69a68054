//! A messenger without a screen: commands go in as JSON lines, events come out as JSON lines.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::process::{self, Running};
use crate::{Context, Failure};

/// How long an event may take on a very busy machine.
const EVENT: Duration = Duration::from_secs(30);

/// A running `messenger headless`.
#[derive(Debug)]
pub struct Messenger {
    running: Running,
    name: String,
    stdin: ChildStdin,
    events: Receiver<Value>,
    /// Every event so far, in the order they came.
    heard: Vec<Value>,
    /// Which of them [`Messenger::expect`] has already returned.
    taken: Vec<bool>,
    words: PathBuf,
}

impl Messenger {
    /// Starts `command`; what it writes to standard error goes to the file `words`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: String, mut command: Command, words: &Path) -> Result<Self, Failure> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(process::sink(words)?);
        let mut running = Running::start(name.clone(), command)?;
        let stdin = running.take_stdin().context("the messenger's input is not in our hands")?;
        let stdout = running.take_stdout().context("the messenger's output is not in our hands")?;
        let (send, events) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not_json": line }));
                if send.send(event).is_err() {
                    break;
                }
            }
        });
        Ok(Self { running, name, stdin, events, heard: Vec::new(), taken: Vec::new(), words: words.to_path_buf() })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.id()
    }

    /// Has it stand still, as on a machine that is much too busy, until it [goes on](Messenger::go_on).
    ///
    /// # Errors
    /// As [`Running::signal`].
    pub fn pause(&self) -> Result<(), Failure> {
        self.running.signal(Signal::STOP)
    }

    /// It goes on where it stood still.
    ///
    /// # Errors
    /// As [`Running::signal`].
    pub fn go_on(&self) -> Result<(), Failure> {
        self.running.signal(Signal::CONT)
    }

    /// Sends a command, for instance `{"do": "send", "to": …, "text": …}`.
    ///
    /// # Errors
    /// The messenger has ended.
    pub fn tell(&mut self, command: &Value) -> Result<(), Failure> {
        self.tell_line(command.to_string().as_bytes())
    }

    /// Sends any bytes as a line.
    ///
    /// # Errors
    /// The messenger has ended.
    pub fn tell_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let written =
            self.stdin.write_all(line).and_then(|()| self.stdin.write_all(b"\n")).and_then(|()| self.stdin.flush());
        written.context(format!("telling {} something; it said:\n{}", self.name, self.words()))
    }

    /// Waits for the first event that has not been taken yet and has all the fields of `pattern` with the same values.
    ///
    /// # Errors
    /// None comes before the deadline; the message carries the events that did come.
    pub fn expect(&mut self, pattern: &Value) -> Result<Value, Failure> {
        self.expect_that(&pattern.to_string(), |event| fits(event, pattern))
    }

    /// Waits for the first event that has not been taken yet and that `fits`; `awaited` describes it.
    ///
    /// # Errors
    /// As [`Messenger::expect`].
    pub fn expect_that(&mut self, awaited: &str, fits: impl Fn(&Value) -> bool) -> Result<Value, Failure> {
        self.expect_within(EVENT, awaited, fits)
    }

    /// As [`Messenger::expect_that`], of what may take longer than events do otherwise.
    ///
    /// # Errors
    /// As [`Messenger::expect`].
    pub fn expect_within(
        &mut self,
        patience: Duration,
        awaited: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value, Failure> {
        let until = Instant::now() + patience;
        loop {
            let found = (0..self.heard.len()).find(|&at| !self.taken[at] && fits(&self.heard[at]));
            if let Some(at) = found {
                self.taken[at] = true;
                return Ok(self.heard[at].clone());
            }
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => self.note(event),
                Err(RecvTimeoutError::Timeout) => return Err(self.disappointed(awaited, "none came in time")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.disappointed(awaited, "it ended")),
            }
        }
    }

    /// Every event so far, taken or not.
    pub fn heard(&mut self) -> &[Value] {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        &self.heard
    }

    /// Counts everything heard so far as taken: what is expected next has to happen anew.
    pub fn catch_up(&mut self) {
        self.heard();
        self.taken.fill(true);
    }

    /// Ends it and waits for its end.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn quit(mut self) -> Result<(), Failure> {
        self.tell(&json!({ "do": "quit" }))?;
        self.running.wait(EVENT)?;
        Ok(())
    }

    fn note(&mut self, event: Value) {
        self.heard.push(event);
        self.taken.push(false);
    }

    fn disappointed(&self, awaited: &str, why: &str) -> Failure {
        let heard: Vec<String> = self.heard.iter().map(Value::to_string).collect();
        let name = &self.name;
        Failure::new(format!(
            "expected from {name}: {awaited}; {why}. It said:\n{}\n{}",
            heard.join("\n"),
            self.words()
        ))
    }

    fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }
}

/// Whether `event` has every field of `pattern`, with the same value.
fn fits(event: &Value, pattern: &Value) -> bool {
    pattern.as_object().is_some_and(|fields| fields.iter().all(|(name, value)| event.get(name) == Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_if_all_its_fields_agree() {
        let event = json!({ "event": "presence", "who": "bob@example.org", "online": true });
        assert!(fits(&event, &json!({ "event": "presence", "online": true })));
        assert!(!fits(&event, &json!({ "event": "presence", "online": false })));
        assert!(!fits(&event, &json!({ "event": "presence", "call": "00" })));
    }
}
