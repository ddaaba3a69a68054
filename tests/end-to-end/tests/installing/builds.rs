//! How the programs are built: the same bytes wherever it is done, and for which other machines.

use std::path::Path;
use std::time::Duration;

use story::process::{self, Finished};

use super::{script, text};

/// A release is built twice, or every crate checked, on one slow core.
const LONG: Duration = Duration::from_secs(3 * 60 * 60);

fn run(line: &[&str], deadline: Duration) -> Finished {
    process::run(line[0], script(line), deadline).unwrap()
}

#[test]
fn scripts_say_what_they_do_and_refuse_what_they_do_not_know() {
    for name in ["tools/packages.sh", "tools/reproducible.sh", "tools/targets.sh"] {
        let help = run(&[name, "--help"], Duration::from_secs(60)).expect(0, "--help").unwrap();
        assert!(help.stdout.contains(name), "{name}: {}", help.stdout);
        run(&[name, "--colour"], Duration::from_secs(60)).expect(2, "an unknown argument").unwrap();
    }
}

/// Else it would not be the packages of which `tools/reproducible.sh` says that they can be made again.
#[test]
fn packages_are_built_with_the_settings_that_make_two_builds_the_same() {
    let packages = text("tools/packages.sh");
    let settings = packages.find("    reproducibly\n").unwrap();
    assert!(settings < packages.find("cargo build --release").unwrap());
    let page = text("docs/operations/building.md");
    for said in [
        "tools/reproducible.sh",
        "tools/targets.sh",
        "aarch64-unknown-linux-gnu",
        "x86_64-pc-windows-gnu",
        "aarch64-apple-darwin",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
#[ignore = "checks every crate for another machine; run by ./test --all"]
fn every_crate_compiles_for_another_linux() {
    let done = run(&["tools/targets.sh", "aarch64-unknown-linux-gnu"], LONG);
    if done.stdout.contains("NOT TRIED") {
        return story::skipped("no other machine was compiled for: Rust's library for it cannot be had here");
    }
    done.expect(0, "tools/targets.sh").unwrap();
}

#[test]
#[ignore = "builds a program twice, optimised; run by ./test --all"]
fn two_builds_in_two_folders_are_the_same() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.git").exists() {
        return story::skipped("nothing was built twice: this is no clone");
    }
    let done = run(&["tools/reproducible.sh", "-p", "log-service"], LONG).expect(0, "tools/reproducible.sh").unwrap();
    assert!(done.stdout.contains("release/transparency-log"), "{}", done.stdout);
}
