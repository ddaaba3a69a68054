//! Other people's linters, installed at the first run below the build directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use story::{Context as _, Failure, install, python};

/// Built from the Go module proxy, whose checksums the module's own `go.sum` and the checksum database hold.
const ZLINT: &str = "github.com/zmap/zlint/v3/cmd/zlint@v3.7.3";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A Python that has pkilint.
pub(crate) fn pkilint() -> Result<PathBuf, Failure> {
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints/requirements.txt");
    python::environment(&folder("pkilint"), &requirements)
}

/// The program.
pub(crate) fn zlint() -> Result<PathBuf, Failure> {
    let folder = folder("zlint");
    let (program, done) = (folder.join("bin/zlint"), folder.join("installed.txt"));
    let _one_at_a_time = install::alone(&folder)?;
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == ZLINT) {
        return Ok(program);
    }
    install::fetch("go install", || {
        let mut go = Command::new("go");
        go.args(["install", ZLINT]).env("GOFLAGS", "-modcacherw");
        for (name, part) in [("GOBIN", "bin"), ("GOPATH", "path"), ("GOCACHE", "cache")] {
            go.env(name, folder.join(part));
        }
        Ok(go)
    })?;
    // Only the program is wanted: sources and objects are some hundred megabytes.
    for folder in [folder.join("path"), folder.join("cache")] {
        std::fs::remove_dir_all(folder).context("removing what built it")?;
    }
    std::fs::write(done, ZLINT).context("noting what is installed")?;
    Ok(program)
}
