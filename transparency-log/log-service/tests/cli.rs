//! What `transparency-log` says on the command line, as snapshots.
#![allow(clippy::unwrap_used, missing_docs)]

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd");
}

#[test]
fn a_key_that_is_lost_on_a_full_disk_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("witness.toml");
    let sample = include_str!("../samples/witness.toml");
    let own = sample.replace("/var/lib/transparency-witness", folder.path().to_str().unwrap());
    std::fs::write(&settings, own).unwrap();
    for arguments in [&["witness", "--show-key", "--config", settings.to_str().unwrap()][..], &["--version"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_transparency-log"));
        assert_eq!(command_line::testing::faults_of_printing(command.args(arguments)), [""; 0]);
    }
}
