//! The issuing keys of an authority, one generation after the other. A new one takes over as soon as it is there; those
//! before it go on signing revocation lists for what they have issued.

use std::fmt;
use std::path::{Path, PathBuf};

use identity::UnixTime;
use identity::certificate::Certificate;

use super::KeysError;
use super::signing_key::{CertifiedKey, Unlocking};
use crate::issuance::Signer;
use crate::store::Authority;

/// The most generations that are looked for.
const MAX_GENERATION: u16 = 999;

/// Which of an authority's issuing keys: `people` is the first, `people-2` the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerName {
    /// Whose certificates it issues.
    pub authority: Authority,
    /// Counted from 1.
    pub generation: u16,
}

impl IssuerName {
    /// The first of an authority.
    #[must_use]
    pub fn first(authority: Authority) -> Self {
        Self { authority, generation: 1 }
    }

    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, generation) = text.split_once('-').map_or((text, Some(1)), |(name, n)| (name, n.parse().ok()));
        let authority = [Authority::People, Authority::Services].into_iter().find(|a| a.name() == name)?;
        let found = Self { authority, generation: generation.filter(|n| (1..=MAX_GENERATION).contains(n))? };
        (found.to_string() == text).then_some(found)
    }

    pub(super) fn stem(self, folder: &Path) -> PathBuf {
        folder.join(self.to_string())
    }
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            1 => f.write_str(self.authority.name()),
            n => write!(f, "{}-{n}", self.authority.name()),
        }
    }
}

/// An issuing certificate with its key.
pub(crate) struct Issuing {
    pub(crate) name: IssuerName,
    pub(super) key: CertifiedKey,
}

impl Issuing {
    pub(super) fn open(folder: &Path, name: IssuerName, unlocking: &mut Unlocking) -> Result<Self, KeysError> {
        Ok(Self { name, key: CertifiedKey::open(&name.stem(folder), unlocking)? })
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &self.key
    }

    /// Whether its certificate is valid now.
    pub(crate) fn check_dates(&self, now: UnixTime) -> Result<(), KeysError> {
        super::check_dates(self.certificate(), now)
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.key.certificate
    }

    /// Whether it issued, or is to sign, a certificate with this authority key identifier.
    pub(crate) fn has_key_id(&self, id: &[u8]) -> bool {
        self.certificate().tbs().subject_key_id().as_deref() == Some(id)
    }
}

/// The generations whose certificates lie in the folder, the oldest first. Gaps are those that were put away.
pub(super) fn generations(folder: &Path, authority: Authority) -> Result<Vec<IssuerName>, KeysError> {
    let io = |source| KeysError::Io { path: folder.into(), source };
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).map_err(io)? {
        let name = file.map_err(io)?.file_name();
        let name = name.to_str().and_then(|name| IssuerName::parse(name.strip_suffix(".pem")?));
        found.extend(name.filter(|name| name.authority == authority));
    }
    found.sort_unstable();
    Ok(found)
}
