//! The vectors in `tests/vectors/certificate`: made here, and judged by every entry point there is.
//!
//! They are made by hand from the specification, by code that shares nothing with the authority's; see [`case`]. To write
//! them anew after a change: `WRITE_VECTORS=1 cargo test -p end-to-end --test vectors`.

#![allow(clippy::unwrap_used)]

mod annotate;
mod case;
mod cases;
mod dates;
mod der;
mod draft;
mod entries;
mod house;
mod leaf;
mod logging;
mod updates;
mod vector;

use std::collections::BTreeSet;

use identity::rules::Rule;

/// All of them together stay pleasant to clone (bytes).
const MAX_TOTAL: usize = 2_500_000;

#[test]
fn the_files_are_what_is_made() {
    let made = cases::all();
    let names: BTreeSet<&str> = made.iter().map(|vector| vector.name.as_str()).collect();
    assert_eq!(names.len(), made.len(), "a name twice");
    if std::env::var_os("WRITE_VECTORS").is_some() {
        write(&made);
    }
    let mut total = 0;
    for vector in &made {
        let path = vector::folder().join(format!("{}.json", vector.name));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text == vector.to_json(), "{} is not what is made: write it anew", path.display());
        total += text.len();
    }
    let files: BTreeSet<String> = vector::read_all().into_iter().map(|vector| vector.name).collect();
    assert_eq!(files, names.into_iter().map(str::to_owned).collect(), "files and cases");
    assert!(total <= MAX_TOTAL, "{total} bytes");
}

fn write(made: &[vector::Vector]) {
    std::fs::create_dir_all(vector::folder()).unwrap();
    for old in vector::read_all() {
        std::fs::remove_file(vector::folder().join(format!("{}.json", old.name))).unwrap();
    }
    for vector in made {
        std::fs::write(vector::folder().join(format!("{}.json", vector.name)), vector.to_json()).unwrap();
    }
}

/// Rules that no certificate can break by itself, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("DATE-01", "is about the date of a signature: `dates`"),
    ("DATE-02", "is about the date of a signature: `dates`"),
    ("DATE-03", "is about the date of a signature: `dates`"),
    ("DATE-04", "is about the date of a signature: `dates`"),
    ("TRUST-07", "is about an update of the trust policy"),
    ("TRUST-08", "is about an update of the trust policy"),
    ("TRUST-09", "is about an update of the trust policy"),
    ("TRUST-10", "is about an update of the trust policy"),
    ("TRUST-11", "is about an update of the trust policy"),
];

#[test]
fn every_rule_is_broken_by_a_vector() {
    let broken: BTreeSet<String> = vector::read_all().into_iter().map(|vector| vector.rule).collect();
    for rule in Rule::ALL {
        let elsewhere = NOT_HERE.iter().any(|(id, _)| *id == rule.id());
        assert_eq!(broken.contains(rule.id()), !elsewhere, "{rule}: whether a vector breaks it");
    }
    assert!(broken.contains("ok"));
}
