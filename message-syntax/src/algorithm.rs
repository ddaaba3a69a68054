//! Which algorithms are written, and which are read.

use aws_lc_rs::digest::{self, Context};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{
    ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ID_EC_PUBLIC_KEY, ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION,
    SECP_256_R_1, SHA_256_WITH_RSA_ENCRYPTION, SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
};
use const_oid::db::rfc8410::ID_ED_25519;
use der::Encode as _;
use der::asn1::AnyRef;
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfoOwned};

use crate::error::CmsError;

/// With what somebody signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519, and SHA-512 of the content (RFC 8419).
    Ed25519,
    /// ECDSA with P-256 and SHA-256, the signature in DER (RFC 5753, RFC 5754).
    EcdsaP256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 5754).
    Rsa,
}

/// A key of none of these algorithms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a key for Ed25519, P-256 or RSA, found {0}")]
pub struct UnknownAlgorithm(pub String);

impl Algorithm {
    /// That of a certificate's key.
    ///
    /// # Errors
    /// It is of none of the kinds known here.
    pub fn of(key: &SubjectPublicKeyInfoOwned) -> Result<Self, UnknownAlgorithm> {
        let curve = || key.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        match key.algorithm.oid {
            ID_ED_25519 => Ok(Self::Ed25519),
            RSA_ENCRYPTION => Ok(Self::Rsa),
            ID_EC_PUBLIC_KEY if curve() == Some(SECP_256_R_1) => Ok(Self::EcdsaP256),
            other => Err(UnknownAlgorithm(other.to_string())),
        }
    }

    /// The hash of the content as it is written.
    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::Ed25519 => Hash::Sha512,
            Self::EcdsaP256 | Self::Rsa => Hash::Sha256,
        }
    }

    /// The AlgorithmIdentifier of a signature, in DER.
    pub(crate) fn identifier(self) -> Vec<u8> {
        let (oid, parameters) = match self {
            Self::Ed25519 => (ID_ED_25519, None),
            Self::EcdsaP256 => (ECDSA_WITH_SHA_256, None),
            // RFC 5754 section 3.2 leaves the choice; this is what every program reads.
            Self::Rsa => (RSA_ENCRYPTION, Some(AnyRef::NULL)),
        };
        AlgorithmIdentifier { oid, parameters }.to_der().expect("identifiers encode")
    }

    /// Whether `signature` of `message` is by the key, with the algorithm that the signature names.
    pub(crate) fn verify(
        self,
        key: &[u8],
        named: ObjectIdentifier,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CmsError> {
        let unknown = || CmsError::Algorithm {
            expected: "a signature with Ed25519, ECDSA or RSA PKCS #1 v1.5, and SHA-2, as the key has it",
            found: named.to_string(),
        };
        let with: &'static dyn VerificationAlgorithm = match (self, named) {
            // RFC 8419 section 3.1: the content is hashed with SHA-512 where there are signed attributes.
            (Self::Ed25519, ID_ED_25519) if hash == Hash::Sha512 => &ED25519,
            (Self::EcdsaP256, ECDSA_WITH_SHA_256) => &ECDSA_P256_SHA256_ASN1,
            (Self::EcdsaP256, ECDSA_WITH_SHA_384) => &ECDSA_P256_SHA384_ASN1,
            (Self::Rsa, RSA_ENCRYPTION) => match hash {
                Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
            },
            (Self::Rsa, SHA_256_WITH_RSA_ENCRYPTION) => &RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa, SHA_384_WITH_RSA_ENCRYPTION) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa, SHA_512_WITH_RSA_ENCRYPTION) => &RSA_PKCS1_2048_8192_SHA512,
            _ => return Err(unknown()),
        };
        UnparsedPublicKey::new(with, key).verify(message, signature).map_err(|_| CmsError::Signature)
    }
}

/// A hash of the content. Older ones are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|hash| hash.oid() == oid)
    }

    fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    pub(crate) fn begin(self) -> Context {
        Context::new(match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        })
    }

    /// The AlgorithmIdentifier in DER; without parameters, as RFC 5754 section 2 has it.
    pub(crate) fn identifier(self) -> Vec<u8> {
        let identifier: AlgorithmIdentifier<AnyRef<'_>> = AlgorithmIdentifier { oid: self.oid(), parameters: None };
        identifier.to_der().expect("identifiers encode")
    }
}
