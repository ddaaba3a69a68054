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
mod files;
mod house;
mod leaf;
mod logging;
mod updates;
mod vector;

use identity::rules::Rule;
use vector::Vector;

/// All of them together stay pleasant to clone (bytes).
const MAX_TOTAL: usize = 2_500_000;

#[test]
fn the_files_are_what_is_made() {
    let total = files::compare(&cases::all());
    assert!(total <= MAX_TOTAL, "{total} bytes");
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
    let broken = files::rules::<Vector>();
    for rule in Rule::ALL {
        let elsewhere = NOT_HERE.iter().any(|(id, _)| *id == rule.id());
        assert_eq!(broken.contains(rule.id()), !elsewhere, "{rule}: whether a vector breaks it");
    }
}
