//! The vectors in `tests/vectors/policy-update`: versions of a trust policy and what comes after them.

mod cases;
mod entries;
mod make;
mod vector;

use identity::rules::Rule;
use vector::UpdateVector;

use crate::files;

#[test]
fn the_files_are_what_is_made() {
    files::compare(&cases::all());
}

#[test]
fn every_rule_about_updates_is_broken_by_a_vector() {
    let broken = files::rules::<UpdateVector>();
    for rule in Rule::ALL {
        assert_eq!(broken.contains(rule.id()), rule.is_about_updates(), "{rule}: whether a vector breaks it");
    }
}
