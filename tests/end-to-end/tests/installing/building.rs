//! What docs/operations/building.md says of building: the same again elsewhere, and for other machines.

use std::collections::BTreeMap;
use std::time::Duration;

use story::process;

use super::{script, text};

/// Two programs are built from nothing, or the whole is looked at for another target.
const LONG: Duration = Duration::from_secs(40 * 60);

#[test]
#[ignore = "builds a program twice from nothing; run by ./test --all"]
fn two_builds_in_two_folders_are_the_same() {
    let done = process::run("reproducible", script(&["tools/reproducible.sh", "--quick"]), LONG).unwrap();
    let said = done.expect(0, "tools/reproducible.sh").unwrap().stdout;
    assert!(said.lines().any(|line| line.ends_with("directory: the same")), "{said}");
}

/// What the page's table says of each target.
fn promised() -> BTreeMap<String, String> {
    let page = text("docs/operations/building.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(target, rest)| (target.to_owned(), rest.split(" |").next().unwrap().to_owned())).collect()
}

#[test]
#[ignore = "checks the programs for three other targets; run by ./test --all"]
fn other_targets_are_as_the_page_says() {
    let promised = promised();
    assert!(promised.len() >= 3, "{promised:?}");
    let done = process::run("targets", script(&["tools/targets.sh"]), LONG).unwrap().expect(0, "targets").unwrap();
    let mut seen = 0;
    for line in done.stdout.lines().filter_map(|line| line.strip_prefix("target ")) {
        let (target, found) = line.split_once(": ").unwrap();
        if let Some(why) = found.strip_prefix("SKIPPED ") {
            story::skipped(format_args!("{target}: {why}"));
            continue;
        }
        assert_eq!(
            promised.get(target).map(String::as_str),
            Some(found),
            "{target}: the page and what was found\n{}",
            done.text()
        );
        seen += 1;
    }
    eprintln!("{seen} targets were looked at");
}
