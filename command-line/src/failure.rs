//! Why a program ends without what it was asked for: in words, or as an object for programs.

use serde_json::{Value, json};

use crate::{complain, say};

/// What happened, what to try, and the exit code that says it to programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened: one sentence without a full stop.
    pub what: String,
    /// What to try; or nothing.
    pub remedy: String,
    /// The exit code.
    pub exit: u8,
}

impl Failure {
    /// What happened, and what to try; or nothing.
    pub fn new(exit: u8, what: impl ToString, remedy: impl Into<String>) -> Self {
        Self { what: what.to_string(), remedy: remedy.into(), exit }
    }

    /// The form for programs, the same for all of ours.
    #[must_use]
    pub fn object(&self) -> Value {
        let Self { what, remedy, exit } = self;
        json!({ "error": { "what": what, "try": remedy, "exit": exit } })
    }

    /// Tells it: as an object on standard output if programs read, else in words on standard error.
    pub fn tell(&self, program: &str, json: bool) {
        if json {
            say!("{}", self.object());
        } else {
            self.complain(program);
        }
    }

    /// Tells a server's: in words in any case, as they belong into its journal, and under `--json` as an object as well.
    pub fn tell_of_server(&self, program: &str, json: bool) {
        self.complain(program);
        if json {
            say!("{}", self.object());
        }
    }

    pub(crate) fn complain(&self, program: &str) {
        complain!("{program}: {}", self.what);
        if !self.remedy.is_empty() {
            complain!("  try: {}", self.remedy);
        }
    }
}
