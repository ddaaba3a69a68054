//! Which part of a room decides for all of it (rule R-02).

use std::collections::BTreeSet;

use crate::{Leaf, Rules};

/// Whether `present` decides for `members`: more than half of them, or half of them with the lowest leaf.
/// Any two such parts have somebody in common.
#[must_use]
pub fn is_quorum<R: Rules>(present: &BTreeSet<Leaf>, members: &BTreeSet<Leaf>) -> bool {
    let twice = 2 * present.intersection(members).count();
    let has_lowest = members.first().is_some_and(|lowest| present.contains(lowest));
    twice > members.len() || twice == members.len() && (has_lowest || !R::HALF_NEEDS_LOWEST)
}
