//! How a device's key is named in introductions.

/// SHA-256 of the SubjectPublicKeyInfo that carries this Ed25519 device key: what INCOMING and GO carry, so that each side can
/// check that the certificate it meets is the one the directory introduced.
pub fn spki_hash(device_key: &[u8; 32]) -> [u8; 32] {
    identity::tls::device_fingerprint(device_key).0
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn hashes_the_whole_spki_of_the_key() {
        // RFC 8410 section 10.1, the public key in full.
        let spki =
            hex::decode("302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
                .unwrap();
        let key: [u8; 32] = spki[12..].try_into().unwrap();
        let expected: [u8; 32] = Sha256::digest(&spki).into();
        assert_eq!(spki_hash(&key), expected);
    }
}
