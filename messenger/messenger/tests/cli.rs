//! The command line as people see it: help, and what is said when something is missing.
//! `TRYCMD=overwrite` writes the transcripts anew: look at the difference before it is committed.
#![allow(clippy::unwrap_used)]

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("INPERSON_HOME", "no-such-home").env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}

#[test]
fn what_is_lost_on_a_full_disk_is_told() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_messenger"));
    assert_eq!(command_line::testing::faults_of_printing(command.args(["doctor", "--help"])), [""; 0]);
    // Events are a result as well, though the program fails of something else here.
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut headless = std::process::Command::new(env!("CARGO_BIN_EXE_messenger"));
    headless.arg("headless").env("INPERSON_HOME", folder.path().join("none")).stdin(std::process::Stdio::null());
    let said = String::from_utf8(headless.stdout(full).output().unwrap().stderr).unwrap();
    assert!(said.contains("No space left on device"), "{said}");
}
