//! Checking inclusion and consistency proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2).
//!
//! The tree is that of RFC 6962; RFC 9162 states the verification algorithms step by step.

use crate::hash::{Hash, empty_root, node_hash};

/// Why a Merkle proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The index lies outside of the tree.
    #[error("leaf index {index} is not below the tree size {size}")]
    IndexOutOfRange {
        /// The claimed index.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The old tree is larger than the new one.
    #[error("the old tree size {old} is larger than the new tree size {new}")]
    SizesReversed {
        /// The size claimed to be older.
        old: u64,
        /// The size claimed to be newer.
        new: u64,
    },
    /// The proof has fewer or more hashes than the tree's shape demands.
    #[error("expected a proof of {expected} hashes, found {found}")]
    Length {
        /// What the shape of the tree demands.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("expected the root {expected}, the proof leads to {found}")]
    Root {
        /// The root that was to be proven.
        expected: Hash,
        /// The root that the proof computes.
        found: Hash,
    },
    /// The proof leads to another old root.
    #[error("expected the old root {expected}, the proof leads to {found}")]
    OldRoot {
        /// The old root that was to be proven.
        expected: Hash,
        /// The old root that the proof computes.
        found: Hash,
    },
}

/// Computes the root that `path` leads to from `leaf` at `index` in a tree of `size` leaves.
///
/// # Errors
/// When the index is outside of the tree or the path has not the length that the tree's shape demands.
pub fn root_from_inclusion(index: u64, size: u64, leaf: &Hash, path: &[Hash]) -> Result<Hash, MerkleError> {
    if index >= size {
        return Err(MerkleError::IndexOutOfRange { index, size });
    }
    let expected = inclusion_length(index, size);
    if path.len() != expected {
        return Err(MerkleError::Length { expected, found: path.len() });
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // Levels at which the right edge has no sibling are passed without a hash.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    Ok(hash)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves with this `root`.
///
/// # Errors
/// As [`root_from_inclusion`], and when the path leads to another root.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, path: &[Hash], root: &Hash) -> Result<(), MerkleError> {
    let found = root_from_inclusion(index, size, leaf, path)?;
    if found == *root { Ok(()) } else { Err(MerkleError::Root { expected: *root, found }) }
}

/// The number of hashes in an inclusion path: those within the part of the tree that the leaf shares
/// with the right edge only where there is a left sibling.
fn inclusion_length(index: u64, size: u64) -> usize {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = if inner == u64::BITS { 0 } else { (index >> inner).count_ones() };
    (inner + border) as usize
}

/// Checks that the tree of `old_size` leaves with `old_root` is a prefix of the tree of `new_size`
/// leaves with `new_root`.
///
/// Equal sizes need equal roots and an empty proof; from the empty tree the proof is empty too.
///
/// # Errors
/// When the sizes are reversed, the proof has the wrong length, or it leads to other roots.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), MerkleError> {
    if old_size > new_size {
        return Err(MerkleError::SizesReversed { old: old_size, new: new_size });
    }
    if old_size == new_size || old_size == 0 {
        return verify_trivial(old_size, old_root, new_size, new_root, proof);
    }
    let expected = consistency_length(old_size, new_size);
    if proof.len() != expected {
        return Err(MerkleError::Length { expected, found: proof.len() });
    }
    let (old, new) = roots_from_consistency(old_size, old_root, new_size, proof);
    if old != *old_root {
        return Err(MerkleError::OldRoot { expected: *old_root, found: old });
    }
    if new != *new_root {
        return Err(MerkleError::Root { expected: *new_root, found: new });
    }
    Ok(())
}

/// The two cases without a proof: nothing was appended, or everything was.
fn verify_trivial(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), MerkleError> {
    if !proof.is_empty() {
        return Err(MerkleError::Length { expected: 0, found: proof.len() });
    }
    if old_size == 0 && *old_root != empty_root() {
        return Err(MerkleError::OldRoot { expected: empty_root(), found: *old_root });
    }
    if old_size == new_size && old_root != new_root {
        return Err(MerkleError::Root { expected: *old_root, found: *new_root });
    }
    Ok(())
}

/// The number of hashes between two different, non-empty trees: the path of the old tree's last
/// complete subtree, and that subtree itself unless it is the whole old tree.
fn consistency_length(old_size: u64, new_size: u64) -> usize {
    let shift = old_size.trailing_zeros();
    let path = inclusion_length((old_size - 1) >> shift, ((new_size - 1) >> shift) + 1);
    path + usize::from(!old_size.is_power_of_two())
}

/// The old and the new root that the proof computes (RFC 9162 section 2.1.4.2, steps 2 to 6).
fn roots_from_consistency(old_size: u64, old_root: &Hash, new_size: u64, proof: &[Hash]) -> (Hash, Hash) {
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (seed, rest) = match proof.split_first() {
        Some((first, rest)) if !old_size.is_power_of_two() => (*first, rest),
        _ => (*old_root, proof),
    };
    let (mut old, mut new) = (seed, seed);
    for sibling in rest {
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (old, new)
}
