//! Notes, checkpoints, proofs, policies, tile paths, bundles and entries: no panic, and what is read is written back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tlog_proof::{BundlePath, Entry, LogPolicy, Proof, TilePath, UnverifiedCheckpoint, UnverifiedNote, VerifierKey, decode_bundle};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = Entry::decode(bytes) {
        assert_eq!(entry.encode(), bytes, "an entry has one encoding");
    }
    let _ = UnverifiedNote::parse(bytes);
    let _ = UnverifiedCheckpoint::parse(bytes);
    for width in [1, 2, 255, 256] {
        let _ = decode_bundle(bytes, width);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = LogPolicy::parse(text);
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string().parse::<VerifierKey>().ok(), Some(key), "a key is read back");
    }
    if let Ok(proof) = Proof::parse(text) {
        assert_eq!(Proof::parse(&proof.to_string()).ok(), Some(proof), "a proof is read back");
    }
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text, "a tile has one path");
    }
    if let Ok(path) = text.parse::<BundlePath>() {
        assert_eq!(path.to_string(), text, "a bundle has one path");
    }
});
