//! Files that a log, a mirror or a monitor finds at its start, and evidence that a monitor wrote.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    transparency_log::fuzzing::file(bytes);
    let _ = log_service::monitor::judge_bytes(bytes);
});
