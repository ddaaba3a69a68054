//! The operator's guide, and its commands as they stand there.

use std::time::Duration;

use story::guard;
use story::process::{self, Finished};

const SOON: Duration = Duration::from_secs(120);

/// What stands between two sentences of the page.
pub(crate) fn part(from: &str, to: &str) -> String {
    let path = format!("{}/../../docs/operations/ca.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once(from).unwrap_or_else(|| panic!("the page does not say {from:?}"));
    rest.split_once(to).unwrap_or_else(|| panic!("the page does not say {to:?} after {from:?}")).0.to_owned()
}

/// The blocks of commands and settings.
pub(crate) fn blocks(part: &str) -> Vec<String> {
    let fenced = part.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap().1.to_owned()).collect()
}

/// A line of the page with something of one's own in place of what everybody has to put in.
pub(crate) fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "expected {from:?} in {text:?}");
    text.replace(from, to)
}

/// Commands, as a person gives them to a shell in this folder.
pub(crate) fn sh(folder: &str, commands: &str) -> Finished {
    let mut shell = guard::guarded(std::path::Path::new("sh")).unwrap();
    shell.args(["-e", "-c", commands]).current_dir(folder);
    process::run(commands, shell, SOON).unwrap().expect(0, commands).unwrap()
}
