//! `homeserver`: authority, log, witness and directory in one process.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use homeserver::introduce::introduce;
use homeserver::neighbours::{self, Found, Neighbour, Neighbours};
use homeserver::{Homeserver, Options, Ready, StartError, policies, shards, supervisor};
use identity::UnixTime;
use identity::trust::Fingerprint;
use key_store::PassphraseSource;
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
        /// How messages on standard error look
        #[arg(long, value_enum, default_value_t = Format::Text)]
        log_format: Format,
    },
    /// Print what a log elsewhere must be told of this server before it takes entries from it
    ///
    /// Makes folder, keys and trust policy as the first start would, with the same options. Then the log's operator adds
    /// what is printed to the log's settings, and homeserver up starts.
    #[command(after_help = "\
Example:
  transparency-log serve --config serve.toml --show-policy > log-policy
  homeserver introduce --domain chat.example.org --log-policy log-policy \\
      --log-submission https://log.example.org:9443
  homeserver up

Exit codes: 0 printed, 1 failed, 2 wrong usage.")]
    Introduce {
        #[command(flatten)]
        options: Options,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the trust policy that people have pinned
    ///
    /// Each version is numbered, signed by the root's key, put into the log and served. People see what changes before
    /// they take it: certtool trust update.
    #[command(subcommand)]
    Policy(Policy),
    /// Prepare the next log, and see which there are
    ///
    /// A log is closed after a year, say, and another one takes over by itself at the time that is set here. Certificates
    /// in the old one keep verifying; its label key is destroyed when nobody needs a proof of its labels any more.
    #[command(subcommand)]
    Shard(Shard),
    /// Have other home servers witness this one's log, and witness theirs
    ///
    /// Each server's witness then cosigns the other's log, so that nobody can show different people different logs
    /// without the help of both. Takes effect when the server starts the next time.
    #[command(subcommand)]
    Witness(Witness),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object each
    Json,
}

#[derive(Debug, Subcommand)]
enum Witness {
    /// Add the witness of another home server, one run with `transparency-log witness`, or a mirror
    ///
    /// Of a home server, give the address and the fingerprint of its trust policy, as its operator tells you: its
    /// witness will be asked to cosign this server's log, and this server's witness cosigns its log, and those that
    /// follow it. Of a witness or a mirror alone, give its address and its key. A mirror is brought every entry.
    #[command(after_help = "\
Examples:
  homeserver witness add https://chat.example.net:8443 --fingerprint 3f0c…
  homeserver witness add https://witness.example.org --key witness.example.org+1a2b3c4d+BAd…
  homeserver witness add https://mirror.example.com --key mirror.example.com+1a2b3c4d+BAd… --mirror

Exit codes: 0 added, 1 failed or not yet compared, 2 wrong usage.")]
    Add {
        /// The home server's address, or the witness's submission prefix
        #[arg(value_name = "URL")]
        url: String,
        /// The fingerprint of the home server's trust policy
        #[arg(long, value_name = "HEX", conflicts_with = "key")]
        fingerprint: Option<Fingerprint>,
        /// The witness's verifier key
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// It is a mirror: it holds a copy of every entry, and cosigns what it holds
        #[arg(long, requires = "key")]
        mirror: bool,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
    /// List the witnesses elsewhere that this server asks
    #[command(after_help = "Example:\n  homeserver witness list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
    /// Ask a witness no longer, and cosign its log no longer
    #[command(after_help = "Example:\n  homeserver witness remove chat.example.net/witness")]
    Remove {
        /// Its name, as `homeserver witness list` shows it
        name: String,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Shard {
    /// Make the keys of the next log, and sign the version of the trust policy that announces it
    ///
    /// People must have taken that version when the time comes: certificates in a log that a device does not know are
    /// refused there. So announce it some weeks before. The running server logs and serves it within a second.
    #[command(after_help = "\
Example:
  homeserver shard prepare --begins 2027-01-01T00:00:00Z

Exit codes: 0 prepared, 1 failed, 2 wrong usage.")]
    Prepare {
        /// From when on certificates go into it, such as 2027-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        begins: jiff::Timestamp,
        /// Its name, the last part of its origin and of its address [default: the year in which it begins]
        #[arg(long)]
        name: Option<String>,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
        /// The root's key, if it is kept elsewhere than in the folder; one in a token by a file FILE.uri
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// Where the passphrase of that key comes from: file:PATH, fd:NUMBER, credential:NAME, ask
        #[arg(long, value_name = "SOURCE")]
        passphrase: Option<PassphraseSource>,
    },
    /// List the logs, the oldest first
    #[command(after_help = "Example:\n  homeserver shard list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
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
        /// The root's key, if it is kept elsewhere than in the folder; one in a token by a file FILE.uri
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
        /// Where the passphrase of that key comes from: file:PATH, fd:NUMBER, credential:NAME, ask
        #[arg(long, value_name = "SOURCE")]
        passphrase: Option<PassphraseSource>,
    },
}

fn main() -> ExitCode {
    let (options, json, format) = match key_store::arguments::<Arguments>().command {
        Command::Up { options, json, log_format } => (options, json, log_format),
        Command::Introduce { options, json } => return introduced(&options, json),
        Command::Policy(command) => return policy(&command),
        Command::Shard(command) => return shard(&command),
        Command::Witness(command) => return witness(command),
    };
    messages(format);
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

fn messages(format: Format) {
    // A terminal shows what needs somebody; a journal keeps what was done as well.
    let filter = if format == Format::Text { "warn" } else { "warn,homeserver=info,ca=info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let messages = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        Format::Text => messages.init(),
        Format::Json => messages.json().init(),
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
        Ok(introduction) if json => println!("{}", serde_json::json!(introduction)),
        Ok(introduction) => print!("{introduction}"),
        Err(error) => return refused(&error),
    }
    ExitCode::SUCCESS
}

fn witness(command: Witness) -> ExitCode {
    let done = match command {
        Witness::Add { url, fingerprint, key: Some(key), mirror, folder } => {
            debug_assert!(fingerprint.is_none(), "the command line refuses both");
            let alone = if mirror { Neighbour::mirror_only } else { Neighbour::witness_only };
            alone(&url, &key).and_then(|neighbour| remember(&folder, neighbour))
        }
        Witness::Add { url, fingerprint, key: None, folder, .. } => {
            match on_threads(neighbours::by_fingerprint(&url, fingerprint)) {
                Ok(Ok(Found::Neighbour(neighbour))) => remember(&folder, neighbour),
                Ok(Ok(Found::Uncompared(found))) => {
                    return failed(
                        &format!(
                            "nothing was added: the trust policy at {url} has the fingerprint\n  {found}\nwhich nobody has compared yet"
                        ),
                        &format!(
                            "compare it with what its operator tells you by another way, and then: homeserver witness add {url} --fingerprint {found}"
                        ),
                    );
                }
                Ok(Err(error)) => Err(error),
                Err(code) => return code,
            }
        }
        Witness::List { json, folder } => Neighbours::read(&folder).map(|neighbours| list(&neighbours, json)),
        Witness::Remove { name, folder } => remove(&folder, &name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), &error.remedy()),
    }
}

fn remember(folder: &Path, neighbour: Neighbour) -> Result<(), StartError> {
    let mut neighbours = Neighbours::read(folder)?;
    neighbours.add(neighbour.clone())?;
    neighbours.write(folder)?;
    println!("Added: {} at {}", neighbour.name(), neighbour.url);
    if neighbour.log.is_some() {
        println!("  Its witness will be asked to cosign this server's log, and this server's witness cosigns its log.");
        println!("  Its operator must do the same with this server's address and fingerprint.");
    } else if neighbour.mirror {
        println!("  Every log of this server will bring it its entries.");
        println!("  Its operator must let it copy this server's log, whose key stands in this server's /policy.");
    } else {
        println!("  Its operator must let it cosign this server's log, whose key stands in this server's /policy.");
    }
    println!("It counts from the next start of this server: homeserver up");
    println!("To have people demand its cosignature: homeserver policy draft, sign");
    Ok(())
}

fn remove(folder: &Path, name: &str) -> Result<(), StartError> {
    let mut neighbours = Neighbours::read(folder)?;
    if !neighbours.remove(name) {
        return Err(StartError::UnknownWitness { found: name.to_owned() });
    }
    neighbours.write(folder)?;
    println!("Removed: {name}. It counts from the next start of this server.");
    Ok(())
}

fn list(neighbours: &Neighbours, json: bool) {
    if json {
        println!("{}", serde_json::json!({ "witnesses": neighbours.all() }));
    } else if neighbours.all().is_empty() {
        println!("No witness elsewhere is asked. homeserver witness add URL adds one.");
    }
    for neighbour in neighbours.all().iter().filter(|_| !json) {
        println!("{}\n  at {}{}", neighbour.name(), neighbour.url, if neighbour.mirror { ", a mirror" } else { "" });
        if let Some(log) = &neighbour.log {
            println!("  cosigned in return: {}", log.split('+').next().unwrap_or(log));
        }
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
    ended(match command {
        Policy::Draft { folder } => policies::draft(folder).map(|draft| println!("{draft}")),
        Policy::Sign { new, folder, root_key, passphrase } => {
            policies::sign(folder, new, root_key.as_deref(), passphrase.clone()).map(|signed| tell_signed(&signed))
        }
    })
}

fn shard(command: &Shard) -> ExitCode {
    ended(match command {
        Shard::Prepare { begins, name, folder, root_key, passphrase } => {
            let year = begins.to_zoned(jiff::tz::TimeZone::UTC).year();
            let name = name.clone().unwrap_or_else(|| year.to_string());
            let begins = Duration::from_secs(u64::try_from(begins.as_second()).unwrap_or_default());
            let begins = UnixTime::since_unix_epoch(begins);
            shards::prepare(folder, &name, begins, UnixTime::now(), root_key.as_deref(), passphrase.clone())
                .map(|signed| tell_signed(&signed))
        }
        Shard::List { json, folder } => shards::list(folder).map(|listed| list_shards(&listed, *json)),
    })
}

fn tell_signed(signed: &policies::Signed) {
    println!("Signed: version {} of the trust policy, fingerprint {}", signed.number, signed.fingerprint);
    signed.changes.iter().for_each(|change| println!("  {change}"));
    println!("The server logs and serves it; people take it with: certtool trust update");
}

fn list_shards(listed: &[shards::Listed], json: bool) {
    if json {
        println!("{}", serde_json::json!({ "logs": listed }));
    }
    let time = |seconds: u64| {
        let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        time.map_or_else(|| seconds.to_string(), |time| time.to_string())
    };
    for log in listed.iter().filter(|_| !json) {
        println!("{}", log.origin);
        if log.takes_from > 0 {
            println!("  takes certificates from {}", time(log.takes_from));
        }
        if let Some(closes) = log.closes {
            println!("  closes at {}", time(closes));
        }
        match log.retires {
            Some(retires) if log.label_key => println!("  label key destroyed at {}", time(retires)),
            _ if !log.label_key => println!("  label key destroyed"),
            _ => {}
        }
    }
}

fn ended(done: Result<(), StartError>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string(), &error.remedy()),
    }
}

async fn up(options: &Options, json: bool, format: Format) -> Result<(), StartError> {
    // From here on a signal waits for us, also while keys are being made.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| StartError::signals(&error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| StartError::signals(&error))?;
    let mut server = Homeserver::start(options).await?;
    // Messages in JSON are for a program that reads standard error: words for people would stand between them.
    announce(server.ready(), json, format == Format::Text);
    supervisor::tell("READY=1");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        error = server.failed() => {
            server.stop().await;
            return Err(error);
        }
    }
    supervisor::tell("STOPPING=1");
    if !json && format == Format::Text {
        println!("\nStopping; connections are being closed.");
    }
    tracing::info!("stopping as asked");
    server.stop().await;
    tracing::info!("stopped");
    Ok(())
}

/// Says where everything is and what to do next.
fn announce(ready: &Ready, json: bool, words: bool) {
    use std::io::Write;
    let words = if words { ready.to_string() } else { String::new() };
    tracing::info!(fingerprint = ready.fingerprint, policy = ready.policy, "ready");
    // Nobody may be listening (a closed terminal): the server runs all the same.
    if json {
        let line = serde_json::to_string(ready).expect("strings can be written as JSON");
        let _ = std::io::stderr().write_all(words.as_bytes());
        let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
    } else {
        let _ = std::io::stdout().write_all(words.as_bytes());
    }
}
