//! Why the program ends: what happened, what to try, and the exit code.

use std::fmt;

use crate::text::harmless;

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
    /// A text left, and nobody said that it arrived.
    Unknown = 5,
}

impl Failure {
    pub(crate) fn new(happened: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { happened: happened.to_string(), remedy: remedy.to_string(), code: Code::Failed }
    }

    pub(crate) fn with(mut self, code: Code) -> Self {
        self.code = code;
        self
    }
}

/// As every program tells it.
impl From<Failure> for command_line::Failure {
    fn from(Failure { happened, remedy, code }: Failure) -> Self {
        // Files from elsewhere, and what other people's devices say, may be quoted in it.
        Self { what: harmless(&happened), remedy: harmless(&remedy), exit: code as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_moves_no_terminal() {
        let failure = Failure::new("unknown field `\u{1b}[2J`", "mend the file");
        assert_eq!(command_line::Failure::from(failure).what, "unknown field `␛[2J`");
    }
}
