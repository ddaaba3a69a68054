//! A certificate's record, and what it is made of.

use std::fmt;
use std::str::FromStr;

use der::Encode as _;
use identity::Identifier;
use identity::certificate::Tbs;
use sha2::{Digest as _, Sha256};

/// A certificate, from its plan on. Never deleted, so that no label is used twice; what opens its entry in the log is kept
/// until it is erased, some time after the certificate's end.
#[derive(Clone, Debug)]
pub struct CertificateRecord {
    /// Unique.
    pub serial: Serial,
    /// Raised by the store with every update; 0 when new.
    pub revision: u64,
    /// Which issuing authority signs it.
    pub authority: Authority,
    /// The profile's name.
    pub profile: String,
    /// The account that asked, if one did.
    pub account: Option<String>,
    /// The order it answers, if there is one.
    pub order: Option<String>,
    /// What it names and where its label stands.
    pub subject: Subject,
    /// The label's period. Unique together with identifier and slot.
    pub period: u32,
    /// Key of the commitment.
    pub opening: [u8; 32],
    /// DER of the linted TBSCertificate without the transparency extension.
    pub tbs: Vec<u8>,
    /// Start of validity, seconds since the epoch.
    pub not_before: u64,
    /// End of validity, seconds since the epoch.
    pub not_after: u64,
    /// How far it is.
    pub state: CertificateState,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
    /// Whether its owner is still to be told of it by mail, once it is issued: it is for another device than those she
    /// had.
    pub announce: bool,
}

impl CertificateRecord {
    /// Where its entry stands in the log, as far as the authority knows.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        match &self.state {
            CertificateState::Planned => None,
            CertificateState::Logged { index, .. } | CertificateState::Issued { index, .. } => Some(*index),
            CertificateState::Abandoned { index } | CertificateState::Erased { index } => *index,
        }
    }

    /// Its key; `None` once its contents are erased.
    #[must_use]
    pub fn key(&self) -> Option<KeyDigest> {
        KeyDigest::of_tbs(&self.tbs)
    }

    /// Whether it is on its way still.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, CertificateState::Planned | CertificateState::Logged { .. })
    }

    /// Whether nothing opens its entry any more.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        matches!(self.state, CertificateState::Erased { .. })
    }

    /// What is left of it after [`Change::Erase`](crate::store::Change::Erase).
    #[must_use]
    pub(in crate::store) fn erased(self) -> Self {
        let index = self.index();
        let subject = match self.subject {
            Subject::Person { identifier, slot, .. } => Subject::Person { identifier, slot, vrf_proof: [0; 80] },
            service => service,
        };
        Self {
            revision: self.revision + 1,
            account: None,
            order: None,
            subject,
            opening: [0; 32],
            tbs: Vec::new(),
            state: CertificateState::Erased { index },
            ..self
        }
    }
}

/// What a certificate names.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A person.
    Person {
        /// The SAN.
        identifier: Identifier,
        /// Slot of the label.
        slot: u8,
        /// VRF proof of the label.
        vrf_proof: [u8; 80],
    },
    /// One of the authority's own services.
    Service {
        /// DNS name.
        name: String,
    },
}

/// How far a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateState {
    /// Linted and about to be logged; the entry may or may not stand in the log.
    Planned,
    /// In the log; about to be signed over exactly this proof.
    Logged {
        /// Leaf index.
        index: u64,
        /// tlog-proof text.
        proof: String,
    },
    /// Signed.
    Issued {
        /// Leaf index.
        index: u64,
        /// DER of the certificate.
        certificate: Vec<u8>,
    },
    /// Over, and forgotten: opening, contents and the label's proof are zeros or empty. What is left keeps its serial
    /// number and its label from being used again.
    Erased {
        /// Leaf index, if known.
        index: Option<u64>,
    },
    /// Never signed and never to be. Its entry may stand in the log, and can be opened to its owner.
    Abandoned {
        /// Leaf index, if known.
        index: Option<u64>,
    },
}

/// CRLReason: the key is in somebody else's hands, and with it whatever lay beside it on the device.
pub(crate) const KEY_COMPROMISE: u8 = 1;

/// A revocation (RFC 5280 section 5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Seconds since the epoch.
    pub at: u64,
    /// CRLReason.
    pub reason: u8,
}

impl Revocation {
    /// Whether it is for good in every respect. Any other reason may still become this one.
    pub(crate) const fn is_for_compromise(self) -> bool {
        self.reason == KEY_COMPROMISE
    }

    /// Whether this reason can be given for it from now on: its own, or that the key is compromised.
    #[must_use]
    pub const fn may_become(self, reason: u8) -> bool {
        reason == self.reason || reason == KEY_COMPROMISE
    }
}

/// SHA-256 of a SubjectPublicKeyInfo in DER: the same key always has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

impl KeyDigest {
    /// Of this SubjectPublicKeyInfo.
    #[must_use]
    pub fn of(spki_der: &[u8]) -> Self {
        Self(Sha256::digest(spki_der).into())
    }

    /// Of the key in this TBSCertificate, if it decodes.
    #[must_use]
    pub(in crate::store) fn of_tbs(der: &[u8]) -> Option<Self> {
        Tbs::decode(der).ok().and_then(|tbs| Self::of_key(&tbs))
    }

    /// Of the key in this certificate; none if it does not encode, which one that was parsed always does.
    #[must_use]
    pub fn of_key(tbs: &Tbs) -> Option<Self> {
        tbs.spki().to_der().ok().map(|der| Self::of(&der))
    }
}

/// One of the two issuing authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// Issues certificates for people.
    People,
    /// Issues certificates for services.
    Services,
}

impl Authority {
    /// Its name in file names, URLs and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Services => "services",
        }
    }
}

/// A certificate's serial number: 16 bytes, positive. Displayed and parsed as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(pub [u8; 16]);

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Serial {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut out = [0; 16];
        hex::decode_to_slice(text, &mut out)?;
        Ok(Self(out))
    }
}
