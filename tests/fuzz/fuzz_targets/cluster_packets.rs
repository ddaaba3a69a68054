//! What the nodes of one directory send each other: whatever a packet, what is sealed in it, or a message says, a node goes on; and
//! what is read is written and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| directory::cluster::fuzzing::packets(input));
