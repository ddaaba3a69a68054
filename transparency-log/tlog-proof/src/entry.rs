//! What our log's entries say. They never hold an address, only labels, digests and commitments.
//!
//! ```text
//! offset 0   version   01
//! offset 1   kind      01 certificate · 02 signature · 03 service · 10–13 object
//! offset 2   label     32 bytes (an object's hash; a service's name digest)
//! offset 34  value     32 bytes (commitment or digest; absent for objects)
//! ```

/// Largest entry the log takes, in bytes. Room for kinds to come.
pub const MAX_ENTRY_BYTES: usize = 128;

const VERSION: u8 = 1;
const CERTIFICATE: u8 = 0x01;
const SIGNATURE: u8 = 0x02;
const SERVICE: u8 = 0x03;

/// Largest object that an entry names, in bytes: a revocation list of some 90,000 serial numbers.
pub const MAX_OBJECT_BYTES: usize = 4 * 1024 * 1024;

/// What the authority signs besides certificates; the object itself is served by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `0x10`: a certificate revocation list.
    Crl,
    /// `0x11`: an issuing CA's certificate.
    IssuingCertificate,
    /// `0x12`: a trust policy.
    TrustPolicy,
    /// `0x13`: the head of an audit chain.
    AuditHead,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Crl, Self::IssuingCertificate, Self::TrustPolicy, Self::AuditHead];

    /// The kind byte.
    pub fn byte(self) -> u8 {
        match self {
            Self::Crl => 0x10,
            Self::IssuingCertificate => 0x11,
            Self::TrustPolicy => 0x12,
            Self::AuditHead => 0x13,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Entry {
    /// A person's certificate.
    Certificate {
        /// The VRF output for identifier, period and slot.
        label: [u8; 32],
        /// HMAC of the certificate's contents under the opening.
        commitment: [u8; 32],
    },
    /// A blinded signature, to date it.
    Signature {
        /// Drawn at random.
        label: [u8; 32],
        /// HMAC of the signature's digest.
        digest: [u8; 32],
    },
    /// A service's certificate.
    Service {
        /// SHA-256 of `"inperson-service-v1" ‖ 00 ‖ DNS name`.
        name_digest: [u8; 32],
        /// HMAC of the certificate's contents under the opening.
        commitment: [u8; 32],
    },
    /// Something else that the authority signed.
    Object {
        /// What it is.
        kind: ObjectKind,
        /// Its SHA-256.
        hash: [u8; 32],
    },
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The wrong number of bytes for its kind.
    #[error("expected an entry of {expected} bytes, found {found}")]
    Length {
        /// The length of this kind of entry; 2 where there is not even a kind.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A version other than 1.
    #[error("expected entry version 1, found {found}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// An unassigned kind.
    #[error("expected an assigned entry kind, found {found:#04x}")]
    Kind {
        /// The kind byte.
        found: u8,
    },
}

impl Entry {
    /// The bytes that the log holds and hashes.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, first, second) = match self {
            Self::Certificate { label, commitment } => (CERTIFICATE, label, Some(commitment)),
            Self::Signature { label, digest } => (SIGNATURE, label, Some(digest)),
            Self::Service { name_digest, commitment } => (SERVICE, name_digest, Some(commitment)),
            Self::Object { kind, hash } => (kind.byte(), hash, None),
        };
        let mut bytes = vec![VERSION, kind];
        bytes.extend_from_slice(first);
        bytes.extend(second.into_iter().flatten());
        bytes
    }

    /// Reads an entry; every entry has exactly one encoding.
    ///
    /// # Errors
    /// When version, kind or length are not those of an entry.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let [version, kind, rest @ ..] = bytes else {
            return Err(EntryError::Length { expected: 2, found: bytes.len() });
        };
        if *version != VERSION {
            return Err(EntryError::Version { found: *version });
        }
        let (fields, []) = rest.as_chunks::<32>() else {
            let expected = if ObjectKind::from_byte(*kind).is_some() { 34 } else { 66 };
            return Err(EntryError::Length { expected, found: bytes.len() });
        };
        match (*kind, fields) {
            (CERTIFICATE, &[label, commitment]) => Ok(Self::Certificate { label, commitment }),
            (SIGNATURE, &[label, digest]) => Ok(Self::Signature { label, digest }),
            (SERVICE, &[name_digest, commitment]) => Ok(Self::Service { name_digest, commitment }),
            (CERTIFICATE | SIGNATURE | SERVICE, _) => Err(EntryError::Length { expected: 66, found: bytes.len() }),
            (byte, fields) => match (ObjectKind::from_byte(byte), fields) {
                (Some(kind), &[hash]) => Ok(Self::Object { kind, hash }),
                (Some(_), _) => Err(EntryError::Length { expected: 34, found: bytes.len() }),
                (None, _) => Err(EntryError::Kind { found: byte }),
            },
        }
    }

    /// The label that may stand in the log once only: that of a certificate or a signature.
    ///
    /// A service's name digest and an object's hash repeat by design (renewal, an unchanged list).
    pub fn label(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Certificate { label, .. } | Self::Signature { label, .. } => Some(label),
            Self::Service { .. } | Self::Object { .. } => None,
        }
    }
}
