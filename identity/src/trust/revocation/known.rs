//! The lists that are known, and what they say of a certificate.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::{CheckedList, InstalledCrl, Revocation, age};
use crate::{
    rules::Rule,
    verify::{VerifyError, date},
};

/// Addresses of lists remembered as wanted, of each authority; beyond it, more are forgotten. Each stood in a certificate that
/// verified.
const MAX_WANTED: usize = 256;
/// A list is wanted anew when it is so old (seconds): authorities make a new one every hour, and it is there by then.
const WANTED_AGE: u64 = 70 * 60;
/// How much longer a device may wait at most (seconds).
const MAX_LONGER: u64 = 20 * 60;

/// By what a certificate is looked up in revocation lists.
#[derive(Clone, Copy)]
pub(crate) struct Issued<'a> {
    /// The root of its authority.
    pub(crate) root: &'a [u8; 32],
    /// The key of its issuer.
    pub(crate) issuer_key: &'a [u8; 32],
    /// Big-endian, without leading zeros.
    pub(crate) serial: &'a [u8],
    /// The list it names.
    pub(crate) list_url: &'a str,
}

/// The lists known, by issuer and place: a complete list has none.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    known: HashMap<[u8; 32], HashMap<Option<String>, List>>,
    /// By the root of the authority whose certificates name them: none can fill the place of another's.
    wanted: BTreeMap<[u8; 32], BTreeSet<String>>,
    /// How much older than [`WANTED_AGE`] a list may grow here (seconds).
    longer: u64,
}

#[derive(Debug)]
pub(super) struct List {
    pub(super) number: Vec<u8>,
    pub(super) this_update: UnixTime,
    /// Serial numbers without leading zeros, sorted, each with the time of its revocation.
    pub(super) revoked: Vec<(Vec<u8>, UnixTime)>,
}

impl List {
    /// Since when this number stands in it.
    fn since(&self, serial: &[u8]) -> Option<UnixTime> {
        let place = self.revoked.binary_search_by(|(known, _)| known.as_slice().cmp(serial)).ok()?;
        self.revoked.get(place).map(|(_, time)| *time)
    }
}

impl Lists {
    /// The list of the certificate's own place and the complete one speak for it (RFC 5280 section 6.3.3 (b) (2)): what
    /// one of them revokes is revoked, and of both, the newer one says as of when it is not.
    pub(crate) fn status(&self, issued: &Issued<'_>) -> Revocation {
        if self.revoked_at(issued).is_some() {
            return Revocation::Revoked;
        }
        let newest = self.of(issued).map(|list| list.this_update).max();
        newest.map_or(Revocation::Unknown, |as_of| Revocation::Good { as_of })
    }

    /// When the certificate was revoked: of two lists that say so, the earlier time counts.
    pub(crate) fn revoked_at(&self, issued: &Issued<'_>) -> Option<UnixTime> {
        self.of(issued).filter_map(|list| list.since(issued.serial)).min()
    }

    /// The lists that speak for the certificate.
    fn of(&self, issued: &Issued<'_>) -> impl Iterator<Item = &List> {
        let places = [None, Some(issued.list_url.to_owned())];
        let known = self.known.get(issued.issuer_key);
        places.into_iter().filter_map(move |place| known?.get(&place))
    }

    /// Remembers the address of a list without which little is known of a certificate that is in use.
    pub(crate) fn want(&mut self, issued: &Issued<'_>) {
        let wanted = self.wanted.entry(*issued.root).or_default();
        if wanted.len() < MAX_WANTED {
            wanted.insert(issued.list_url.to_owned());
        }
    }

    pub(crate) fn spread(&mut self, longer: Duration) {
        self.longer = longer.as_secs().min(MAX_LONGER);
    }

    /// Whether a newer list is worth fetching: there is none, or its authority should have made another one since.
    pub(crate) fn wants(&self, status: Revocation, now: UnixTime) -> bool {
        match status {
            Revocation::Good { as_of } => age(as_of, now) >= WANTED_AGE + self.longer,
            Revocation::Unknown => true,
            Revocation::Revoked => false,
        }
    }

    /// The addresses remembered so far, which are forgotten.
    pub(crate) fn take_wanted(&mut self) -> BTreeMap<[u8; 32], BTreeSet<String>> {
        std::mem::take(&mut self.wanted)
    }

    pub(crate) fn install(&mut self, checked: CheckedList) -> Result<InstalledCrl, VerifyError> {
        let lists = self.known.entry(checked.issuer_key).or_default();
        if let Some(known) = lists.get(&checked.place) {
            // Numbers are minimal big-endian integers: the longer one is larger.
            let order = |list: &List| (list.number.len(), list.number.clone());
            if order(&checked.list) < order(known) || checked.list.this_update < known.this_update {
                let name = |list: &List| format!("number {} of {}", hex::encode(&list.number), date(list.this_update));
                let expected = format_args!("a list not older than {}", name(known));
                return Err(VerifyError::new(Rule::RevocationOrder, expected, name(&checked.list)));
            }
        }
        lists.insert(checked.place, checked.list);
        Ok(checked.summary)
    }
}
