//! Finds the entries under an owner's labels, and her own certificate's entry.

use std::sync::Arc;

use identity::certificate::Certificate;
use identity::transparency::commitment;
use rustls_pki_types::CertificateDer;
use tlog_proof::{Entry, LogPolicy};
use transparency_log::client::Source;
use transparency_log::monitor::Cursor;

use super::WatchError;
use super::state::State;
use crate::acme::messages::WatchAnswer;
use crate::logbook::{FollowError, Logbook, label_prefix, read_entries};

/// An entry under one of the owner's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) index: u64,
    pub(super) period: u32,
    pub(super) slot: u8,
    pub(super) commitment: [u8; 32],
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    /// Where a certificate of hers says it stands and does not, and what is there.
    pub(super) own_missing: Option<(u64, String)>,
}

impl Found {
    /// Whether there is an entry that the answer says nothing of, and that was not opened before.
    pub(super) fn newer_than(&self, answer: &WatchAnswer, state: &State) -> bool {
        let mut open = self.hits.iter().filter(|hit| state.opened(&answer.origin, hit).is_none());
        open.any(|hit| !answer.entries.iter().any(|entry| entry.period == hit.period && entry.slot == hit.slot))
    }
}

/// Searches the index and reads every candidate from the log, verified against its newest checkpoint.
pub(super) async fn find(
    book: &Logbook,
    source: &Arc<impl Source + 'static>,
    policy: &LogPolicy,
    audited: &Cursor,
    state: &State,
    certificates: &[Vec<CertificateDer<'static>>],
) -> Result<Found, WatchError> {
    let labels = state.labels(audited.origin());
    let mut prefixes: Vec<_> = labels.keys().map(label_prefix).collect();
    prefixes.sort_unstable();
    let candidates = book.candidates(&prefixes)?;
    let own: Vec<_> = certificates.iter().filter_map(|chain| own_entry(chain, audited.origin())).collect();
    let mut wanted = candidates.clone();
    wanted.extend(own.iter().map(|(index, _)| *index));
    wanted.sort_unstable();
    wanted.dedup();
    let entries = read_entries(source, policy, audited, &wanted).await.map_err(FollowError::from)?;

    let mut found = Found::default();
    for (&index, entry) in &entries {
        if let Entry::Certificate { label, commitment } = entry
            && let Some(&(period, slot)) = labels.get(label)
        {
            found.hits.push(Hit { index, period, slot, commitment: *commitment });
        }
    }
    // Eight bytes agreed when the log was audited; by chance that happens once in 2^64 entries.
    if let Some(&index) = candidates.iter().find(|index| !found.hits.iter().any(|hit| hit.index == **index)) {
        let reason = "the log now shows another entry there than when it was audited".to_owned();
        return Err(WatchError::Read { index, reason });
    }
    for (index, expected) in own {
        match entries.get(&index) {
            Some(Entry::Certificate { commitment, .. }) if *commitment == expected => {}
            Some(_) => found.own_missing = Some((index, "an entry about something else".to_owned())),
            None => found.own_missing = Some((index, "no entry: the log ends before it".to_owned())),
        }
    }
    Ok(found)
}

/// Where a certificate of hers says it stands, and with which commitment, if it is in the log called `origin`.
fn own_entry(chain: &[CertificateDer<'static>], origin: &str) -> Option<(u64, [u8; 32])> {
    let leaf = Certificate::parse(chain.first()?).ok()?;
    let extension = leaf.tbs().transparency().ok()??;
    let tbs = leaf.tbs().without_transparency().encode();
    (extension.origin == origin).then(|| (extension.index, commitment(&extension.opening, &tbs)))
}
