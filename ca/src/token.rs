//! The token of `email-reply-00` (RFC 8823 section 3): half of it goes by mail, half by HTTPS, so that only who has the
//! mailbox and the account knows both.
//!
//! The RFC leaves open whether the halves are joined as text or as bytes. Both are of a multiple of three bytes: there is no
//! difference.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The first half: 16 bytes that say which authorization it is for, and 20 random ones.
pub(crate) const PART1_BYTES: usize = 36;
const ID_BYTES: usize = 16;
/// The second half: 192 random bits.
pub(crate) const PART2_BYTES: usize = 24;

/// What goes by mail. The authorization's id stands in it, so that a reply is found without a list of what was sent; it is
/// of use to nobody but the account it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenPart1([u8; PART1_BYTES]);

impl TokenPart1 {
    /// A new one for the authorization with this id, if the id is one of ours.
    pub(crate) fn new(authorization: &str, random: [u8; PART1_BYTES - ID_BYTES]) -> Option<Self> {
        let id: [u8; ID_BYTES] = URL_SAFE_NO_PAD.decode(authorization).ok()?.try_into().ok()?;
        let mut bytes = [0; PART1_BYTES];
        bytes[..ID_BYTES].copy_from_slice(&id);
        bytes[ID_BYTES..].copy_from_slice(&random);
        Some(Self(bytes))
    }

    /// One that came back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; PART1_BYTES]) -> Self {
        Self(bytes)
    }

    /// The authorization's id.
    pub(crate) fn authorization(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0[..ID_BYTES])
    }
}

impl fmt::Display for TokenPart1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for TokenPart1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPart1(…)")
    }
}

/// What is stored of the digest that a reply has to bring: its hash, so that who reads the database cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DigestHash(pub [u8; 32]);

impl DigestHash {
    /// Of the digest for this token and the account key with this thumbprint (RFC 8555 section 8.1).
    pub(crate) fn expected(part1: &TokenPart1, part2: &[u8; PART2_BYTES], thumbprint: &str) -> Self {
        let authorization = format!("{part1}{}.{thumbprint}", URL_SAFE_NO_PAD.encode(part2));
        Self::of(&Sha256::digest(authorization).into())
    }

    fn of(digest: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"inperson-reply-v1\0");
        hash.update(digest);
        Self(hash.finalize().into())
    }

    /// Whether a reply brought the right digest, in constant time.
    pub(crate) fn matches(&self, digest: &[u8; 32]) -> bool {
        Self::of(digest).0.ct_eq(&self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_names_its_authorization() {
        let id = URL_SAFE_NO_PAD.encode([9; 16]);
        let part1 = TokenPart1::new(&id, [7; 20]).unwrap();
        assert_eq!((part1.authorization(), part1.to_string().len()), (id, 48));
        assert_eq!(format!("{part1:?}"), "TokenPart1(…)");
        assert_eq!(TokenPart1::new("short", [7; 20]), None);
    }

    #[test]
    fn halves_joined_as_text_and_as_bytes_are_the_same() {
        let part1 = TokenPart1::from_bytes([0xfb; PART1_BYTES]);
        let joined = URL_SAFE_NO_PAD.encode([&part1.0[..], &[0xf7; PART2_BYTES]].concat());
        assert_eq!(joined, format!("{part1}{}", URL_SAFE_NO_PAD.encode([0xf7; PART2_BYTES])));
        let digest = Sha256::digest(format!("{joined}.thumb")).into();
        assert!(DigestHash::expected(&part1, &[0xf7; PART2_BYTES], "thumb").matches(&digest));
        assert!(!DigestHash::expected(&part1, &[0xf7; PART2_BYTES], "other").matches(&digest));
    }
}
