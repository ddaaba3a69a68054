//! Merkle proofs: Go verifies each of ours, and makes the same.

use std::convert::Infallible;

use serde_json::{Value, json};
use tlog_proof::{
    Hash, HashReader, Subtree, leaf_hash, node_hash, prove_consistency, prove_inclusion, prove_subtree, root,
    subtree_hash,
};

use crate::tools::Judges;

/// Every complete subtree of a tree whose leaf n is the number n as text.
struct Tree(Vec<Vec<Hash>>);

impl Tree {
    fn new(size: u64) -> Self {
        let mut rows = vec![(0..size).map(|n| leaf_hash(n.to_string().as_bytes())).collect::<Vec<_>>()];
        while rows.last().unwrap().len() > 1 {
            let above = rows.last().unwrap().as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right));
            let above = above.collect();
            rows.push(above);
        }
        Self(rows)
    }
}

impl HashReader for Tree {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)][index as usize])
    }
}

fn claim(kind: &str, (start, end): (u64, u64), size: u64, hashes: [Hash; 2], proof: &[Hash]) -> Value {
    let texts: Vec<String> = proof.iter().map(Hash::to_string).collect();
    let [root, hash] = hashes.map(|hash| hash.to_string());
    json!({"Kind": kind, "Start": start, "End": end, "Size": size, "Root": root, "Hash": hash, "Proof": texts})
}

/// Sizes around powers of two, where trees change their shape, and one of several bundles.
#[test]
fn proofs_of_every_kind() {
    let Some(judges) = Judges::find() else { return };
    let mut tree = Tree::new(700);
    let mut claims = Vec::new();
    for size in [1, 2, 3, 7, 8, 9, 13, 255, 256, 257, 511, 700] {
        let Ok(top) = root(&mut tree, size);
        for position in (0..size).step_by(1 + size as usize / 12) {
            let Ok(path) = prove_inclusion(&mut tree, position, size);
            let leaf = tree.0[0][position as usize];
            claims.push(claim("inclusion", (position, 0), size, [top, leaf], &path));
            let old = position + 1;
            let (Ok(proof), Ok(before)) = (prove_consistency(&mut tree, old, size), root(&mut tree, old));
            claims.push(claim("consistency", (old, 0), size, [top, before], &proof));
            for end in (position + 1..=size).step_by(1 + size as usize / 9) {
                let Some(subtree) = Subtree::new(position, end) else { continue };
                let (Ok(proof), Ok(hash)) = (prove_subtree(&mut tree, subtree, size), subtree_hash(&mut tree, subtree));
                claims.push(claim("subtree", (position, end), size, [top, hash], &proof));
            }
        }
    }
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("claims.json");
    std::fs::write(&file, serde_json::to_vec(&claims).unwrap()).unwrap();
    let ask = || judges.ask(&["proofs", file.to_str().unwrap()]);
    assert_eq!(ask(), Ok(json!({"checked": claims.len()})));
    assert!(claims.len() > 300, "{}", claims.len());

    // And it can say no.
    let one = claims.iter_mut().find(|claim| claim["Proof"].as_array().is_some_and(|proof| proof.len() > 3)).unwrap();
    one["Proof"][1] = one["Proof"][0].clone();
    std::fs::write(&file, serde_json::to_vec(&claims).unwrap()).unwrap();
    ask().unwrap_err();
}
