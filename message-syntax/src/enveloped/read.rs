//! Decrypting.

use std::io::{self, Read, Write};

use super::cipher::{Cipher, ROOM};
use super::key::{ContentKey, DecryptionKey};
use super::recipient::Recipient;
use super::{AUTH_ENVELOPED_DATA, ENVELOPED_DATA};
use crate::ber::{Ber, Frame, Header, MAX_SMALL};
use crate::error::CmsError;
use crate::signed::{DATA, PORTION};
use crate::tlv::{OCTET_STRING, OCTET_STRING_IN_PARTS, ONE, SEQUENCE, SET, TWO, ZERO, ZERO_OF_BYTES};

/// Largest set of recipients, what is said of who sent it, and what stands beside the content (bytes).
const MAX_RECIPIENTS: usize = 1 << 20;
const MAX_ORIGINATOR: usize = 1 << 20;
const MAX_BESIDE: usize = 64 * 1024;
/// An AlgorithmIdentifier with its parameters (bytes).
const MAX_ALGORITHM: usize = 1024;

/// An encrypted message, read as far as its content: for whom it is, and how it is encrypted. Nothing is opened yet.
pub struct Envelope<R> {
    ber: Ber<R>,
    /// Those that are entered, the outermost first: ContentInfo, its content, the message, EncryptedContentInfo.
    frames: [Frame; 4],
    recipients: Vec<Recipient>,
    cipher: Cipher,
    /// Where the encrypted content begins.
    content: Header,
    authenticated: bool,
}

impl<R: Read> Envelope<R> {
    /// Reads a message as far as its content.
    ///
    /// # Errors
    /// It is no encrypted message, or of a kind that is not known here; a part is beyond its limit.
    pub fn open(message: R) -> Result<Self, CmsError> {
        let mut ber = Ber::new(message);
        let kinds = [ENVELOPED_DATA, AUTH_ENVELOPED_DATA];
        let (kind, [outer, held, sealed]) = ber.message(&kinds, "an encrypted message")?;
        let mut part = ber.next(sealed)?.ok_or_else(|| CmsError::form("recipients", "the end"))?;
        if part.tag == ZERO {
            ber.whole(part, MAX_ORIGINATOR)?;
            part = ber.next(sealed)?.ok_or_else(|| CmsError::form("recipients", "the end"))?;
        }
        if part.tag != SET {
            return Err(CmsError::form("recipients", format!("an element with the tag {:#04x}", part.tag)));
        }
        let recipients = Recipient::read_all(&ber.whole(part, MAX_RECIPIENTS)?)?;

        let inner = ber.expect(sealed, SEQUENCE, "the encrypted content")?;
        let inner = ber.enter(inner)?;
        let kind_inside = ber.oid(inner)?;
        if kind_inside != DATA {
            return Err(CmsError::form("a message that holds data", format!("one that holds the type {kind_inside}")));
        }
        let algorithm = ber.expect(inner, SEQUENCE, "how the content is encrypted")?;
        let cipher = Cipher::read(&ber.whole(algorithm, MAX_ALGORITHM)?)?;
        let authenticated = kind == AUTH_ENVELOPED_DATA;
        if cipher.is_authenticated() != authenticated {
            return Err(CmsError::form("AES-GCM in AuthEnvelopedData, or AES-CBC in EnvelopedData", "the other"));
        }
        let nothing = CmsError::Content("the message does not hold what was encrypted");
        let content = ber.next(inner)?.ok_or(nothing)?;
        // [0] IMPLICIT: an OCTET STRING with another tag.
        let tag = match content.tag {
            ZERO_OF_BYTES => OCTET_STRING,
            ZERO => OCTET_STRING_IN_PARTS,
            tag => return Err(CmsError::form("the encrypted content", format!("an element with the tag {tag:#04x}"))),
        };
        let content = Header { tag, ..content };
        Ok(Self { ber, frames: [outer, held, sealed, inner], recipients, cipher, content, authenticated })
    }

    /// Whether it will be known that nobody has changed the content on the way. Where it will not, whoever passed it on may have
    /// put something else into parts of it (EFAIL).
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// For whom it is: those with a key of their own in a certificate.
    #[must_use]
    pub fn recipients(&self) -> &[Recipient] {
        &self.recipients
    }

    /// The content's key, by a recipient's own.
    ///
    /// # Errors
    /// It is not her key, or it got to her in a way that is not known here. Of keys by RSAES-PKCS1-v1_5 nothing is told
    /// ([`Recipient::proves_its_key`]): another key comes out, and the content does not open.
    pub fn content_key(&self, recipient: &Recipient, key: &DecryptionKey) -> Result<ContentKey, CmsError> {
        recipient.open(key, self.cipher.key_length())
    }

    /// Decrypts to the end of the message. The content goes to `sink`, portion by portion, **before** it is known that nobody
    /// has changed it: what is written there counts only if this returns without an error.
    ///
    /// # Errors
    /// It does not open with this key, it was changed, or it is not whole; or it cannot be read or written.
    pub fn decrypt(mut self, key: &ContentKey, sink: &mut dyn Write) -> Result<(), CmsError> {
        let mut opening = self.cipher.decrypting(key)?;
        let mut clear = vec![0; PORTION + ROOM];
        let mut failed = None;
        let read = self.ber.octets(self.content, &mut vec![0; PORTION], &mut |portion| {
            let part = opening.update(portion, &mut clear).map_err(|error| {
                failed = Some(error);
                io::ErrorKind::Other
            })?;
            sink.write_all(part)
        });
        if let Some(error) = failed {
            return Err(error);
        }
        read?;
        let [outer, held, sealed, inner] = self.frames;
        self.ber.leave(inner)?;
        let (mut tag, mut beside) = (None, Vec::new());
        while let Some(part) = self.ber.next(sealed)? {
            match part.tag {
                // authAttrs: they are authenticated as a SET OF (RFC 5083 section 2.2).
                ONE if self.authenticated && tag.is_none() && beside.is_empty() => {
                    let attributes = self.ber.whole(part, MAX_BESIDE)?;
                    beside = [&[SET], &attributes[1..]].concat();
                }
                OCTET_STRING if self.authenticated && tag.is_none() => {
                    let whole = self.ber.whole(part, MAX_SMALL)?;
                    let octets = der::asn1::AnyRef::try_from(&whole[..]);
                    tag = Some(octets.map_err(|error| CmsError::form("a tag", error))?.value().to_vec());
                }
                // What nobody vouches for.
                ONE if !self.authenticated => drop(self.ber.whole(part, MAX_BESIDE)?),
                TWO if tag.is_some() => drop(self.ber.whole(part, MAX_BESIDE)?),
                tag => {
                    let found = format!("an element with the tag {tag:#04x}");
                    return Err(CmsError::form("the end of the message", found));
                }
            }
        }
        let length = opening.end(tag.as_deref(), &beside, &mut clear)?;
        sink.write_all(&clear[..length])?;
        for frame in [held, outer] {
            self.ber.leave(frame)?;
        }
        self.ber.end()
    }
}
