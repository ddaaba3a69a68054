//! The command line as clap reads it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::commands::{audit, enroll, inspect, renew, status, trust, verify, watch};

/// Certificates for people: get one for your address, see what it says, check that it holds.
#[derive(Debug, Parser)]
#[command(
    name = "certtool",
    version,
    about,
    max_term_width = 100,
    after_help = "Example, a person's first minutes:\n  \
        certtool trust add https://chat.example.org:8443/policy --fingerprint 5f1c…\n  \
        certtool enroll alice@example.org\n  \
        certtool status\n\n\
        Exit codes: 0 ok, 1 failed, 2 wrong command line, 3 verification refused or alarm,\n\
        4 unreachable or offline, 5 the watch is blind."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder for keys, certificates and trust [default: ~/.local/share/inperson]
    #[arg(long, global = true, value_name = "DIR", env = "INPERSON_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more; twice: also what the libraries do
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pin an authority's trust policy, or look at those pinned
    #[command(subcommand)]
    Trust(trust::Trust),
    /// Get a certificate for your address on this device
    Enroll(enroll::Enroll),
    /// Get a fresh certificate for the same key
    Renew(renew::Renew),
    /// Show what a certificate says, in plain words
    Inspect(inspect::Inspect),
    /// Check a certificate offline, rule by rule
    Verify(verify::Verify),
    /// Check an authority's whole log
    Audit(audit::Audit),
    /// Look for certificates in your name that are not yours
    Watch(watch::Watch),
    /// Show what you have, what ends when, and what to do
    #[command(alias = "devices")]
    Status(status::Status),
}
