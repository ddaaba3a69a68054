//! One module for each command: its options, what it does, and its report in both forms.

pub(crate) mod audit;
pub(crate) mod card;
pub(crate) mod date;
pub(crate) mod decrypt;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod encrypt;
pub(crate) mod endorse;
pub(crate) mod enroll;
pub(crate) mod erase;
pub(crate) mod evidence;
pub(crate) mod export;
pub(crate) mod git;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod key;
pub(crate) mod limbo;
pub(crate) mod lint;
pub(crate) mod proof;
pub(crate) mod recipe;
pub(crate) mod renew;
pub(crate) mod revoke;
pub(crate) mod sign;
pub(crate) mod status;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod watch;

use crate::cli::Command;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Runs one command.
pub(crate) async fn run(context: &Context, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Trust(command) => command.run(context).await,
        Command::Enroll(command) => command.run(context).await,
        Command::Endorse(command) => command.run(context),
        Command::Renew(command) => command.run(context).await,
        Command::Revoke(command) => command.run(context).await,
        Command::Sign(command) => command.run(context).await,
        Command::Encrypt(command) => command.run(context),
        Command::Decrypt(command) => command.run(context),
        Command::Import(command) => command.run(context),
        Command::Install(command) => command.run(context),
        Command::GitSign(command) => command.run(context).await,
        Command::GitVerify(command) => command.run(context),
        Command::Inspect(command) => command.run(context),
        Command::Lint(command) => command.run(context),
        Command::Diff(command) => command.run(context),
        Command::Verify(command) => command.run(context),
        Command::Evidence(command) => command.run(context),
        Command::Export(command) => command.run(context),
        Command::Proof(command) => command.run(context),
        Command::Date(command) => command.run(context).await,
        Command::Audit(command) => command.run(context).await,
        Command::Watch(command) => command.run(context).await,
        Command::Erase(command) => command.run(context).await,
        Command::Key(command) => command.run(context),
        Command::Gen(command) => command.run(context),
        Command::Status(command) => command.run(context),
        Command::Card(command) => command.run(context),
        Command::Doctor(command) => command.run(context).await,
        Command::LimboHarness(command) => command.run(),
    }
}
