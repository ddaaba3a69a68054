//! The command line of `transparency-log`.

use std::future::Future;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use command_line::say;
use log_service::monitor::{self, Ending, Judged};
use log_service::settings::Read;
use log_service::{Failure, mirror, running, serve, witness};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

const AFTER: &str = "\
Example:
  transparency-log witness --config witness.toml

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or settings, 3 a log has broken its promise.";

/// Run a part of a public append-only log that nobody needs to trust.
///
/// Formats and protocols are those of C2SP: tlog-tiles, tlog-witness, tlog-mirror and their kin.
#[derive(Debug, Parser)]
#[command(name = "transparency-log", version, propagate_version = true, after_help = AFTER)]
struct Arguments {
    /// How messages on standard error look
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line, for programs
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a log that takes entries from authorities elsewhere
    ///
    /// Gives each entry its place, gets every checkpoint cosigned, and answers with proofs. Everybody reads it at one
    /// port; authorities submit at another, each by a certificate of the component profile. Keys are made at the first
    /// start.
    #[command(after_help = "\
Examples:
  transparency-log serve --config serve.toml --show-key
  transparency-log serve --config serve.toml --show-policy
  transparency-log serve --config serve.toml

A sample of the settings: transparency-log/log-service/samples/serve.toml

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or settings.")]
    Serve {
        #[command(flatten)]
        common: Common,
        /// Print the C2SP tlog-policy that authorities and people need, and end
        #[arg(long, conflicts_with = "show_key")]
        show_policy: bool,
    },
    /// Cosign the checkpoints of other people's logs, each only after proof that it extends the last
    ///
    /// Answers add-checkpoint of C2SP tlog-witness, and shows at its address what it watches. Its key is made at the
    /// first start.
    #[command(after_help = "\
Examples:
  transparency-log witness --config witness.toml --show-key
  transparency-log witness --config witness.toml

A sample of the settings: transparency-log/log-service/samples/witness.toml

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or settings.")]
    Witness(Common),
    /// Hold copies of other people's logs, serve them, and cosign what is held
    ///
    /// Takes entries as C2SP tlog-mirror says, each with proof that it stands in the log, and cosigns a checkpoint once
    /// everything it covers is on disk. Its key is made at the first start.
    #[command(after_help = "\
Examples:
  transparency-log mirror --config mirror.toml --show-key
  transparency-log mirror --config mirror.toml

A sample of the settings: transparency-log/log-service/samples/mirror.toml

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage or settings.")]
    Mirror(Common),
    /// Follow logs unattended, and raise the alarm when one breaks its promise
    ///
    /// Verifies every tile and every entry, that each checkpoint extends the last, the cosignatures, and that no label
    /// comes twice; holds what mirrors and witnesses show against it; and writes evidence of a split view. Goes on where
    /// it stopped, whatever stopped it.
    #[command(after_help = "\
Examples:
  transparency-log monitor --config monitor.toml
  transparency-log monitor --config monitor.toml --once --json

A sample of the settings: transparency-log/log-service/samples/monitor.toml

Exit codes:
  0  every log kept its promise
  1  failed, or could not finish a round
  2  wrong usage or settings
  3  a log has broken its promise")]
    Monitor {
        /// The settings
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Print one line of JSON for each round and log
        #[arg(long)]
        json: bool,
        /// One round, then end
        #[arg(long)]
        once: bool,
    },
    /// Judge a file of evidence that a monitor wrote, offline
    #[command(after_help = "\
Example:
  transparency-log evidence evidence/split-view-9f86d081-60303ae2-2c26b46b68ffc68f.json

Exit codes: 0 it proves a split view, 1 it proves nothing, 2 wrong usage.")]
    Evidence {
        /// The file
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// Whether a program reads standard output.
    fn json(&self) -> bool {
        match self {
            Self::Serve { common, .. } | Self::Witness(common) | Self::Mirror(common) => common.json,
            Self::Monitor { json, .. } | Self::Evidence { json, .. } => *json,
        }
    }
}

#[derive(Debug, Args)]
struct Common {
    /// The settings
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// When ready, print one line of JSON
    #[arg(long)]
    json: bool,
    /// Print the verifier keys and end; those that are missing are made
    #[arg(long)]
    show_key: bool,
}

pub(crate) fn main() -> ExitCode {
    let arguments: Arguments = command_line::arguments();
    let json = arguments.command.json();
    let serves = !matches!(arguments.command, Command::Evidence { .. });
    messages(arguments.log_format);
    let done = match arguments.command {
        Command::Serve { common, .. } if common.show_key => {
            Read::open(&common.config).and_then(|read| serve::key(&read)).map(|key| say!("{key}"))
        }
        Command::Serve { common, show_policy: true } => Read::open(&common.config)
            .and_then(|read| serve::policy(&read))
            .map(|policy| say!("{}", policy.to_string().trim_end())),
        Command::Serve { common, .. } => run(&common, serve::run),
        Command::Witness(common) if common.show_key => Read::open(&common.config)
            .and_then(|read| witness::keys_of(&read))
            .map(|keys| keys.iter().for_each(|key| say!("{key}"))),
        Command::Witness(common) => run(&common, witness::run),
        Command::Mirror(common) if common.show_key => {
            Read::open(&common.config).and_then(|read| mirror::key(&read)).map(|key| say!("{key}"))
        }
        Command::Mirror(common) => run(&common, mirror::run),
        Command::Monitor { config, json, once } => {
            let watched = on_threads(async { monitor::run(&config, json, once, running::stop_on_signals()?).await });
            match watched {
                Ok(Ending::Clean) => Ok(()),
                Ok(Ending::Blind) => return ended(1),
                Ok(Ending::Fault) => return ended(3),
                Err(failure) => Err(failure),
            }
        }
        Command::Evidence { file, json } => monitor::judge(&file).map(|judged| tell(&judged, json)),
    };
    match done {
        Ok(()) => ended(0),
        Err(failure) => {
            let exit = if failure.is_usage() { 2 } else { 1 };
            let (what, remedy) = (failure.to_string(), failure.remedy().to_owned());
            let failure = command_line::Failure { what, remedy, exit };
            if serves {
                failure.tell_of_server("transparency-log", json);
            } else {
                failure.tell("transparency-log", json);
            }
            ended(exit)
        }
    }
}

fn ended(exit: u8) -> ExitCode {
    command_line::ended("transparency-log", exit)
}

fn messages(format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let messages = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        Format::Text => messages.init(),
        Format::Json => messages.json().init(),
    }
}

/// Runs a command until it ends or a signal asks it to.
fn run<'a, F>(common: &'a Common, command: impl FnOnce(&'a Path, bool, CancellationToken) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    on_threads(async { command(&common.config, common.json, running::stop_on_signals()?).await })
}

fn tell(judged: &Judged, json: bool) {
    running::announce_line(judged, json);
    if !json {
        say!("{} has signed two trees of {} entries: it shows two histories.", judged.log, judged.size);
        judged.keys.iter().for_each(|key| say!("  signed with {key}"));
        say!("That is proven if this is the log's key as you know it.");
    }
}

fn on_threads<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(format!("cannot start threads: {error}"), "look at the limits of this account (ulimit -u)")
    })?;
    runtime.block_on(work)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<super::Arguments>(), Vec::<String>::new());
    }
}
