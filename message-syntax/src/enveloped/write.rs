//! Encrypting.

use std::io::{Read, Write};

use const_oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;

use super::cipher::{Cipher, ROOM};
use super::key::ContentKey;
use super::{AUTH_ENVELOPED_DATA, ENVELOPED_DATA, MOST_RECIPIENTS, agreement, transport};
use crate::algorithm::Algorithm;
use crate::error::CmsError;
use crate::naming;
use crate::signed::{DATA, PORTION, portions};
use crate::tlv::{END, INDEFINITE, INTEGER, OCTET_STRING, SEQUENCE, SET, ZERO, header, set_of, tlv};

/// How a content is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// AES-256-GCM (RFC 5083): whether it was changed on the way is known. RSA keys by RSAES-OAEP with SHA-256.
    Authenticated,
    /// AES-256-CBC, and RSA keys by RSAES-PKCS1-v1_5, as programs read it that know nothing else: whoever passes it on may
    /// change it unnoticed.
    Compatible,
}

/// Encrypts a content, as a stream, to the keys in these certificates (DER). What they are worth is not looked at here.
///
/// # Errors
/// A certificate's key is of a kind that nothing can be encrypted to; the content cannot be read, or the message not written.
pub fn encrypt(
    content: &mut dyn Read,
    to: &[&[u8]],
    protection: Protection,
    out: &mut dyn Write,
) -> Result<(), CmsError> {
    if to.is_empty() || to.len() > MOST_RECIPIENTS {
        return Err(CmsError::form("1 to 1000 recipients", to.len()));
    }
    let authenticated = protection == Protection::Authenticated;
    let cipher = Cipher::new(authenticated)?;
    let key = ContentKey::new(cipher.key_length())?;
    let infos: Vec<_> = to.iter().map(|der| recipient(der, &key, authenticated)).collect::<Result<_, _>>()?;
    // RFC 5652 section 6.1: 0 where every recipient is of version 0. Of AuthEnvelopedData there is one alone.
    let transported = infos.iter().all(|info| info.first() == Some(&SEQUENCE));
    let version = if authenticated || transported { 0 } else { 2 };
    let kind = if authenticated { AUTH_ENVELOPED_DATA } else { ENVELOPED_DATA };

    let open = |tag: u8| [tag, INDEFINITE];
    // ContentInfo, its content, the message itself.
    out.write_all(&[&open(SEQUENCE)[..], &oid(kind), &open(ZERO), &open(SEQUENCE), &[INTEGER, 1, version]].concat())?;
    out.write_all(&set_of(SET, infos))?;
    // EncryptedContentInfo; its content is an OCTET STRING in parts under the tag [0].
    out.write_all(&[&open(SEQUENCE)[..], &oid(DATA), &cipher.identifier(), &open(ZERO)].concat())?;
    let mut sealing = cipher.encrypting(&key)?;
    let mut sealed = vec![0; PORTION + ROOM];
    let mut failed = None;
    let read = portions(content, &mut |portion| {
        let part = sealing.update(portion, &mut sealed).map_err(|error| {
            failed = Some(error);
            std::io::ErrorKind::Other
        })?;
        write_part(part, out)
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read?;
    let (rest, tag) = sealing.end()?;
    write_part(&rest, out)?;
    out.write_all(&END.repeat(2))?;
    if let Some(tag) = tag {
        out.write_all(&tlv(OCTET_STRING, &[&tag]))?;
    }
    Ok(out.write_all(&END.repeat(3))?)
}

fn write_part(part: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    out.write_all(&header(OCTET_STRING, part.len()))?;
    out.write_all(part)
}

/// RecipientInfo in DER.
fn recipient(certificate: &[u8], content: &ContentKey, authenticated: bool) -> Result<Vec<u8>, CmsError> {
    let certificate = Certificate::from_der(certificate).map_err(|error| CmsError::form("a certificate", error))?;
    let named = naming::issuer_and_serial(&certificate)?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let unfit = |found: String| CmsError::Algorithm { expected: "a P-256 or RSA key, to encrypt to", found };
    match Algorithm::of(key).map_err(|error| unfit(error.0))? {
        Algorithm::EcdsaP256 => agreement::write(&named, key, content),
        Algorithm::Rsa => transport::write(&named, key, content, authenticated),
        Algorithm::Ed25519 => Err(unfit("an Ed25519 key, which signs alone".to_owned())),
    }
}

fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    oid.to_der().expect("constants encode")
}
