//! Subtree proofs against their definition.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;

use proptest::prelude::*;
use tlog_proof::{
    Hash, HashReader, MerkleError, Subtree, empty_root, leaf_hash, node_hash, prove_consistency, prove_inclusion,
    prove_subtree, subtree_hash, verify_subtree,
};

/// MTH(D[n]), RFC 6962 section 2.1.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&tree_hash(left), &tree_hash(right))
        }
    }
}

/// SUBTREE_SUBPROOF(start, end, D[n], b), draft-ietf-plants-merkle-tree-certs section 4.4.1.
fn subproof(start: usize, end: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if (start, end) == (0, leaves.len()) {
        return if known { Vec::new() } else { vec![tree_hash(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(k);
    let (mut proof, sibling) = if end <= k {
        (subproof(start, end, left, known), right)
    } else if start >= k {
        (subproof(start - k, end - k, right, known), left)
    } else {
        (subproof(0, end - k, right, false), left)
    };
    proof.push(tree_hash(sibling));
    proof
}

struct Leaves(Vec<Hash>);

impl HashReader for Leaves {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(tree_hash(&self.0[(index << level) as usize..((index + 1) << level) as usize]))
    }
}

fn leaves(count: u64) -> Leaves {
    Leaves((0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect())
}

/// C2SP tlog-witness, "sign-subtree": the example asks for leaves 8 to 12 of 14 and sends four hashes. (They
/// are there for their form: no arrangement of them makes the hashes that it claims.)
#[test]
fn shape_of_the_example_of_tlog_witness() {
    let mut tree = leaves(14);
    let Ok(proof) = prove_subtree(&mut tree, Subtree::new(8, 13).unwrap(), 14);
    assert_eq!(proof, [tree.0[12], tree.0[13], tree_hash(&tree.0[8..12]), tree_hash(&tree.0[..8])]);
}

/// Every subtree of every tree up to 40 leaves: the proof is the definition's, and only it verifies.
#[test]
fn every_subtree_of_small_trees() {
    let mut all = leaves(40);
    for size in 1..=40u64 {
        let tree = all.0[..size as usize].to_vec();
        let root = tree_hash(&tree);
        for start in 0..size {
            for end in start + 1..=size {
                let Some(subtree) = Subtree::new(start, end) else { continue };
                let Ok(hash) = subtree_hash(&mut all, subtree);
                assert_eq!(hash, tree_hash(&tree[start as usize..end as usize]));
                let Ok(proof) = prove_subtree(&mut all, subtree, size);
                assert_eq!(proof, subproof(start as usize, end as usize, &tree, true), "{start}..{end} of {size}");
                verify_subtree(subtree, &hash, size, &root, &proof).unwrap();
                refuses_faults(subtree, &hash, size, &root, &proof);
            }
        }
    }
}

fn refuses_faults(subtree: Subtree, hash: &Hash, size: u64, root: &Hash, proof: &[Hash]) {
    let other = leaf_hash(b"another");
    let check = |hash: &Hash, root: &Hash, proof: &[Hash]| verify_subtree(subtree, hash, size, root, proof);
    assert!(check(&other, root, proof).is_err() && check(hash, &other, proof).is_err());
    assert!(matches!(check(hash, root, &[proof, &[other]].concat()), Err(MerkleError::Length { .. })));
    for position in 0..proof.len() {
        let mut altered = proof.to_vec();
        altered[position] = other;
        assert!(check(hash, root, &altered).is_err());
        let expected = MerkleError::Length { expected: proof.len(), found: position };
        assert_eq!(check(hash, root, &proof[..position]), Err(expected));
    }
    let beyond = verify_subtree(subtree, hash, subtree.end() - 1, root, proof);
    assert!(matches!(beyond, Err(MerkleError::SizesReversed { .. })));
}

#[test]
fn which_ranges_are_subtrees() {
    for (start, end) in
        [(0, 1), (0, 7), (5, 6), (4, 7), (8, 13), (256, 512), (256, 300), (0, u64::MAX), (1 << 63, u64::MAX)]
    {
        let subtree = Subtree::new(start, end).unwrap();
        assert_eq!((subtree.start(), subtree.end()), (start, end));
    }
    for (start, end) in [(0, 0), (3, 2), (1, 3), (2, 5), (4, 9), (128, 300), (1, u64::MAX)] {
        assert_eq!(Subtree::new(start, end), None, "{start}..{end}");
    }
}

proptest! {
    /// An inclusion proof is that of a subtree of one leaf, a consistency proof that of one from 0.
    #[test]
    fn special_cases(size in 1u64..200, first: u64, second: u64) {
        let mut tree = leaves(size);
        let (index, old) = (first % size, second % size + 1);
        let leaf = prove_subtree(&mut tree, Subtree::new(index, index + 1).unwrap(), size);
        prop_assert_eq!(leaf, prove_inclusion(&mut tree, index, size));
        let prefix = prove_subtree(&mut tree, Subtree::new(0, old).unwrap(), size);
        prop_assert_eq!(prefix, prove_consistency(&mut tree, old, size));
    }

    #[test]
    fn no_proof_makes_the_verifier_panic(start: u64, width: u64, size: u64, hashes in 0usize..70) {
        if let Some(subtree) = Subtree::new(start, start.saturating_add(width)) {
            let proof = vec![empty_root(); hashes];
            prop_assert!(verify_subtree(subtree, &empty_root(), size, &leaf_hash(b""), &proof).is_err());
        }
    }
}
