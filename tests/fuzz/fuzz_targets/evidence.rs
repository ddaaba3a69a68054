//! Evidence: read, and judged.
#![no_main]

use identity::evidence::Evidence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(evidence) = Evidence::parse(bytes) {
        assert_eq!(evidence.to_bytes(), bytes, "evidence has one spelling");
        let _ = evidence.judge();
    }
});
