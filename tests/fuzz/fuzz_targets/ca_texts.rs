//! Templates of requests to gateways of text messages, filled; answers and receipts.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ca::fuzzing::text_message(bytes));
