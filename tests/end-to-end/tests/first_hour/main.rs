//! A newcomer's first hour: every command of `docs/first-hour.md`, at a real home server, with the codes of real mails.
//!
//! After a change of what certtool says, `TRYCMD=overwrite` writes the page anew. What differs from run to run is told by
//! `play.py` as the page has it.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use story::guard;
use story::homeserver::Homeserver;

const PAGE: &str = "../../docs/first-hour.md";

/// A file of this mode.
fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_first_hour_is_as_the_page_tells_it() {
    let place = tempfile::tempdir().unwrap();
    let server = Homeserver::start(&place.path().join("server"), &[]).unwrap();
    let home = place.path().join("alice");
    fs::create_dir(&home).unwrap();
    // What she has already.
    write(&home.join("letter.txt"), "Dear Bob,\n", 0o644);
    write(&home.join("passphrase"), "correct horse\n", 0o600);
    let git = "[user]\n\tname = Alice\n\temail = alice@example.org\n[init]\n\tdefaultBranch = main\n";
    write(&home.join(".gitconfig"), git, 0o644);

    let stage = json!({
        "policy": server.ready().policy,
        "fingerprint": server.ready().fingerprint,
        "outbox": server.ready().outbox,
        "programs": guard::programs().unwrap(),
        "home": home,
    });
    let stage_file = place.path().join("stage.json");
    fs::write(&stage_file, stage.to_string()).unwrap();
    let play = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first_hour/play.py");
    let cases = trycmd::TestCases::new();
    for program in ["certtool", "git"] {
        let path = place.path().join(program);
        let line = format!("exec python3 -B '{}' '{}' {program} \"$@\"", play.display(), stage_file.display());
        write(&path, &format!("#!/bin/sh\n{line}\n"), 0o755);
        cases.register_bin(program, path);
    }
    cases.case(PAGE).run();
    server.stop().unwrap();
}

/// Ten commands at least, of which each has to be one that a newcomer can type as it stands.
#[test]
fn the_page_has_an_hours_worth() {
    let page = fs::read_to_string(PAGE).unwrap();
    let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let certtool = commands.iter().filter(|command| command.starts_with("certtool ")).count();
    assert!(certtool >= 10, "{commands:#?}");
}
