//! `certtool doctor`: what stands between this device and others. The messenger looks, for it has the connections; it is
//! found beside this program, or where the system looks for programs.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use identity::Identifier;

use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};

/// Look at what stands between you and others: router, firewall, directory, clock
///
/// Shows this device's addresses and how they are seen from your directory, what a router or a firewall does to them, the
/// way to the directory (round trip, largest packets), the clock, and the certificate. It calls nobody, and nobody sees it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool doctor\n  \
    certtool doctor alice@example.org --json\n\n\
    It is `messenger doctor`: the program messenger has to be installed.\n\
    Exit codes: 0 your directory is reached, 1 failed, 4 your directory is not reached.")]
pub(crate) struct Doctor {
    /// As whom; not needed if you enrolled one address
    #[arg(value_name = "ID", value_parser = identifier)]
    identifier: Option<Identifier>,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut messenger = Command::new(program());
        messenger.arg("doctor").arg("--home").arg(context.home.folder());
        if let Some(source) = &context.passphrase {
            messenger.arg("--passphrase").arg(source.to_string());
        }
        if let Some(identifier) = &self.identifier {
            messenger.arg("--identity").arg(identifier.as_str());
        }
        if context.output.json() {
            messenger.arg("--json");
        }
        let ended = messenger.status().map_err(|error| not_started(&error))?;
        // What went wrong and what to try it has said itself.
        Ok(match ended.code() {
            Some(0) => Exit::Ok,
            Some(4) => Exit::Unreachable,
            _ => Exit::Failed,
        })
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
        format!("the program messenger, which looks, did not start: {error}"),
        "Install it beside certtool, or where the system looks for programs.",
    )
}
