//! Encrypted messages (CMS) of strangers, to keys that they know; and files that hold certificates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use message_syntax::{DecryptionKey, Envelope};

thread_local! {
    /// Public by now: who looks for faults needs messages that open.
    static KEYS: [DecryptionKey; 2] =
        [&include_bytes!("../encrypted/p256.key.der")[..], include_bytes!("../encrypted/rsa.key.der")]
            .map(|der| DecryptionKey::from_pkcs8(der).expect("both are keys"));
}
const CERTIFICATES: [&[u8]; 2] = [include_bytes!("../encrypted/p256.der"), include_bytes!("../encrypted/rsa.der")];
/// An RSA key takes its time.
const TRIED: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let _ = message_syntax::certificates(bytes);
    KEYS.with(|keys| keys.iter().zip(CERTIFICATES).for_each(|(key, certificate)| open(bytes, key, certificate)));
});

fn open(bytes: &[u8], key: &DecryptionKey, certificate: &[u8]) {
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
