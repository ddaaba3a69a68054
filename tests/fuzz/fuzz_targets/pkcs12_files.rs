//! PKCS#12 as `certtool inspect` opens it: whatever is in a file, it opens or it does not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p12_keystore::Pkcs12Archive;

/// Under which the seed is written.
const PASSPHRASE: &str = "correct horse";

fuzz_target!(|file: &[u8]| {
    // A count of rounds of three bytes with something in the first: the reader goes up to a million of them for each bag, and
    // then nothing else would be tried. (0x47 to 0x49: where the name of ECDSA with SHA-256 ends and its signature begins.)
    if file.windows(3).any(|bytes| matches!(bytes, [2, 3, 1..=0x46 | 0x4a..=0x7f])) {
        return;
    }
    let _ = Pkcs12Archive::from_pkcs12(file, PASSPHRASE);
});
