//! Options, and the life of the process.

mod cluster;
mod failure;
mod files;
mod foreign;
mod lists;
mod operator;
mod settings;

use clap::{Parser, Subcommand};
use directory::{Directory, DirectoryConfig, protect};
use failure::Failure;
use files::Files;
use settings::Settings;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Who is online, and the introduction of two people to each other. Nothing is written to any disk.
#[derive(Parser)]
#[command(name = "directory", version, arg_required_else_help = true, after_help = SHORT_EXAMPLE)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; then everybody connected is told to come back.
    #[command(after_help = EXAMPLE)]
    Serve {
        /// The settings.
        settings: PathBuf,
        /// Print one line of JSON when it answers: {"ready": true, "listen": "…"}, and "operator" if there is one.
        #[arg(long)]
        json: bool,
    },
}

const SHORT_EXAMPLE: &str = "\
Example:
  directory serve /etc/inperson/directory.toml

Exit codes: 0 ok, 1 failed, 2 usage";

const EXAMPLE: &str = "\
Example:
  directory serve /etc/inperson/directory.toml

Settings (paths are relative to the file's own folder; the files are read again when they change):
  listen = \"[::]:4433\"               # UDP
  observation_port = 4434            # UDP as well [default: the next port, if it is free; 0: none]
  operator = \"127.0.0.1:4480\"        # TCP of this machine: /health and /metrics [default: none]
  trust_policy = \"policy.json\"       # whose certificates count
  certificate = \"directory.pem\"      # private key and chain of a service certificate
  revocation_lists = [\"people.crl\"]  # DER; whoever they name is cut off
  [[foreign]]                        # who else may use it, and for which mail domains; repeatable
  policy = \"beta.json\"
  fingerprint = \"5f1c…\"             # all 64 digits
  domains = [\"beta.example\"]

  [cluster]                          # only for one node of several that are one directory
  name = \"one\"
  nodes = [\"one\", \"two\", \"three\"]    # the same on all nodes; a majority of them decides
  key = \"cluster.key\"                # shared: openssl rand -hex 32
  nats = [\"tls://nats.example.org:4222\"]
  nats_authority = \"nats-ca.pem\"
  nats_certificate = \"one.pem\"       # private key and chain

Exit codes: 0 ok, 1 failed, 2 usage";

pub(crate) fn main() -> ExitCode {
    let Options { command: Command::Serve { settings, json } } = command_line::arguments();
    let told = serve(&settings, json);
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let failure = command_line::Failure { what: failure.to_string(), remedy: failure.remedy().into(), exit: 1 };
            failure.tell_of_server("directory", json);
            ExitCode::from(failure.exit)
        }
    }
}

fn serve(settings: &std::path::Path, json: bool) -> Result<(), Failure> {
    // Before anything secret is read.
    protect::no_core_dumps().and_then(|()| protect::no_onlookers()).map_err(Failure::Protection)?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let settings = Settings::read(settings)?;
    let files = Files::open(settings.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    // After the threads are there, so that their stacks are among what is locked.
    if let Err(reason) = protect::lock_memory() {
        let _ = writeln!(
            std::io::stderr(),
            "directory: its memory may be swapped to disk, for it cannot be locked: {reason}. Permit it (systemd: \
             LimitMEMLOCK=infinity), or switch swap off."
        );
    }
    runtime.block_on(run(settings, files, json))
}

async fn run(settings: Settings, mut files: Files, json: bool) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let observation = settings.observation();
    let config = DirectoryConfig {
        observation,
        cluster: settings.cluster()?,
        ..DirectoryConfig::new(settings.listen, files.resolver(), files.trust())
    };
    let operator = match settings.operator {
        Some(address) => Some(operator::bind(address).await?),
        None => None,
    };
    let directory = Arc::new(Directory::bind(config).map_err(Failure::Bind)?);
    let (serving, told) = (Arc::clone(&directory), stop.clone());
    let mut serving = tokio::spawn(async move { serving.serve(told).await });
    announce(&directory, operator.as_ref(), json);
    if let Some(listener) = operator {
        tokio::spawn(operator::serve(listener, operator::Asked::new(Arc::clone(&directory), files.taken())));
    }
    tokio::select! {
        () = files.follow(&directory) => {}
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    stop.cancel();
    loop {
        tokio::select! {
            ended = &mut serving => return ended.map_err(|error| Failure::Ended(error.to_string())),
            _ = term.recv() => directory.hurry(),
            _ = int.recv() => directory.hurry(),
        }
    }
}

fn on(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind).map_err(Failure::Runtime)
}

/// Says that it answers. Nobody may be reading, or the disk be full: that is no reason not to serve.
fn announce(directory: &Directory, operator: Option<&TcpListener>, json: bool) {
    let listen = directory.local_addr();
    let operator = operator.and_then(|listener| listener.local_addr().ok());
    let line = if json {
        let operator = operator.map(|address| format!(",\"operator\":\"{address}\"")).unwrap_or_default();
        format!("{{\"ready\":true,\"listen\":\"{listen}\"{operator}}}")
    } else {
        let operator = operator.map(|address| format!(" How it is: http://{address}/health and /metrics."));
        let operator = operator.unwrap_or_default();
        format!("This directory answers at {listen} (UDP). It writes nothing to any disk.{operator}")
    };
    if let Err(error) = command_line::announce(format_args!("{line}\n")) {
        tracing::warn!(%error, "standard output cannot be written");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<super::Options>(), Vec::<String>::new());
    }
}
