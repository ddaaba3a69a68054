//! Merkle proofs of all three kinds: no panic whatever they hold, and none that was not made by the prover verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog_proof::{Hash, Subtree, leaf_hash, verify_consistency, verify_inclusion, verify_subtree};

fuzz_target!(|bytes: &[u8]| {
    let Some((numbers, hashes)) = bytes.split_first_chunk::<24>() else { return };
    let [first, second, size] = [0, 8, 16].map(|at| u64::from_be_bytes(numbers[at..at + 8].try_into().expect("eight bytes")));
    let proof: Vec<Hash> = hashes.as_chunks::<32>().0.iter().take(70).map(|hash| Hash(*hash)).collect();
    // Whoever finds hashes that lead from these to that has broken SHA-256.
    let (inner, root) = (leaf_hash(b"inner"), leaf_hash(b"root"));
    assert!(verify_inclusion(first, size, &inner, &proof, &root).is_err());
    assert!(verify_consistency(first, &inner, size, &root, &proof).is_err());
    if let Some(subtree) = Subtree::new(first, second) {
        assert!(verify_subtree(subtree, &inner, size, &root, &proof).is_err());
    }
});
