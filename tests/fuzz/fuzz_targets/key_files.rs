//! Key files under a passphrase, and what names a key in a token or a passphrase. Nothing is opened: no passphrase is given.
#![no_main]

use key_store::{PassphraseSource, TokenUri, pem, sealed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(uri) = text.parse::<TokenUri>() {
        assert!(uri.object().is_some() || uri.id().is_some());
        assert!(uri.module().is_absolute());
    }
    if let Ok(source) = text.parse::<PassphraseSource>() {
        assert_eq!(source.to_string().parse(), Ok(source));
    }
    for block in pem::blocks(text).unwrap_or_default() {
        assert!(text.contains(block.text) && block.text.contains(block.label));
        assert_eq!(block.is_whole, block.file().is_ok());
        let _ = block.decode();
    }
    let sealed = sealed::is_sealed(text);
    if sealed::open(sealed::PRIVATE_KEY, text, &mut || Ok(None)).is_ok() {
        assert!(!sealed, "nothing sealed opens without a passphrase");
    }
});
