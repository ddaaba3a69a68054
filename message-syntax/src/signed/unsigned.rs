//! What stands beside a signature and is not signed (RFC 5652 section 5.3, unsignedAttrs): it came later than the signature,
//! such as what dates it. Whoever has the message can add it, take it away and put another in its place, so that it has to
//! prove itself.

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::attributes::pair;
use crate::error::CmsError;
use crate::tlv::{ONE, SEQUENCE, SET, UTF8_STRING, set_of, tlv};

/// An attribute that nobody vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    /// Its type.
    pub kind: ObjectIdentifier,
    /// One value of it, in DER. Several values of one type are several of these. From the first on that is not DER (others
    /// write such in BER), all of them as they stand.
    pub value: Vec<u8>,
}

impl Unsigned {
    /// One whose value is a text (UTF8String).
    #[must_use]
    pub fn text(kind: ObjectIdentifier, text: &str) -> Self {
        Self { kind, value: tlv(UTF8_STRING, &[text.as_bytes()]) }
    }

    /// The text, if its value is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let value = AnyRef::from_der(&self.value).ok().filter(|value| value.tag() == Tag::Utf8String)?;
        std::str::from_utf8(value.value()).ok()
    }

    fn to_der(&self) -> Vec<u8> {
        tlv(SEQUENCE, &[&self.kind.to_der().expect("an identifier that was made encodes"), &tlv(SET, &[&self.value])])
    }
}

/// As they stand at the end of a SignerInfo; without any, nothing does (RFC 5652: the set has at least one).
pub(super) fn write(unsigned: &[Unsigned]) -> Vec<u8> {
    match unsigned {
        [] => Vec::new(),
        some => set_of(ONE, some.iter().map(Unsigned::to_der).collect()),
    }
}

/// Reads what stands behind a signature, if anything does.
pub(super) fn read(element: Option<AnyRef<'_>>) -> Result<Vec<Unsigned>, CmsError> {
    let wrong = |error: der::Error| CmsError::form("unsigned attributes", error);
    let Some(set) = element else { return Ok(Vec::new()) };
    if !set.tag().is_context_specific() || !set.tag().is_constructed() || set.tag().number().value() != 1 {
        return Err(CmsError::form("unsigned attributes", format!("an element with the tag {}", set.tag())));
    }
    let mut reader = SliceReader::new(set.value()).map_err(wrong)?;
    let mut unsigned = Vec::new();
    while !reader.is_finished() {
        let (kind, values) = pair(AnyRef::decode(&mut reader).map_err(wrong)?).map_err(wrong)?;
        let mut values = values;
        while !values.is_empty() {
            let mut reader = SliceReader::new(values).map_err(wrong)?;
            let length = AnyRef::decode(&mut reader).and_then(|_| usize::try_from(reader.position()));
            let (value, rest) = values.split_at(length.unwrap_or(values.len()));
            unsigned.push(Unsigned { kind, value: value.to_vec() });
            values = rest;
        }
    }
    Ok(unsigned)
}
