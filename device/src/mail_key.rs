//! The key of a certificate for mail: P-256 or RSA, as mail programs, browsers and servers take them. It signs, opens mails
//! and logs in; it never speaks for its owner in live conversation.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use der::Decode as _;
use der::asn1::{AnyRef, UintRef};
use key_store::sealed::{self, PRIVATE_KEY};
use key_store::{TokenAlgorithm, TokenKey};
use zeroize::Zeroizing;

use crate::keys::KeyError;

/// The smallest RSA key that is read (bytes of its modulus): one from elsewhere, which opens old mails. Certificates are had
/// for 3072 bits and more alone: the profile says so, and whoever verifies one.
const RSA_BYTES: usize = 2048 / 8;
const EXPECTED: &str = "a P-256 key, or an RSA key of 2048 bits or more,";

/// What kind of key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailKeyType {
    /// Small and fast; what browsers and mail programs of today take.
    #[default]
    P256,
    /// For programs that know no other: gpgsm 2.2, old mail programs. (One from elsewhere may have 2048 bits or more.)
    Rsa3072,
}

impl FromStr for MailKeyType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "p256" => Ok(Self::P256),
            "rsa3072" => Ok(Self::Rsa3072),
            other => Err(format!("expected p256 or rsa3072, found {other:?}")),
        }
    }
}

/// A key for mail, made on this device, never sent anywhere. Zeroized when dropped, where it lies in memory.
#[derive(Clone)]
pub struct MailKey(Own);

#[derive(Clone)]
enum Own {
    P256 { pair: Arc<EcdsaKeyPair>, pkcs8: Zeroizing<Vec<u8>> },
    Rsa { pair: Arc<RsaKeyPair>, pkcs8: Zeroizing<Vec<u8>> },
    Token(Arc<TokenKey>),
}

/// Of a public key.
pub(crate) enum PublicNumbers {
    /// A point of P-256.
    Point { x: Vec<u8>, y: Vec<u8> },
    /// Modulus and exponent.
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl fmt::Debug for MailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailKey({:?})", self.key_type())
    }
}

impl MailKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// The library makes none.
    pub fn generate(kind: MailKeyType) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Sign("the library made no key".to_owned());
        Ok(Self(match kind {
            MailKeyType::P256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
                let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
                Own::P256 { pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()), pair: Arc::new(pair) }
            }
            MailKeyType::Rsa3072 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
                Own::Rsa { pkcs8, pair: Arc::new(pair) }
            }
        }))
    }

    /// A key in a token.
    ///
    /// # Errors
    /// It is no P-256 key.
    pub fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        match key.algorithm() {
            TokenAlgorithm::EcdsaP256 => Ok(Self(Own::Token(Arc::new(key)))),
            other => Err(KeyError::Kind { expected: "a P-256 key", found: format!("{other:?}") }),
        }
    }

    /// Reads PKCS#8 in DER: whichever of the kinds it is.
    ///
    /// # Errors
    /// It is neither, or an RSA key that is too short.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let wrong = |found: String| KeyError::Parse { expected: EXPECTED, found };
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            return Ok(Self(Own::P256 { pair: Arc::new(pair), pkcs8: Zeroizing::new(der.to_vec()) }));
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|error| wrong(error.to_string()))?;
        if pair.public_modulus_len() < RSA_BYTES {
            return Err(wrong(format!("an RSA key of {} bits", pair.public_modulus_len() * 8)));
        }
        Ok(Self(Own::Rsa { pair: Arc::new(pair), pkcs8: Zeroizing::new(der.to_vec()) }))
    }

    /// Reads a key in DER as OpenSSL wrote it before PKCS#8: PKCS#1 (RFC 8017 appendix A.1.2) or SEC 1 (RFC 5915).
    ///
    /// # Errors
    /// As [`Self::from_pkcs8`].
    pub fn from_traditional(der: &[u8]) -> Result<Self, KeyError> {
        let wrong = |found: &str| KeyError::Parse { expected: EXPECTED, found: found.to_owned() };
        if let Ok(pair) = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            let pkcs8 = pair.to_pkcs8v1().map_err(|_| wrong("one that has no other form"))?;
            return Self::from_pkcs8(pkcs8.as_ref());
        }
        let pair = RsaKeyPair::from_der(der).map_err(|error| wrong(&error.to_string()))?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| wrong("one that has no other form"))?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads PKCS#8 PEM in clear.
    ///
    /// # Errors
    /// As [`Self::from_pkcs8`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = sealed::open(PRIVATE_KEY, pem, &mut || Ok(None));
        Self::from_pkcs8(&der.map_err(|error| KeyError::Parse { expected: EXPECTED, found: error.to_string() })?)
    }

    /// Writes PKCS#8 PEM; nothing for a key in a token.
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        Some(sealed::in_clear(PRIVATE_KEY, self.pkcs8()?).expect("what was read as a key can be written"))
    }

    /// PKCS#8 in DER; nothing for a key in a token.
    pub fn pkcs8(&self) -> Option<&Zeroizing<Vec<u8>>> {
        match &self.0 {
            Own::P256 { pkcs8, .. } | Own::Rsa { pkcs8, .. } => Some(pkcs8),
            Own::Token(_) => None,
        }
    }

    /// The key in a token, if it lies there: it opens messages there, and nowhere else.
    pub fn token(&self) -> Option<Arc<TokenKey>> {
        match &self.0 {
            Own::Token(key) => Some(Arc::clone(key)),
            Own::P256 { .. } | Own::Rsa { .. } => None,
        }
    }

    /// Which kind it is.
    pub fn key_type(&self) -> MailKeyType {
        match &self.0 {
            Own::Rsa { .. } => MailKeyType::Rsa3072,
            Own::P256 { .. } | Own::Token(_) => MailKeyType::P256,
        }
    }

    /// The bits of subjectPublicKey: a point, or an RSAPublicKey in DER.
    pub fn public_bits(&self) -> Vec<u8> {
        match &self.0 {
            Own::P256 { pair, .. } => pair.public_key().as_ref().to_vec(),
            Own::Rsa { pair, .. } => pair.public_key().as_ref().to_vec(),
            // RFC 5480 section 2.2: an uncompressed point is the end of its SubjectPublicKeyInfo.
            Own::Token(key) => key.spki_der().last_chunk::<65>().map(|point| point.to_vec()).unwrap_or_default(),
        }
    }

    /// The numbers that the public key is made of, big-endian. Empty for what no library made.
    pub(crate) fn public_numbers(&self) -> PublicNumbers {
        let bits = self.public_bits();
        match self.key_type() {
            // SEC 1 section 2.3.3: 04, and two coordinates of 32 octets.
            MailKeyType::P256 => {
                let coordinate = |at: std::ops::Range<usize>| bits.get(at).unwrap_or_default().to_vec();
                PublicNumbers::Point { x: coordinate(1..33), y: coordinate(33..65) }
            }
            MailKeyType::Rsa3072 => {
                // RFC 8017 appendix A.1.1.
                let numbers = AnyRef::from_der(&bits)
                    .and_then(|key| key.sequence(|reader| Ok([UintRef::decode(reader)?, UintRef::decode(reader)?])));
                let numbers = numbers.map(|numbers| numbers.map(|number| number.as_bytes().to_vec()));
                let [n, e] = numbers.unwrap_or_default();
                PublicNumbers::Rsa { n, e }
            }
        }
    }

    /// Signs: ECDSA with SHA-256 in DER, or RSA (PKCS#1 v1.5) with SHA-256.
    ///
    /// # Errors
    /// The token, or the library, did not.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |error: &dyn fmt::Display| KeyError::Sign(error.to_string());
        let random = SystemRandom::new();
        match &self.0 {
            Own::P256 { pair, .. } => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(|error| failed(&error))
            }
            Own::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.map(|()| signature).map_err(|error| failed(&error))
            }
            Own::Token(key) => key.sign(message).map_err(|error| failed(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    };

    use super::*;

    #[test]
    fn a_key_survives_pem_signs_and_shows_no_secret() {
        let kinds: [(_, &dyn VerificationAlgorithm); 2] =
            [(MailKeyType::P256, &ECDSA_P256_SHA256_ASN1), (MailKeyType::Rsa3072, &RSA_PKCS1_2048_8192_SHA256)];
        for (kind, algorithm) in kinds {
            let key = MailKey::generate(kind).unwrap();
            let read = MailKey::from_pem(&key.to_pem().unwrap()).unwrap();
            assert_eq!((read.key_type(), read.public_bits()), (kind, key.public_bits()));
            let public = UnparsedPublicKey::new(algorithm, key.public_bits());
            public.verify(b"message", &read.sign(b"message").unwrap()).unwrap();
            assert_eq!(format!("{key:?}"), format!("MailKey({kind:?})"));
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let device = crate::DeviceKey::generate().unwrap().to_pem().unwrap();
        assert!(MailKey::from_pem(&device).is_err());
        // Made by nobody here, but read: it opens old mails.
        let from_elsewhere = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let from_elsewhere: Pkcs8V1Der<'_> = from_elsewhere.as_der().unwrap();
        assert_eq!(MailKey::from_pkcs8(from_elsewhere.as_ref()).unwrap().key_type(), MailKeyType::Rsa3072);
        let elsewhere = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1_SIGNING).unwrap();
        assert!(MailKey::from_pkcs8(elsewhere.to_pkcs8v1().unwrap().as_ref()).is_err());
    }

    #[test]
    fn kinds_are_named() {
        assert_eq!("rsa3072".parse(), Ok(MailKeyType::Rsa3072));
        assert_eq!("p256".parse(), Ok(MailKeyType::P256));
        assert!("ed25519".parse::<MailKeyType>().is_err());
    }
}
