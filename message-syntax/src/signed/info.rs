//! SignerInfo (RFC 5652 section 5.3): one signature.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::Certificate;

use super::unsigned::{self, Unsigned};
use crate::algorithm::Hash;
use crate::error::CmsError;
use crate::naming;

/// A signature as it stands in the message; nothing of it is checked.
pub(super) struct Info<'a> {
    signer: AnyRef<'a>,
    pub(super) hash: ObjectIdentifier,
    /// The content of the SET of signed attributes.
    pub(super) attributes: &'a [u8],
    pub(super) algorithm: ObjectIdentifier,
    pub(super) signature: &'a [u8],
    /// What nobody vouches for.
    pub(super) unsigned: Vec<Unsigned>,
}

impl<'a> Info<'a> {
    pub(super) fn read(element: AnyRef<'a>) -> Result<Self, CmsError> {
        let wrong = |error: der::Error| CmsError::form("a SignerInfo", error);
        element.tag().assert_eq(Tag::Sequence).map_err(wrong)?;
        let reader = &mut SliceReader::new(element.value()).map_err(wrong)?;
        let _version = u8::decode(reader).map_err(wrong)?;
        let signer = AnyRef::decode(reader).map_err(wrong)?;
        let hash = AlgorithmIdentifierRef::decode(reader).map_err(wrong)?.oid;
        let attributes = AnyRef::decode(reader).map_err(wrong)?;
        if attributes.tag().number() != TagNumber(0) || !attributes.tag().is_context_specific() {
            return Err(CmsError::form("signed attributes, as every S/MIME message has them", "none"));
        }
        let algorithm = AlgorithmIdentifierRef::decode(reader).map_err(wrong)?.oid;
        let signature = <&OctetStringRef>::decode(reader).map_err(wrong)?.as_bytes();
        let unsigned = (!reader.is_finished()).then(|| AnyRef::decode(reader)).transpose().map_err(wrong)?;
        let unsigned = unsigned::read(unsigned)?;
        if !reader.is_finished() {
            return Err(CmsError::form("the end of a SignerInfo", "more bytes"));
        }
        Ok(Self { signer, hash, attributes: attributes.value(), algorithm, signature, unsigned })
    }

    /// The hash of the content.
    pub(super) fn content_hash(&self) -> Result<Hash, CmsError> {
        let expected = "SHA-256, SHA-384 or SHA-512";
        Hash::from_oid(self.hash).ok_or_else(|| CmsError::Algorithm { expected, found: self.hash.to_string() })
    }

    /// Whether it names this certificate: by issuer and number, or by its key's identifier.
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self.signer.tag().is_context_specific() {
            true => naming::has_key_id(certificate, self.signer.value()),
            false => naming::is_issued(certificate, self.signer.value()),
        }
    }
}
