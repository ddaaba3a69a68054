//! Replies by mail, their DKIM signatures and key records.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ca::fuzzing::mail(bytes));
