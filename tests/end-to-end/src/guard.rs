//! The project's programs, guarded: they end with whoever started them.
//!
//! Every child is started through `story guarded PARENT PROGRAM…`, which asks the kernel to kill it when its parent
//! ends, however the parent ends (`PR_SET_PDEATHSIG`, Linux), and then becomes the program (same process id).
//!
//! The kernel watches the *thread* that started the child: start children from a thread that lives as long as they do.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::{Context, Failure};

/// The folder that holds the programs: where this executable lies, or its parent for test executables.
///
/// # Errors
/// The executable's own path cannot be found out.
pub fn programs() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().context("finding this executable's own path")?;
    let folder = own.parent().context("this executable lies in no folder")?;
    let inner = folder.file_name() == Some(OsStr::new("deps"));
    let folder = if inner { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_path_buf())
}

/// The path of one of the project's programs.
///
/// # Errors
/// It has not been built; the message says how to build it.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let path = programs()?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!(
        "expected the program {}, found none: run `cargo build --workspace --bins` first",
        path.display()
    )))
}

/// A command for one of the project's programs, by its name, that runs guarded.
///
/// # Errors
/// It, or `story` itself, has not been built.
pub fn command(name: &str) -> Result<Command, Failure> {
    guarded(&program(name)?)
}

/// A command for `program` that runs guarded: it ends with this process at the latest.
///
/// # Errors
/// `story` itself, which does the guarding, has not been built.
pub fn guarded(program: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(self::program("story")?);
    command.arg("guarded").arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// As [`guarded`], with `wrapper` before the program: `faketime -f +1y` for a clock that is wrong.
///
/// # Errors
/// As [`guarded`].
pub fn guarded_under(wrapper: &[String], program: &Path) -> Result<Command, Failure> {
    let Some((first, rest)) = wrapper.split_first() else { return guarded(program) };
    let mut command = guarded(Path::new(first))?;
    command.args(rest).arg(program);
    Ok(command)
}

/// The other half of [`guarded`]: becomes `program`, after asking to be killed together with `parent`.
///
/// # Errors
/// Returns only if the program cannot be started, or if the parent is already gone.
pub fn become_guarded(
    parent: u32,
    program: &OsStr,
    arguments: &[OsString],
) -> Result<std::convert::Infallible, Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the parent")?;
    // The parent may have ended before we asked; then nobody would tell us any more.
    let found = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if found != parent {
        return Err(Failure::new(format!("expected the parent process {parent}, found {found}: it is gone")));
    }
    let error = Command::new(program).args(arguments).exec();
    Err(Failure::new(format!("cannot start {}: {error}", program.display())))
}
