//! What a program says. `println!` panics once nobody reads any more (`… | head`): a listing would end in a backtrace, and a
//! server with it. Here whoever has gone is not told, and the work goes on.
//!
//! A result that gets nowhere for another reason, a full disk above all, is a failure: whoever reads the file later must not
//! take what is in it for everything. The work goes on then, too, and at its end the program says so ([`ended`]).

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;

use crate::Failure;

/// Why the first of the results that were lost was.
static LOST: OnceLock<String> = OnceLock::new();

/// A line of the result on standard output, if anybody reads it.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {
        $crate::print(format_args!("{}\n", format_args!($($words)*)))
    };
}

/// A line on standard error, if anybody reads it.
#[macro_export]
macro_rules! complain {
    ($($words:tt)*) => {{
        let _ = ::std::io::Write::write_fmt(&mut ::std::io::stderr(), format_args!("{}\n", format_args!($($words)*)));
    }};
}

/// A part of the result on standard output, at once. If it cannot be written there, that is remembered for [`ended`].
pub fn print(words: fmt::Arguments<'_>) {
    if let Err(error) = announce(words) {
        lose(&error);
    }
}

/// A part of the result was not written: that is remembered for [`ended`], unless nobody reads it.
pub fn lose(error: &io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _ = LOST.set(error.to_string());
    }
}

/// What is no result, such as that a server is ready, on standard output: the program ends as if it had been read.
///
/// # Errors
/// It cannot be written. That nobody reads it is none.
pub fn announce(words: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    unless_unread(out.write_fmt(words).and_then(|()| out.flush()))
}

/// Whoever reads no more wants no more.
pub(crate) fn unless_unread(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The failure of a program whose result was not written; none if all of it was, as far as anybody read it.
#[must_use]
pub fn lost() -> Option<Failure> {
    LOST.get().map(unwritten)
}

pub(crate) fn unwritten(reason: impl fmt::Display) -> Failure {
    let what = format!("what was found could not be written to standard output: {reason}");
    Failure::new(1, what, "make room on that disk, or let standard output go elsewhere")
}

/// How `program` ends, having done all there was to do: with `exit`, but never with 0 if a part of its result was lost. That
/// is told in words.
#[must_use]
pub fn ended(program: &str, exit: u8) -> ExitCode {
    let Some(failure) = lost() else { return ExitCode::from(exit) };
    failure.complain(program);
    ExitCode::from(if exit == 0 { failure.exit } else { exit })
}
