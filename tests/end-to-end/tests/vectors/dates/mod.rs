//! The vectors in `tests/vectors/dated-signature`: signatures with what dates them, and certificates as they were then.

mod cases;
mod entries;
mod make;
mod vector;

use identity::rules::Rule;
use vector::DateVector;

use crate::files;

#[test]
fn the_files_are_what_is_made() {
    files::compare(&cases::all());
}

#[test]
fn every_rule_about_dates_is_broken_by_a_vector() {
    let broken = files::rules::<DateVector>();
    for rule in Rule::ALL.iter().filter(|rule| rule.is_about_dates()) {
        assert!(broken.contains(rule.id()), "{rule}");
    }
}
