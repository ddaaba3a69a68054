//! ML-DSA-44 (FIPS 204) as tlog-cosignature uses it: with an empty context.
//!
//! Signing is the deterministic variant (FIPS 204 section 3.4): this crate takes no randomness, and a
//! cosigner that is asked twice says the same twice.

use ml_dsa::signature::Signer as _;
use ml_dsa::{EncodedVerifyingKey, MlDsa44, Seed, Signature, SigningKey, VerifyingKey};

/// Length of an encoded public key.
pub(crate) const PUBLIC_KEY_BYTES: usize = 1312;

/// Length of an encoded signature.
pub(crate) const SIGNATURE_BYTES: usize = 2420;

pub(crate) type PublicKeyBytes = [u8; PUBLIC_KEY_BYTES];

/// Whether `signature` over `message` is by the key with this encoding.
pub(crate) fn verifies(public_key: &PublicKeyBytes, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::<MlDsa44>::try_from(signature) else { return false };
    let encoded = EncodedVerifyingKey::<MlDsa44>::from(*public_key);
    VerifyingKey::<MlDsa44>::decode(&encoded).verify_with_context(message, &[], &signature)
}

/// A signing key, zeroized when dropped.
pub(crate) struct SecretKey(SigningKey<MlDsa44>);

impl SecretKey {
    /// The key of a seed (FIPS 204, algorithm 6).
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_seed(&Seed::from(*seed)))
    }

    pub(crate) fn public_key(&self) -> PublicKeyBytes {
        let public: &VerifyingKey<MlDsa44> = self.0.as_ref();
        public.encode().into()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let signature: Signature<MlDsa44> =
            self.0.try_sign(message).expect("rejection sampling ends: it fails once in 2^256 (FIPS 204, appendix C)");
        signature.encode().into()
    }
}
