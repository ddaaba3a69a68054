//! Other people's linters, installed at the first run below the build directory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Built from the Go module proxy, whose checksums the module's own `go.sum` and the checksum database hold.
const ZLINT: &str = "github.com/zmap/zlint/v3/cmd/zlint@v3.7.3";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A Python that has pkilint.
pub(crate) fn pkilint() -> Result<PathBuf, String> {
    const WANTED: &str = include_str!("requirements.txt");
    let folder = folder("pkilint");
    let (python, done) = (folder.join("bin/python"), folder.join("installed.txt"));
    let _one_at_a_time = lock(&folder)?;
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == WANTED) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints/requirements.txt");
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements))?;
    std::fs::write(done, WANTED).map_err(|error| error.to_string())?;
    Ok(python)
}

/// The program.
pub(crate) fn zlint() -> Result<PathBuf, String> {
    let folder = folder("zlint");
    let (program, done) = (folder.join("bin/zlint"), folder.join("installed.txt"));
    let _one_at_a_time = lock(&folder)?;
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == ZLINT) {
        return Ok(program);
    }
    run(Command::new("go")
        .args(["install", ZLINT])
        .env("GOBIN", folder.join("bin"))
        .env("GOPATH", folder.join("path"))
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-modcacherw"))?;
    // Only the program is wanted: sources and objects are some hundred megabytes.
    for folder in [folder.join("path"), folder.join("cache")] {
        std::fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
    }
    std::fs::write(done, ZLINT).map_err(|error| error.to_string())?;
    Ok(program)
}

/// Tests run at the same time; installing must not.
fn lock(folder: &Path) -> Result<std::fs::File, String> {
    let file = std::fs::File::create(folder.with_extension("lock")).map_err(|error| error.to_string())?;
    file.lock().map_err(|error| error.to_string())?;
    Ok(file)
}

fn run(command: &mut Command) -> Result<(), String> {
    let Output { status, stderr, .. } = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {status}: {}", String::from_utf8_lossy(&stderr).trim()))
}
