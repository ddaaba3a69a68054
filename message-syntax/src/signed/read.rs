//! Verifying.

use std::io::{self, Read, Write};
use std::time::Duration;

use aws_lc_rs::digest::Context;
use const_oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use spki::AlgorithmIdentifierRef;
use x509_cert::Certificate;

use super::attributes::Attributes;
use super::info::Info;
use super::unsigned::Unsigned;
use super::write::portions;
use super::{DATA, PORTION, SIGNED_DATA};
use crate::algorithm::{Algorithm, Hash};
use crate::ber::Ber;
use crate::error::CmsError;
use crate::tlv::{ONE, SEQUENCE, SET, ZERO, elements, tlv};

/// What is looked for.
const SIGNED: &str = "a signed message";
/// Largest set of hash algorithms, of certificates, of revocation lists and of signatures (bytes).
const MAX_HASHES: usize = 4 * 1024;
const MAX_CERTIFICATES: usize = 1 << 20;
const MAX_LISTS: usize = 16 << 20;
const MAX_SIGNATURES: usize = 1 << 20;
/// Most certificates that are looked at, and most signatures.
const MOST_CERTIFICATES: usize = 64;
const MOST_SIGNATURES: usize = 16;

/// Somebody has signed this content with the key in this certificate. Whether the certificate counts is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Her certificate in DER, then the others of the message, whatever they are.
    pub certificates: Vec<Vec<u8>>,
    /// The time by her own clock, if she says one.
    pub claimed: Option<Duration>,
    /// The signature itself.
    pub value: Vec<u8>,
    /// What stands beside it and is not signed: whoever passed the message on may have put it there.
    pub unsigned: Vec<Unsigned>,
}

/// Reads a message to its end and gives its signatures, one at least, every one of which holds.
///
/// A message that holds its content gives it to `sink`, portion by portion, **before** anything is proven: what is written
/// there counts only if this returns without an error. Of one that does not, `content` is what was signed.
///
/// # Errors
/// See [`CmsError`].
pub fn verify(
    message: impl Read,
    content: Option<&mut dyn Read>,
    sink: &mut dyn Write,
) -> Result<Vec<Signature>, CmsError> {
    let mut ber = Ber::new(message);
    let (_, [outer, held, signed]) = ber.message(&[SIGNED_DATA], SIGNED)?;
    let hashes = ber.expect(signed, SET, "hash algorithms")?;
    let mut hashes = hashers(&ber.whole(hashes, MAX_HASHES)?)?;

    let inner = ber.expect(signed, SEQUENCE, "the signed content")?;
    let inner = ber.enter(inner)?;
    let kind = ber.oid(inner)?;
    // Receipts (RFC 2634) and others a program may sign by itself, over bytes that a stranger chose.
    if kind != DATA {
        return Err(CmsError::form("a message over data", format!("one over the type {kind}")));
    }
    let explicit = ber.next(inner)?;
    let mut hash = |portion: &[u8]| -> io::Result<()> {
        hashes.iter_mut().for_each(|(_, hasher)| hasher.update(portion));
        Ok(())
    };
    match (explicit, content) {
        (Some(_), Some(_)) => {
            return Err(CmsError::Content("the message holds what was signed; nothing else can be given for it"));
        }
        (None, None) => return Err(CmsError::Content("the message does not hold what was signed; it has to be given")),
        (None, Some(content)) => portions(content, &mut hash)?,
        (Some(explicit), None) => {
            let explicit = ber.enter(explicit)?;
            let octets = ber.next(explicit)?.ok_or_else(|| CmsError::form("the content", "nothing"))?;
            ber.octets(octets, &mut vec![0; PORTION], &mut |portion| {
                hash(portion)?;
                sink.write_all(portion)
            })?;
            ber.leave(explicit)?;
            ber.leave(inner)?;
        }
    }

    let mut certificates = Vec::new();
    let signatures = loop {
        let part = ber.next(signed)?.ok_or_else(|| CmsError::form("signatures", "the end"))?;
        match part.tag {
            ZERO => certificates = certificates_of(&ber.whole(part, MAX_CERTIFICATES)?)?,
            ONE => drop(ber.whole(part, MAX_LISTS)?),
            SET => break ber.whole(part, MAX_SIGNATURES)?,
            tag => return Err(CmsError::form("signatures", format!("an element with the tag {tag:#04x}"))),
        }
    };
    for frame in [signed, held, outer] {
        ber.leave(frame)?;
    }
    ber.end()?;

    let hashes: Vec<_> = hashes.into_iter().map(|(hash, hasher)| (hash, hasher.finish().as_ref().to_vec())).collect();
    let infos = elements(&signatures, "signatures", MOST_SIGNATURES)?;
    if infos.is_empty() {
        return Err(CmsError::form("a signature", "none"));
    }
    infos.into_iter().map(|info| signature(&Info::read(info)?, kind, &hashes, &certificates)).collect()
}

/// The certificates of a message, whatever it is signed with, or by nobody: files that hold certificates are such messages
/// (`.p7b`, `.p7c`). They prove nothing. What the message holds beside them is not looked at.
///
/// # Errors
/// It is no signed message, or beyond a limit.
pub fn certificates(message: impl Read) -> Result<Vec<Vec<u8>>, CmsError> {
    let mut ber = Ber::new(message);
    let (_, [_, _, signed]) = ber.message(&[SIGNED_DATA], SIGNED)?;
    let hashes = ber.expect(signed, SET, "hash algorithms")?;
    ber.whole(hashes, MAX_HASHES)?;
    let inner = ber.expect(signed, SEQUENCE, "the signed content")?;
    ber.whole(inner, MAX_CERTIFICATES)?;
    let set = ber.expect(signed, ZERO, "certificates")?;
    let found = certificates_of(&ber.whole(set, MAX_CERTIFICATES)?)?;
    Ok(found.into_iter().map(|(_, der)| der).collect())
}

/// Checks one signature.
fn signature(
    info: &Info<'_>,
    kind: ObjectIdentifier,
    hashes: &[(Hash, Vec<u8>)],
    certificates: &[(Certificate, Vec<u8>)],
) -> Result<Signature, CmsError> {
    let (certificate, der) =
        certificates.iter().find(|(certificate, _)| info.names(certificate)).ok_or(CmsError::NoCertificate)?;
    let hash = info.content_hash()?;
    let sha = hashes.iter().find(|(known, _)| *known == hash);
    let (_, sha) = sha.ok_or_else(|| CmsError::form("the signature's hash among those at the beginning", info.hash))?;
    let attributes = Attributes::read(info.attributes)?;
    attributes.check(kind, sha, der)?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    let unknown = |error: crate::UnknownAlgorithm| CmsError::Algorithm {
        expected: "a key for Ed25519, P-256 or RSA",
        found: error.0,
    };
    let algorithm = Algorithm::of(key).map_err(unknown)?;
    // RFC 5652 section 5.4: they are signed as a SET OF, whatever their tag is here.
    let signed = tlv(SET, &[info.attributes]);
    algorithm.verify(key.subject_public_key.raw_bytes(), info.algorithm, hash, &signed, info.signature)?;
    let others = certificates.iter().map(|(_, other)| other).filter(|other| *other != der);
    Ok(Signature {
        certificates: [der].into_iter().chain(others).cloned().collect(),
        claimed: attributes.time,
        value: info.signature.to_vec(),
        unsigned: info.unsigned.clone(),
    })
}

/// A hasher for every algorithm at the beginning that is known here.
fn hashers(set: &[u8]) -> Result<Vec<(Hash, Context)>, CmsError> {
    let mut hashers: Vec<(Hash, Context)> = Vec::new();
    for element in elements(set, "hash algorithms", MOST_SIGNATURES)? {
        let identifier: AlgorithmIdentifierRef<'_> =
            element.decode_as().map_err(|error| CmsError::form("a hash algorithm", error))?;
        if let Some(hash) = Hash::from_oid(identifier.oid)
            && hashers.iter().all(|(known, _)| *known != hash)
        {
            hashers.push((hash, hash.begin()));
        }
    }
    Ok(hashers)
}

/// The certificates that can be read: others may be of kinds that are not known here.
fn certificates_of(set: &[u8]) -> Result<Vec<(Certificate, Vec<u8>)>, CmsError> {
    let elements = elements(set, "certificates", MOST_CERTIFICATES)?;
    let whole = elements.into_iter().filter_map(|element| element.to_der().ok());
    Ok(whole.filter_map(|der| Some((Certificate::from_der(&der).ok()?, der))).collect())
}
