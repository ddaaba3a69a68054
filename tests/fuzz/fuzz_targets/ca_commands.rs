//! What a mail server says over LMTP.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ca::fuzzing::commands(bytes));
