//! The vectors in `tests/vectors/dated-signature`: signatures with what dates them, and certificates as they were then.

mod cases;
mod entries;
mod make;
mod vector;

use std::collections::BTreeSet;

use identity::rules::Rule;

#[test]
fn the_files_are_what_is_made() {
    let made = cases::all();
    let names: BTreeSet<&str> = made.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), made.len(), "a name twice");
    if std::env::var_os("WRITE_VECTORS").is_some() {
        vector::write(&made);
    }
    for vector in &made {
        let path = vector::folder().join(format!("{}.json", vector.name));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text == vector.to_json(), "{} is not what is made: write it anew", path.display());
    }
    let files: BTreeSet<String> = vector::read_all().into_iter().map(|vector| vector.name).collect();
    assert_eq!(files, names.into_iter().map(str::to_owned).collect(), "files and cases");
}

#[test]
fn every_rule_about_dates_is_broken_by_a_vector() {
    let broken: BTreeSet<String> = vector::read_all().into_iter().map(|vector| vector.rule).collect();
    for rule in Rule::ALL.iter().filter(|rule| rule.is_about_dates()) {
        assert!(broken.contains(rule.id()), "{rule}");
    }
    assert!(broken.contains("ok"));
}
