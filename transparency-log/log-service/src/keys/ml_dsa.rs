//! ML-DSA-44 keys by their seed, as PKCS#8 PEM (RFC 9881 section 6, RFC 5958).

use pkcs8::{LineEnding, SecretDocument};
use zeroize::Zeroizing;

/// What stands before the seed: `OneAsymmetricKey` with the choice `seed`.
const BEFORE_SEED: [u8; 22] = [
    0x30, 0x34, // OneAsymmetricKey, 52 bytes
    0x02, 0x01, 0x00, // version 1
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11, // id-ml-dsa-44
    0x04, 0x22, 0x80, 0x20, // privateKey, 34 bytes: seed [0], 32 bytes
];

const LABEL: &str = "PRIVATE KEY";

/// The seed in such a text; `None` where it holds something else.
pub fn seed(pem: &str) -> Option<Zeroizing<[u8; 32]>> {
    let (label, key) = SecretDocument::from_pem(pem).ok()?;
    let seed = key.as_bytes().strip_prefix(&BEFORE_SEED)?;
    (label == LABEL).then_some(Zeroizing::new(seed.try_into().ok()?))
}

/// The text for a seed.
///
/// # Errors
/// Never in practice: the writer's own are passed on.
pub fn to_pem(seed: &[u8; 32]) -> Result<Zeroizing<String>, pkcs8::der::Error> {
    let der = Zeroizing::new([BEFORE_SEED.as_slice(), seed].concat());
    SecretDocument::try_from(der.as_slice())?.to_pem(LABEL, LineEnding::LF)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9881 appendix C.1.1.1: the seed 00 01 02 … 1f.
    #[test]
    fn the_example_of_rfc_9881() {
        let example = "-----BEGIN PRIVATE KEY-----\n\
                       MDQCAQAwCwYJYIZIAWUDBAMRBCKAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ\nGhscHR4f\n\
                       -----END PRIVATE KEY-----\n";
        let read = seed(example).unwrap();
        assert_eq!(read.to_vec(), (0..32).collect::<Vec<u8>>());
        assert_eq!(*to_pem(&read).unwrap(), example);
        for (fault, pem) in [
            ("another length", example.replace("MDQC", "MDUC")),
            ("another label", example.replace("PRIVATE", "PUBLIC")),
            ("cut short", example.replace("GhscHR4f\n", "")),
            ("empty", String::new()),
        ] {
            assert!(seed(&pem).is_none(), "{fault}");
        }
    }
}
