//! RecipientInfo (RFC 5652 section 6.2): for whom a message is, and the content's key as she gets it.

use std::sync::Arc;

use const_oid::db::rfc5912::ID_EC_PUBLIC_KEY;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::Certificate;

use super::MOST_RECIPIENTS;
use super::agreement::Agreement;
use super::key::{ContentKey, DecryptionKey};
use super::transport::Padding;
use crate::error::CmsError;
use crate::naming;
use crate::tlv::elements;

/// Somebody for whom a message is.
#[derive(Clone, Debug)]
pub struct Recipient {
    name: Name,
    way: Way,
    sealed: Vec<u8>,
}

/// How she is named.
#[derive(Clone, Debug)]
enum Name {
    /// The content of an IssuerAndSerialNumber.
    Issued(Vec<u8>),
    KeyId(Vec<u8>),
}

/// How the content's key got to her.
#[derive(Clone, Debug)]
enum Way {
    /// One for all recipients that are named with it.
    Agreement(Arc<Agreement>),
    Transport(Padding),
    /// Not known here: its identifier.
    Other(String),
}

impl Recipient {
    /// Whether this certificate is named, in DER.
    #[must_use]
    pub fn is(&self, certificate: &[u8]) -> bool {
        let Ok(certificate) = Certificate::from_der(certificate) else { return false };
        match &self.name {
            Name::Issued(named) => naming::is_issued(&certificate, named),
            Name::KeyId(id) => naming::has_key_id(&certificate, id),
        }
    }

    /// Whether a certificate of this one's issuer is named: it may be one of the same key from before, as renewing a certificate
    /// leaves the key.
    #[must_use]
    pub fn may_be_before(&self, certificate: &[u8]) -> bool {
        let Ok(certificate) = Certificate::from_der(certificate) else { return false };
        let issuer = certificate.tbs_certificate().issuer().to_der();
        match &self.name {
            Name::Issued(named) => issuer.is_ok_and(|issuer| named.starts_with(&issuer)),
            Name::KeyId(_) => false,
        }
    }

    /// Whether another key than the right one is noticed at once. With RSAES-PKCS1-v1_5 it is not, and must not be.
    #[must_use]
    pub fn proves_its_key(&self) -> bool {
        !matches!(self.way, Way::Transport(Padding::Pkcs1))
    }

    /// The content's key, of so many bytes.
    pub(super) fn open(&self, key: &DecryptionKey, length: usize) -> Result<ContentKey, CmsError> {
        let opened = match &self.way {
            Way::Agreement(agreement) => agreement.open(key, &self.sealed)?,
            Way::Transport(padding) => padding.open(key, &self.sealed, length)?,
            Way::Other(found) => {
                return Err(CmsError::Algorithm {
                    expected: "a key encrypted by RSAES-OAEP or RSAES-PKCS1-v1_5, or wrapped by AES after ECDH",
                    found: found.clone(),
                });
            }
        };
        ContentKey::found(opened, length)
    }

    /// Everybody in a SET of RecipientInfo. Those by passwords or keys that were known before are passed over.
    pub(super) fn read_all(set: &[u8]) -> Result<Vec<Self>, CmsError> {
        let wrong = |error: der::Error| CmsError::form("recipients", error);
        let mut all = Vec::new();
        for info in elements(set, "recipients", MOST_RECIPIENTS)? {
            let tag = info.tag();
            if tag == Tag::Sequence {
                all.push(Self::by_transport(info.value()).map_err(wrong)?);
            } else if tag.is_context_specific() && tag.number().value() == 1 {
                all.extend(Self::by_agreement(info.value()).map_err(wrong)?);
            }
            if all.len() > MOST_RECIPIENTS {
                return Err(CmsError::form("recipients", format!("more than {MOST_RECIPIENTS}")));
            }
        }
        Ok(all)
    }

    /// KeyTransRecipientInfo.
    fn by_transport(info: &[u8]) -> der::Result<Self> {
        let reader = &mut SliceReader::new(info)?;
        let _version = u8::decode(reader)?;
        let named = AnyRef::decode(reader)?;
        let name = match named.tag() {
            Tag::Sequence => Name::Issued(named.value().to_vec()),
            _ => Name::KeyId(named.value().to_vec()),
        };
        let algorithm = AlgorithmIdentifierRef::decode(reader)?;
        let sealed = <&OctetStringRef>::decode(reader)?.as_bytes().to_vec();
        let way = Padding::read(&algorithm).map_or_else(|oid| Way::Other(oid.to_string()), Way::Transport);
        Ok(Self { name, way, sealed })
    }

    /// KeyAgreeRecipientInfo, which may have several recipients.
    fn by_agreement(info: &[u8]) -> der::Result<Vec<Self>> {
        let reader = &mut SliceReader::new(info)?;
        let _version = u8::decode(reader)?;
        let originator = AnyRef::decode(reader)?;
        let point = point(AnyRef::from_der(originator.value())?)?;
        let mut next = AnyRef::decode(reader)?;
        let mut ukm = None;
        if next.tag().is_context_specific() {
            ukm = Some(<&OctetStringRef>::from_der(next.value())?.as_bytes());
            next = AnyRef::decode(reader)?;
        }
        let scheme = next.decode_as::<AlgorithmIdentifierRef<'_>>()?;
        let way = match point {
            Some(point) => Agreement::read(point, ukm, &scheme).map(|agreement| Way::Agreement(Arc::new(agreement))),
            None => Err(scheme.oid),
        };
        let way = way.unwrap_or_else(|oid| Way::Other(oid.to_string()));
        let keys = AnyRef::decode(reader)?;
        let mut reader = SliceReader::new(keys.value())?;
        let mut all = Vec::new();
        while !reader.is_finished() && all.len() <= MOST_RECIPIENTS {
            let one = AnyRef::decode(&mut reader)?;
            let reader = &mut SliceReader::new(one.value())?;
            let name = agreeing(AnyRef::decode(reader)?)?;
            let sealed = <&OctetStringRef>::decode(reader)?.as_bytes().to_vec();
            all.push(Self { name, way: way.clone(), sealed });
        }
        Ok(all)
    }
}

/// The point of an OriginatorPublicKey; none of who is named otherwise (a key that was known before).
fn point(originator: AnyRef<'_>) -> der::Result<Option<&[u8]>> {
    if !originator.tag().is_context_specific() || originator.tag().number().value() != 1 {
        return Ok(None);
    }
    let reader = &mut SliceReader::new(originator.value())?;
    let algorithm = AlgorithmIdentifierRef::decode(reader)?;
    let point = BitStringRef::decode(reader)?.raw_bytes();
    Ok((algorithm.oid == ID_EC_PUBLIC_KEY).then_some(point))
}

/// KeyAgreeRecipientIdentifier.
fn agreeing(name: AnyRef<'_>) -> der::Result<Name> {
    if name.tag() == Tag::Sequence {
        return Ok(Name::Issued(name.value().to_vec()));
    }
    let id = <&OctetStringRef>::decode(&mut SliceReader::new(name.value())?)?;
    Ok(Name::KeyId(id.as_bytes().to_vec()))
}
