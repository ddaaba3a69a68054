//! Making proofs from stored subtree hashes (RFC 6962 sections 2.1.1 and 2.1.2).

use crate::hash::{Hash, empty_root, node_hash};

/// Where a prover finds the hashes of complete subtrees: tiles on disk, a cache, a slice in a test.
pub trait HashReader {
    /// Why a hash could not be read.
    type Error;

    /// The hash of the complete subtree over the leaves `index · 2^level .. (index + 1) · 2^level`.
    ///
    /// The prover only asks for subtrees that lie wholly within the tree it proves in.
    ///
    /// # Errors
    /// Whatever keeps the hash from being read; the prover passes it on.
    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the tree over the first `size` leaves.
///
/// # Errors
/// The reader's.
pub fn root<R: HashReader>(reader: &mut R, size: u64) -> Result<Hash, R::Error> {
    if size == 0 { Ok(empty_root()) } else { range_hash(reader, 0, size) }
}

/// The audit path of the leaf at `index` in the tree of `size` leaves, sibling of the leaf first.
///
/// Empty where `index` is not below `size`: there is no such path, and no verifier accepts it.
///
/// # Errors
/// The reader's.
pub fn prove_inclusion<R: HashReader>(reader: &mut R, index: u64, size: u64) -> Result<Vec<Hash>, R::Error> {
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    let (mut low, mut high) = (0, size);
    while high - low > 1 {
        let middle = split(low, high);
        if index < middle {
            path.push(range_hash(reader, middle, high)?);
            high = middle;
        } else {
            path.push(range_hash(reader, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency proof between the trees of `old` and of `new` leaves.
///
/// Empty where nothing is to be proven: `old` is 0 or not below `new`.
///
/// # Errors
/// The reader's.
pub fn prove_consistency<R: HashReader>(reader: &mut R, old: u64, new: u64) -> Result<Vec<Hash>, R::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut low, mut high, mut whole) = (0, new, true);
    while old != high {
        let middle = split(low, high);
        if old <= middle {
            proof.push(range_hash(reader, middle, high)?);
            high = middle;
        } else {
            proof.push(range_hash(reader, low, middle)?);
            low = middle;
            whole = false;
        }
    }
    // The verifier knows the old root; any other subtree it must be given.
    if !whole {
        proof.push(range_hash(reader, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below the width, from `low` on: where RFC 6962 splits a range.
pub(crate) fn split(low: u64, high: u64) -> u64 {
    low + (1 << (u64::BITS - 1 - (high - low - 1).leading_zeros()))
}

/// The hash of a range that starts at a multiple of the power of two at or above its width.
pub(crate) fn range_hash<R: HashReader>(reader: &mut R, low: u64, high: u64) -> Result<Hash, R::Error> {
    let width = high - low;
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        return reader.read(level as u8, low >> level);
    }
    let middle = split(low, high);
    let left = range_hash(reader, low, middle)?;
    Ok(node_hash(&left, &range_hash(reader, middle, high)?))
}
