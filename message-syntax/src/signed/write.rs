//! Signing.

use std::io::{self, Read, Write};
use std::time::Duration;

use der::{Decode as _, Encode as _};
use x509_cert::Certificate;

use super::unsigned::{self, Unsigned};
use super::{DATA, PORTION, SIGNED_DATA, attributes};
use crate::algorithm::Algorithm;
use crate::error::CmsError;
use crate::naming;
use crate::tlv::{END, INDEFINITE, OCTET_STRING, OCTET_STRING_IN_PARTS, SEQUENCE, SET, ZERO, header, set_of, tlv};

/// Version 1: the certificate is named by issuer and number, and the content is plain data (RFC 5652 section 5.1).
const VERSION_1: [u8; 3] = [0x02, 0x01, 0x01];

/// Signs a message with a key: hashes it, as the algorithm wants.
pub type SignWith<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>, String> + 'a;

/// Who signs.
pub struct Signer<'a> {
    /// Her certificate in DER, then those above it; all of them go into the message.
    pub chain: &'a [&'a [u8]],
    /// The algorithm of her key.
    pub algorithm: Algorithm,
    /// The time by her clock, since the beginning of 1970. It is a claim and proves nothing.
    pub time: Duration,
    /// Signs with her key.
    pub sign: &'a SignWith<'a>,
}

/// A message without its content, in DER.
///
/// # Errors
/// The content cannot be read, or the key does not sign.
pub fn sign_detached(content: &mut dyn Read, signer: &Signer<'_>) -> Result<Vec<u8>, CmsError> {
    let mut message = Vec::new();
    begin_detached(content, signer)?.end(&mut message)?;
    Ok(message)
}

/// A message with its content, in BER: how long it is need not be known before.
///
/// # Errors
/// The content cannot be read, the message not written, or the key does not sign.
pub fn sign_attached(content: &mut dyn Read, signer: &Signer<'_>, out: &mut dyn Write) -> Result<(), CmsError> {
    begin_attached(content, signer, out)?.end(out)
}

/// As [`sign_detached`], as far as the signature: nothing is written yet.
///
/// # Errors
/// The content cannot be read, or the key does not sign.
pub fn begin_detached(content: &mut dyn Read, signer: &Signer<'_>) -> Result<Unended, CmsError> {
    let mut hash = signer.algorithm.hash().begin();
    portions(content, &mut |portion| {
        hash.update(portion);
        Ok(())
    })?;
    signer.sign(hash.finish().as_ref(), false)
}

/// As [`sign_attached`], as far as the signature: the content is written, and what ends the message is not.
///
/// # Errors
/// The content cannot be read, the message not written, or the key does not sign.
pub fn begin_attached(content: &mut dyn Read, signer: &Signer<'_>, out: &mut dyn Write) -> Result<Unended, CmsError> {
    let open = |tag: u8| [tag, INDEFINITE];
    let hash = signer.algorithm.hash();
    // ContentInfo, its content, SignedData.
    out.write_all(&[&open(SEQUENCE)[..], &oid(SIGNED_DATA), &open(ZERO), &open(SEQUENCE), &VERSION_1].concat())?;
    out.write_all(&tlv(SET, &[&hash.identifier()]))?;
    // EncapsulatedContentInfo, its content.
    out.write_all(&[&open(SEQUENCE)[..], &oid(DATA), &open(ZERO), &open(OCTET_STRING_IN_PARTS)].concat())?;
    let mut hash = hash.begin();
    portions(content, &mut |portion| {
        hash.update(portion);
        out.write_all(&header(OCTET_STRING, portion.len()))?;
        out.write_all(portion)
    })?;
    out.write_all(&END.repeat(3))?;
    signer.sign(hash.finish().as_ref(), true)
}

/// A signature that is made, of a message that is not at its end: what stands beside the signature without being signed can
/// still be added, such as what somebody else says of it.
#[derive(Debug)]
pub struct Unended {
    attached: bool,
    algorithm: Algorithm,
    certificates: Vec<u8>,
    /// The content of SignerInfo before the signature.
    info: Vec<u8>,
    value: Vec<u8>,
    unsigned: Vec<Unsigned>,
}

impl Unended {
    /// The signature itself.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Puts something beside it.
    pub fn add(&mut self, unsigned: Unsigned) {
        self.unsigned.push(unsigned);
    }

    /// Writes the rest of the message, or the whole of one without its content.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(self, out: &mut dyn Write) -> Result<(), CmsError> {
        let signature = tlv(OCTET_STRING, &[&self.value]);
        let signature = tlv(SET, &[&tlv(SEQUENCE, &[&self.info, &signature, &unsigned::write(&self.unsigned)])]);
        let end = if self.attached {
            [self.certificates, signature, END.repeat(3)].concat()
        } else {
            let (hashes, nothing) = (tlv(SET, &[&self.algorithm.hash().identifier()]), tlv(SEQUENCE, &[&oid(DATA)]));
            let signed = tlv(SEQUENCE, &[&VERSION_1, &hashes, &nothing, &self.certificates, &signature]);
            tlv(SEQUENCE, &[&oid(SIGNED_DATA), &tlv(ZERO, &[&signed])])
        };
        Ok(out.write_all(&end)?)
    }
}

impl Signer<'_> {
    /// Signs content with this hash.
    fn sign(&self, content_sha: &[u8], attached: bool) -> Result<Unended, CmsError> {
        let leaf = self.chain.first().ok_or(CmsError::NoCertificate)?;
        let unreadable = |error: der::Error| CmsError::form("a certificate", error);
        let certificate = Certificate::from_der(leaf).map_err(unreadable)?;
        let named = naming::issuer_and_serial(&certificate)?;
        let attributes = attributes::write(content_sha, self.time, leaf)?;
        let value = (self.sign)(&attributes).map_err(CmsError::Sign)?;
        let info = [
            &VERSION_1[..],
            &named,
            &self.algorithm.hash().identifier(),
            // IMPLICIT: the same bytes with another tag.
            &[ZERO],
            &attributes[1..],
            &self.algorithm.identifier(),
        ];
        let certificates = set_of(ZERO, self.chain.iter().map(|certificate| certificate.to_vec()).collect());
        let (info, algorithm) = (info.concat(), self.algorithm);
        Ok(Unended { attached, algorithm, certificates, info, value, unsigned: Vec::new() })
    }
}

fn oid(oid: const_oid::ObjectIdentifier) -> Vec<u8> {
    oid.to_der().expect("constants encode")
}

/// The whole content, in portions.
pub(crate) fn portions(content: &mut dyn Read, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut portion = vec![0; PORTION];
    loop {
        match content.read(&mut portion) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&portion[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
