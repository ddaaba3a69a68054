//! What the content is encrypted with: AES-GCM (RFC 5084), which tells whether it was changed, or AES-CBC (RFC 3565), which
//! does not.

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, EncryptionContext, StreamingDecryptingKey,
    StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use const_oid::ObjectIdentifier;
use der::asn1::OctetStringRef;
use der::{Decode as _, Encode as _, Reader as _};
use spki::AlgorithmIdentifierRef;

use super::gcm::{Gcm, NONCE, SPARE, TAG};
use super::key::ContentKey;
use crate::error::CmsError;
use crate::tlv::{INTEGER, OCTET_STRING, SEQUENCE, tlv};

/// Of AES-CBC: one block (bytes).
const IV: usize = 16;
/// What the output of a portion needs to be longer than it (bytes).
pub(super) const ROOM: usize = 2 * SPARE;
/// The shortest tag of RFC 5084, and the one that is meant where none is said.
const SHORTEST_TAG: usize = 12;

/// The algorithms, with the length of their keys (bytes).
const GCM: [(ObjectIdentifier, usize); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.6"), 16),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.26"), 24),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46"), 32),
];
const CBC: [(ObjectIdentifier, usize); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"), 16),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22"), 24),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42"), 32),
];

/// A content's cipher with everything but the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cipher {
    mode: Mode,
    key_length: usize,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Gcm { nonce: [u8; NONCE], tag: usize },
    Cbc { iv: [u8; IV] },
}

impl Cipher {
    /// A new one with a key of 256 bits, and what must not come again drawn by chance.
    pub(super) fn new(authenticated: bool) -> Result<Self, CmsError> {
        let (mut nonce, mut iv) = ([0; NONCE], [0; IV]);
        rand::fill(&mut nonce)?;
        rand::fill(&mut iv)?;
        let mode = if authenticated { Mode::Gcm { nonce, tag: TAG } } else { Mode::Cbc { iv } };
        Ok(Self { mode, key_length: 32 })
    }

    /// Whether a change of the content is noticed.
    pub(super) fn is_authenticated(self) -> bool {
        matches!(self.mode, Mode::Gcm { .. })
    }

    /// Of its key (bytes).
    pub(super) fn key_length(self) -> usize {
        self.key_length
    }

    /// The AlgorithmIdentifier in DER.
    pub(super) fn identifier(self) -> Vec<u8> {
        let (known, parameters) = match &self.mode {
            Mode::Gcm { nonce, tag } => {
                let tag = tlv(INTEGER, &[&[*tag as u8]]);
                (GCM, tlv(SEQUENCE, &[&tlv(OCTET_STRING, &[nonce]), &tag]))
            }
            Mode::Cbc { iv } => (CBC, tlv(OCTET_STRING, &[iv])),
        };
        let mut named = known.into_iter().filter(|(_, length)| *length == self.key_length);
        let (oid, _) = named.next().expect("a cipher's key has one of the lengths in the table");
        tlv(SEQUENCE, &[&oid.to_der().expect("constants encode"), &parameters])
    }

    /// Reads an AlgorithmIdentifier in DER.
    pub(super) fn read(der: &[u8]) -> Result<Self, CmsError> {
        let wrong = |error: der::Error| CmsError::form("how the content is encrypted", error);
        let identifier = AlgorithmIdentifierRef::from_der(der).map_err(wrong)?;
        let among = |known: [(ObjectIdentifier, usize); 3]| {
            known.into_iter().find(|(oid, _)| *oid == identifier.oid).map(|(_, length)| length)
        };
        let parameters = identifier.parameters.ok_or_else(|| CmsError::form("parameters of the encryption", "none"))?;
        if let Some(key_length) = among(CBC) {
            let iv = parameters.decode_as::<&OctetStringRef>().map_err(wrong)?.as_bytes();
            let iv = iv.try_into().map_err(|_| CmsError::form("16 bytes to begin with (IV)", iv.len()))?;
            return Ok(Self { mode: Mode::Cbc { iv }, key_length });
        }
        let Some(key_length) = among(GCM) else {
            let expected = "AES-GCM or AES-CBC";
            return Err(CmsError::Algorithm { expected, found: identifier.oid.to_string() });
        };
        let (nonce, tag) = parameters
            .sequence(|reader| {
                let nonce = <&OctetStringRef>::decode(reader)?.as_bytes();
                let tag = if reader.is_finished() { None } else { Some(u8::decode(reader)?) };
                Ok((nonce, tag.map_or(SHORTEST_TAG, usize::from)))
            })
            .map_err(wrong)?;
        let nonce = nonce.try_into().map_err(|_| CmsError::form("a nonce of 12 bytes", nonce.len()))?;
        if !(SHORTEST_TAG..=TAG).contains(&tag) {
            return Err(CmsError::form("a tag of 12 to 16 bytes", tag));
        }
        Ok(Self { mode: Mode::Gcm { nonce, tag }, key_length })
    }

    pub(super) fn encrypting(self, key: &ContentKey) -> Result<Encrypting, CmsError> {
        let algorithm = self.algorithm()?;
        Ok(match self.mode {
            Mode::Gcm { nonce, .. } => Encrypting::Gcm(Box::new(Gcm::new(algorithm, key.bytes(), &nonce)?)),
            Mode::Cbc { iv } => {
                let (key, iv) = (UnboundCipherKey::new(algorithm, key.bytes())?, EncryptionContext::Iv128(iv.into()));
                Encrypting::Cbc(StreamingEncryptingKey::less_safe_cbc_pkcs7(key, iv)?)
            }
        })
    }

    pub(super) fn decrypting(self, key: &ContentKey) -> Result<Decrypting, CmsError> {
        let algorithm = self.algorithm()?;
        Ok(match self.mode {
            Mode::Gcm { nonce, tag } => Decrypting::Gcm(Box::new(Gcm::new(algorithm, key.bytes(), &nonce)?), tag),
            Mode::Cbc { iv } => {
                let (key, iv) = (UnboundCipherKey::new(algorithm, key.bytes())?, DecryptionContext::Iv128(iv.into()));
                Decrypting::Cbc(StreamingDecryptingKey::cbc_pkcs7(key, iv)?)
            }
        })
    }

    fn algorithm(self) -> Result<&'static Algorithm, CmsError> {
        match self.key_length {
            16 => Ok(&AES_128),
            24 => Ok(&AES_192),
            32 => Ok(&AES_256),
            _ => Err(CmsError::Library),
        }
    }
}

/// Content that is being encrypted.
pub(super) enum Encrypting {
    Gcm(Box<Gcm>),
    Cbc(StreamingEncryptingKey),
}

impl Encrypting {
    /// Encrypts a portion into `out`, which is longer by [`ROOM`]: what came of it.
    pub(super) fn update<'a>(&mut self, clear: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], CmsError> {
        match self {
            Self::Gcm(gcm) => gcm.encrypt(clear, out),
            Self::Cbc(cbc) => {
                let written = cbc.update(clear, out)?.written().len();
                Ok(&out[..written])
            }
        }
    }

    /// What is left of the content, and the tag if there is one.
    pub(super) fn end(self) -> Result<(Vec<u8>, Option<[u8; TAG]>), CmsError> {
        match self {
            Self::Gcm(gcm) => Ok((Vec::new(), Some(gcm.tag(&[])))),
            Self::Cbc(cbc) => {
                let mut last = [0; IV];
                let (_, last) = cbc.finish(&mut last)?;
                Ok((last.written().to_vec(), None))
            }
        }
    }
}

/// Content that is being decrypted.
pub(super) enum Decrypting {
    Gcm(Box<Gcm>, usize),
    Cbc(StreamingDecryptingKey),
}

impl Decrypting {
    /// Decrypts a portion into `out`, which is longer by [`ROOM`]: what came of it.
    pub(super) fn update<'a>(&mut self, sealed: &[u8], out: &'a mut [u8]) -> Result<&'a [u8], CmsError> {
        match self {
            Self::Gcm(gcm, _) => gcm.decrypt(sealed, out),
            Self::Cbc(cbc) => {
                let written = cbc.update(sealed, out)?.written().len();
                Ok(&out[..written])
            }
        }
    }

    /// What is left of the content. That it is whole and was not changed is known now, if there is a tag.
    pub(super) fn end(self, tag: Option<&[u8]>, beside: &[u8], out: &mut [u8]) -> Result<usize, CmsError> {
        match (self, tag) {
            (Self::Gcm(gcm, length), Some(tag)) if tag.len() == length => {
                let right = gcm.tag(beside);
                verify_slices_are_equal(&right[..length], tag).map(|()| 0).map_err(|_| CmsError::Closed)
            }
            (Self::Cbc(cbc), None) => Ok(cbc.finish(out).map_err(|_| CmsError::Closed)?.written().len()),
            (Self::Gcm(..) | Self::Cbc(_), tag) => {
                Err(CmsError::form("a tag as the encryption wants it", format!("{} bytes", tag.map_or(0, <[u8]>::len))))
            }
        }
    }
}
