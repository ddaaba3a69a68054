//! The transparency extension, and the tlog-proof that is the same.
#![no_main]

use identity::transparency::TransparencyExtension;
use libfuzzer_sys::fuzz_target;
use tlog_proof::Hash;

fuzz_target!(|bytes: &[u8]| {
    let Ok(extension) = TransparencyExtension::from_der(bytes) else { return };
    assert_eq!(extension.to_der(), bytes, "strict DER has one encoding");
    let proof = extension.to_proof(&Hash([7; 32]));
    if let Ok(again) = TransparencyExtension::from_proof(&proof) {
        assert_eq!(again, extension, "nothing is lost on the way to a proof and back");
    }
});
