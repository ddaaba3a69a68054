//! What other programs say on connections that stay open: a mail server over LMTP, an SMSC over SMPP, and who asks a signer of
//! labels.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    ca::fuzzing::commands(bytes);
    ca::fuzzing::frames(bytes);
});
