//! ID tokens of OpenID, and the keys of their issuers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ca::fuzzing::token(bytes));
