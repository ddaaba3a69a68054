//! What kind of thing bytes are: by how they begin, and in DER by the shape of the outermost structure.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use device::chain_from_pem;
use identity::UnixTime;
use identity::card::{ContactCard, MAX_CARD_BYTES};
use identity::plan::MAX_CRL_BYTES;
use key_store::pem::{self, Block};
use rustls_pki_types::CertificateDer;
use tlog_proof::MAX_ENTRY_BYTES;

use super::{Explained, container, foreign, key, list, logged, request, trust};

/// The largest file that is looked at: a revocation list may be as large, and nothing else is.
pub(crate) const MAX_BYTES: usize = MAX_CRL_BYTES;
/// Most children of a structure whose shape is looked at.
const MAX_CHILDREN: usize = 64;

/// What a file holds.
#[derive(Debug)]
pub(crate) enum Part {
    /// Certificates, the first of which is looked at.
    Chain(Vec<CertificateDer<'static>>),
    /// Anything else.
    Other(Box<Explained>),
}

impl From<Explained> for Part {
    fn from(explained: Explained) -> Self {
        Self::Other(Box::new(explained))
    }
}

/// A contact card, if a command's argument is the link of one.
pub(crate) fn link(text: &str) -> Option<Result<Explained, String>> {
    let begins = text.trim_start().get(..9).is_some_and(|start| start.eq_ignore_ascii_case("inperson:"));
    begins.then(|| text.trim().parse::<ContactCard>().map(|card| trust::card(&card)).map_err(|error| error.to_string()))
}

/// What is in a file; the error says what was found in place of anything that is known.
pub(crate) fn parts(bytes: &[u8], now: UnixTime) -> Result<Vec<Part>, String> {
    if bytes.is_empty() {
        return Err("nothing: the file is empty".to_owned());
    }
    if bytes.starts_with(b"\x89PNG") || bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        let card =
            device::card::qr::read(bytes).map_err(|error| format!("a picture without a contact card: {error}"))?;
        return Ok(vec![trust::card(&card).into()]);
    }
    if let Some(foreign) = foreign::of(bytes) {
        return Ok(vec![foreign.explained().into()]);
    }
    if container::is_stream(bytes) {
        return Ok(vec![container::stream(bytes).into()]);
    }
    // DER before text: a SEQUENCE begins with a digit.
    if bytes.first() == Some(&0x30)
        && let Some(part) = of_der(bytes, now)
    {
        return Ok(vec![part]);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => of_text(text, now),
        Err(_) if bytes.len() <= MAX_ENTRY_BYTES => logged::entry(bytes)
            .map(|entry| vec![entry.into()])
            .map_err(|error| format!("bytes that are none ({error})")),
        Err(_) => Err("bytes that are neither DER nor text".to_owned()),
    }
}

fn of_text(text: &str, now: UnixTime) -> Result<Vec<Part>, String> {
    let trimmed = text.trim_start();
    if text.len() <= MAX_CARD_BYTES
        && let Some(card) = link(text)
    {
        return card.map(|card| vec![card.into()]).map_err(|error| format!("a contact card that is damaged: {error}"));
    }
    if trimmed.starts_with("c2sp.org/tlog-proof@") {
        return one(logged::proof(text));
    }
    if trimmed.starts_with('{') {
        return one(trust::json(text.as_bytes(), now));
    }
    if text.contains("-----BEGIN ") {
        return of_pem(text, now);
    }
    if text.contains("\n\n\u{2014} ") {
        return one(logged::checkpoint(text));
    }
    // An entry may happen to be text; hardly ever.
    match logged::entry(text.as_bytes()) {
        Ok(entry) => Ok(vec![entry.into()]),
        Err(_) => Err("text of another kind".to_owned()),
    }
}

fn one(explained: Result<Explained, String>) -> Result<Vec<Part>, String> {
    explained.map(|explained| vec![explained.into()])
}

fn of_pem(text: &str, now: UnixTime) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    if text.contains("-----BEGIN CERTIFICATE-----") {
        parts.push(Part::Chain(chain_from_pem(text.as_bytes())?));
    }
    let blocks = pem::blocks(text).map_err(|error| error.to_string())?;
    for block in blocks.into_iter().filter(|block| block.label != "CERTIFICATE") {
        parts.push(of_block(&block, now)?.into());
    }
    if parts.is_empty() { Err("PEM without a beginning".to_owned()) } else { Ok(parts) }
}

/// One block of PEM (RFC 7468).
fn of_block(block: &Block<'_>, now: UnixTime) -> Result<Explained, String> {
    let label = block.label;
    if let Some(explained) = key::by_label(label, block.text) {
        return Ok(explained);
    }
    let der = block.decode().map_err(|error| error.to_string())?;
    let found = match label {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => request::explain(&der),
        "X509 CRL" => list::explain(&der, now),
        "PKCS7" | "CMS" => container::cms(&der),
        "PRIVATE KEY" => key::private(&der),
        "ENCRYPTED PRIVATE KEY" => key::encrypted(&der),
        "PUBLIC KEY" => key::public(&der),
        _ => return Err(format!("PEM of another kind: {label:?}")),
    };
    found.ok_or_else(|| format!("a {label} whose content is none"))
}

/// Whether PKCS#12 ends with the passphrase's proof over all of it.
pub(crate) fn has_mac(pkcs12: &[u8]) -> bool {
    children(pkcs12).is_some_and(|parts| parts.len() == 3)
}

/// Whether bytes have the shape of PKCS#12.
pub(crate) fn is_pkcs12(bytes: &[u8]) -> bool {
    let tags: Vec<Tag> = children(bytes).unwrap_or_default().iter().map(Tagged::tag).collect();
    matches!(tags.as_slice(), [Tag::Integer, Tag::Sequence, rest @ ..] if rest.first() != Some(&Tag::OctetString))
}

/// The children of a structure in DER, at most so many; `None` if it is none.
pub(super) fn children(der: &[u8]) -> Option<Vec<AnyRef<'_>>> {
    let whole = AnyRef::from_der(der).ok()?;
    inside(whole)
}

/// The same of one that was read.
pub(super) fn inside(whole: AnyRef<'_>) -> Option<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(whole.value()).ok()?;
    let mut children = Vec::new();
    while !reader.is_finished() && children.len() < MAX_CHILDREN {
        children.push(AnyRef::decode(&mut reader).ok()?);
    }
    Some(children)
}

/// By the shape of the outermost SEQUENCE. What is of no other shape is taken for a certificate, whose refusal says why it is none.
fn of_der(der: &[u8], now: UnixTime) -> Option<Part> {
    let Some(children) = children(der) else {
        // Text may begin with the digit 0, too.
        return (!der.is_ascii()).then(|| Part::Chain(vec![CertificateDer::from(der.to_vec())]));
    };
    let tags: Vec<Tag> = children.iter().map(Tagged::tag).collect();
    let explained = match tags.as_slice() {
        [Tag::ObjectIdentifier, ..] => container::cms(der),
        [Tag::Integer, Tag::Sequence, Tag::OctetString, ..] => key::private(der),
        [Tag::Integer, Tag::Sequence, ..] => container::pkcs12(der),
        [Tag::Integer, Tag::OctetString, ..] => Some(key::sec1()),
        [Tag::Integer, Tag::Integer, Tag::Integer, ..] => Some(key::pkcs1()),
        [Tag::Sequence, Tag::OctetString] => key::encrypted(der),
        [Tag::Sequence, Tag::BitString] => key::public(der),
        [Tag::Sequence, Tag::Sequence, Tag::BitString] => request::explain(der).or_else(|| list::explain(der, now)),
        _ => None,
    };
    Some(explained.map_or_else(|| Part::Chain(vec![CertificateDer::from(der.to_vec())]), Part::from))
}
