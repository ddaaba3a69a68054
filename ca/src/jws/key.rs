//! Account keys: JWK (RFC 7517, RFC 7518 section 6, RFC 8037), thumbprints (RFC 7638), signature checks.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Encode as _, Tag};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// RSA moduli between 2048 and 4096 bits: verifying with a longer one costs more than a stranger may ask for.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// A SubjectPublicKeyInfo up to the point: id-ecPublicKey, secp256r1, a bit string of 65 bytes.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The same for id-Ed25519 and 32 bytes.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A public key that may sign requests. Equal keys have equal bytes: the encodings are the canonical ones.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Uncompressed point.
    P256([u8; 65]),
    Ed25519([u8; 32]),
    /// Big-endian, no leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Why a JWK cannot be used here.
#[derive(Debug, PartialEq, Eq, Error)]
#[error(
    "expected a public key of type EC P-256, OKP Ed25519 or RSA with 2048 to 4096 bits and exponent 65537, found {0}"
)]
pub(crate) struct UnusableKey(String);

impl PublicKey {
    /// Reads a JWK. A private one is refused: somebody has sent us her secret.
    pub(crate) fn from_jwk(jwk: &Value) -> Result<Self, UnusableKey> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        if jwk.get("d").is_some() || jwk.get("k").is_some() {
            return Err(UnusableKey("a private key, which is known to others from now on".into()));
        }
        match (text("kty"), text("crv")) {
            ("EC", "P-256") => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&fixed::<32>(text("x"), "x")?);
                point[33..].copy_from_slice(&fixed::<32>(text("y"), "y")?);
                p256::PublicKey::from_sec1_bytes(&point)
                    .map_err(|_| UnusableKey("a point that is not on the curve".into()))?;
                Ok(Self::P256(point))
            }
            ("OKP", "Ed25519") => Ok(Self::Ed25519(fixed(text("x"), "x")?)),
            ("RSA", _) => {
                let (n, e) = (bytes(text("n"), "n")?, bytes(text("e"), "e")?);
                if !RSA_BYTES.contains(&n.len()) || n[0] == 0 {
                    return Err(UnusableKey(format!("an RSA modulus of {} bytes", n.len())));
                }
                if e != [1, 0, 1] {
                    return Err(UnusableKey("another RSA exponent".into()));
                }
                Ok(Self::Rsa { n, e })
            }
            (kty, crv) => Err(UnusableKey(format!("kty {kty:?} crv {crv:?}"))),
        }
    }

    /// The required members in lexicographic order without white space (RFC 7638 section 3.2).
    pub(crate) fn to_jwk(&self) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(point) => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, b64(&point[1..33]), b64(&point[33..]))
            }
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(e), b64(n)),
        }
    }

    /// DER of its SubjectPublicKeyInfo (RFC 5480, RFC 8410, RFC 3279 section 2.3.1), by which keys are told apart whatever
    /// they are used for.
    pub(crate) fn to_spki(&self) -> Vec<u8> {
        match self {
            Self::P256(point) => [&P256_SPKI[..], point].concat(),
            Self::Ed25519(key) => [&ED25519_SPKI[..], key].concat(),
            Self::Rsa { n, e } => rsa_spki(n, e).unwrap_or_default(),
        }
    }

    /// SHA-256 of the canonical JWK, base64url (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.to_jwk()))
    }

    /// The one JWS algorithm for this kind of key.
    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa { .. } => "RS256",
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        }
        .is_ok()
    }
}

fn rsa_spki(n: &[u8], e: &[u8]) -> Result<Vec<u8>, der::Error> {
    let key = vec![UintRef::new(n)?, UintRef::new(e)?].to_der()?;
    let algorithm =
        AlgorithmIdentifier { oid: identity::oid::RSA_ENCRYPTION, parameters: Some(AnyRef::new(Tag::Null, &[])?) };
    SubjectPublicKeyInfo { algorithm, subject_public_key: BitStringRef::from_bytes(&key)? }.to_der()
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm(), self.thumbprint())
    }
}

fn bytes(text: &str, member: &str) -> Result<Vec<u8>, UnusableKey> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .filter(|b| !b.is_empty())
        .ok_or_else(|| UnusableKey(format!("a member {member} that is not base64url")))
}

fn fixed<const N: usize>(text: &str, member: &str) -> Result<[u8; N], UnusableKey> {
    let bytes = bytes(text, member)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| UnusableKey(format!("a member {member} of {found} bytes instead of {N}")))
}
