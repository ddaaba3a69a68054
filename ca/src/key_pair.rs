//! P-256 keys.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use zeroize::Zeroizing;

/// A key in the three shapes it is needed in.
pub(crate) struct NewKey {
    pub(crate) key: EcdsaKeyPair,
    /// PKCS#8 (RFC 5958).
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    /// DER of the SubjectPublicKeyInfo.
    pub(crate) spki_der: Vec<u8>,
}

impl NewKey {
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())?;
        Self::from_pkcs8(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// A key that was made before.
    pub(crate) fn from_pkcs8(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, Unspecified> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).map_err(|_| Unspecified)?;
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der()?;
        let spki_der = spki.as_ref().to_vec();
        Ok(Self { key, pkcs8, spki_der })
    }
}
