//! Signing.

use std::io::{self, Read, Write};
use std::time::Duration;

use der::{Decode as _, Encode as _};
use x509_cert::Certificate;

use super::{DATA, PORTION, SIGNED_DATA, attributes};
use crate::algorithm::Algorithm;
use crate::error::CmsError;
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
    let mut hash = signer.algorithm.hash().begin();
    portions(content, &mut |portion| {
        hash.update(portion);
        Ok(())
    })?;
    let [hashes, certificates, signatures] = signer.parts(hash.finish().as_ref())?;
    let nothing = tlv(SEQUENCE, &[&oid(DATA)]);
    let signed = tlv(SEQUENCE, &[&VERSION_1, &hashes, &nothing, &certificates, &signatures]);
    Ok(tlv(SEQUENCE, &[&oid(SIGNED_DATA), &tlv(ZERO, &[&signed])]))
}

/// A message with its content, in BER: how long it is need not be known before.
///
/// # Errors
/// The content cannot be read, the message not written, or the key does not sign.
pub fn sign_attached(content: &mut dyn Read, signer: &Signer<'_>, out: &mut dyn Write) -> Result<(), CmsError> {
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
    let [_, certificates, signatures] = signer.parts(hash.finish().as_ref())?;
    out.write_all(&certificates)?;
    out.write_all(&signatures)?;
    out.write_all(&END.repeat(3))?;
    Ok(())
}

impl Signer<'_> {
    /// The hash algorithms, the certificates and the one signature, as they stand in SignedData.
    fn parts(&self, content_sha: &[u8]) -> Result<[Vec<u8>; 3], CmsError> {
        let leaf = self.chain.first().ok_or(CmsError::NoCertificate)?;
        let unreadable = |error: der::Error| CmsError::form("a certificate", error);
        let certificate = Certificate::from_der(leaf).map_err(unreadable)?;
        let certificate = certificate.tbs_certificate();
        let by = [certificate.issuer().to_der(), certificate.serial_number().to_der()];
        let [issuer, serial] = by.map(|part| part.map_err(unreadable));
        let attributes = attributes::write(content_sha, self.time, leaf)?;
        let signature = (self.sign)(&attributes).map_err(CmsError::Sign)?;
        // IMPLICIT: the same bytes with another tag.
        let attributes = [&[ZERO], &attributes[1..]].concat();
        let info = tlv(
            SEQUENCE,
            &[
                &VERSION_1,
                &tlv(SEQUENCE, &[&issuer?, &serial?]),
                &self.algorithm.hash().identifier(),
                &attributes,
                &self.algorithm.identifier(),
                &tlv(OCTET_STRING, &[&signature]),
            ],
        );
        let certificates = self.chain.iter().map(|certificate| certificate.to_vec()).collect();
        Ok([tlv(SET, &[&self.algorithm.hash().identifier()]), set_of(ZERO, certificates), tlv(SET, &[&info])])
    }
}

fn oid(oid: const_oid::ObjectIdentifier) -> Vec<u8> {
    oid.to_der().expect("constants encode")
}

/// The whole content, in portions.
pub(super) fn portions(content: &mut dyn Read, take: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
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
