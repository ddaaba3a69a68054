//! Other people's software from PyPI, in a virtual environment below `target/`, pinned in `requirements.txt`.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/requirements.txt");

/// The Python interpreter of an environment with everything in `requirements.txt`; `None`, and a line that says so past
/// the test's captured output, where it cannot be had.
pub(crate) fn interpreter(test: &str) -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/identity-python");
    match install(&place) {
        Ok(python) => Some(python),
        Err(why) => {
            skipped(test, &why);
            None
        }
    }
}

/// Says that a test did not run.
pub(crate) fn skipped(test: &str, why: &str) {
    writeln!(std::io::stderr(), "SKIPPED: {test}: {why}").expect("standard error takes a line");
}

fn install(place: &Path) -> Result<PathBuf, String> {
    let text = |e: std::io::Error| e.to_string();
    fs::create_dir_all(place).map_err(text)?;
    // Two test programs may come at once.
    let lock = File::create(place.join("lock")).map_err(text)?;
    lock.lock().map_err(text)?;
    let (python, marker) = (place.join("bin/python"), place.join("installed.txt"));
    let wanted = fs::read(REQUIREMENTS).map_err(text)?;
    if fs::read(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(place))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]))?;
    fs::write(&marker, wanted).map_err(text)?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", errors.lines().last().unwrap_or("failed")))
}
