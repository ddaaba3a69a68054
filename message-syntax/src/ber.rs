//! BER (X.690) read as a stream: what other programs write, with and without lengths.

use std::io::{self, Read};

use const_oid::ObjectIdentifier;
use der::Decode as _;

use crate::error::CmsError;
use crate::tlv::{INDEFINITE, INTEGER, OID, SEQUENCE, ZERO, tlv};

/// Elements may stand in each other so deep.
const DEPTH: usize = 16;
/// The bit of a tag by which an element is made of others.
const CONSTRUCTED: u8 = 0x20;
/// A tag whose number has more bytes than one: nothing here has.
const LONG_TAG: u8 = 0x1f;
/// An integer or an object identifier (bytes).
pub(crate) const MAX_SMALL: usize = 64;

/// Reads elements one after another.
pub(crate) struct Ber<R> {
    inner: R,
    at: u64,
}

/// Tag and length of an element whose content comes next; without a length it ends by itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) tag: u8,
    pub(crate) length: Option<u64>,
}

/// An element that is made of others, and has been entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    end: Option<u64>,
}

impl<R: Read> Ber<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, at: 0 }
    }

    /// The outermost element.
    pub(crate) fn first(&mut self) -> Result<Header, CmsError> {
        self.header()
    }

    /// Enters a message of one of these kinds as far as behind its version: ContentInfo, its content, and what that is.
    pub(crate) fn message(
        &mut self,
        kinds: &[ObjectIdentifier],
        expected: &'static str,
    ) -> Result<(ObjectIdentifier, [Frame; 3]), CmsError> {
        let outer = self.first()?;
        if outer.tag != SEQUENCE {
            return Err(CmsError::form("a CMS message", format!("the tag {:#04x}", outer.tag)));
        }
        let outer = self.enter(outer)?;
        let kind = self.oid(outer)?;
        if !kinds.contains(&kind) {
            return Err(CmsError::form(expected, format!("one of the type {kind}")));
        }
        let held = self.expect(outer, ZERO, "the content of the message")?;
        let held = self.enter(held)?;
        let inner = self.expect(held, SEQUENCE, expected)?;
        let inner = self.enter(inner)?;
        let version = self.expect(inner, INTEGER, "a version")?;
        self.whole(version, MAX_SMALL)?;
        Ok((kind, [outer, held, inner]))
    }

    /// The next element in a frame; nothing at the frame's end.
    pub(crate) fn next(&mut self, frame: Frame) -> Result<Option<Header>, CmsError> {
        if frame.end == Some(self.at) {
            return Ok(None);
        }
        let header = self.header()?;
        let end_of_contents = header.tag == 0 && header.length == Some(0);
        match frame.end {
            None if end_of_contents => Ok(None),
            None => Ok(Some(header)),
            Some(end) => {
                let to = self.at.checked_add(header.length.unwrap_or(0));
                let beyond = end_of_contents || to.is_none_or(|to| to > end);
                if beyond { Err(form("an element that ends within the one around it")) } else { Ok(Some(header)) }
            }
        }
    }

    /// The next element in a frame, which has to be there.
    pub(crate) fn expect(&mut self, frame: Frame, tag: u8, what: &'static str) -> Result<Header, CmsError> {
        match self.next(frame)? {
            Some(header) if header.tag == tag => Ok(header),
            Some(header) => Err(CmsError::form(what, format!("an element with the tag {:#04x}", header.tag))),
            None => Err(CmsError::form(what, "the end")),
        }
    }

    /// The next element in a frame, an object identifier.
    pub(crate) fn oid(&mut self, frame: Frame) -> Result<ObjectIdentifier, CmsError> {
        let header = self.expect(frame, OID, "an object identifier")?;
        let der = self.whole(header, MAX_SMALL)?;
        ObjectIdentifier::from_der(&der).map_err(|error| CmsError::form("an object identifier", error))
    }

    /// Enters an element.
    pub(crate) fn enter(&self, header: Header) -> Result<Frame, CmsError> {
        if header.tag & CONSTRUCTED == 0 {
            return Err(CmsError::form("an element that is made of others", format!("the tag {:#04x}", header.tag)));
        }
        let end = header.length.map(|length| self.at.checked_add(length).ok_or_else(|| form("a length")));
        Ok(Frame { end: end.transpose()? })
    }

    /// Leaves a frame, in which nothing more may be.
    pub(crate) fn leave(&mut self, frame: Frame) -> Result<(), CmsError> {
        match self.next(frame)? {
            None => Ok(()),
            Some(header) => Err(CmsError::form("the end", format!("an element with the tag {:#04x}", header.tag))),
        }
    }

    /// The whole element, with a length whether or not it had one, if that is at most `limit` bytes.
    pub(crate) fn whole(&mut self, header: Header, limit: usize) -> Result<Vec<u8>, CmsError> {
        self.element(header, &mut { limit }, DEPTH)
    }

    fn element(&mut self, header: Header, left: &mut usize, depth: usize) -> Result<Vec<u8>, CmsError> {
        let mut content = Vec::new();
        match header.length {
            Some(length) => {
                let within = usize::try_from(length).ok().and_then(|length| left.checked_sub(length));
                *left = within.ok_or_else(|| form("a part within its size limit"))?;
                self.inner.by_ref().take(length).read_to_end(&mut content)?;
                self.at += content.len() as u64;
                if content.len() as u64 != length {
                    return Err(cut_off());
                }
            }
            None if depth == 0 => return Err(form("elements that are not that deep in each other")),
            None => {
                let frame = self.enter(header)?;
                while let Some(child) = self.next(frame)? {
                    // A header that is paid for keeps empty elements from being free.
                    *left = left.checked_sub(2).ok_or_else(|| form("a part within its size limit"))?;
                    content.extend(self.element(child, left, depth - 1)?);
                }
            }
        }
        Ok(tlv(header.tag, &[&content]))
    }

    /// The content of an OCTET STRING, in one piece or in parts, in portions as large as the buffer.
    pub(crate) fn octets(
        &mut self,
        header: Header,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), CmsError> {
        self.octets_at(header, buffer, take, DEPTH)
    }

    fn octets_at(
        &mut self,
        header: Header,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
        depth: usize,
    ) -> Result<(), CmsError> {
        use crate::tlv::{OCTET_STRING, OCTET_STRING_IN_PARTS};
        match (header.tag, header.length) {
            (OCTET_STRING, Some(mut left)) => {
                while left > 0 {
                    let part = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
                    let read = match self.inner.read(&mut buffer[..part]) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        read => read?,
                    };
                    if read == 0 {
                        return Err(cut_off());
                    }
                    take(&buffer[..read])?;
                    left -= read as u64;
                    self.at += read as u64;
                }
                Ok(())
            }
            (OCTET_STRING_IN_PARTS, _) if depth > 0 => {
                let frame = self.enter(header)?;
                while let Some(part) = self.next(frame)? {
                    self.octets_at(part, buffer, take, depth - 1)?;
                }
                Ok(())
            }
            (tag, _) => Err(CmsError::form("the content, an OCTET STRING", format!("the tag {tag:#04x}"))),
        }
    }

    /// That nothing follows.
    pub(crate) fn end(mut self) -> Result<(), CmsError> {
        match self.inner.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(CmsError::form("the end of the message", "more bytes")),
        }
    }

    fn header(&mut self) -> Result<Header, CmsError> {
        let tag = self.byte()?;
        if tag & LONG_TAG == LONG_TAG {
            return Err(form("a tag of one byte"));
        }
        let first = self.byte()?;
        let length = match first {
            0..0x80 => Some(u64::from(first)),
            INDEFINITE => None,
            0x81..=0x88 => {
                let mut length = 0u64;
                for _ in 0..first & 0x7f {
                    length = length << 8 | u64::from(self.byte()?);
                }
                Some(length)
            }
            _ => return Err(form("a length of at most eight bytes")),
        };
        Ok(Header { tag, length })
    }

    fn byte(&mut self) -> Result<u8, CmsError> {
        let mut byte = [0];
        self.inner.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut_off(),
            _ => error.into(),
        })?;
        self.at += 1;
        Ok(byte[0])
    }
}

fn form(expected: &'static str) -> CmsError {
    CmsError::form(expected, "something else")
}

fn cut_off() -> CmsError {
    CmsError::form("a whole message", "one that is cut off")
}
