//! Proofs against the definitions of RFC 6962 section 2.1, written down as they stand there.
#![allow(clippy::unwrap_used, missing_docs)]

use std::convert::Infallible;

use proptest::prelude::*;
use tlog_proof::{
    Frontier, Hash, HashReader, MerkleError, empty_root, leaf_hash, node_hash, prove_consistency, prove_inclusion,
    root, root_from_inclusion, verify_consistency, verify_inclusion,
};

/// MTH(D[n]), section 2.1.
fn tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        leaves => {
            let k = split(leaves.len());
            node_hash(&tree_hash(&leaves[..k]), &tree_hash(&leaves[k..]))
        }
    }
}

/// PATH(m, D[n]), section 2.1.1.
fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (mut hashes, sibling) = if m < k {
        (path(m, &leaves[..k]), tree_hash(&leaves[k..]))
    } else {
        (path(m - k, &leaves[k..]), tree_hash(&leaves[..k]))
    };
    hashes.push(sibling);
    hashes
}

/// SUBPROOF(m, D[n], b), section 2.1.2.
fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![tree_hash(leaves)] };
    }
    let k = split(leaves.len());
    let (mut hashes, sibling) = if m <= k {
        (subproof(m, &leaves[..k], whole), tree_hash(&leaves[k..]))
    } else {
        (subproof(m - k, &leaves[k..], false), tree_hash(&leaves[..k]))
    };
    hashes.push(sibling);
    hashes
}

/// The largest power of two smaller than n.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

struct Leaves(Vec<Hash>);

impl HashReader for Leaves {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let range = (index << level) as usize..((index + 1) << level) as usize;
        Ok(tree_hash(&self.0[range]))
    }
}

fn leaves(count: usize) -> Leaves {
    Leaves((0..count as u64).map(|n| leaf_hash(&n.to_be_bytes())).collect())
}

/// The tree of the Certificate Transparency reference tests: eight leaves and their eight roots.
#[test]
fn certificate_transparency_reference_tree() {
    let data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), empty_root());
    for (data, expected) in data.iter().zip(roots) {
        let bytes: Vec<u8> =
            (0..data.len()).step_by(2).map(|i| u8::from_str_radix(&data[i..i + 2], 16).unwrap()).collect();
        frontier.push(leaf_hash(&bytes));
        let found: String = frontier.root().0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected, "root of {} leaves", frontier.size());
    }
}

/// Every proof of every small tree is the one of the definition and verifies.
#[test]
fn every_proof_of_every_small_tree() {
    for size in 1..=40 {
        let mut tree = leaves(size);
        let all = tree.0.clone();
        let new_root = tree_hash(&all);
        let n = size as u64;
        assert_eq!(root(&mut tree, n).unwrap(), new_root);
        for index in 0..size {
            let proof = prove_inclusion(&mut tree, index as u64, n).unwrap();
            assert_eq!(proof, path(index, &all));
            verify_inclusion(index as u64, n, &all[index], &proof, &new_root).unwrap();
        }
        for old in 0..=size {
            let old_root = tree_hash(&all[..old]);
            let proof = prove_consistency(&mut tree, old as u64, n).unwrap();
            let expected = if old == 0 { Vec::new() } else { subproof(old, &all, true) };
            assert_eq!(proof, expected, "{old} to {size}");
            verify_consistency(old as u64, &old_root, n, &new_root, &proof).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn inclusion_as_defined(size in 1usize..700, seed: u64) {
        let mut tree = leaves(size);
        let index = (seed % size as u64) as usize;
        let proof = prove_inclusion(&mut tree, index as u64, size as u64).unwrap();
        prop_assert_eq!(&proof, &path(index, &tree.0));
        let found = root_from_inclusion(index as u64, size as u64, &tree.0[index], &proof).unwrap();
        prop_assert_eq!(found, tree_hash(&tree.0));
    }

    #[test]
    fn consistency_as_defined(size in 1usize..700, seed: u64) {
        let mut tree = leaves(size);
        let old = 1 + (seed % size as u64) as usize;
        let proof = prove_consistency(&mut tree, old as u64, size as u64).unwrap();
        prop_assert_eq!(&proof, &subproof(old, &tree.0, true));
        let (old_root, new_root) = (tree_hash(&tree.0[..old]), tree_hash(&tree.0));
        prop_assert_eq!(verify_consistency(old as u64, &old_root, size as u64, &new_root, &proof), Ok(()));
    }

    #[test]
    fn frontier_as_defined(size in 0usize..700) {
        let tree = leaves(size);
        let mut frontier = Frontier::new();
        tree.0.iter().for_each(|leaf| frontier.push(*leaf));
        prop_assert_eq!(frontier.root(), tree_hash(&tree.0));
        let again = Frontier::from_parts(size as u64, frontier.subtrees().to_vec());
        prop_assert_eq!(again, Some(frontier));
    }

    /// Another index, another size, an altered, added or missing hash: nothing of it verifies.
    #[test]
    fn altered_inclusion_is_refused(size in 2usize..300, seed: u64, flip in 0usize..256) {
        let mut tree = leaves(size);
        let (n, index) = (size as u64, seed % size as u64);
        let good = prove_inclusion(&mut tree, index, n).unwrap();
        let (leaf, top) = (tree.0[index as usize], tree_hash(&tree.0));
        let refused = |index, size, leaf: &Hash, path: &[Hash]| verify_inclusion(index, size, leaf, path, &top).is_err();
        let mut bad = good.clone();
        let position = (seed >> 32) as usize % bad.len();
        bad[position].0[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(refused(index, n, &leaf, &bad));
        prop_assert!(refused(index, n, &leaf, &good[1..]));
        prop_assert!(refused(index, n, &leaf, &[good.as_slice(), &[leaf]].concat()));
        prop_assert!(refused((index + 1) % n, n, &leaf, &good));
        prop_assert!(refused(index, n, &leaf_hash(b"another"), &good));
    }

    /// No numbers and no proof make the verifier panic.
    #[test]
    fn garbage_never_panics(a: u64, b: u64, bytes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let hashes: Vec<Hash> = bytes.into_iter().map(Hash).collect();
        let any = leaf_hash(b"any");
        for size in [b, a.saturating_add(b), u64::MAX] {
            let _refused = verify_inclusion(a, size, &any, &hashes, &any);
            let _refused = verify_consistency(a, &any, size, &any, &hashes);
        }
    }
}

#[test]
fn degenerate_trees() {
    let (leaf, other) = (leaf_hash(b"leaf"), leaf_hash(b"other"));
    assert_eq!(verify_inclusion(0, 1, &leaf, &[], &leaf), Ok(()));
    assert_eq!(verify_inclusion(0, 0, &leaf, &[], &leaf), Err(MerkleError::IndexOutOfRange { index: 0, size: 0 }));
    assert_eq!(verify_consistency(0, &empty_root(), 5, &other, &[]), Ok(()));
    assert!(verify_consistency(0, &leaf, 5, &other, &[]).is_err(), "the empty tree has one root");
    assert!(verify_consistency(0, &empty_root(), 5, &other, &[leaf]).is_err(), "nothing is to be proven");
    assert_eq!(verify_consistency(3, &leaf, 3, &leaf, &[]), Ok(()));
    assert!(verify_consistency(3, &leaf, 3, &other, &[]).is_err(), "two roots of one size");
    assert_eq!(verify_consistency(4, &leaf, 3, &leaf, &[]), Err(MerkleError::SizesReversed { old: 4, new: 3 }));
    assert_eq!(
        verify_inclusion(u64::MAX - 1, u64::MAX, &leaf, &[], &leaf),
        Err(MerkleError::Length { expected: 63, found: 0 })
    );
}
