//! DER by hand, where it stands between parts that are streamed.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader};

use crate::error::CmsError;

/// Tags (X.690 section 8.1.2).
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OCTET_STRING_IN_PARTS: u8 = 0x24;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// `[0]` of bytes, not of other elements.
pub(crate) const ZERO_OF_BYTES: u8 = 0x80;
/// `[0]` to `[2]`, constructed.
pub(crate) const ZERO: u8 = 0xa0;
pub(crate) const ONE: u8 = 0xa1;
pub(crate) const TWO: u8 = 0xa2;
/// Marks what has no length and ends with [`END`].
pub(crate) const INDEFINITE: u8 = 0x80;
pub(crate) const END: [u8; 2] = [0, 0];

/// An element: tag, length and what the parts give after each other.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = header(tag, length);
    element.reserve(length);
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// Tag and length alone.
pub(crate) fn header(tag: u8, length: usize) -> Vec<u8> {
    if length < 0x80 {
        return vec![tag, length as u8];
    }
    let bytes = length.to_be_bytes();
    let digits = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    [&[tag, 0x80 | digits.len() as u8], digits].concat()
}

/// A SET OF: DER wants its elements in the order of their bytes (X.690 section 11.6).
pub(crate) fn set_of(tag: u8, mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort();
    tlv(tag, &elements.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// The elements of a set, whatever their order.
pub(crate) fn elements<'a>(set: &'a [u8], what: &'static str, most: usize) -> Result<Vec<AnyRef<'a>>, CmsError> {
    let wrong = |error: der::Error| CmsError::form(what, error);
    // Its tag may be an implicit one: what counts is what is in it.
    let content = AnyRef::from_der(set).map_err(wrong)?.value();
    let mut reader = SliceReader::new(content).map_err(wrong)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        if elements.len() == most {
            return Err(CmsError::form(what, format!("more than {most}")));
        }
        elements.push(AnyRef::decode(&mut reader).map_err(wrong)?);
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_in_the_shortest_form() {
        assert_eq!(header(SEQUENCE, 0x7f), [0x30, 0x7f]);
        assert_eq!(header(SEQUENCE, 0x80), [0x30, 0x81, 0x80]);
        assert_eq!(header(SEQUENCE, 0x1_0000), [0x30, 0x83, 1, 0, 0]);
        assert_eq!(set_of(SET, vec![vec![4, 1, 9], vec![4, 1, 3]]), [0x31, 6, 4, 1, 3, 4, 1, 9]);
    }
}
