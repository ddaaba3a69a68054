//! Checkpoints and proofs under the policy of the shared vectors.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog_proof::{Hash, Proof, UnverifiedCheckpoint, UnverifiedNote};

#[path = "../vectors.rs"]
mod vectors;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = UnverifiedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes, "a note has one spelling");
    }
    if let Ok(checkpoint) = UnverifiedCheckpoint::parse(bytes) {
        let _ = vectors::LOG.check(&checkpoint);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(proof) = Proof::parse(text) {
        assert_eq!(Proof::parse(&proof.to_string()).as_ref(), Ok(&proof), "a proof is read back");
        assert!(proof.verify(&Hash([7; 32]), &vectors::LOG).is_err(), "nobody has this leaf");
    }
});
