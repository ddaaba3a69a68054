//! The keys: a recipient's own, and the content's.

use std::fmt;

use aws_lc_rs::agreement::{self, ECDH_P256, ParsedPublicKey, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OaepAlgorithm, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use crate::error::CmsError;

/// The key of one message's content. Wiped when it is let go of.
pub struct ContentKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey")
    }
}

impl ContentKey {
    pub(super) fn new(length: usize) -> Result<Self, CmsError> {
        let mut key = Zeroizing::new(vec![0; length]);
        rand::fill(&mut key)?;
        Ok(Self(key))
    }

    /// One that came out of a message, if it has the length that it must have.
    pub(super) fn found(key: Zeroizing<Vec<u8>>, length: usize) -> Result<Self, CmsError> {
        if key.len() == length { Ok(Self(key)) } else { Err(CmsError::Closed) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A recipient's private key, for as long as messages are opened with it. The library wipes it afterwards.
pub struct DecryptionKey(Kind);

/// What a P-256 key that lies elsewhere and the one of a point (uncompressed, on the curve) have in common: the coordinate x.
pub type AgreeWith = dyn Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>, String>;

/// Of a point that is not compressed, and of a coordinate (bytes).
const POINT: usize = 65;
const COORDINATE: usize = 32;

enum Kind {
    P256(PrivateKey),
    Elsewhere(Box<AgreeWith>),
    Rsa { key: Box<PrivateDecryptingKey>, secret: Box<hmac::Key> },
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::P256(_) => "DecryptionKey(P256)",
            Kind::Elsewhere(_) => "DecryptionKey(elsewhere)",
            Kind::Rsa { .. } => "DecryptionKey(Rsa)",
        })
    }
}

impl DecryptionKey {
    /// A P-256 or RSA key, in PKCS#8.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CmsError> {
        if let Ok(key) = PrivateKey::from_private_key_der(&ECDH_P256, der) {
            return Ok(Self(Kind::P256(key)));
        }
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| CmsError::Algorithm {
            expected: "a P-256 or RSA key, which opens messages",
            found: "another one".to_owned(),
        })?;
        // What is made of it has to be as secret as the key, and the same each time.
        let secret = hmac::Key::new(hmac::HMAC_SHA256, digest(&SHA256, der).as_ref());
        Ok(Self(Kind::Rsa { key: Box::new(key), secret: Box::new(secret) }))
    }

    /// A P-256 key that lies elsewhere, in a token.
    #[must_use]
    pub fn agreeing(agree: Box<AgreeWith>) -> Self {
        Self(Kind::Elsewhere(agree))
    }

    /// What this key and the one of a point have in common: a coordinate.
    pub(super) fn agree<T>(
        &self,
        point: &[u8],
        take: impl FnOnce(&[u8]) -> Result<T, CmsError>,
    ) -> Result<T, CmsError> {
        let public = UnparsedPublicKey::new(&ECDH_P256, point);
        match &self.0 {
            Kind::P256(key) => agreement::agree(key, public, CmsError::Closed, take),
            Kind::Elsewhere(agree) => {
                // A token may not look whether a stranger's point is on the curve, and would give its key away by others.
                let on_curve = ParsedPublicKey::try_from(public).is_ok() && point.len() == POINT;
                let secret =
                    if on_curve { agree(point).map_err(CmsError::Agree)? } else { return Err(CmsError::Closed) };
                if secret.len() == COORDINATE { take(&secret) } else { Err(CmsError::Closed) }
            }
            Kind::Rsa { .. } => Err(CmsError::Closed),
        }
    }

    /// RSAES-OAEP (RFC 8017 section 7.1.2).
    pub(super) fn open_oaep(
        &self,
        algorithm: &'static OaepAlgorithm,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        let Kind::Rsa { key, .. } = &self.0 else { return Err(CmsError::Closed) };
        let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::clone(key))?;
        let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
        let length = key.decrypt(algorithm, sealed, &mut out, None).map_err(|_| CmsError::Closed)?.len();
        out.truncate(length);
        Ok(out)
    }

    /// RSAES-PKCS1-v1_5 (RFC 8017 section 7.2.2). Whether the padding was right is not told (RFC 3218): what comes out where it
    /// was not, or where the key has another length, is a key made of the ciphertext and this key, the same each time. So whoever
    /// sends a message again and again learns nothing from when it opens.
    pub(super) fn open_pkcs1(&self, sealed: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        let Kind::Rsa { key, secret } = &self.0 else { return Err(CmsError::Closed) };
        let instead = hmac::sign(secret, sealed);
        let mut instead = Zeroizing::new(instead.as_ref().to_vec());
        instead.truncate(length);
        let key = Pkcs1PrivateDecryptingKey::new(PrivateDecryptingKey::clone(key))?;
        let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
        let opened = key.decrypt(sealed, &mut out).map_or(0, |opened| opened.len());
        out.resize(length, 0);
        let right = u8::from(opened == length).wrapping_neg();
        instead.iter_mut().zip(out.iter()).for_each(|(byte, opened)| *byte = (*byte & !right) | (opened & right));
        Ok(instead)
    }
}
