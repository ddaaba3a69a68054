//! Checkpoints, proofs, and what dates a signature, under the policy of the shared vectors.
#![no_main]

use identity::transparency::TransparencyExtension;
use identity::verify::UnverifiedDate;
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
    if let Ok(date) = UnverifiedDate::parse(text) {
        assert_eq!(UnverifiedDate::parse(&date.to_string()).as_ref().ok(), Some(&date), "a date is read back");
        assert!(date.verify(&[0; 32], &vectors::TRUST).is_err(), "nobody has this signature");
    }
    if let Ok(proof) = Proof::parse(text) {
        assert_eq!(Proof::parse(&proof.to_string()).as_ref(), Ok(&proof), "a proof is read back");
        // The extension of a certificate, if it is one of ours: to DER and back, to text and back.
        if let Ok(extension) = TransparencyExtension::from_proof(&proof) {
            let der = extension.to_der();
            assert_eq!(TransparencyExtension::from_der(&der).map(|again| again.to_der()).as_ref(), Ok(&der));
            let again = TransparencyExtension::from_proof(&extension.to_proof(&Hash([7; 32])));
            assert_eq!(again.map(|again| again.to_der()).as_ref(), Ok(&der));
        }
        assert!(proof.verify(&Hash([7; 32]), &vectors::LOG).is_err(), "nobody has this leaf");
    }
});
