//! Why the program ends: what happened, what to try, and the exit code.

use std::fmt;
use std::process::ExitCode;

use serde_json::{Value, json};

/// A failure for people: two sentences and a code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) happened: String,
    pub(crate) remedy: String,
    pub(crate) code: Code,
}

/// The exit codes, documented in `messenger --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Something failed.
    Failed = 1,
    /// The command line, or how the program was called, makes no sense.
    Usage = 2,
    /// Nobody could be reached.
    Unreachable = 4,
}

impl Failure {
    pub(crate) fn new(happened: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { happened: happened.to_string(), remedy: remedy.to_string(), code: Code::Failed }
    }

    pub(crate) fn with(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// One JSON object, of the shape that certtool has.
    pub(crate) fn for_programs(&self) -> Value {
        json!({ "error": { "what": self.happened, "try": self.remedy, "exit": self.code as u8 } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messenger: {}", self.happened)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  try: {}", self.remedy)?;
        }
        Ok(())
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}
