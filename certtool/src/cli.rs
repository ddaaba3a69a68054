//! The command line as clap reads it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use key_store::PassphraseSource;

use crate::commands::{
    audit, card, date, decrypt, diff, doctor, encrypt, endorse, enroll, erase, evidence, export, git, import, inspect,
    install, key, limbo, lint, proof, recipe, renew, revoke, sign, status, trust, verify, watch,
};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "certtool",
    version,
    about = "Certificates for people: get one for your address, see what it says, check that it holds",
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

/// Heading of the options that every command has.
const EVERYWHERE: &str = "Everywhere";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Folder for keys, certificates and trust (otherwise ~/.local/share/inperson)
    #[arg(long, help_heading = EVERYWHERE, global = true, value_name = "DIR", env = "INPERSON_HOME", hide_env_values = true)]
    pub(crate) home: Option<PathBuf>,
    /// By this profile of the settings (~/.config/inperson/certtool.toml): its folder, passphrase and identity
    #[arg(long, help_heading = EVERYWHERE, global = true, value_name = "NAME", env = "INPERSON_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// Where the passphrase of your keys comes from, if they have one: ask, file:PATH, fd:NUMBER or credential:NAME (systemd)
    #[arg(
        long, help_heading = EVERYWHERE, global = true, value_name = "SOURCE", env = "INPERSON_PASSPHRASE_FROM",
        hide_env_values = true
    )]
    pub(crate) passphrase: Option<PassphraseSource>,
    /// Print one JSON object instead of text
    #[arg(long, help_heading = EVERYWHERE, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, no progress
    #[arg(short, long, help_heading = EVERYWHERE, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more; twice: also what the libraries do
    #[arg(short, long, help_heading = EVERYWHERE, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What certtool can do; each command's own documentation is its help.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(subcommand)]
    Trust(trust::Trust),
    Enroll(enroll::Enroll),
    Endorse(endorse::Endorse),
    Renew(renew::Renew),
    Revoke(revoke::Revoke),
    Inspect(inspect::Inspect),
    Lint(lint::Lint),
    Diff(diff::Diff),
    Verify(verify::Verify),
    Sign(sign::Sign),
    Encrypt(encrypt::Encrypt),
    Decrypt(decrypt::Decrypt),
    Evidence(evidence::Evidence),
    Export(export::Export),
    Import(import::Import),
    Install(install::Install),
    GitSign(git::GitSign),
    GitVerify(git::GitVerify),
    #[command(subcommand)]
    Proof(proof::Proof),
    #[command(subcommand)]
    Date(date::Date),
    Audit(audit::Audit),
    Watch(watch::Watch),
    Erase(erase::Erase),
    #[command(subcommand)]
    Key(key::Key),
    Gen(recipe::Gen),
    #[command(alias = "devices")]
    Status(status::Status),
    Card(card::Card),
    Doctor(doctor::Doctor),
    #[command(hide = true)]
    LimboHarness(limbo::LimboHarness),
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_has_an_example_and_names_its_exit_codes() {
        assert_eq!(command_line::testing::faults_of_help::<super::Cli>(), Vec::<String>::new());
    }
}
