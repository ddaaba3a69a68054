//! What `directory` says on the command line, as snapshots.
#![allow(missing_docs)]

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

#[test]
fn help_that_is_lost_on_a_full_disk_is_told() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_directory"));
    assert_eq!(command_line::testing::faults_of_printing(command.args(["serve", "--help"])), [""; 0]);
}
