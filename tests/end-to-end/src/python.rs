//! Python programs of other people, in virtual environments of their own below the build directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Context, Failure};

/// The Python of an environment in `folder` that has the packages of the file `requirements`, made at the first run.
///
/// # Errors
/// Python cannot be started, or the packages cannot be had.
pub fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf, Failure> {
    environment_with(folder, requirements, &[])
}

/// The same, with further options for pip.
///
/// # Errors
/// As [`environment`].
pub fn environment_with(folder: &Path, requirements: &Path, options: &[&str]) -> Result<PathBuf, Failure> {
    let wanted = std::fs::read_to_string(requirements).context("reading the list of packages")?;
    let done = folder.join("installed.txt");
    let python = folder.join("bin/python");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(options)
        .arg("--requirement")
        .arg(requirements))?;
    std::fs::write(&done, wanted).context("noting what is installed")?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let Output { status, stderr, .. } = command.output().context(format!("starting {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{command:?}: {status}: {}", String::from_utf8_lossy(&stderr).trim())))
}
