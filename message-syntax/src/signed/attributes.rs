//! What is signed beside the content (RFC 5652 section 11, RFC 5035): its type, its hash, the time by the signer's clock,
//! and which certificate it is to be judged by.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5911::{ID_AA_SIGNING_CERTIFICATE_V_2, ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_TIME};
use const_oid::db::rfc5912::ID_SHA_256;
use der::asn1::{AnyRef, GeneralizedTime, OctetStringRef, UtcTime};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use super::DATA;
use crate::algorithm::Hash;
use crate::error::CmsError;
use crate::tlv::{OCTET_STRING, SEQUENCE, SET, set_of, tlv};

/// The signed attributes as a SET OF in DER, over which the signature is made.
pub(super) fn write(content_sha: &[u8], time: Duration, certificate: &[u8]) -> Result<Vec<u8>, CmsError> {
    let encoded = |error: der::Error| CmsError::form("a time of the calendar", error);
    // RFC 5652 section 11.3: UTCTime until 2049.
    let time = match UtcTime::from_unix_duration(time) {
        Ok(time) => time.to_der(),
        Err(_) => GeneralizedTime::from_unix_duration(time).and_then(|time| time.to_der()),
    };
    let hash = tlv(OCTET_STRING, &[digest(&SHA256, certificate).as_ref()]);
    // RFC 5035 section 4: SHA-256 is the default, and so it is left out.
    let by = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&tlv(SEQUENCE, &[&hash])])]);
    let attribute = |oid: ObjectIdentifier, value: &[u8]| {
        tlv(SEQUENCE, &[&oid.to_der().expect("constants encode"), &tlv(SET, &[value])])
    };
    Ok(set_of(
        SET,
        vec![
            attribute(ID_CONTENT_TYPE, &DATA.to_der().expect("constants encode")),
            attribute(ID_MESSAGE_DIGEST, &tlv(OCTET_STRING, &[content_sha])),
            attribute(ID_SIGNING_TIME, &time.map_err(encoded)?),
            attribute(ID_AA_SIGNING_CERTIFICATE_V_2, &by),
        ],
    ))
}

/// What a signature says.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    content_type: Option<ObjectIdentifier>,
    content_sha: Option<Vec<u8>>,
    pub(super) time: Option<Duration>,
    certificate: Option<Meant>,
}

impl Attributes {
    /// Reads the content of the SET OF.
    pub(super) fn read(content: &[u8]) -> Result<Self, CmsError> {
        let mut attributes = Self::default();
        let wrong = |error: der::Error| CmsError::form("signed attributes", error);
        let mut reader = SliceReader::new(content).map_err(wrong)?;
        while !reader.is_finished() {
            attributes.take(AnyRef::decode(&mut reader).map_err(wrong)?)?;
        }
        Ok(attributes)
    }

    fn take(&mut self, attribute: AnyRef<'_>) -> Result<(), CmsError> {
        let wrong = |error: der::Error| CmsError::form("a signed attribute", error);
        let (oid, values) = pair(attribute).map_err(wrong)?;
        let known = [ID_CONTENT_TYPE, ID_MESSAGE_DIGEST, ID_SIGNING_TIME, ID_AA_SIGNING_CERTIFICATE_V_2];
        if !known.contains(&oid) {
            return Ok(());
        }
        // RFC 5652 section 11: one value, and no attribute twice.
        let value = AnyRef::from_der(values).map_err(wrong)?;
        let twice = || CmsError::form("each signed attribute once", format!("{oid} again"));
        let before = match oid {
            ID_CONTENT_TYPE => self.content_type.replace(value.decode_as().map_err(wrong)?).is_some(),
            ID_MESSAGE_DIGEST => {
                let octets: &OctetStringRef = value.decode_as().map_err(wrong)?;
                self.content_sha.replace(octets.as_bytes().to_vec()).is_some()
            }
            ID_SIGNING_TIME => {
                let time: Time = value.decode_as().map_err(wrong)?;
                self.time.replace(time.to_unix_duration()).is_some()
            }
            _ => self.certificate.replace(first_certificate(value).map_err(wrong)?).is_some(),
        };
        if before { Err(twice()) } else { Ok(()) }
    }

    /// That this content, of this type, was signed with this certificate in mind.
    pub(super) fn check(&self, kind: ObjectIdentifier, sha: &[u8], certificate: &[u8]) -> Result<(), CmsError> {
        if self.content_type != Some(kind) {
            return Err(CmsError::form("the type of the content among the signed attributes", "another, or none"));
        }
        if self.content_sha.as_deref() != Some(sha) {
            return Err(CmsError::Altered);
        }
        let Some(Meant { by, hash }) = &self.certificate else { return Ok(()) };
        let by = Hash::from_oid(*by).ok_or_else(|| CmsError::Algorithm {
            expected: "the signer's certificate by SHA-256, SHA-384 or SHA-512",
            found: by.to_string(),
        })?;
        let mut hashed = by.begin();
        hashed.update(certificate);
        if hashed.finish().as_ref() != hash {
            return Err(CmsError::form("the certificate that was meant by the signer", "another one for the same key"));
        }
        Ok(())
    }
}

/// An attribute's type, and the content of its SET of values.
pub(super) fn pair(attribute: AnyRef<'_>) -> der::Result<(ObjectIdentifier, &[u8])> {
    attribute.sequence(|reader| {
        let oid = ObjectIdentifier::decode(reader)?;
        let values = AnyRef::decode(reader)?;
        values.tag().assert_eq(Tag::Set)?;
        Ok((oid, values.value()))
    })
}

/// The certificate that a signature is to be judged by.
#[derive(Debug)]
struct Meant {
    by: ObjectIdentifier,
    hash: Vec<u8>,
}

/// The first certificate of a SigningCertificateV2 (RFC 5035 section 4): the signer's own.
fn first_certificate(value: AnyRef<'_>) -> der::Result<Meant> {
    let content = |any: AnyRef<'_>| -> der::Result<Vec<u8>> {
        any.tag().assert_eq(Tag::Sequence)?;
        Ok(any.value().to_vec())
    };
    let list = content(value)?;
    let list = content(AnyRef::decode(&mut SliceReader::new(&list)?)?)?;
    let first = content(AnyRef::decode(&mut SliceReader::new(&list)?)?)?;
    let reader = &mut SliceReader::new(&first)?;
    // Another algorithm than SHA-256 stands first. So does that one in what some programs write, though it is the default.
    let element = AnyRef::decode(reader)?;
    if element.tag() != Tag::Sequence {
        return Ok(Meant { by: ID_SHA_256, hash: element.decode_as::<&OctetStringRef>()?.as_bytes().to_vec() });
    }
    let by = element.decode_as::<AlgorithmIdentifierRef<'_>>()?.oid;
    let hash = AnyRef::decode(reader)?.decode_as::<&OctetStringRef>()?;
    Ok(Meant { by, hash: hash.as_bytes().to_vec() })
}
