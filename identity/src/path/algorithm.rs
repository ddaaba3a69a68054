//! Which keys and signatures are good enough: a parameter of validation.

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};
use const_oid::ObjectIdentifier;
use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, UintRef},
};
use rustls_pki_types::SignatureVerificationAlgorithm;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use webpki::aws_lc_rs as algorithms;

use crate::{oid, rules::Rule, verify::VerifyError};

/// `rsaEncryption` (RFC 3279 section 2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `secp521r1`, also called P-521 (RFC 5480 section 2.1.1.1).
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// Keys and signature algorithms that a path may use.
pub struct AlgorithmPolicy {
    /// For people who read errors.
    pub name: &'static str,
    /// What certificates and revocation lists may be signed with.
    pub signatures: &'static [&'static dyn SignatureVerificationAlgorithm],
    /// The curves of allowed ECDSA keys.
    pub curves: &'static [ObjectIdentifier],
    /// The bits of an allowed RSA key; `None`: no RSA.
    pub rsa_bits: Option<(usize, usize)>,
}

impl AlgorithmPolicy {
    /// What our authorities sign with: hardware and other people's tools know ECDSA. Keys of people are Ed25519.
    pub const STRICT: Self = Self {
        name: "ECDSA with P-256 and SHA-256 or P-384 and SHA-384",
        signatures: &[algorithms::ECDSA_P256_SHA256, algorithms::ECDSA_P384_SHA384],
        curves: &[oid::P256, oid::P384],
        rsa_bits: None,
    };

    /// What others may sign with and is not broken: ECDSA on the NIST curves, Ed25519, RSA of 2048 bits and more, each
    /// with SHA-2.
    pub const WIDE: Self = Self {
        name: "ECDSA, Ed25519 or RSA of 2048 bits and more, with SHA-2",
        signatures: &[
            algorithms::ECDSA_P256_SHA256,
            algorithms::ECDSA_P256_SHA384,
            algorithms::ECDSA_P256_SHA512,
            algorithms::ECDSA_P384_SHA256,
            algorithms::ECDSA_P384_SHA384,
            algorithms::ECDSA_P384_SHA512,
            algorithms::ECDSA_P521_SHA256,
            algorithms::ECDSA_P521_SHA384,
            algorithms::ECDSA_P521_SHA512,
            algorithms::ED25519,
            algorithms::RSA_PKCS1_2048_8192_SHA256,
            algorithms::RSA_PKCS1_2048_8192_SHA384,
            algorithms::RSA_PKCS1_2048_8192_SHA512,
            algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
            algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
            algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        ],
        curves: &[oid::P256, oid::P384, P521],
        rsa_bits: Some((2048, 8192)),
    };

    /// Whether a key is strong enough to stand on a path.
    pub(super) fn check_key(&self, spki: &SubjectPublicKeyInfoOwned) -> Result<(), VerifyError> {
        let refused =
            |found: String| Err(VerifyError::new(Rule::ChainAlgorithm, format_args!("keys for {}", self.name), found));
        let algorithm = &spki.algorithm;
        let bytes = spki.subject_public_key.as_bytes().unwrap_or_default();
        match (algorithm.oid, &algorithm.parameters) {
            (oid::ED25519, None) if bytes.len() == 32 => Ok(()),
            (oid::EC_PUBLIC_KEY, Some(parameters)) => match parameters.decode_as::<ObjectIdentifier>() {
                Ok(curve) if self.curves.contains(&curve) => Ok(()),
                Ok(curve) => refused(format!("one on the curve {curve}")),
                Err(_) => refused("one on a curve of its own".to_owned()),
            },
            (RSA, _) => match (self.rsa_bits, rsa_bits(bytes)) {
                (Some((least, most)), Some(bits)) if (least..=most).contains(&bits) => Ok(()),
                (_, Some(bits)) => refused(format!("an RSA key of {bits} bits")),
                (_, None) => refused("an RSA key that is none".to_owned()),
            },
            (other, _) => refused(format!("a key of algorithm {other}")),
        }
    }

    /// Whether the bits of a key are a key at all. Of an issuer's the signature below it tells.
    pub(super) fn check_point(&self, spki: &SubjectPublicKeyInfoOwned) -> Result<(), VerifyError> {
        let bytes = spki.subject_public_key.as_bytes().unwrap_or_default();
        let curve = || spki.algorithm.parameters.as_ref().and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
        let algorithm: &'static dyn VerificationAlgorithm = match (spki.algorithm.oid, curve()) {
            (oid::ED25519, _) => &signature::ED25519,
            (oid::EC_PUBLIC_KEY, Some(oid::P256)) => &signature::ECDSA_P256_SHA256_ASN1,
            (oid::EC_PUBLIC_KEY, Some(oid::P384)) => &signature::ECDSA_P384_SHA384_ASN1,
            (oid::EC_PUBLIC_KEY, _) => &signature::ECDSA_P521_SHA512_ASN1,
            _ => &signature::RSA_PKCS1_2048_8192_SHA256,
        };
        match ParsedPublicKey::new(algorithm, bytes) {
            Ok(_) => Ok(()),
            Err(_) => {
                let expected = format_args!("keys for {}", self.name);
                Err(VerifyError::new(Rule::ChainAlgorithm, expected, "bits that are no key"))
            }
        }
    }

    /// Whether `signature` over `message` is by the key of `spki`.
    pub(super) fn check_signature(&self, signed: &Signed<'_>, key: &KeyParts) -> Result<(), VerifyError> {
        let named = |a: &&&dyn SignatureVerificationAlgorithm| a.signature_alg_id().as_ref() == signed.algorithm;
        let mut fitting = self.signatures.iter().filter(named).peekable();
        if fitting.peek().is_none() {
            let found = format_args!("the algorithm identifier {}", hex::encode(signed.algorithm));
            return Err(VerifyError::new(Rule::ChainAlgorithm, self.name, found));
        }
        let expected = "the signature of the issuer";
        let algorithm = fitting.find(|a| a.public_key_alg_id().as_ref() == key.algorithm);
        let Some(algorithm) = algorithm else {
            let found = "an issuer's key of another algorithm";
            return Err(VerifyError::new(Rule::ChainSignature, expected, found));
        };
        (algorithm.verify_signature(&key.bits, signed.message, signed.signature)).map_err(|_| {
            VerifyError::new(Rule::ChainSignature, expected, "one that its key did not make for these bytes")
        })
    }
}

impl fmt::Debug for AlgorithmPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What stands signed in a certificate or a revocation list.
pub(super) struct Signed<'a> {
    pub(super) message: &'a [u8],
    /// The content of the AlgorithmIdentifier.
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// A public key as signature algorithms take it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct KeyParts {
    /// The content of the AlgorithmIdentifier.
    algorithm: Vec<u8>,
    bits: Vec<u8>,
}

impl KeyParts {
    pub(super) fn new(spki: &SubjectPublicKeyInfoOwned) -> Self {
        let bits = spki.subject_public_key.as_bytes().unwrap_or_default().to_vec();
        Self { algorithm: identifier_content(&spki.algorithm), bits }
    }
}

/// An AlgorithmIdentifier without tag and length, as `rustls-pki-types` has it.
pub(super) fn identifier_content(identifier: &AlgorithmIdentifierOwned) -> Vec<u8> {
    let der = identifier.to_der().unwrap_or_default();
    AnyRef::from_der(&der).map(|any| any.value().to_vec()).unwrap_or_default()
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

fn rsa_bits(der: &[u8]) -> Option<usize> {
    let key = RsaPublicKey::from_der(der).ok()?;
    let odd = key.exponent.as_bytes().last().is_some_and(|byte| byte & 1 == 1);
    let modulus = key.modulus.as_bytes();
    let first = modulus.first()?;
    (odd && key.exponent.as_bytes() != [1]).then(|| modulus.len() * 8 - first.leading_zeros() as usize)
}
