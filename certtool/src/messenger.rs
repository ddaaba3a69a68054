//! The messenger, which does what needs the network between devices. It is found beside this program, or where the system looks
//! for programs.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use serde_json::{Map, Value};

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// One of its commands, about this person's folder.
pub(crate) fn command(context: &Context, name: &str) -> Command {
    let mut messenger = Command::new(program());
    messenger.arg(name).arg("--home").arg(context.home.folder());
    if let Some(source) = &context.passphrase {
        messenger.arg("--passphrase").arg(source.to_string());
    }
    messenger
}

/// Lets it speak for itself; what went wrong and what to try it says, too.
pub(crate) fn shown(mut command: Command) -> Result<Exit, Failure> {
    command.status().map(exit).map_err(|error| not_started(&error))
}

/// The object that it prints, or its error as one, where it was told `--json`.
pub(crate) fn said(mut command: Command) -> Result<(Map<String, Value>, Exit), Failure> {
    let done = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(&error))?;
    let object = serde_json::from_slice(&done.stdout).map_err(|error| {
        let remedy = "Install the messenger that belongs to this certtool.";
        Failure::failed(format!("messenger said what is not understood: {error}"), remedy)
    })?;
    Ok((object, exit(done.status)))
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
        format!("the program messenger, which talks to other devices, did not start: {error}"),
        "Install it beside certtool, or where the system looks for programs.",
    )
}
