//! The code by which members compare, by eye or voice, that they are in the same epoch of the same room.

use sha2::{Digest, Sha256};

/// Crockford's alphabet: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The digest that members report to the host: the first 16 bytes of SHA-256 over `"inperson-room-code-v1" ‖ 0 ‖ epoch
/// authenticator` (RFC 9420 section 8.7).
pub fn digest(epoch_authenticator: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"inperson-room-code-v1\0");
    hash.update(epoch_authenticator);
    hash.finalize()[..16].try_into().expect("SHA-256 has 32 bytes")
}

/// The code people see: the first 60 bits of the digest, as three groups of four characters.
pub fn code(digest: &[u8; 16]) -> String {
    characters(digest, 12)
}

/// The first bits of these bytes, five for each of so many characters, in groups of four.
pub(crate) fn characters(bytes: &[u8], count: usize) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| usize::from(byte >> (7 - at % 8) & 1));
    let mut text = String::with_capacity(count + count / 4);
    for position in 0..count {
        if position > 0 && position % 4 == 0 {
            text.push('-');
        }
        let value = (0..5).fold(0, |value, offset| value << 1 | bit(position * 5 + offset));
        text.push(char::from(ALPHABET[value]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_twelve_characters_in_three_groups() {
        assert_eq!(code(&[0; 16]), "0000-0000-0000");
        assert_eq!(code(&[0xff; 16]), "ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(code(&[0x08, 0x42, 0x10, 0x84, 0x21, 0x08, 0x42, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]), "1111-1111-1111");
        assert_ne!(code(&digest(b"one epoch")), code(&digest(b"another")));
    }
}
