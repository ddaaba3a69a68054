//! Recovery phrases as people type them: whatever is read is the same when it is written and read again.
#![no_main]

use key_store::phrase::{RecoveryPhrase, alike, typed_words, word};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for typed in typed_words(text).take(32) {
        if let Some(found) = word(typed) {
            assert!(found.starts_with(typed.to_lowercase().as_str()));
        }
        assert!(alike(typed).len() <= 6);
    }
    if let Ok(phrase) = RecoveryPhrase::parse(text) {
        let passphrase = phrase.passphrase();
        assert_eq!(phrase.words().count(), 24);
        assert_eq!(RecoveryPhrase::parse(passphrase.as_str()), Ok(phrase));
    }
});
