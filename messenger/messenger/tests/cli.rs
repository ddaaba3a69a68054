//! The command line as people see it: help, and what is said when something is missing.
//! `TRYCMD=overwrite` writes the transcripts anew: look at the difference before it is committed.

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("INPERSON_HOME", "no-such-home").env("NO_COLOR", "1").case("tests/cmd/*.trycmd");
}
