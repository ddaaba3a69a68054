//! Drafts are sealed: whoever takes the disk away reads them only with the device's key.
//!
//! AES-256-GCM under HKDF-SHA-256 (RFC 5869) of a signature by that key over random bytes of the run. Ed25519 signs one
//! message in one way only (RFC 8032), so that the key gives the same at the next start, wherever it lies: in a file in
//! clear, under a passphrase, in a keyring or in a token that it never leaves. Nothing else that a device's key signs
//! begins with these words (TLS: 64 spaces; MLS: a length and "MLS 1.0"; requests for certificates: DER).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use identity::tls::{DeviceSigner, DeviceSignerError};

/// Bytes drawn anew for each run of the program.
pub(super) const SALT_BYTES: usize = 32;

const PURPOSE: &[u8] = b"inperson-drafts-v1\0";

/// The key of one run.
pub(super) struct Seal {
    key: LessSafeKey,
    salt: [u8; SALT_BYTES],
}

impl Seal {
    /// That of the run which drew `salt`.
    ///
    /// # Errors
    /// The device's key did not sign.
    pub(super) fn new(signer: &dyn DeviceSigner, salt: [u8; SALT_BYTES]) -> Result<Self, DeviceSignerError> {
        let secret = zeroize::Zeroizing::new(signer.sign(&[PURPOSE, &salt].concat())?);
        let pseudorandom = Salt::new(HKDF_SHA256, &salt).extract(&*secret);
        let info = [PURPOSE];
        let key = pseudorandom.expand(&info, &AES_256_GCM).expect("a key is shorter than 255 hashes");
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(key)), salt })
    }

    pub(super) fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// A random nonce, then the sealed bytes. A run seals a few times, far below what random nonces allow (NIST SP 800-38D
    /// section 8.3).
    pub(super) fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).expect("the system gives random bytes");
        let mut body = plain.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut body)
            .expect("files are far shorter than what one nonce may seal");
        [&nonce[..], &body].concat()
    }

    /// What was sealed under this key; nothing if it was not, or was altered.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(PURPOSE), &mut body).ok()?;
        Some(plain.to_vec())
    }
}
