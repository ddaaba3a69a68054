//! `messenger doctor`, which looks at the network. It is found beside this program, or where the system looks for programs.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use identity::Identifier;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Lets it show what it finds.
pub(super) fn shown(context: &Context, identifier: Option<&Identifier>) -> Result<Exit, Failure> {
    // What went wrong and what to try it says itself.
    command(context, identifier).status().map(exit).map_err(|error| not_started(&error))
}

/// What it finds, or its error, as an object.
pub(super) fn found(context: &Context, identifier: Option<&Identifier>) -> Result<(Map<String, Value>, Exit), Failure> {
    let mut command = command(context, identifier);
    let done = command.arg("--json").stderr(std::process::Stdio::inherit()).output();
    let done = done.map_err(|error| not_started(&error))?;
    let object = serde_json::from_slice(&done.stdout).map_err(|error| {
        let remedy = "Install the messenger that belongs to this certtool.";
        Failure::failed(format!("messenger doctor said what is not understood: {error}"), remedy)
    })?;
    Ok((object, exit(done.status)))
}

fn command(context: &Context, identifier: Option<&Identifier>) -> Command {
    let mut messenger = Command::new(program());
    messenger.arg("doctor").arg("--home").arg(context.home.folder());
    if let Some(source) = &context.passphrase {
        messenger.arg("--passphrase").arg(source.to_string());
    }
    if let Some(identifier) = identifier {
        messenger.arg("--identity").arg(identifier.as_str());
    }
    messenger
}

fn exit(status: ExitStatus) -> Exit {
    match status.code() {
        Some(0) => Exit::Ok,
        Some(4) => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// The messenger that came with this program, or the one the system finds.
fn program() -> PathBuf {
    let name = format!("messenger{}", std::env::consts::EXE_SUFFIX);
    let beside = std::env::current_exe().ok().map(|certtool| certtool.with_file_name(&name));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
}

fn not_started(error: &io::Error) -> Failure {
    Failure::failed(
        format!("the program messenger, which looks at the network, did not start: {error}"),
        "Install it beside certtool, or where the system looks for programs.",
    )
}
