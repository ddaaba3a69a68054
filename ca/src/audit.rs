//! Names for log lines: they tell the operator that two lines are about the same person, and nobody who she is.

use aws_lc_rs::hmac;
use identity::Identifier;

/// Turns identifiers into pseudonyms under a key of this authority.
pub(crate) struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// 16 hexadecimal digits.
    pub(crate) fn of(&self, identifier: &Identifier) -> String {
        let mut text = vec![identifier.kind().code()];
        text.extend_from_slice(identifier.as_str().as_bytes());
        hex::encode(&hmac::sign(&self.0, &text).as_ref()[..8])
    }
}
