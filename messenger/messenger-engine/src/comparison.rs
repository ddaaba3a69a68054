//! The code by which two people compare, face to face or by voice, that each sees the other's certificate: derived from both
//! keys and both transparency proofs, as both stand in the certificates. Whoever is in between shows each of them another
//! certificate, and so another code.

use sha2::{Digest, Sha256};

use crate::room::characters;

/// 120 bits. An authority that means harm can make certificates until two codes agree: it would need some 2^60 of them.
const CHARACTERS: usize = 24;

/// The code of two certificates, by their SHA-256; the same on both screens.
pub(crate) fn comparison_code(own: &[u8; 32], theirs: &[u8; 32]) -> String {
    let (lower, higher) = if own <= theirs { (own, theirs) } else { (theirs, own) };
    let mut hash = Sha256::new();
    hash.update(b"inperson-comparison-v1\0");
    hash.update(lower);
    hash.update(higher);
    characters(&hash.finalize(), CHARACTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of docs/spec/peer.md.
    #[test]
    fn both_sides_see_the_same_code_and_a_third_certificate_gives_another() {
        let code = comparison_code(&[0xa1; 32], &[0xb0; 32]);
        assert_eq!(code, comparison_code(&[0xb0; 32], &[0xa1; 32]));
        assert_eq!(code, "H6AH-7PG2-CE7R-MM8Z-Y4FD-6P1A");
        assert_ne!(code, comparison_code(&[0xa1; 32], &[0xb1; 32]));
    }
}
