//! Revocation lists, as a policy takes them in and as path validation reads them.
#![no_main]

use identity::{path::RevocationList, trust::Trust};
use libfuzzer_sys::fuzz_target;

#[path = "../vectors.rs"]
mod vectors;

fuzz_target!(|bytes: &[u8]| {
    let _ = RevocationList::parse(bytes);
    let trust = Trust::new(vectors::TRUST.policies().to_vec()).expect("the policy was read before");
    if trust.install_crl(bytes, vectors::NOW).is_ok() {
        assert!(vectors::LISTS.contains(&bytes.to_vec()), "nobody forged a list");
    }
});
