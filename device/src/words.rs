//! Times and keys as people read them.

use identity::UnixTime;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// `2026-11-23 14:55:29 UTC`.
pub fn time(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// By which digits a key is told from others: those of a device's key itself, and of any other (the bits of its
/// subjectPublicKey) those of its SHA-256. All RSA keys of one length begin alike, and whoever makes one chooses how it goes
/// on.
pub fn key_digits(key: &[u8]) -> String {
    if key.len() == 32 { hex::encode(key) } else { hex::encode(Sha256::digest(key)) }
}

/// The first sixteen digits in groups of four: `5f1c 09aa 1b2c 3d4e`. Enough to tell one's own keys apart.
pub fn short_key(key: &[u8]) -> String {
    let digits = key_digits(key);
    let groups: Vec<&str> = (0..16).step_by(4).map(|at| &digits[at..at + 4]).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_begin_alike_are_told_apart() {
        assert_eq!(short_key(&[0x5f; 32]), "5f5f 5f5f 5f5f 5f5f");
        let rsa = |last: u8| [&[0x30, 0x82, 1, 0x8a, 2, 0x82, 1, 0x81][..], &[7; 380], &[last]].concat();
        assert_ne!(short_key(&rsa(1)), short_key(&rsa(2)));
        assert_eq!(key_digits(&rsa(1)), hex::encode(Sha256::digest(rsa(1))));
    }
}
