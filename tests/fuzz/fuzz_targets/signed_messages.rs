//! Signed messages (CMS) of strangers: with what was signed in them, and beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = message_syntax::verify(bytes, None, &mut std::io::sink());
    let mut content = &b"Yours, Alice"[..];
    let _ = message_syntax::verify(bytes, Some(&mut content), &mut std::io::sink());
});
