//! X.509 v3 certificates in strict DER.
//!
//! [`Tbs`] is our own view of a TBSCertificate (RFC 5280 section 4.1.2), over the types of `x509-cert`, because we take
//! an extension out and put it in again, and must know that nothing else moved. Decoding insists that encoding again
//! gives the same bytes: one certificate has one encoding.

mod key;
mod read;

use std::fmt;

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitString},
};
use rustls_pki_types::UnixTime;
use sha2::{Digest, Sha256};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::{certificate::Version, ext::Extension, name::Name, serial_number::SerialNumber, time::Validity};

pub use key::{KeyError, SignatureAlgorithm, key_algorithm, key_id};
pub(crate) use key::{decode_spki, ed25519_key};
pub use read::SubjectName;
pub(crate) use read::time;

use crate::{
    MAX_CERTIFICATE_BYTES, oid,
    transparency::{ExtensionError, TransparencyExtension},
};

/// Why bytes are no certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Larger than [`MAX_CERTIFICATE_BYTES`].
    #[error("expected at most {MAX_CERTIFICATE_BYTES} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not DER, or not a certificate.
    #[error("expected an X.509 certificate in DER, found: {0}")]
    Der(#[from] der::Error),
    /// BER that is not the one DER encoding of what it says.
    #[error("expected the one DER encoding of the certificate, found another")]
    NotCanonical,
    /// Not version 3 (RFC 5280 section 4.1.2.1).
    #[error("expected version 3, found {found}")]
    Version {
        /// Version found.
        found: u8,
    },
}

impl CertificateError {
    /// What was found in place of a certificate, for a refusal that says itself what it expected.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::TooLarge { found } => format!("{found} bytes"),
            Self::Der(error) => format!("bytes that are none ({error})"),
            Self::NotCanonical => "another encoding of the same certificate".to_owned(),
            Self::Version { found } => format!("one of version {found}"),
        }
    }
}

/// The fields in the order of RFC 5280 section 4.1. The unique identifiers of X.509 v2 are left out: section 4.1.2.8
/// forbids them, so a certificate with one does not decode.
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
struct Fields {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Vec<Extension>,
}

/// The part of a certificate that is signed.
#[derive(Clone, PartialEq, Eq)]
pub struct Tbs(Fields);

impl Tbs {
    /// Decodes a TBSCertificate; anything but its one DER encoding is refused.
    pub fn decode(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { found: der.len() });
        }
        let fields = Fields::from_der(der)?;
        if fields.version != Version::V3 {
            return Err(CertificateError::Version { found: fields.version as u8 + 1 });
        }
        let tbs = Self(fields);
        if tbs.0.to_der()? != der {
            return Err(CertificateError::NotCanonical);
        }
        Ok(tbs)
    }

    /// Its DER encoding.
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_der().expect("what was decoded or planned within 16 KiB has an encoding")
    }

    pub(crate) fn from_parts(parts: TbsParts) -> Result<Self, der::Error> {
        let fields = Fields {
            version: Version::V3,
            serial_number: SerialNumber::new(&parts.serial)?,
            signature: parts.signature.identifier(),
            issuer: parts.issuer,
            validity: Validity::new(time(parts.not_before)?, time(parts.not_after)?),
            subject: parts.subject,
            subject_public_key_info: parts.spki,
            extensions: parts.extensions,
        };
        // Through the bytes and back: a plan is what a verifier would read, or an error now.
        Self::decode(&fields.to_der()?).map_err(|_| der::ErrorKind::Failed.into())
    }

    /// Takes a plan apart, for tests that break it.
    #[cfg(test)]
    pub(crate) fn to_parts(&self) -> TbsParts {
        TbsParts {
            serial: self.serial().to_vec(),
            signature: self.signature_algorithm().unwrap(),
            issuer: self.issuer().clone(),
            not_before: self.not_before(),
            not_after: self.not_after(),
            subject: self.subject().clone(),
            spki: self.spki().clone(),
            extensions: self.extensions().to_vec(),
        }
    }

    /// The serial number, big-endian, without leading zeros.
    pub fn serial(&self) -> &[u8] {
        let bytes = self.0.serial_number.as_bytes();
        match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            _ => bytes,
        }
    }

    /// The content of the INTEGER, by which revocation lists name a certificate: its sign counts.
    pub(crate) fn raw_serial(&self) -> &[u8] {
        self.0.serial_number.as_bytes()
    }

    /// Whether the serial number is negative: its first bit is set.
    pub(crate) fn serial_is_negative(&self) -> bool {
        self.0.serial_number.as_bytes().first().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex::encode(self.serial())
    }

    /// The name of the issuer.
    pub fn issuer(&self) -> &Name {
        &self.0.issuer
    }

    /// The name of the subject; empty where the identifier is too long for it.
    pub fn subject(&self) -> &Name {
        &self.0.subject
    }

    /// The first second in which the certificate is valid.
    pub fn not_before(&self) -> UnixTime {
        UnixTime::since_unix_epoch(self.0.validity.not_before.to_unix_duration())
    }

    /// The last second in which the certificate is valid.
    pub fn not_after(&self) -> UnixTime {
        UnixTime::since_unix_epoch(self.0.validity.not_after.to_unix_duration())
    }

    /// The subject's key.
    pub fn spki(&self) -> &SubjectPublicKeyInfoOwned {
        &self.0.subject_public_key_info
    }

    /// The subject's key as DER of its SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Vec<u8> {
        self.spki().to_der().expect("what was decoded has an encoding")
    }

    /// The algorithm its issuer signs it with, if it is one we know.
    pub fn signature_algorithm(&self) -> Option<SignatureAlgorithm> {
        SignatureAlgorithm::from_identifier(&self.0.signature)
    }

    pub(crate) fn signature_identifier(&self) -> &AlgorithmIdentifierOwned {
        &self.0.signature
    }

    /// The extensions, in their order.
    pub fn extensions(&self) -> &[Extension] {
        &self.0.extensions
    }

    /// The transparency extension: `None` if there is none, an error if there are two or it does not decode.
    pub fn transparency(&self) -> Result<Option<TransparencyExtension>, ExtensionError> {
        let mut found = self.0.extensions.iter().filter(|e| e.extn_id == oid::TRANSPARENCY);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(extension), None) => TransparencyExtension::from_der(extension.extn_value.as_bytes()).map(Some),
            (Some(_), Some(_)) => Err(ExtensionError::Repeated),
        }
    }

    /// The same certificate without the transparency extension: what the commitment in the log opens to.
    pub fn without_transparency(&self) -> Self {
        let mut fields = self.0.clone();
        fields.extensions.retain(|e| e.extn_id != oid::TRANSPARENCY);
        Self(fields)
    }

    /// The same certificate with this transparency extension as its last one.
    pub fn with_transparency(&self, extension: &TransparencyExtension) -> Self {
        let mut tbs = self.without_transparency();
        tbs.0.extensions.push(Extension {
            extn_id: oid::TRANSPARENCY,
            critical: false,
            extn_value: der::asn1::OctetString::new(extension.to_der()).expect("an extension is under 8 KiB"),
        });
        tbs
    }
}

impl fmt::Debug for Tbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tbs")
            .field("serial", &self.serial_hex())
            .field("issuer", &self.issuer().to_string())
            .field("subject", &self.subject().to_string())
            .finish_non_exhaustive()
    }
}

/// What a plan decides; see [`Tbs::from_parts`].
pub(crate) struct TbsParts {
    pub(crate) serial: Vec<u8>,
    pub(crate) signature: SignatureAlgorithm,
    pub(crate) issuer: Name,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) subject: Name,
    pub(crate) spki: SubjectPublicKeyInfoOwned,
    pub(crate) extensions: Vec<Extension>,
}

#[derive(Sequence)]
struct Outer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// A parsed certificate. Parsed, not verified: it proves nothing yet.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    tbs_der: Vec<u8>,
    tbs: Tbs,
    algorithm: AlgorithmIdentifierOwned,
    signature: Vec<u8>,
}

impl Certificate {
    /// Parses one certificate of at most 16 KiB in strict DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { found: der.len() });
        }
        let outer = Outer::from_der(der)?;
        let tbs_der = outer.tbs.to_der()?;
        let tbs = Tbs::decode(&tbs_der)?;
        if outer.to_der()? != der {
            return Err(CertificateError::NotCanonical);
        }
        let signature = outer.signature.as_bytes().ok_or(CertificateError::NotCanonical)?.to_vec();
        Ok(Self { der: der.to_vec(), tbs_der, tbs, algorithm: outer.algorithm, signature })
    }

    /// The key, if it is one that devices have (Ed25519).
    #[must_use]
    pub fn device_key(&self) -> Option<[u8; 32]> {
        ed25519_key(self.tbs().spki())
    }

    /// The signed part.
    pub fn tbs(&self) -> &Tbs {
        &self.tbs
    }

    /// The bytes that are signed.
    pub fn tbs_der(&self) -> &[u8] {
        &self.tbs_der
    }

    /// The whole certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// SHA-256 of the whole certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.der).into()
    }

    pub(crate) fn signature_identifier(&self) -> &AlgorithmIdentifierOwned {
        &self.algorithm
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.tbs).finish()
    }
}

/// Puts a certificate together from its signed part and the signature (for ECDSA, its DER form).
pub fn assemble(tbs: &Tbs, algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    assemble_signed(&tbs.encode(), algorithm, signature)
}

/// `SEQUENCE { toBeSigned, algorithm, signature }`, the shape of certificates and revocation lists alike.
pub(crate) fn assemble_signed(tbs_der: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    let outer = Outer {
        tbs: AnyRef::from_der(tbs_der).expect("a signed part was encoded as DER"),
        algorithm: algorithm.identifier(),
        signature: BitString::from_bytes(signature).expect("a signature is short"),
    };
    outer.to_der().expect("parts that are DER make a DER whole")
}

#[cfg(test)]
mod tests;
