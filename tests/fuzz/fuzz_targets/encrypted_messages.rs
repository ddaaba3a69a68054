//! Encrypted messages (CMS) of strangers, to keys that they know; and files that hold certificates.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use message_syntax::{DecryptionKey, Envelope};

/// Public by now: who looks for faults needs messages that open.
static KEYS: LazyLock<[DecryptionKey; 2]> = LazyLock::new(|| {
    let keys = [&include_bytes!("../encrypted/p256.key.der")[..], include_bytes!("../encrypted/rsa.key.der")];
    keys.map(|der| DecryptionKey::from_pkcs8(der).expect("both are keys"))
});
const CERTIFICATES: [&[u8]; 2] =
    [include_bytes!("../encrypted/p256.der"), include_bytes!("../encrypted/rsa.der")];
/// An RSA key takes its time.
const TRIED: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let _ = message_syntax::certificates(bytes);
    for (key, certificate) in KEYS.iter().zip(CERTIFICATES) {
        let Ok(envelope) = Envelope::open(bytes) else { return };
        let recipients = envelope.recipients();
        for recipient in recipients {
            let _ = (recipient.is(certificate), recipient.may_be_before(certificate), recipient.proves_its_key());
        }
        let found = recipients.iter().take(TRIED).find_map(|recipient| envelope.content_key(recipient, key).ok());
        if let Some(found) = found {
            let _ = envelope.decrypt(&found, &mut std::io::sink());
        }
    }
});
