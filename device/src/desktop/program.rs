//! Runs somebody else's program, with a deadline.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A program that has not ended by then is killed.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program to be run once.
#[derive(Debug)]
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// With these arguments; its standard output is thrown away.
    pub fn new(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = String>) -> Self {
        let mut command = Command::new(program.as_ref());
        // Its standard output is not ours: that is the report's.
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
        Self { name: program.as_ref().to_string_lossy().into_owned(), command }
    }

    /// Sets a variable of its environment.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.command.env(name, value);
    }

    /// Lets it say nothing on standard error either: a program that draws on the terminal would be torn by it.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.command.stderr(Stdio::null());
        self
    }

    /// Gives it `input` and waits for its end.
    ///
    /// # Errors
    /// Anything but success within a minute, in words.
    pub async fn run(mut self, input: &[u8]) -> Result<(), String> {
        let mut child = self.command.spawn().map_err(|error| format!("{} cannot be started: {error}", self.name))?;
        let mut stdin = child.stdin.take();
        let whole = async {
            if let Some(stdin) = &mut stdin {
                // A program that does not want to read it all may still do its work: its exit code tells.
                let _ = stdin.write_all(input).await;
            }
            drop(stdin.take());
            child.wait().await
        };
        match tokio::time::timeout(DEADLINE, whole).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("{} ended with {status}", self.name)),
            Ok(Err(error)) => Err(format!("{} cannot be waited for: {error}", self.name)),
            Err(_) => Err(format!("{} did not end within {} seconds", self.name, DEADLINE.as_secs())),
        }
    }
}
