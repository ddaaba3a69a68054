//! What is revoked, kept in memory between two looks into the store: a list of ten thousand is made anew after each
//! revocation, and need not be read anew.
//!
//! It only grows, but for what has expired: what was revoked stays so. The store is looked into at the start and every
//! hour, and each time where several front ends share it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::ListName;
use crate::store::{Authority, Revocation, Serial};

/// A revoked certificate, as a list needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) serial: Serial,
    /// The list that must show it.
    pub(super) name: ListName,
    pub(super) revocation: Revocation,
    /// Seconds since the epoch.
    pub(super) not_after: u64,
}

/// All that is known to be revoked.
#[derive(Default)]
pub(super) struct Known(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    listed: BTreeMap<Serial, Listed>,
    /// Of which authorities the store was looked into.
    complete: Vec<Authority>,
}

impl Known {
    /// Takes some that were revoked. Where it is known that a key is compromised, that stays so.
    pub(super) fn add(&self, some: impl IntoIterator<Item = Listed>) {
        let mut inner = self.lock();
        for new in some {
            let known = inner.listed.entry(new.serial).or_insert(new);
            if !known.revocation.is_for_compromise() {
                *known = new;
            }
        }
    }

    /// All that the store tells of an authority was added. What had expired at `at` is forgotten.
    pub(super) fn complete(&self, authority: Authority, at: u64) {
        let mut inner = self.lock();
        inner.listed.retain(|_, listed| listed.not_after >= at);
        if !inner.complete.contains(&authority) {
            inner.complete.push(authority);
        }
    }

    /// What an authority has revoked and had not expired at `at`, in the order of serial numbers; `None` if the store was
    /// not looked into yet.
    pub(super) fn of(&self, authority: Authority, at: u64) -> Option<Vec<Listed>> {
        let inner = self.lock();
        let shown = |one: &&Listed| one.name.issuer.authority == authority && one.not_after >= at;
        inner.complete.contains(&authority).then(|| inner.listed.values().filter(shown).copied().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::IssuerName;

    fn listed(serial: u8, not_after: u64) -> Listed {
        let name = ListName::whole(IssuerName::first(Authority::People));
        let revocation = Revocation { at: 1, reason: 4 };
        Listed { serial: Serial([serial; 16]), name, revocation, not_after }
    }

    fn serials(known: &Known, at: u64) -> Option<Vec<u8>> {
        known.of(Authority::People, at).map(|all| all.iter().map(|one| one.serial.0[0]).collect())
    }

    #[test]
    fn what_was_revoked_stays_though_an_older_look_did_not_see_it() {
        let known = Known::default();
        known.add([listed(3, 100)]);
        assert_eq!(serials(&known, 0), None, "the store was not looked into");
        known.add([listed(2, 50), listed(1, 100)]);
        known.complete(Authority::People, 0);
        assert_eq!(serials(&known, 0), Some(vec![1, 2, 3]));
        assert_eq!(serials(&known, 51), Some(vec![1, 3]), "what has expired is not shown");
        known.complete(Authority::People, 51);
        assert_eq!(serials(&known, 0), Some(vec![1, 3]), "and forgotten with the next look");
        assert_eq!(known.of(Authority::Services, 0), None);
        // That its key is compromised turned out later, and an older look did not see it.
        for reason in [4, 1, 4] {
            known.add([Listed { revocation: Revocation { at: 1, reason }, ..listed(1, 100) }]);
        }
        assert_eq!(known.of(Authority::People, 100).unwrap()[0].revocation.reason, 1);
    }
}
