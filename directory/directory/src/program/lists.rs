//! The revocation lists that are in force, and how old they are.

use super::failure::{Failure, damaged, read};
use identity::UnixTime;
use identity::trust::{CRL_MAX_AGE, CRL_WARNING_AGE, InstalledCrl, Trust};
use std::path::Path;
use zeroize::Zeroizing;

/// A list as its file had it.
#[derive(Clone)]
pub(super) struct List {
    der: Zeroizing<Vec<u8>>,
    dates: Dates,
}

impl List {
    /// What the file says now, put in force.
    pub(super) fn install(path: &Path, der: Zeroizing<Vec<u8>>, trust: &Trust) -> Result<Self, Failure> {
        let installed = trust.install_crl(&der, UnixTime::now()).map_err(|error| damaged(path, error))?;
        Ok(Self { der, dates: Dates::of(&installed) })
    }

    pub(super) fn read_and_install(path: &Path, trust: &Trust) -> Result<Self, Failure> {
        Self::install(path, read(path)?, trust)
    }

    /// The same under another trust. Of an issuer that is trusted no more it says nothing, which harms nobody.
    pub(super) fn install_again(&self, trust: &Trust) {
        let _ = trust.install_kept_crl(&self.der, UnixTime::now());
    }

    pub(super) fn is(&self, der: &[u8]) -> bool {
        *self.der == der
    }

    pub(super) fn dates(&self) -> Dates {
        self.dates
    }
}

/// When a list was made, and when the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    made: UnixTime,
    next: UnixTime,
}

impl Dates {
    fn of(list: &InstalledCrl) -> Self {
        Self { made: list.this_update, next: list.next_update }
    }

    pub(super) fn age(&self, now: UnixTime) -> Age {
        let age = now.as_secs().saturating_sub(self.made.as_secs());
        if now > self.next || age > CRL_MAX_AGE.as_secs() {
            Age::Expired
        } else if age > CRL_WARNING_AGE.as_secs() {
            Age::Old
        } else {
            Age::Young
        }
    }
}

/// How old a list is; of several the oldest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    /// A day at most.
    Young,
    /// More: tools warn.
    Old,
    /// The next one was due, or it is seven days old: then nobody is let in for whom it speaks (REV-02).
    Expired,
}

impl Age {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Young => "ok",
            Self::Old => "old",
            Self::Expired => "expired",
        }
    }
}
