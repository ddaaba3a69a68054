//! `homeserver`: authority, log, witness and directory in one process.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use homeserver::{Homeserver, Options, Ready, StartError, policies};
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
    /// Change the trust policy that people have pinned
    ///
    /// Each version is numbered, signed by the root's key, put into the log and served. People see what changes before
    /// they take it: certtool trust update.
    #[command(subcommand)]
    Policy(Policy),
}

#[derive(Debug, Subcommand)]
enum Policy {
    /// Print the next version in JSON, for you to edit
    #[command(after_help = "Example:\n  homeserver policy draft --folder /srv/inperson > next.json")]
    Draft {
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
    /// Sign a policy as the next version
    ///
    /// The running server logs it and serves it within a second; a stopped one when it starts. Number and the
    /// fingerprint of the version before are set here.
    #[command(after_help = "Example:\n  homeserver policy sign next.json --folder /srv/inperson")]
    Sign {
        /// The policy, in JSON
        #[arg(value_name = "FILE")]
        new: PathBuf,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
        /// The root's key, if it is kept elsewhere than in the folder
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let (options, json) = match Arguments::parse().command {
        Command::Up { options, json } => (options, json),
        Command::Policy(command) => return policy(&command),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(&format!("cannot start threads: {error}"), "look at the limits of this account (ulimit -u)");
        }
    };
    match runtime.block_on(up(&options, json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refused(&error),
    }
}

/// Exit code 2 if the command line is wrong, as the parser's own refusals have it; 1 if anything else is.
fn refused(error: &StartError) -> ExitCode {
    let failed = failed(&error.to_string(), &error.remedy());
    if error.is_usage() { ExitCode::from(2) } else { failed }
}

fn failed(what: &str, remedy: &str) -> ExitCode {
    eprintln!("homeserver: {what}\n  try: {remedy}");
    ExitCode::FAILURE
}

fn policy(command: &Policy) -> ExitCode {
    let done = match command {
        Policy::Draft { folder } => policies::draft(folder).map(|draft| println!("{draft}")),
        Policy::Sign { new, folder, root_key } => policies::sign(folder, new, root_key.as_deref()).map(|signed| {
            println!("Signed: version {} of the trust policy, fingerprint {}", signed.number, signed.fingerprint);
            signed.changes.iter().for_each(|change| println!("  {change}"));
            println!("The server logs and serves it; people take it with: certtool trust update");
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), &error.remedy()),
    }
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
