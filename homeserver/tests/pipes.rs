//! Nobody reads what is printed any more (`… | head`), or it goes to a full disk: no program panics, a result that was lost is
//! told, and a server lives on.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

/// A pipe that nobody reads from.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_command_whose_output_nobody_reads_does_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("none");
    for (program, arguments, code) in [
        (env!("CARGO_BIN_EXE_ca"), &["config", "sample"][..], 0),
        (env!("CARGO_BIN_EXE_ca"), &["dkim", "--selector", "x", "--domain", "example.org"], 0),
        (env!("CARGO_BIN_EXE_ca"), &["--json", "stats"], 1),
        (env!("CARGO_BIN_EXE_homeserver"), &["introduce", "--help"], 0),
    ] {
        let mut command = Command::new(program);
        command.args(arguments).env("INPERSON_SERVER", &nowhere).stdout(unread());
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
        // Nor if nobody reads its complaints.
        let done = command.stdout(unread()).stderr(unread()).status().unwrap();
        assert_eq!(done.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_result_that_is_lost_on_a_full_disk_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_ca"), &["config", "sample"][..]),
        (env!("CARGO_BIN_EXE_ca"), &["--json", "dkim", "--selector", "x", "--domain", "example.org"]),
        (env!("CARGO_BIN_EXE_ca"), &["keys", "--help"]),
        (env!("CARGO_BIN_EXE_homeserver"), &["witness", "list"]),
        (env!("CARGO_BIN_EXE_homeserver"), &["--version"]),
    ] {
        let mut command = Command::new(program);
        command.args(arguments).env("INPERSON_SERVER", folder.path());
        assert_eq!(command_line::testing::faults_of_printing(&mut command), [""; 0]);
    }
}

#[test]
fn a_server_whose_output_nobody_reads_or_that_is_on_a_full_disk_serves_and_stops_as_asked() {
    serves_and_stops(unread());
    serves_and_stops(std::fs::File::options().write(true).open("/dev/full").unwrap().into());
}

fn serves_and_stops(stdout: Stdio) {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_homeserver"))
        .args(["up", "--https-port", "0", "--directory-port", "0", "--folder"])
        .arg(folder.path().join("server"))
        .env("RUST_LOG", "homeserver=info")
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (tell, told) = mpsc::channel();
    let stderr = server.stderr.take().unwrap();
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
    });
    let mut said = String::new();
    let mut until = |word: &str| {
        while !said.contains(word) {
            let line = told.recv_timeout(SOON);
            said.push_str(&line.unwrap_or_else(|_| panic!("no {word:?} in {said}")));
        }
    };
    until("fingerprint");
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until("stopped");
    assert_eq!(server.wait().unwrap().code(), Some(0));
}
