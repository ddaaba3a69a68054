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
use command_line::{Failure, say};
use directory::protect;
use homeserver::introduce::introduce;
use homeserver::{Options, StartError};
use policy::policy;
use shard::shard;
use up::up;
use witness::witness;

fn main() -> ExitCode {
    let Arguments { json, command } = command_line::arguments();
    let done = match command {
        Command::Up { options, log_format } => return serve(&options, json, log_format),
        Command::Introduce { options } => introduced(&options, json),
        Command::Policy(command) => policy(&command, json),
        Command::Shard(command) => shard(&command, json),
        Command::Witness(command) => witness(command, json),
    };
    let exit = done.map_or_else(
        |failure| {
            failure.tell("homeserver", json);
            failure.exit
        },
        |()| 0,
    );
    command_line::ended("homeserver", exit)
}

fn serve(options: &Options, json: bool, format: Format) -> ExitCode {
    messages::begin(format);
    // Before anything secret is read. Who is online is in this memory, too, beside the authority's keys.
    if let Err(error) = protect::no_core_dumps() {
        tracing::warn!(%error, "a crash may leave what is in memory on the disk: core dumps cannot be switched off");
    }
    let Err(failure) = on_threads(up(options, json, format)) else { return ExitCode::SUCCESS };
    if format == Format::Json {
        tracing::error!(error = failure.what, remedy = failure.remedy, "it does not run");
        if json {
            failure.tell("homeserver", json);
        }
    } else {
        failure.tell_of_server("homeserver", json);
    }
    ExitCode::from(failure.exit)
}

fn on_threads<T>(work: impl Future<Output = Result<T, StartError>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(1, format!("cannot start threads: {error}"), "look at the limits of this account (ulimit -u)")
    })?;
    runtime.block_on(work).map_err(Failure::from)
}

fn introduced(options: &Options, json: bool) -> Result<(), Failure> {
    let introduction = introduce(options)?;
    if json {
        say!("{}", serde_json::json!(introduction));
    } else {
        say!("{}", introduction.to_string().trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<super::Arguments>(), Vec::<String>::new());
    }
}
