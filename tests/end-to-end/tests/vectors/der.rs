//! Writes DER by hand: so that a vector can hold what no library would write.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    if content.len() < 0x80 {
        bytes.push(content.len() as u8);
    } else {
        let length = content.len().to_be_bytes();
        let length = &length[length.iter().position(|byte| *byte != 0).unwrap()..];
        bytes.push(0x80 | length.len() as u8);
        bytes.extend_from_slice(length);
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A constructed element around others.
pub(crate) fn around(tag: u8, parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    tlv(tag, &parts.into_iter().collect::<Vec<_>>().concat())
}

pub(crate) fn seq(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    around(SEQUENCE, parts)
}

/// An INTEGER from big-endian bytes that are one already.
pub(crate) fn int(bytes: &[u8]) -> Vec<u8> {
    tlv(INTEGER, bytes)
}

pub(crate) fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    if bytes[start] & 0x80 == 0 { int(&bytes[start..]) } else { int(&[&[0], &bytes[start..]].concat()) }
}

/// An object identifier from its dotted form.
pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in std::iter::once(arcs[0] * 40 + arcs[1]).chain(arcs[2..].iter().copied()) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        content.extend(groups.into_iter().rev());
    }
    tlv(OID, &content)
}

/// The dotted form of an object identifier's content.
pub(crate) fn dotted(content: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for byte in content {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    let first = (arcs[0] / 40).min(2);
    let rest = arcs[1..].iter().map(|arc| format!(".{arc}")).collect::<String>();
    format!("{first}.{}{rest}", arcs[0] - 40 * first)
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(OCTET_STRING, content)
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    tlv(UTF8_STRING, text.as_bytes())
}

/// A BIT STRING with so many unused bits.
pub(crate) fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[unused], bytes].concat())
}

/// UTCTime through 2049, GeneralizedTime after it (RFC 5280 section 4.1.2.5).
pub(crate) fn time(seconds: u64) -> Vec<u8> {
    if seconds < 2_524_608_000 { utc_time(seconds) } else { generalized_time(seconds) }
}

pub(crate) fn utc_time(seconds: u64) -> Vec<u8> {
    tlv(UTC_TIME, formatted(seconds, "%y%m%d%H%M%SZ").as_bytes())
}

pub(crate) fn generalized_time(seconds: u64) -> Vec<u8> {
    tlv(GENERALIZED_TIME, formatted(seconds, "%Y%m%d%H%M%SZ").as_bytes())
}

fn formatted(seconds: u64, format: &str) -> String {
    let time = Timestamp::from_second(seconds as i64).unwrap().to_zoned(TimeZone::UTC);
    time.strftime(format).to_string()
}

/// A Name of these attributes (object identifier, DER of the value), each in a set of its own.
pub(crate) fn name(attributes: &[(&str, Vec<u8>)]) -> Vec<u8> {
    seq(attributes.iter().map(|(kind, value)| around(SET, [seq([oid(kind), value.clone()])])))
}
