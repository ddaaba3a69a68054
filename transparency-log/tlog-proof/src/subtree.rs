//! Subtrees, and proofs that a tree contains one (draft-ietf-plants-merkle-tree-certs section 4).
//!
//! C2SP tlog-cosignature signs them, tlog-mirror proves each package of entries by one, and tlog-witness
//! signs them on request. An inclusion proof is the special case of width 1, a consistency proof that
//! of start 0.

use crate::hash::{Hash, empty_root, node_hash};
use crate::merkle::MerkleError;
use crate::prove::{HashReader, range_hash, split};

/// The leaves `start .. end`, where `start` is a multiple of the power of two at or above their number.
///
/// Only such a range keeps its hash in every tree that contains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// A subtree of at least one leaf; `None` for a range that is none.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        let width = end.checked_sub(start).filter(|width| *width > 0)?;
        // A width above 2^63 rounds up to 2^64, of which 0 is the only multiple there is.
        let aligned = width.checked_next_power_of_two().map_or(start == 0, |step| start.is_multiple_of(step));
        aligned.then_some(Self { start, end })
    }

    /// The index of its first leaf.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The index after its last leaf.
    pub fn end(&self) -> u64 {
        self.end
    }
}

/// The hash of a subtree.
///
/// # Errors
/// The reader's.
pub fn subtree_hash<R: HashReader>(reader: &mut R, subtree: Subtree) -> Result<Hash, R::Error> {
    range_hash(reader, subtree.start, subtree.end)
}

/// The proof that the tree of `size` leaves contains `subtree`, from the inside outwards.
///
/// Empty where the subtree is the tree, and where it reaches beyond it: no verifier accepts the latter.
///
/// # Errors
/// The reader's.
pub fn prove_subtree<R: HashReader>(reader: &mut R, subtree: Subtree, size: u64) -> Result<Vec<Hash>, R::Error> {
    let Subtree { start, end } = subtree;
    let mut proof = Vec::new();
    if end > size {
        return Ok(proof);
    }
    let (mut low, mut high, mut inner, mut known) = (0, size, start, true);
    while (inner, end) != (low, high) {
        let middle = split(low, high);
        if end <= middle {
            proof.push(range_hash(reader, middle, high)?);
            high = middle;
        } else {
            proof.push(range_hash(reader, low, middle)?);
            // A subtree on both sides of the split starts where its node does, and ends within the right half.
            known &= inner >= middle;
            inner = inner.max(middle);
            low = middle;
        }
    }
    if !known {
        proof.push(range_hash(reader, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the tree of `size` leaves with this `root` contains `subtree` with this `hash`.
///
/// # Errors
/// When the subtree reaches beyond the tree, the proof has the wrong length, or it leads to other hashes.
pub fn verify_subtree(
    subtree: Subtree,
    hash: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), MerkleError> {
    let Subtree { start, end } = subtree;
    if end > size {
        return Err(MerkleError::SizesReversed { old: end, new: size });
    }
    let Some((inner, outer)) = fold((0, size), (start, end), Some(hash), proof) else {
        return Err(MerkleError::Length { expected: proof_length(subtree, size), found: proof.len() });
    };
    if inner != *hash {
        return Err(MerkleError::OldRoot { expected: *hash, found: inner });
    }
    if outer != *root {
        return Err(MerkleError::Root { expected: *root, found: outer });
    }
    Ok(())
}

/// How many hashes the shape demands.
fn proof_length(subtree: Subtree, size: u64) -> usize {
    let Ok(proof) = prove_subtree(&mut NoHashes, subtree, size);
    proof.len()
}

/// Reads the same hash everywhere, for counting.
struct NoHashes;

impl HashReader for NoHashes {
    type Error = std::convert::Infallible;

    fn read(&mut self, _level: u8, _index: u64) -> Result<Hash, Self::Error> {
        Ok(empty_root())
    }
}

/// The hashes of the subtree and of the node over `low .. high` that the proof implies; `known` is the
/// subtree's hash as long as the node holds the whole of it. At most 64 levels deep.
fn fold(
    (low, high): (u64, u64),
    (start, end): (u64, u64),
    known: Option<&Hash>,
    proof: &[Hash],
) -> Option<(Hash, Hash)> {
    if (start, end) == (low, high) {
        return match (known, proof) {
            (Some(hash), []) | (None, [hash]) => Some((*hash, *hash)),
            _ => None,
        };
    }
    let (outermost, inner) = proof.split_last()?;
    let middle = split(low, high);
    if end <= middle {
        let (subtree, left) = fold((low, middle), (start, end), known, inner)?;
        Some((subtree, node_hash(&left, outermost)))
    } else if start >= middle {
        let (subtree, right) = fold((middle, high), (start, end), known, inner)?;
        Some((subtree, node_hash(outermost, &right)))
    } else {
        let (part, right) = fold((middle, high), (middle, end), None, inner)?;
        Some((node_hash(outermost, &part), node_hash(outermost, &right)))
    }
}
