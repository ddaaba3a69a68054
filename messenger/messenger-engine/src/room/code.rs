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
    let mut bits = u64::from_be_bytes(digest[..8].try_into().expect("8 bytes"));
    let mut text = String::with_capacity(14);
    for position in 0..12 {
        if position > 0 && position % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[(bits >> 59) as usize]));
        bits <<= 5;
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
        assert_ne!(code(&digest(b"one epoch")), code(&digest(b"another")));
    }
}
