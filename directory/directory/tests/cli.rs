//! What `directory` says on the command line, as snapshots.
#![allow(missing_docs)]

#[test]
fn command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
