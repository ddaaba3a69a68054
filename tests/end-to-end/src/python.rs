//! Python programs of other people, in virtual environments of their own below the build directory.

use std::path::{Path, PathBuf};

use crate::{Context, Failure};
use crate::{guard, install};

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
    let _one_at_a_time = install::alone(folder)?;
    let wanted = std::fs::read_to_string(requirements).context("reading the list of packages")?;
    let done = folder.join("installed.txt");
    let python = folder.join("bin/python");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    let mut venv = guard::guarded(Path::new("python3"))?;
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    install::step("python3 -m venv", venv)?;
    install::fetch("pip install", || {
        let mut pip = guard::guarded(&python)?;
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(options);
        pip.arg("--requirement").arg(requirements);
        Ok(pip)
    })?;
    std::fs::write(&done, wanted).context("noting what is installed")?;
    Ok(python)
}
