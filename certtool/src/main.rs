//! `certtool`: the person's and the auditor's command line.
//!
//! It pins trust policies, enrols this device for a person's address, renews, and lets her see for herself: what a
//! certificate says, whether it holds, whether the log is what it promises, and which certificates exist in her name.
//!
//! It never prints a private key, never asks a network to verify a certificate, and never calls something verified that
//! was only looked at. Everything a command finds can be had as JSON (`--json`); what failed is told by the exit code.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod alarm;
mod backup;
mod browser;
mod cli;
mod clock;
mod commands;
mod context;
mod conversation;
mod credential;
mod dating;
mod explained;
mod failure;
mod handed;
mod health;
mod messenger;
mod opening;
mod output;
mod progress;
mod reading;
mod recipient;
mod settings;
mod subject;
mod text;
mod timer;
mod verdict;
mod written;

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::cli::Cli;
use crate::context::Context;
use crate::output::Output;

/// Libraries copy private keys, to write them for other programs: what is given back is wiped.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    // It ends here with 2 on a wrong command line, with 0 on --help.
    let cli: Cli = command_line::arguments();
    logging(cli.global.verbose);
    let output = Output::new(cli.global.json, cli.global.quiet, cli.global.verbose > 0);
    let result = Context::new(&cli.global, output.clone()).and_then(|context| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failure::Failure::system)?;
        let result = runtime.block_on(commands::run(&context, cli.command));
        // A name that is still being looked up would be waited for, longer than the command itself has waited.
        runtime.shutdown_background();
        result
    });
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    };
    Output::ended(exit)
}

/// Diagnostics of the libraries, on standard error: with -vv, or as RUST_LOG says.
fn logging(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let default = if verbose > 1 { "info" } else { "off" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // Colours are for eyes: in a file or a journal their codes would stand in the way.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
