//! Trust: which authorities, logs and witnesses a person relies on.
//!
//! A [`TrustPolicy`] is a document that its [`Fingerprint`] pins. [`Trust`] is what verification needs of one or more of
//! them, decoded and checked once, together with the revocation lists that arrive later.

mod authority;
mod binding;
mod change;
mod fingerprint;
mod limited;
mod policy;
mod revocation;
mod services;
mod shard;
mod update;
mod windows;
mod withdrawal;

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::UnixTime;

pub(crate) use authority::{Issuer, TrustedAuthority, TrustedLog, issuer_key};
pub use binding::{Binding, BindingError, Bindings, MAX_BINDINGS};
pub use change::{Change, ChangeKind};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use policy::{Authority, Base64Bytes, DirectoryEntry, EarlierLog, MAX_POLICY_BYTES, PolicyError, TrustPolicy};
pub(crate) use revocation::Issued;
pub use revocation::{CRL_MAX_AGE, CRL_WARNING_AGE, InstalledCrl, Revocation};
pub use shard::{LogWindow, Shard};
pub use update::{MAX_UPDATE_BYTES, PolicyUpdate, VerifiedUpdate, signing_input};
pub use windows::Window;

use crate::{
    identifier::Identifier,
    verify::{Certified, VerifyError},
};

/// What verification needs: built once, shared as `Arc<Trust>`. Only revocation lists and bindings change it.
#[derive(Debug)]
pub struct Trust {
    policies: Vec<TrustPolicy>,
    authorities: Vec<TrustedAuthority>,
    lists: RwLock<revocation::Lists>,
    bindings: RwLock<Bindings>,
    /// How often they have changed.
    rebound: AtomicU64,
}

impl Trust {
    /// Decodes and checks everything in these policies. An empty list is allowed, and trusts nobody.
    pub fn new(policies: Vec<TrustPolicy>) -> Result<Self, PolicyError> {
        let mut authorities = Vec::new();
        for policy in &policies {
            authorities.extend(policy.trusted_authorities()?);
        }
        let (lists, bindings, rebound) = (RwLock::default(), RwLock::default(), AtomicU64::new(0));
        Ok(Self { policies, authorities, lists, bindings, rebound })
    }

    /// The policies it was built from.
    pub fn policies(&self) -> &[TrustPolicy] {
        &self.policies
    }

    /// Verifies a revocation list and keeps it in place of an older one of the same issuer and place.
    ///
    /// Refused are lists that are not by an issuing certificate of the policies (REV-04), malformed ones and deltas
    /// (REV-03), parts of another kind than by place (REV-06), and such as are from the future, older than the one known (REV-05), or older than seven days (REV-02).
    pub fn install_crl(&self, der: &[u8], now: UnixTime) -> Result<InstalledCrl, VerifyError> {
        let list = revocation::CheckedList::check(der, &self.authorities, now)?;
        let mut lists = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.install(list)
    }

    /// As [`install_crl`](Self::install_crl), for a list that was fetched from the address that a certificate names:
    /// refused is the list of another place, too (REV-06).
    pub fn install_crl_of(&self, url: &str, der: &[u8], now: UnixTime) -> Result<InstalledCrl, VerifyError> {
        let list = revocation::CheckedList::check(der, &self.authorities, now)?.speaks_for(url)?;
        let mut lists = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.install(list)
    }

    /// The addresses of lists that would say more about people who were verified since the last call: whoever is online
    /// fetches them, now and then. At most 256 of each authority.
    pub fn take_wanted_lists(&self) -> std::collections::BTreeSet<String> {
        self.take_wanted_lists_by_root().into_values().flatten().collect()
    }

    /// The same, by the authority whose certificates name them ([`Authority::root_digest`]): for whoever asks an authority's
    /// own server alone.
    pub fn take_wanted_lists_by_root(
        &self,
    ) -> std::collections::BTreeMap<Fingerprint, std::collections::BTreeSet<String>> {
        let wanted = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner).take_wanted();
        wanted.into_iter().map(|(root, urls)| (Fingerprint(root), urls)).collect()
    }

    /// Lets lists grow this much older, at most twenty minutes, before they are wanted anew. Authorities make their lists at
    /// the full hour or at a revocation; if every device of an authority draws its own time, they do not all ask for the new
    /// one in the same minute.
    pub fn spread_wanted_lists(&self, longer: std::time::Duration) {
        self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner).spread(longer);
    }

    /// Remembers that a list would say more about a certificate in use.
    pub(crate) fn want_list(&self, issued: &Issued<'_>, now: UnixTime) {
        let wanted = {
            let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            lists.wants(lists.status(issued), now)
        };
        if wanted {
            self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner).want(issued);
        }
    }

    /// As [`install_crl`](Self::install_crl), for a list that was accepted and kept before: however old it is by now.
    /// Verification then refuses what it can no longer vouch for (REV-02). Without it a program that is started anew
    /// would call the same certificates, even the revoked ones, merely *unknown*.
    pub fn install_kept_crl(&self, der: &[u8], now: UnixTime) -> Result<InstalledCrl, VerifyError> {
        let list = revocation::CheckedList::check_kept(der, &self.authorities, now)?;
        let mut lists = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.install(list)
    }

    /// What the revocation lists now say about a person verified earlier: for sessions that outlive a list.
    pub fn revocation(&self, person: &Certified, now: UnixTime) -> Revocation {
        self.want_list(&person.issued(), now);
        self.status(&person.issued())
    }

    pub(crate) fn status(&self, issued: &Issued<'_>) -> Revocation {
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.status(issued)
    }

    /// When this certificate was revoked, if a list says that it was.
    pub(crate) fn revoked_at(&self, issued: &Issued<'_>) -> Option<UnixTime> {
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.revoked_at(issued)
    }

    /// To which authorities people are bound.
    pub fn bindings(&self) -> Bindings {
        self.bindings.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// To which authority this person is bound, if to any.
    pub fn bound_to(&self, who: &Identifier) -> Option<Binding> {
        self.bindings.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(who).cloned()
    }

    /// Replaces the bindings: those that were stored, or after the person confirmed another authority.
    pub fn set_bindings(&self, bindings: Bindings) {
        *self.bindings.write().unwrap_or_else(std::sync::PoisonError::into_inner) = bindings;
        self.rebound.fetch_add(1, Ordering::Release);
    }

    /// How often bindings have changed so far: whoever goes by them looks again when it is another number.
    pub fn times_rebound(&self) -> u64 {
        self.rebound.load(Ordering::Acquire)
    }

    /// Takes over what another program changed in the stored list: see [`Bindings::adopt`].
    pub fn adopt_bindings(&self, before: &Bindings, now: &Bindings) {
        self.bindings.write().unwrap_or_else(std::sync::PoisonError::into_inner).adopt(before, now);
        self.rebound.fetch_add(1, Ordering::Release);
    }

    /// Binds a person to the authority of this certificate, if she is bound to none. Whether she was bound now.
    pub fn bind(&self, person: &Certified, now: UnixTime) -> bool {
        let (who, root) = (person.identifier(), person.authority_root());
        let mut bindings = self.bindings.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.bind_in(&mut bindings, who, person.authority(), root, now)
    }

    /// Binds a person to her authority at first sight, and checks it at every other (TRUST-06), in one step: of two
    /// certificates that were verified at the same moment, one is the first. Name and root are those of a verified
    /// certificate. Whether she was bound now.
    pub fn meet(&self, who: &Identifier, authority: &str, root: &[u8; 32], now: UnixTime) -> Result<bool, VerifyError> {
        let mut bindings = self.bindings.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        bindings.check(who, authority, root)?;
        Ok(self.bind_in(&mut bindings, who, authority, root, now))
    }

    fn bind_in(&self, all: &mut Bindings, who: &Identifier, authority: &str, root: &[u8; 32], now: UnixTime) -> bool {
        let newly = all.bind(who, authority, root, now);
        self.rebound.fetch_add(u64::from(newly), Ordering::Release);
        newly
    }

    /// TRUST-06.
    pub(crate) fn check_binding(
        &self,
        identifier: &Identifier,
        authority: &str,
        root: &[u8; 32],
    ) -> Result<(), VerifyError> {
        let bindings = self.bindings.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        bindings.check(identifier, authority, root)
    }

    pub(crate) fn authorities(&self) -> &[TrustedAuthority] {
        &self.authorities
    }
}

#[cfg(test)]
mod tests;
