//! What CONTRIBUTING, ARCHITECTURE and README promise of manifests, files and the set-up, compared with them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The lines of one table of a manifest.
fn table<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != name).skip(1);
    lines.take_while(|line| !line.starts_with('[')).collect()
}

#[test]
fn every_dependency_has_a_reason_beside_it() {
    let manifest = text("Cargo.toml");
    let lines = table(&manifest, "[workspace.dependencies]");
    let names_one = |line: &str| line.contains(" = ") && !line.starts_with('#') && !line.contains("path = ");
    let bare: Vec<_> = lines
        .windows(2)
        .filter(|pair| names_one(pair[1]) && !pair[0].starts_with('#'))
        .map(|pair| pair[1].split(' ').next().unwrap())
        .collect();
    assert!(lines.iter().filter(|line| names_one(line)).count() > 50, "the table was read");
    assert_eq!(bare, Vec::<&str>::new(), "dependencies without a comment above them");
}

#[test]
fn every_path_that_a_page_names_from_the_top_is_there() {
    let folders = std::fs::read_dir(root()).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    let folders = folders.filter_map(|folder| folder.file_name().into_string().ok());
    let folders: BTreeSet<String> = folders.filter(|name| name != "target").collect();
    let mut looked_at = 0;
    let mut gone = Vec::new();
    for page in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = text(page);
        // Every second piece between backticks is code.
        let code = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        let named = code.filter(|code| code.split_once('/').is_some_and(|(folder, _)| folders.contains(folder)));
        for path in named.filter(|path| !path.contains(char::is_whitespace)) {
            looked_at += 1;
            if !root().join(path).exists() {
                gone.push(format!("{page}: {path}"));
            }
        }
    }
    assert!(looked_at > 100, "the pages were read: {looked_at}");
    assert_eq!(gone, Vec::<String>::new(), "paths that are not there");
}

/// What the set-up says where `rustc` says this of itself.
fn set_up_with(rustc: &str) -> std::process::Output {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    for (name, says) in [("rustc", rustc), ("cargo", "cargo 1.0.0"), ("cc", ""), ("ld", "")] {
        let program = place.path().join(name);
        std::fs::write(&program, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", place.path().display());
    let script = ". tools/setup.sh; need_compiler";
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", script]).current_dir(root()).env("PATH", path).output().unwrap()
}

#[test]
fn a_compiler_that_is_too_old_is_named_with_what_is_needed_before_anything_is_built() {
    let needed =
        text("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = ").map(ToOwned::to_owned));
    let needed = needed.unwrap().trim_matches('"').to_owned();
    let old = set_up_with("rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)");
    let said = String::from_utf8_lossy(&old.stderr);
    assert_eq!(old.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("Rust {needed} or newer is needed, found 1.85.0")) && said.contains("rustup"),
        "{said}"
    );
    for new in [format!("rustc {needed}.0 (x 2026-01-01)"), "rustc 2.0.0-nightly (x 2027-01-01)".to_owned()] {
        let done = set_up_with(&new);
        assert!(done.status.success(), "{new}: {}", String::from_utf8_lossy(&done.stderr));
    }
    assert!(text("README.md").contains(&format!("[Rust](https://rustup.rs) {needed} or newer")), "README names it");
}

#[test]
fn the_map_shows_the_arrows_of_tests() {
    let manifest = text("Cargo.toml");
    let own = table(&manifest, "[workspace.dependencies]");
    let own: Vec<(&str, &str)> = own
        .iter()
        .filter_map(|line| Some((line.split(' ').next()?, line.split("path = \"").nth(1)?.split('"').next()?)))
        .collect();
    let mut arrows = BTreeSet::new();
    for (name, path) in own.iter().filter(|(_, path)| !path.starts_with("tests/")) {
        let manifest = text(&format!("{path}/Cargo.toml"));
        let on = |table_of: &str| -> BTreeSet<String> {
            let names = table(&manifest, table_of).into_iter().filter_map(|line| line.split(['.', ' ']).next());
            names.filter(|on| own.iter().any(|(name, _)| name == on)).map(ToOwned::to_owned).collect()
        };
        let normal = on("[dependencies]");
        arrows.extend(on("[dev-dependencies]").difference(&normal).map(|on| format!("{on} <- {name}")));
    }
    let map = text("ARCHITECTURE.md");
    let shown = map.lines().find_map(|line| line.strip_prefix("in tests alone, upwards: ")).unwrap();
    let shown: BTreeSet<String> = shown.split("    ").map(|arrow| arrow.trim().to_owned()).collect();
    assert_eq!(arrows, shown, "arrows of dev-dependencies: in the manifests, and in ARCHITECTURE.md");
}
