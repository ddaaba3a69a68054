//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use homeserver::Options;
use identity::trust::Fingerprint;
use key_store::PassphraseSource;

const AFTER: &str = "\
Example:
  homeserver up --folder /srv/inperson --domain chat.example.org --listen 0.0.0.0

Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Authority, log, witness and directory for a family, a club or a firm, in one process.
#[derive(Debug, Parser)]
#[command(name = "homeserver", version, propagate_version = true, after_help = AFTER)]
pub(crate) struct Arguments {
    /// Print one line of JSON instead of text; a server does when it is ready, and its words go to standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    },
    /// Change the trust policy that people have pinned
    ///
    /// Each version is numbered, signed by the root's key, put into the log and served. People see what changes before
    /// they take it: certtool trust update.
    #[command(
        subcommand,
        after_help = "\
Example:
  homeserver policy draft > next.json
  homeserver policy sign next.json"
    )]
    Policy(Policy),
    /// Prepare the next log, and see which there are
    ///
    /// A log is closed after a year, say, and another one takes over by itself at the time that is set here. Certificates
    /// in the old one keep verifying; its label key is destroyed when nobody needs a proof of its labels any more.
    #[command(
        subcommand,
        after_help = "\
Example:
  homeserver shard prepare --begins 2027-01-01T00:00:00Z
  homeserver shard list"
    )]
    Shard(Shard),
    /// Have other home servers witness this one's log, and witness theirs
    ///
    /// Each server's witness then cosigns the other's log, so that nobody can show different people different logs
    /// without the help of both. Takes effect when the server starts the next time.
    #[command(
        subcommand,
        after_help = "\
Example:
  homeserver witness add https://chat.example.net:8443 --fingerprint 3f0c…
  homeserver witness list"
    )]
    Witness(Witness),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object each
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
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
pub(crate) enum Shard {
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
        /// Where everything lives
        #[arg(long, value_name = "DIR", env = "INPERSON_SERVER", default_value = "inperson-server")]
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Print the next version in JSON, for you to edit
    ///
    /// It lists issuing certificates that were installed since the last version. What is struck ends when people take the
    /// version, and with it whatever rests on it alone.
    #[command(after_help = "\
Examples:
  homeserver policy draft --folder /srv/inperson > next.json
  homeserver policy draft --strike-issuer people --folder /srv/inperson > next.json
  homeserver policy draft --strike-log ca.example.org:8443/log/2026 > next.json

Exit codes: 0 drafted, 1 failed, 2 wrong usage.")]
    Draft {
        /// Leave out an earlier log, by its origin, as `homeserver shard list` shows it: its key is known to others
        #[arg(long, value_name = "ORIGIN")]
        strike_log: Vec<String>,
        /// Leave out an issuing certificate, by the name of its file in keys/, such as people or services-2
        #[arg(long, value_name = "NAME")]
        strike_issuer: Vec<String>,
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
