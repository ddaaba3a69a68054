//! `story`: tells the first conversation with the real programs; `./demo` runs it.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use story::tale::{self, Ending};
use story::{Context, Failure, guard, process};

/// The first conversation, told by the real programs over real sockets on this machine.
///
/// On a terminal it ends by opening Alice's messenger with an echo bot to talk to; otherwise with the line "demo: ok".
#[derive(Debug, Parser)]
#[command(name = "story", bin_name = "demo", version)]
struct Arguments {
    /// Print the transcript only: do not open the messenger at the end
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Inner>,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// Become PROGRAM, killed by the kernel when process PARENT ends
    #[command(hide = true, disable_help_flag = true)]
    Guarded {
        parent: u32,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Set before the children are ended by a signal.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let told = match &arguments.command {
        Some(Inner::Guarded { parent, program, arguments }) => {
            guard::become_guarded(*parent, program, arguments).map(|never| match never {})
        }
        None => tell(arguments.check),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\ndemo: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the story in a fresh folder that is gone afterwards, also after Ctrl-C.
fn tell(check: bool) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let ending = if terminal && !check { Ending::Messenger } else { Ending::Transcript };
    let stage = tale::stage()?;
    let root = stage.path().to_path_buf();
    // Children are started by this thread and die with it; the signals are awaited by another.
    std::thread::spawn(move || {
        if await_interruption().is_ok() {
            INTERRUPTED.store(true, Ordering::SeqCst);
            process::end_all();
            if let Err(error) = remove(&root) {
                eprintln!("\ndemo: {} could not be removed: {error}", root.display());
            }
            eprintln!("\ndemo: interrupted; everything it started has been stopped");
            std::process::exit(130);
        }
    });
    let told = tale::tell(stage.path(), ending);
    while INTERRUPTED.load(Ordering::SeqCst) {
        // What failed now failed because its children were ended; the other thread has the last word.
        std::thread::park();
    }
    if told.is_err() && std::env::var_os("INPERSON_KEEP").is_some() {
        eprintln!("demo: kept {}", stage.keep().display());
    }
    told
}

/// Removes the folder. What was killed a moment ago may still have made a file in it: then once more, for some seconds.
fn remove(root: &Path) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match std::fs::remove_dir_all(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            done => return done,
        }
    }
}

/// Waits for Ctrl-C, a terminal that closes, or a polite request to end.
fn await_interruption() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("awaiting signals")?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("awaiting SIGTERM")?;
        let mut hang_up = signal(SignalKind::hangup()).context("awaiting SIGHUP")?;
        let mut quit = signal(SignalKind::quit()).context("awaiting SIGQUIT")?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.context("awaiting SIGINT"),
            _ = terminate.recv() => Ok(()),
            _ = hang_up.recv() => Ok(()),
            _ = quit.recv() => Ok(()),
        }
    })
}
