//! `homeserver`: authority, log, witness and directory in one process.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arguments;
mod messages;
mod policy;
mod shard;
mod up;
mod witness;

use std::process::ExitCode;

use arguments::{Arguments, Command, Format};
use homeserver::introduce::introduce;
use homeserver::{Options, StartError};
use key_store::{complain, say};
use policy::policy;
use shard::shard;
use up::up;
use witness::witness;

fn main() -> ExitCode {
    let (options, json, format) = match key_store::arguments::<Arguments>().command {
        Command::Up { options, json, log_format } => (options, json, log_format),
        Command::Introduce { options, json } => return introduced(&options, json),
        Command::Policy(command) => return policy(&command),
        Command::Shard(command) => return shard(&command),
        Command::Witness(command) => return witness(command),
    };
    messages::begin(format);
    match on_threads(up(&options, json, format)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) if format == Format::Json => {
            tracing::error!(%error, remedy = error.remedy(), "it does not run");
            if error.is_usage() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
        Ok(Err(error)) => refused(&error),
        Err(code) => code,
    }
}

fn on_threads<T>(work: impl Future<Output = T>) -> Result<T, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        failed(&format!("cannot start threads: {error}"), "look at the limits of this account (ulimit -u)")
    })?;
    Ok(runtime.block_on(work))
}

fn introduced(options: &Options, json: bool) -> ExitCode {
    match introduce(options) {
        Ok(introduction) if json => say!("{}", serde_json::json!(introduction)),
        Ok(introduction) => say!("{}", introduction.to_string().trim_end()),
        Err(error) => return refused(&error),
    }
    ExitCode::SUCCESS
}

/// Exit code 2 if the command line is wrong, as the parser's own refusals have it; 1 if anything else is.
fn refused(error: &StartError) -> ExitCode {
    let failed = failed(&error.to_string(), &error.remedy());
    if error.is_usage() { ExitCode::from(2) } else { failed }
}

fn failed(what: &str, remedy: &str) -> ExitCode {
    complain!("homeserver: {what}\n  try: {remedy}");
    ExitCode::FAILURE
}

fn ended(done: Result<(), StartError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), &error.remedy()),
    }
}
