//! What a watch can find that its owner does not know of.

use std::fmt;

use super::OpenedCertificate;
use crate::words::{short_key, time};

/// Something in the log that the owner does not know, or that should be there and is not. In words for her; which log it is
/// about is for the caller to say, where there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// A certificate in her name for a key that is not hers.
    UnknownKey(OpenedCertificate),
    /// An entry under one of her labels that the authority did not open.
    NotOpened {
        /// The log's origin.
        log: String,
        /// Where it stands.
        index: u64,
        /// What the authority said instead, or what was wrong with it.
        reason: String,
    },
    /// Two entries under one label, which an honest authority never makes.
    Duplicate {
        /// The log's origin.
        log: String,
        /// Where they stand.
        indexes: Vec<u64>,
    },
    /// The certificate of this device is not where it says it stands.
    OwnMissing {
        /// The log's origin.
        log: String,
        /// Where it says it stands.
        index: u64,
        /// What was found there.
        found: String,
    },
}

impl Alarm {
    /// The origin of the log that it is about.
    pub fn log(&self) -> &str {
        match self {
            Self::UnknownKey(certificate) => &certificate.log,
            Self::NotOpened { log, .. } | Self::Duplicate { log, .. } | Self::OwnMissing { log, .. } => log,
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(certificate) => write!(
                f,
                "entry {}: a certificate in your name for a key you have not confirmed ({}), serial {}, from {} to {}",
                certificate.index,
                short_key(&certificate.key),
                certificate.serial,
                time(certificate.not_before),
                time(certificate.not_after),
            ),
            Self::NotOpened { index, reason, .. } => {
                write!(f, "entry {index}: something under your name that stays closed: {reason}")
            }
            Self::Duplicate { indexes, .. } => {
                write!(f, "entries {indexes:?} stand under one label, which an honest authority never does")
            }
            Self::OwnMissing { index, found, .. } => write!(
                f,
                "entry {index} should be this device's certificate; found {found}: the log shows different people different \
                 things"
            ),
        }
    }
}
