//! Algorithms of keys and signatures, and key identifiers.

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, UintRef},
};
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::{oid, profile::KeyAlgorithm};

/// An algorithm with which certificates and revocation lists are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// ECDSA with a P-256 key and SHA-256 (RFC 5758 section 3.2).
    EcdsaP256Sha256,
    /// ECDSA with a P-384 key and SHA-384.
    EcdsaP384Sha384,
}

impl SignatureAlgorithm {
    /// As it stands in certificates and lists.
    pub fn identifier(self) -> AlgorithmIdentifierOwned {
        let oid = match self {
            Self::EcdsaP256Sha256 => oid::ECDSA_SHA256,
            Self::EcdsaP384Sha384 => oid::ECDSA_SHA384,
        };
        // RFC 5758 section 3.2: the parameters are absent.
        AlgorithmIdentifierOwned { oid, parameters: None }
    }

    /// Reads what [`identifier`](Self::identifier) writes; `None` for any other algorithm.
    pub fn from_identifier(identifier: &AlgorithmIdentifierOwned) -> Option<Self> {
        [Self::EcdsaP256Sha256, Self::EcdsaP384Sha384].into_iter().find(|a| a.identifier() == *identifier)
    }

    /// The algorithm that a CA with this key signs with.
    pub fn for_issuer(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, KeyError> {
        match curve(spki) {
            Some(oid::P256) => Ok(Self::EcdsaP256Sha256),
            Some(oid::P384) => Ok(Self::EcdsaP384Sha384),
            _ => Err(KeyError::Algorithm { expected: "a P-256 or P-384 key", found: spki.algorithm.oid.to_string() }),
        }
    }
}

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not DER of a SubjectPublicKeyInfo.
    #[error("expected a SubjectPublicKeyInfo in DER, found: {0}")]
    Der(#[from] der::Error),
    /// A key of another algorithm.
    #[error("expected {expected}, found {found}")]
    Algorithm {
        /// What is allowed.
        expected: &'static str,
        /// The object identifier found.
        found: String,
    },
    /// The right algorithm, but not a valid public key.
    #[error(
        "expected a valid {algorithm} public key, found one that is not on the curve, weak, or of the wrong length"
    )]
    Invalid {
        /// The algorithm.
        algorithm: &'static str,
    },
}

fn curve(spki: &SubjectPublicKeyInfoOwned) -> Option<const_oid::ObjectIdentifier> {
    if spki.algorithm.oid != oid::EC_PUBLIC_KEY {
        return None;
    }
    spki.algorithm.parameters.as_ref()?.decode_as().ok()
}

/// The algorithm of a key to be certified, and that the key is a valid one of it.
pub fn key_algorithm(spki: &SubjectPublicKeyInfoOwned) -> Result<KeyAlgorithm, KeyError> {
    let bytes = spki.subject_public_key.as_bytes().unwrap_or_default();
    if spki.algorithm.oid == oid::ED25519 && spki.algorithm.parameters.is_none() {
        let invalid = KeyError::Invalid { algorithm: "Ed25519" };
        let array: &[u8; 32] = bytes.try_into().map_err(|_| invalid.clone())?;
        // A key of small order would make a signature that fits any message.
        return match ed25519_dalek::VerifyingKey::from_bytes(array) {
            Ok(key) if !key.is_weak() => Ok(KeyAlgorithm::Ed25519),
            _ => Err(invalid),
        };
    }
    if curve(spki) == Some(oid::P256) {
        // RFC 5480 section 2.2 allows the compressed form; webpki and TLS 1.3 do not take it.
        let uncompressed = bytes.len() == 65 && bytes[0] == 4;
        return match p256::PublicKey::from_sec1_bytes(bytes) {
            Ok(_) if uncompressed => Ok(KeyAlgorithm::P256),
            _ => Err(KeyError::Invalid { algorithm: "P-256" }),
        };
    }
    if spki.algorithm.oid == oid::RSA_ENCRYPTION {
        // RFC 3279 section 2.3.1: the parameters are NULL.
        let null = spki.algorithm.parameters.as_ref().is_some_and(|p| p.is_null());
        let sound = RsaPublicKey::from_der(bytes).is_ok_and(|key| key.is_sound());
        return if null && sound { Ok(KeyAlgorithm::Rsa) } else { Err(KeyError::Invalid { algorithm: "RSA-3072" }) };
    }
    Err(KeyError::Algorithm { expected: "an Ed25519, P-256 or RSA key", found: spki.algorithm.oid.to_string() })
}

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

impl RsaPublicKey<'_> {
    /// What can be said of a key by itself (CA/B Forum S/MIME BR 6.1.5 and 6.1.6; NIST SP 800-89 section 5.3.3): 3072 to
    /// 8192 bits in whole octets, no prime factor below 752, an odd exponent of 65537 to 32 bits. Longer ones are
    /// possible, but serve only to make verifiers work.
    fn is_sound(&self) -> bool {
        let modulus = self.modulus.as_bytes();
        let whole = modulus.first().is_some_and(|first| first & 0x80 != 0);
        let remainder = |divisor: u32| modulus.iter().fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % divisor);
        let exponent = match self.exponent.as_bytes() {
            bytes @ [_, ..] if bytes.len() <= 4 => bytes.iter().fold(0_u32, |e, byte| (e << 8) | u32::from(*byte)),
            _ => 0,
        };
        (384..=1024).contains(&modulus.len())
            && whole
            // Every number from 2 on: a composite divisor is there only if one of its primes is.
            && (2..752).all(|divisor| remainder(divisor) != 0)
            && exponent >= 65_537
            && exponent & 1 == 1
    }
}

/// The raw Ed25519 key, where it is one.
pub(crate) fn ed25519_key(spki: &SubjectPublicKeyInfoOwned) -> Option<[u8; 32]> {
    let bytes = spki.subject_public_key.as_bytes()?;
    (spki.algorithm.oid == oid::ED25519).then(|| bytes.try_into().ok()).flatten()
}

/// Decodes a SubjectPublicKeyInfo.
pub(crate) fn decode_spki(der: &[u8]) -> Result<SubjectPublicKeyInfoOwned, KeyError> {
    let spki = SubjectPublicKeyInfoOwned::from_der(der)?;
    // AlgorithmIdentifier parameters are ANY: make sure that they are DER themselves.
    if let Some(parameters) = &spki.algorithm.parameters {
        AnyRef::from_der(&parameters.to_der()?)?;
    }
    Ok(spki)
}

/// The key identifier of a key: the first 160 bits of the SHA-256 of its bits (RFC 7093 section 2, method 1).
pub fn key_id(spki: &SubjectPublicKeyInfoOwned) -> [u8; 20] {
    let digest = Sha256::digest(spki.subject_public_key.raw_bytes());
    let mut id = [0; 20];
    id.copy_from_slice(&digest[..20]);
    id
}
