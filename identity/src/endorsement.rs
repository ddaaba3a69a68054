//! Endorsements: what one device of a person says of another, so that those who know the first need not be alarmed by the
//! second (docs/spec/peer.md, "Endorsed devices").
//!
//! An endorsement carries the certificate of the device that signed it. Whoever relies on it verifies that certificate by
//! every rule as it stands now: one that has ended or was revoked, or is another authority's, endorses nothing any more.

use der::pem::LineEnding;
use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificate::Certificate;
use crate::tls::{DeviceSigner, DeviceSignerError, device_fingerprint};
use crate::trust::Fingerprint;
use crate::verify::VerifiedPerson;
use crate::{Identifier, MAX_CERTIFICATE_BYTES};

/// A longer one is refused before it is read (bytes).
pub const MAX_ENDORSEMENT_BYTES: usize = MAX_CERTIFICATE_BYTES + 256;

/// The label of its text form (RFC 7468).
const LABEL: &str = "INPERSON ENDORSEMENT";

/// What is signed begins with this, so that no signature of the key for anything else can pass for one.
const CONTEXT: &[u8] = b"inperson-endorsement-v1\0";

/// An endorsement as it was read: nothing is verified but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    certificate: CertificateDer<'static>,
    of: Fingerprint,
    until: u64,
    signature: [u8; 64],
}

/// Why bytes are no endorsement, or one that does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndorsementError {
    /// Longer than [`MAX_ENDORSEMENT_BYTES`].
    #[error("expected an endorsement of at most {MAX_ENDORSEMENT_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// Not the one encoding that an endorsement has.
    #[error("expected an endorsement, found {0}")]
    Form(String),
    /// It speaks of another person.
    #[error("expected an endorsement by a device of {expected}, found one by a device of {found}")]
    Person {
        /// Whose device is endorsed.
        expected: Identifier,
        /// Whose device endorses.
        found: Identifier,
    },
    /// It speaks of another device.
    #[error("expected an endorsement of the device {expected}, found one of {found}")]
    Device {
        /// The device that is looked at.
        expected: Fingerprint,
        /// The device that it speaks of.
        found: Fingerprint,
    },
    /// A device says of itself that it is known.
    #[error("expected an endorsement by another device, found one by the device itself")]
    ByItself,
    /// It has ended, in seconds since 1970.
    #[error("expected an endorsement that holds, found one that has ended at {0}")]
    Ended(u64),
    /// Another key signed it, or something in it was changed.
    #[error("expected a signature by the endorsing device's key, found another")]
    Signature,
    /// The device's own key did not sign.
    #[error(transparent)]
    Sign(#[from] DeviceSignerError),
}

impl Endorsement {
    /// Endorses the device whose key has this fingerprint ([`device_fingerprint`]), for as long as the certificate of the
    /// endorsing device is valid.
    ///
    /// # Errors
    /// [`EndorsementError::ByItself`], or [`EndorsementError::Sign`].
    pub fn sign(
        endorser: &VerifiedPerson,
        of: Fingerprint,
        signer: &dyn DeviceSigner,
    ) -> Result<Self, EndorsementError> {
        if device_fingerprint(endorser.device_key()) == of {
            return Err(EndorsementError::ByItself);
        }
        let until = endorser.not_after().as_secs();
        Ok(Self::signed(endorser.leaf().clone(), (endorser.identifier(), signer), of, until)?)
    }

    pub(crate) fn signed(
        certificate: CertificateDer<'static>,
        (who, signer): (&Identifier, &dyn DeviceSigner),
        of: Fingerprint,
        until: u64,
    ) -> Result<Self, DeviceSignerError> {
        let by = device_fingerprint(&signer.public_key());
        let signature = signer.sign(&statement(who, by, of, until))?;
        Ok(Self { certificate, of, until, signature })
    }

    /// The certificate of the device that endorses, not verified.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The key of the device that endorses, as its certificate has it, not verified; none if that does not parse.
    pub fn endorser_key(&self) -> Option<[u8; 32]> {
        Certificate::parse(&self.certificate).ok()?.device_key()
    }

    /// Of which device it speaks.
    pub fn of(&self) -> Fingerprint {
        self.of
    }

    /// The last second in which it holds, in seconds since 1970.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// Which device endorses this one of this person, if it does. `endorser` and `key` are what the verified
    /// [`certificate`](Self::certificate) says: whose device that is, and its key.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(
        &self,
        (endorser, key): (&Identifier, &[u8; 32]),
        (person, device): (&Identifier, Fingerprint),
        now: UnixTime,
    ) -> Result<Fingerprint, EndorsementError> {
        let by = device_fingerprint(key);
        if endorser != person {
            return Err(EndorsementError::Person { expected: person.clone(), found: endorser.clone() });
        }
        if self.of != device {
            return Err(EndorsementError::Device { expected: device, found: self.of });
        }
        if by == device {
            return Err(EndorsementError::ByItself);
        }
        if now.as_secs() > self.until {
            return Err(EndorsementError::Ended(self.until));
        }
        self.signed_by(key, endorser).map(|()| by)
    }

    /// Whether this key signed it for this device of this person, whoever certified the key. That alone says nothing: it is
    /// for those who want to know it before they verify the certificate.
    ///
    /// # Errors
    /// Why it cannot count.
    pub fn is_signed(
        &self,
        key: &[u8; 32],
        (person, device): (&Identifier, Fingerprint),
    ) -> Result<(), EndorsementError> {
        if self.of != device {
            return Err(EndorsementError::Device { expected: device, found: self.of });
        }
        self.signed_by(key, person)
    }

    fn signed_by(&self, key: &[u8; 32], who: &Identifier) -> Result<(), EndorsementError> {
        let said = statement(who, device_fingerprint(key), self.of, self.until);
        let key = VerifyingKey::from_bytes(key).map_err(|_| EndorsementError::Signature)?;
        key.verify_strict(&said, &Signature::from_bytes(&self.signature)).map_err(|_| EndorsementError::Signature)
    }

    /// As it travels: `[certificate, of, until, signature]`, in deterministic CBOR (RFC 8949 section 4.2).
    pub fn to_cbor(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.certificate.len() + 128);
        let mut encoder = Encoder::new(&mut bytes);
        let written = encoder.array(4).and_then(|e| e.bytes(&self.certificate)?.bytes(&self.of.0)?.u64(self.until));
        written.and_then(|e| e.bytes(&self.signature)).expect("writing to a vector cannot fail");
        bytes
    }

    /// Reads what [`to_cbor`](Self::to_cbor) writes, and no other spelling of it.
    ///
    /// # Errors
    /// [`EndorsementError::TooLong`] or [`EndorsementError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, EndorsementError> {
        if bytes.len() > MAX_ENDORSEMENT_BYTES {
            return Err(EndorsementError::TooLong(bytes.len()));
        }
        let read = read(bytes).map_err(|error| EndorsementError::Form(error.to_string()))?;
        if read.to_cbor() != bytes {
            return Err(EndorsementError::Form("another encoding of it, or bytes behind it".to_owned()));
        }
        Ok(read)
    }

    /// As text for a file.
    pub fn to_pem(&self) -> String {
        der::pem::encode_string(LABEL, LineEnding::LF, &self.to_cbor()).expect("a short label and a short body")
    }

    /// Reads what [`to_pem`](Self::to_pem) writes.
    ///
    /// # Errors
    /// [`EndorsementError::TooLong`] or [`EndorsementError::Form`].
    pub fn from_pem(text: &[u8]) -> Result<Self, EndorsementError> {
        // Four characters for three bytes, line ends, and the two lines around them.
        if text.len() > MAX_ENDORSEMENT_BYTES * 2 {
            return Err(EndorsementError::TooLong(text.len()));
        }
        let form = |found: String| EndorsementError::Form(found);
        let (label, bytes) = der::pem::decode_vec(text.trim_ascii()).map_err(|error| form(error.to_string()))?;
        match label {
            LABEL => Self::from_cbor(&bytes),
            other => Err(form(format!("a file that begins with -----BEGIN {other}-----"))),
        }
    }
}

/// What the endorsing device signs: the context, and `[identifier, by, of, until]` in deterministic CBOR.
fn statement(who: &Identifier, by: Fingerprint, of: Fingerprint, until: u64) -> Vec<u8> {
    let mut bytes = CONTEXT.to_vec();
    let mut encoder = Encoder::new(&mut bytes);
    let written = encoder.array(4).and_then(|e| e.str(who.as_str())?.bytes(&by.0)?.bytes(&of.0)?.u64(until));
    written.map(|_| ()).expect("writing to a vector cannot fail");
    bytes
}

fn read(bytes: &[u8]) -> Result<Endorsement, minicbor::decode::Error> {
    let mut decoder = Decoder::new(bytes);
    let wrong = |what: &str| minicbor::decode::Error::message(format!("expected {what}"));
    if decoder.datatype()? != Type::Array || decoder.array()? != Some(4) {
        return Err(wrong("four members"));
    }
    let certificate = decoder.bytes()?;
    if certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(wrong("a certificate within its limit"));
    }
    let of = decoder.bytes()?.try_into().map_err(|_| wrong("a fingerprint of 32 bytes"))?;
    let until = decoder.u64()?;
    let signature = decoder.bytes()?.try_into().map_err(|_| wrong("a signature of 64 bytes"))?;
    Ok(Endorsement { certificate: CertificateDer::from(certificate.to_vec()), of: Fingerprint(of), until, signature })
}

#[cfg(test)]
mod tests;
