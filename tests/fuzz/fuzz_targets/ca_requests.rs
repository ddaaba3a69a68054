//! Signed requests (JWS), keys (JWK), and requests for certificates (PKCS #10).
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ca::fuzzing::request(bytes));
