//! `certtool limbo-harness`: anybody's path validation cases, in the form of x509-limbo.

mod judge;
mod model;

use std::io::{self, Read};

use clap::Args;

use self::judge::judge;
use self::model::{Limbo, LimboResult};
use crate::clock;
use crate::failure::{Exit, Failure};

/// More than the whole of x509-limbo (bytes).
const MAX_INPUT: u64 = 256 * 1024 * 1024;

/// Judge test cases in the form of x509-limbo (<https://x509-limbo.com>): the document on standard input, a
/// LimboResult on standard output.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  certtool limbo-harness < limbo.json > results.json")]
pub(crate) struct LimboHarness {}

impl LimboHarness {
    #[expect(clippy::unused_self, reason = "every command runs by its options; this one has none")]
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let mut text = Vec::new();
        io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut text).map_err(Failure::system)?;
        if text.len() as u64 > MAX_INPUT {
            return Err(Failure::failed(format!("more than {MAX_INPUT} bytes of test cases"), "Give them in parts."));
        }
        let limbo: Limbo = serde_json::from_slice(&text).map_err(|error| {
            let remedy = "The form is that of limbo-schema.json in the repository C2SP/x509-limbo.";
            Failure::failed(format!("this is no document of test cases: {error}"), remedy)
        })?;
        if limbo.version != 1 {
            let what = format!("test cases of version {}, of which only 1 is known", limbo.version);
            return Err(Failure::failed(what, "Look for a newer certtool."));
        }
        let now = clock::now();
        let results = limbo.testcases.iter().map(|case| judge(case, now)).collect();
        let answer =
            LimboResult { version: 1, harness: concat!("inperson-certtool-", env!("CARGO_PKG_VERSION")), results };
        let text = serde_json::to_string_pretty(&answer).expect("results are plain structures");
        command_line::print(format_args!("{text}\n"));
        Ok(Exit::Ok)
    }
}
