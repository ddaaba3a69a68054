//! All cases, in the order of the rules.

mod chain;
mod component;
mod constraints;
mod good;
mod log;
mod mail;
mod names;
mod profile;
mod revocation;

use std::collections::BTreeMap;

use super::case::Case;
use super::vector::Vector;

/// Every vector, freshly made.
pub(crate) fn all() -> Vec<Vector> {
    let cases = [
        good::cases(),
        chain::cases(),
        constraints::cases(),
        profile::cases(),
        mail::cases(),
        component::cases(),
        names::cases(),
        log::cases(),
        revocation::cases(),
    ];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    let twins: Vec<&str> = cases.iter().map(Case::twin).collect();
    let mut made: Vec<Vector> = cases.into_iter().map(Case::make).collect();
    let good: BTreeMap<String, Vec<String>> =
        made.iter().map(|vector| (vector.name.clone(), vector.annotated.clone())).collect();
    for (vector, twin) in made.iter_mut().zip(twins).filter(|(vector, twin)| vector.name != *twin) {
        vector.annotated = differing(&vector.annotated, &good[twin]);
    }
    made
}

/// The lines that the good one does not have; an ellipsis stands for the others.
fn differing(lines: &[String], good: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        if !good.contains(line) {
            kept.push(line.clone());
        } else if kept.last().is_none_or(|last| last != "…") {
            kept.push("…".to_owned());
        }
    }
    kept
}
