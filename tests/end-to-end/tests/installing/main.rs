//! How the whole thing reaches a machine, and stays there: the Debian packages on a clean Debian with systemd, the page that
//! leads from there to a family of five who talk, data that an earlier release wrote, and figures and rules for a Prometheus.
//!
//! Clean machines need root, namespaces and a mirror of Debian; where they cannot be had, the tests say clearly that they skip.
#![allow(clippy::unwrap_used, missing_docs)]

mod belongings;
mod builds;
mod contents;
mod family;
mod kept;
mod life;
mod machine;
mod metrics;

use std::path::{Path, PathBuf};
use std::process::Command;

use story::guard;
use story::install;

/// The project's folder.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One of the project's scripts.
fn script(line: &[&str]) -> Command {
    let mut command = guard::guarded(&top().join(line[0])).unwrap();
    command.args(&line[1..]).current_dir(top());
    command
}

/// Where packages lie that are to be tested in place of those that are made of what the tests have built: a release's.
const GIVEN: &str = "INPERSON_PACKAGES";

/// The packages that were given, or those of the programs that the tests have built, made once.
fn packages() -> &'static Path {
    static MADE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        if let Some(given) = std::env::var_os(GIVEN) {
            return top().join(&given).canonicalize().unwrap_or_else(|error| panic!("{GIVEN} is {given:?}: {error}"));
        }
        let folder = guard::programs().unwrap().join("package/debian");
        let _ = std::fs::remove_dir_all(&folder);
        let line = ["tools/packages.sh", "--built", "--out", folder.to_str().unwrap()];
        install::step("tools/packages.sh", script(&line)).unwrap();
        folder
    })
}
