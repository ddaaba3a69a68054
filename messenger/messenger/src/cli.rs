//! The command line: options, exit codes, and which face the engine gets.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use identity::Identifier;
use identity::card::Link;
use key_store::PassphraseSource;
use messenger_engine::OfferedAddresses;

use crate::bot::Answerer;
use crate::bot::program::Program;
use crate::failure::{Code, Failure};
use crate::setup::Outcome;
use crate::start;
use crate::view::theme::{self, Surroundings, Theme};
use crate::{bot, certificate, contacts, doctor, headless, keeping, lines, own_devices, run, send, setup};

const AFTER: &str = "\
Example:
  messenger

With the link of a contact card it opens and asks whether to add who is on it. The first start
asks for what is missing: whom you trust, your address, how you appear. F1 in it shows every key
and command.

Exit codes: 0 ok, 1 failed, 2 usage, 4 unreachable.";

const DOCTOR: &str = "\
Example:
  messenger doctor --json | jq .ipv4.nat

Exit codes: 0 your directory is reached, 1 failed, 2 usage, 4 your directory is not reached.";

const HEADLESS: &str = "\
Example:
  echo '{\"do\":\"quit\"}' | messenger headless

Exit codes: 0 ended as asked, 1 failed, 2 usage, 4 unreachable.";

const SEND: &str = "\
Examples:
  messenger send bob@example.org \"The backup is done\"
  uptime | messenger send bob@example.org
  messenger send bob@example.org --file report.pdf --file pictures

Exit codes: 0 delivered, 1 failed, 2 usage, 4 not delivered: it is nowhere but with you,
5 unknown: it left, and nobody said that it arrived.";

const CERTIFICATE: &str = "\
Examples:
  messenger certificate bob@example.org
  messenger certificate bob@example.org --output bob.pem

It comes from their device, while they are online, and from no server; if you are no contact of
theirs it rings there. It is verified like every certificate, and kept for certtool encrypt.

Exit codes: 0 kept, 1 they have none or it does not count, 2 usage, 4 not reached.";

const CONTACTS: &str = "\
Example:
  messenger contacts export contacts.toml

Exit codes: 0 ok, 1 failed, 2 usage.";

const DEVICES: &str = "\
Example:
  messenger devices list

Exit codes: 0 ok, 1 failed, 2 usage.";

const HISTORY: &str = "\
Examples:
  messenger history on bob@example.org --days 90
  messenger history search bread

Nothing is kept unless you ask for it, with whom you ask for it, and they are told. It lies in
messenger/history of your folder, encrypted (docs/messenger.md).

Exit codes: 0 ok, 1 failed, 2 usage.";

const BOT: &str = "\
Examples, after certtool --home ~/bot trust add and enroll:
  messenger --home ~/bot bot --echo --public
  messenger --home ~/bot bot --exec ./machine.sh -- alice@example.org

The program is run once for each text: it reads it on standard input, and writes the answer to
standard output (docs/bots.md). Without --public contacts alone are answered; whoever is none
knocks: Ctrl-K in the messenger.

Exit codes: 0 ended as asked, 1 failed, 2 usage, 4 it never got online.";

/// Live conversation between people, straight from device to device; nobody stores it.
#[derive(Debug, Parser)]
#[command(name = "messenger", version, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    /// Line by line, for screen readers: no screen is taken over, whatever happens is a sentence
    #[arg(long)]
    pub(crate) linear: bool,
    /// Colours: dark or light for true ones, terminal for its own sixteen, none; or auto, as the terminal says it is
    #[arg(
        long,
        value_name = "COLOURS",
        env = "INPERSON_THEME",
        hide_env_values = true,
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) theme: theme::Choice,
    /// The mouse chooses and scrolls; without it, it is the terminal's, to select and copy
    #[arg(long)]
    pub(crate) mouse: bool,
    /// The link of a contact card (inperson:…): whose it is is added, once you have said so. At the first start also the
    /// invitation that another device of yours shows (/devices add)
    #[arg(value_name = "LINK", value_parser = link)]
    pub(crate) link: Option<Link>,
    #[command(subcommand)]
    pub(crate) face: Option<Face>,
}

/// What holds for all faces.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The folder with your keys and certificates [default: ~/.local/share/inperson]
    #[arg(long, global = true, env = "INPERSON_HOME", hide_env_values = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Where the passphrase of your key comes from, if it has one: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    /// [default: ask]
    #[arg(long, global = true, value_name = "SOURCE", env = "INPERSON_PASSPHRASE_FROM", hide_env_values = true)]
    pub(crate) passphrase: Option<PassphraseSource>,
    /// Where the passphrase of your history comes from, if it has one: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    /// [default: ask]
    #[arg(
        long,
        global = true,
        value_name = "SOURCE",
        env = "INPERSON_HISTORY_PASSPHRASE_FROM",
        hide_env_values = true
    )]
    pub(crate) history_passphrase: Option<PassphraseSource>,
    /// As whom to be online, if the folder holds several certificates
    #[arg(long, global = true, value_name = "ADDRESS", value_parser = address)]
    pub(crate) identity: Option<Identifier>,
    /// The UDP address for everything, directory and peers [default: all addresses, a free port]
    #[arg(long, global = true, value_name = "IP:PORT")]
    pub(crate) bind: Option<SocketAddr>,
    /// Which of this device's addresses those are told with whom you connect: all, default-route (the one from which packets
    /// leave), or auto (that one alone if packets leave through a VPN, else all)
    #[arg(long, global = true, value_name = "WHICH", default_value = "auto", hide_possible_values = true)]
    pub(crate) offer: Offer,
    /// Ask no router to let others in (PCP, UPnP)
    #[arg(long, global = true)]
    pub(crate) no_pinhole: bool,
    /// Whom to ask where other domains have their directories, repeatable [default: the system's resolvers]
    #[arg(
        long = "resolver",
        global = true,
        value_name = "IP[:PORT]",
        env = "INPERSON_RESOLVERS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    resolvers: Vec<String>,
}

impl Options {
    /// The resolvers that were named. A variable that is set to nothing names none.
    pub(crate) fn resolvers(&self) -> Vec<String> {
        self.resolvers.iter().filter(|named| !named.is_empty()).cloned().collect()
    }
}

/// Which addresses are offered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Offer {
    // No words of its own for each: clap would turn every help text into its long form.
    #[default]
    Auto,
    All,
    DefaultRoute,
}

impl From<Offer> for OfferedAddresses {
    fn from(offer: Offer) -> Self {
        match offer {
            Offer::Auto => Self::Automatic,
            Offer::All => Self::All,
            Offer::DefaultRoute => Self::DefaultRoute,
        }
    }
}

/// What to be, if not the terminal messenger.
#[derive(Debug, Subcommand)]
pub(crate) enum Face {
    /// JSON lines on standard input and output, for programs (docs/headless.md)
    #[command(after_help = HEADLESS)]
    Headless {
        /// Write nothing into the folder: what is added or changed counts until the end
        #[arg(long)]
        ephemeral: bool,
    },
    /// Send one text and wait until their device has it
    #[command(after_help = SEND)]
    Send {
        /// An address, or the name of your own of a contact
        #[arg(value_name = "WHO")]
        who: String,
        /// What to say [default: standard input]
        #[arg(value_name = "TEXT")]
        text: Option<String>,
        /// Offer this file or folder instead of a text, and wait until they have it; repeatable
        #[arg(long = "file", value_name = "PATH", conflicts_with = "text")]
        files: Vec<PathBuf>,
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Get somebody's certificate for mail from their device, and keep it for certtool
    #[command(after_help = CERTIFICATE)]
    Certificate {
        /// Whose: their address, or the name of your own of a contact
        #[arg(value_name = "WHO")]
        who: String,
        /// Also write it here, with its issuer's: PEM
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Look at what stands between you and others: router, firewall, directory, clock
    #[command(after_help = DOCTOR)]
    Doctor {
        /// One line of JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// The contact list, without going online: list, export, import
    #[command(after_help = CONTACTS)]
    Contacts {
        #[command(subcommand)]
        asked: contacts::commands::Do,
    },
    /// Your own other devices, without going online: known ones, and undoing what one of them gave
    #[command(after_help = DEVICES)]
    Devices {
        #[command(subcommand)]
        asked: own_devices::commands::Do,
    },
    /// Your own history of conversations, without going online: kept, found, written out, erased
    #[command(after_help = HISTORY)]
    History {
        #[command(subcommand)]
        asked: keeping::commands::Do,
    },
    /// A program that answers by itself, marked as a bot to everybody it talks with
    #[command(after_help = BOT, group(clap::ArgGroup::new("answerer").required(true)))]
    Bot {
        /// Send every text back, once
        #[arg(long, group = "answerer")]
        echo: bool,
        /// Have a program answer, in any language: one process for each text
        #[arg(long, value_name = "PROGRAM", group = "answerer")]
        exec: Option<PathBuf>,
        /// Also accept strangers who knock
        #[arg(long)]
        public: bool,
        /// Take files that are offered, and put them into this folder; without it none is taken
        #[arg(long, value_name = "DIR", requires = "exec")]
        files: Option<PathBuf>,
        /// The largest file or folder that is taken, in bytes
        #[arg(long, value_name = "BYTES", default_value_t = 100_000_000, requires = "files")]
        largest: u64,
        /// One line of JSON for each thing instead of text
        #[arg(long)]
        json: bool,
        /// What the program is called with
        #[arg(last = true, value_name = "ARGUMENT", requires = "exec")]
        arguments: Vec<OsString>,
    },
}

impl Face {
    /// Whether a program reads standard output, and was promised objects of certtool's shape.
    fn json(&self) -> bool {
        match self {
            Self::Doctor { json }
            | Self::Bot { json, .. }
            | Self::Send { json, .. }
            | Self::Certificate { json, .. } => *json,
            Self::History { asked } => asked.json(),
            Self::Contacts { asked: contacts::commands::Do::List { json } } => *json,
            Self::Devices { asked: own_devices::commands::Do::List { json } } => *json,
            Self::Headless { .. } | Self::Contacts { .. } | Self::Devices { .. } => false,
        }
    }
}

fn address(text: &str) -> Result<Identifier, String> {
    Identifier::parse(text).map_err(|error| error.to_string())
}

/// A contact card or an invitation, or a command that there is not.
fn link(text: &str) -> Result<Link, String> {
    text.parse().map_err(|error| format!("this is no command, and no contact card: {error}"))
}

/// Reads the command line, runs, and says with which code to end. Usage errors end with 2 (clap's own code).
pub(crate) fn main() -> ExitCode {
    let cli: Cli = command_line::arguments();
    let json = cli.face.as_ref().is_some_and(Face::json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(
                format!("the program cannot start: {error}"),
                "free some memory or raise the limit on processes",
            );
            return end(failure, json);
        }
    };
    let done = runtime.block_on(face(&cli));
    // Standard input is read by a thread that cannot be interrupted; it must not hold the program back.
    runtime.shutdown_background();
    match done {
        Ok(()) => command_line::ended("messenger", 0),
        Err(failure) => end(failure, json),
    }
}

async fn face(cli: &Cli) -> Result<(), Failure> {
    match &cli.face {
        Some(_) if cli.linear => {
            let failure = Failure::new("--linear is for the messenger itself", "`messenger --linear`");
            Err(failure.with(Code::Usage))
        }
        Some(_) if cli.link.is_some() => {
            let failure =
                Failure::new("a contact card is for the messenger itself", "`messenger LINK`, without a command");
            Err(failure.with(Code::Usage))
        }
        None if cli.linear => {
            let (mut typed, link) = (lines::typed(), cli.link.as_ref());
            if setup::is_due(&cli.options)?
                && setup::lines::set_up(&cli.options, link, &mut typed).await? == Outcome::Left
            {
                return Err(left());
            }
            run::linear::run(start::prepare(&cli.options).await?, link, typed).await
        }
        None => {
            if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
                let failure = Failure::new(
                    "the messenger needs a terminal, and this is none",
                    "`messenger --linear` for people, or `messenger headless`, which talks JSON lines",
                );
                return Err(failure.with(Code::Usage));
            }
            let (theme, link) = (Theme::new(cli.theme, &Surroundings::found()), cli.link.as_ref());
            if setup::is_due(&cli.options)? && setup::screen::set_up(&cli.options, link, theme).await? == Outcome::Left
            {
                return Err(left());
            }
            run::screen::run(start::prepare(&cli.options).await?, link, theme, cli.mouse).await
        }
        Some(Face::Headless { ephemeral }) => {
            log_to_stderr();
            headless::run(start::prepare(&cli.options).await, *ephemeral).await
        }
        Some(Face::Doctor { json }) => {
            log_to_stderr();
            doctor::run(&start::prepare(&cli.options).await?, *json).await
        }
        Some(Face::Contacts { asked }) => contacts::commands::run(start::folder(&cli.options)?, asked),
        Some(Face::Devices { asked }) => own_devices::commands::run(&start::folder(&cli.options)?, asked),
        Some(Face::History { asked }) => {
            keeping::commands::run(&start::folder(&cli.options)?, cli.options.history_passphrase.as_ref(), asked)
        }
        Some(Face::Bot { echo: _, exec, public, files, largest, json, arguments }) => {
            log_to_stderr();
            let answerer = match exec {
                Some(path) => Answerer::Program(Program::new(path.clone(), arguments.clone())?),
                None => Answerer::Echo,
            };
            let intake = files.as_deref().map(|folder| intake(folder, *largest)).transpose()?;
            bot::run(start::prepare(&cli.options).await?, answerer, (*public, intake), *json).await
        }
        Some(Face::Send { who, files, json, .. }) if !files.is_empty() => {
            log_to_stderr();
            let paths = send::files::paths(files)?;
            send::files::run(start::prepare(&cli.options).await?, who, &paths, *json).await
        }
        Some(Face::Certificate { who, output, json }) => {
            log_to_stderr();
            certificate::run(start::prepare(&cli.options).await?, who, output.as_deref(), *json).await
        }
        Some(Face::Send { who, text, json, .. }) => {
            log_to_stderr();
            let text = send::text(text.as_deref()).await?;
            send::run(start::prepare(&cli.options).await?, who, text, *json).await
        }
    }
}

/// A bot takes files into a folder that is there.
fn intake(folder: &Path, most: u64) -> Result<bot::Intake, Failure> {
    let place = folder.canonicalize().ok().filter(|place| place.is_dir());
    match place.and_then(|place| place.into_os_string().into_string().ok()) {
        Some(into) => Ok(bot::Intake { into, most }),
        None => {
            let what = format!("{} is no folder, or its name is no UTF-8", folder.display());
            Err(Failure::new(what, "name a folder that is there").with(Code::Usage))
        }
    }
}

/// Whoever leaves the set-up has no messenger yet.
fn left() -> Failure {
    Failure::new(
        "the set-up is not finished",
        "`messenger` goes on where you left; or certtool trust add and certtool enroll",
    )
}

/// Diagnostics (never content) go to standard error, as `RUST_LOG` asks. The terminal UI has none: they would tear it.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

fn end(failure: Failure, json: bool) -> ExitCode {
    let failure = command_line::Failure::from(failure);
    failure.tell("messenger", json);
    command_line::ended("messenger", failure.exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<Cli>(), Vec::<String>::new());
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_face() {
        for line in ["messenger --identity bob@example.org headless", "messenger headless --identity bob@example.org"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.options.identity.unwrap().as_str(), "bob@example.org");
        }
        let cli = Cli::try_parse_from(["messenger", "doctor", "--offer", "default-route"]).unwrap();
        assert_eq!(OfferedAddresses::from(cli.options.offer), OfferedAddresses::DefaultRoute);
        let nothing_set = Cli::try_parse_from(["messenger", "--resolver", ""]).unwrap();
        assert_eq!(nothing_set.options.resolvers(), [""; 0]);
        let named = Cli::try_parse_from(["messenger", "--resolver", "192.0.2.1,192.0.2.2"]).unwrap();
        assert_eq!(named.options.resolvers(), ["192.0.2.1", "192.0.2.2"]);
        assert!(Cli::try_parse_from(["messenger", "bot"]).is_err());
        assert!(Cli::try_parse_from(["messenger", "--identity", "bob"]).is_err());
    }
}
