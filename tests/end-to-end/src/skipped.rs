//! What a test says when this machine cannot play it.

use std::fmt::Display;
use std::io::Write as _;

/// Says that a test did not run, and why. The test program shows what a test prints only if it fails, so this goes past
/// it, straight to standard error: `./test` repeats these lines at its end.
pub fn skipped(why: impl Display) {
    // A line that nobody can be told is no reason for a test to fail.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}
