//! `homeserver`: authority, log, witness and directory in one process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use homeserver::{Homeserver, Options, Ready, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Authority, log, witness and directory for a family, a club or a firm, in one process.
#[derive(Debug, Parser)]
#[command(name = "homeserver", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server and keep it running until Ctrl-C
    ///
    /// The first start makes the folder, its keys and the trust policy. Options are remembered in the folder, so later
    /// starts need none but --folder.
    #[command(after_help = "\
Examples:
  homeserver up
  homeserver up --folder /srv/inperson --domain chat.example.org --listen 0.0.0.0 \\
      --smtp smtps://ca%40example.org:PASSWORD@mail.example.org --mail-from ca@example.org

Exit codes: 0 stopped as asked, 1 failed, 2 wrong usage.")]
    Up {
        #[command(flatten)]
        options: Options,
        /// When ready, print one line of JSON; the words for people go to standard error
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let Command::Up { options, json } = Arguments::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&format!("cannot start threads: {error}"), "look at the limits of this account (ulimit -u)");
        }
    };
    match runtime.block_on(up(&options, json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), &error.remedy()),
    }
}

fn failed(what: &str, remedy: &str) -> ExitCode {
    eprintln!("homeserver: {what}\n  try: {remedy}");
    ExitCode::FAILURE
}

async fn up(options: &Options, json: bool) -> Result<(), StartError> {
    // From here on a signal waits for us, also while keys are being made.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| StartError::signals(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| StartError::signals(&error))?;
    let mut server = Homeserver::start(options).await?;
    announce(server.ready(), json);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        error = server.failed() => {
            server.stop().await;
            return Err(error);
        }
    }
    if !json {
        println!("\nStopping; connections are being closed.");
    }
    server.stop().await;
    Ok(())
}

/// Says where everything is and what to do next.
fn announce(ready: &Ready, json: bool) {
    use std::io::Write;
    let words = ready.to_string();
    // Nobody may be listening (a closed terminal): the server runs all the same.
    if json {
        let line = serde_json::to_string(ready).expect("strings can be written as JSON");
        let _ = std::io::stderr().write_all(words.as_bytes());
        let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
    } else {
        let _ = std::io::stdout().write_all(words.as_bytes());
    }
}
