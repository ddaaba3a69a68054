//! What the lists must show: what the store and this process know of, and what is carried on from an earlier one.

use std::collections::BTreeMap;

use super::known::Listed;
use super::{Crls, ListName};
use crate::store::{Authority, CertificateRecord, Select, StoreError};

/// So many revoked certificates are read from the store at a time: whole, they take more room than all else of a list.
pub(super) const PAGE: u32 = 256;

/// What is revoked and has not expired, by the list that must show it.
pub(super) type Revoked = BTreeMap<ListName, Vec<Listed>>;

impl Crls {
    /// Takes up what the store tells of an authority.
    pub(super) async fn look(&self, authority: Authority, at: u64) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = Select::Revoked { authority, at, after, limit: PAGE };
            let found = self.issuer.store.certificates(page).await?;
            self.known.add(found.iter().filter_map(|certificate| listed(certificate, self.list_of(certificate))));
            match found.last() {
                Some(last) if found.len() == PAGE as usize => after = Some((last.not_after, last.serial)),
                _ => break,
            }
        }
        self.known.complete(authority, at);
        Ok(())
    }

    /// What must be shown. Other front ends' revocations are in the store alone.
    pub(super) async fn revoked(&self, authority: Authority, at: u64) -> Result<Revoked, StoreError> {
        let known = match self.known.of(authority, at) {
            Some(known) if self.issuer.shared.is_none() => known,
            _ => {
                self.look(authority, at).await?;
                self.known.of(authority, at).unwrap_or_default()
            }
        };
        let mut revoked = Revoked::new();
        for one in known {
            revoked.entry(one.name).or_default().push(one);
        }
        for (name, certificate) in self.carried(authority) {
            let shown = revoked.entry(name).or_default();
            if shown.iter().all(|known| known.serial != certificate.serial) {
                shown.extend(listed(&certificate, name));
            }
        }
        Ok(revoked)
    }

    /// What is carried on, with as much of a record as a list needs, by the list that showed it.
    fn carried(&self, authority: Authority) -> impl Iterator<Item = (ListName, CertificateRecord)> {
        let lists = self.of(authority);
        self.carried.iter().filter_map(move |one| {
            let issuing = self.issuer.keys().issuer_of(hex::decode(&one.issuer).ok());
            let issuer = issuing.filter(|issuing| issuing.name.authority == authority)?.name;
            let at_place = lists.iter().find(|(_, list)| one.place.as_ref() == Some(&list.url));
            Some((at_place.map_or_else(|| ListName::whole(issuer), |(name, _)| *name), one.record(authority)))
        })
    }
}

/// A certificate on its list, if it is revoked.
pub(super) fn listed(certificate: &CertificateRecord, name: ListName) -> Option<Listed> {
    let CertificateRecord { serial, not_after, .. } = *certificate;
    Some(Listed { serial, name, revocation: certificate.revoked?, not_after })
}
