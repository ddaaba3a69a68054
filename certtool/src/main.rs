//! The person's and the auditor's command line.
fn main() {}
