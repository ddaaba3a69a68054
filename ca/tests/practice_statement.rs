//! The practice statement and the threat model name rules and tests that exist.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use identity::rules::Rule;

/// One line of a table: the number, and what stands in backticks in its last column.
struct Statement<'a> {
    number: &'a str,
    held_by: Vec<&'a str>,
    by_operator: bool,
}

fn statements(page: &str) -> Vec<Statement<'_>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let (number, rest) = row.split_once(" | ")?;
        let (_, held) = rest.rsplit_once(" | ")?;
        let held_by = held.split('`').skip(1).step_by(2).collect();
        Some(Statement { number, held_by, by_operator: held.contains("*Operator*") })
    })
    .collect()
}

/// The names of all tests in the sources below this folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if name != "target" && !name.to_string_lossy().starts_with('.') {
                tests(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in source.lines().map(str::trim) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                if let Some(name) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) {
                    if is_test {
                        found.extend(name.split('(').next().map(str::to_owned));
                    }
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_statement_is_held_by_rules_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("policies/cps.md")).unwrap();
    let mut names = BTreeSet::new();
    tests(root, &mut names);
    names.extend(Rule::ALL.iter().map(|rule| rule.id().to_owned()));
    let statements = statements(&page);
    assert!(statements.len() > 40, "{} statements", statements.len());
    for Statement { number, held_by, by_operator } in statements {
        assert!(by_operator || !held_by.is_empty(), "{number} is held by nothing");
        for name in held_by {
            assert!(names.contains(name), "{number} is held by {name}, which is neither a rule nor a test");
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut names = BTreeSet::new();
    tests(root, &mut names);
    // Names of tests are words; paths, files and options are not.
    let is_word = |quoted: &&str| quoted.contains('_') && quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let named: Vec<_> = page.split('`').skip(1).step_by(2).filter(is_word).collect();
    assert!(named.len() > 20, "{} tests", named.len());
    for name in named {
        assert!(names.contains(name), "{name} is no test");
    }
}
