//! What an alarm can prove to others.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::UnixTime;
use identity::certificate::Certificate;
use identity::evidence::{Claim, Label, Opened};
use identity::transparency::{Opening, commitment};
use identity::trust::TrustPolicy;
use tlog_proof::LogPolicy;
use transparency_log::client::Source;

use super::Alarm;
use super::Owner;
use super::scan::{Found, Hit};
use crate::Home;
use crate::acme::messages::WatchAnswer;
use crate::evidence::{self, EvidenceFailure, Reader};
use crate::proof::place;

/// Everything that gathering needs.
pub(super) struct Scene<'a, S> {
    pub(super) home: &'a Home,
    pub(super) owner: &'a Owner,
    pub(super) policy: &'a TrustPolicy,
    pub(super) log_policy: &'a LogPolicy,
    pub(super) source: &'a Arc<S>,
    pub(super) found: &'a Found,
    pub(super) answer: &'a WatchAnswer,
    pub(super) now: UnixTime,
}

impl<S: Source + 'static> Scene<'_, S> {
    /// One file for each alarm that proves something. What cannot be gathered is told in the program's log: the alarm
    /// itself must not fail with it.
    pub(super) async fn keep(&self, alarms: &[Alarm]) -> Vec<PathBuf> {
        let mut kept = Vec::new();
        for alarm in alarms {
            match self.keep_one(alarm).await {
                Ok(path) => kept.extend(path),
                Err(error) => tracing::warn!(%error, "no evidence could be written"),
            }
        }
        kept
    }

    async fn keep_one(&self, alarm: &Alarm) -> Result<Option<PathBuf>, EvidenceFailure> {
        let claim = match alarm {
            Alarm::UnknownKey(certificate) => self.entries(&[certificate.index]).await?,
            Alarm::NotOpened { index, .. } => self.entries(&[*index]).await?,
            Alarm::Duplicate { indexes, .. } => self.entries(&indexes[..indexes.len().min(2)]).await?,
            Alarm::OwnMissing { index, .. } => match self.own_checkpoint(*index) {
                Some(own) => evidence::split_view(&own, self.source, self.log_policy).await?,
                None => None,
            },
        };
        claim.map(|claim| evidence::keep(self.home, self.policy, claim, self.now)).transpose()
    }

    async fn entries(&self, indexes: &[u64]) -> Result<Option<Claim>, EvidenceFailure> {
        let hits: Vec<&Hit> =
            indexes.iter().filter_map(|index| self.found.hits.iter().find(|hit| hit.index == *index)).collect();
        let Some(label) = hits.first().and_then(|hit| self.label(hit)) else { return Ok(None) };
        let log = Reader::open(self.source, self.log_policy).await?;
        let mut entries = Vec::new();
        for hit in hits {
            entries.push(log.entry(hit.index, self.opened(hit)).await?);
        }
        Ok(Some(Claim::Entries { label: Some(label), entries }))
    }

    /// The label with the proof that the authority gave.
    fn label(&self, hit: &Hit) -> Option<Label> {
        let given = self.answer.labels.iter().find(|label| (label.period, label.slot) == (hit.period, hit.slot))?;
        Some(Label {
            origin: self.answer.origin.clone(),
            identifier: self.owner.identifier().clone(),
            period: hit.period,
            slot: hit.slot,
            vrf_proof: URL_SAFE_NO_PAD.decode(&given.proof).ok()?.into(),
        })
    }

    /// The checkpoint in the certificate of hers that says it stands there: the log has signed it, and must be able to show
    /// that tree for ever.
    fn own_checkpoint(&self, index: u64) -> Option<String> {
        let leaves = self.owner.own().iter().filter_map(|chain| Certificate::parse(chain.first()?).ok());
        let mut places = leaves.filter_map(|leaf| place(&leaf, std::slice::from_ref(self.policy)).ok());
        places.find(|place| place.proof().index == index).map(|place| place.proof().checkpoint.clone())
    }

    /// What the authority said is in the entry, if that is so.
    fn opened(&self, hit: &Hit) -> Option<Opened> {
        let entries = self.answer.entries.iter().filter(|e| (e.period, e.slot) == (hit.period, hit.slot));
        entries.into_iter().find_map(|entry| {
            let opening = URL_SAFE_NO_PAD.decode(&entry.opening).ok()?;
            let tbs = URL_SAFE_NO_PAD.decode(&entry.tbs).ok()?;
            let fits = commitment(&Opening::new(opening.as_slice().try_into().ok()?), &tbs) == hit.commitment;
            fits.then(|| Opened { opening: opening.into(), tbs: tbs.into() })
        })
    }
}
