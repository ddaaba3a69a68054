//! What is remembered: the newest checkpoints, on disk; the rest as long as the program runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use identity::Identifier;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Hash, UnverifiedCheckpoint, VerifiedCheckpoint};
use transparency_log::monitor::SplitView;

use super::{Alarm, MAX_CHECKPOINT_BYTES, MAX_CONTRADICTIONS, MAX_VIEWS, PolicyView, Views};
use crate::logbook::Logbook;
use crate::{Home, HomeError, PinnedPolicy, files};

/// Trees that were held against the log and agreed: whoever tells of them again is not asked about again.
const MAX_AGREED: usize = 256;

/// Checkpoints that could not be compared yet, because the log did not answer.
const MAX_UNSETTLED: usize = 16;

/// Alarms whose telling is remembered; then the oldest may be told again.
const MAX_TOLD: usize = 1024;

#[derive(Default)]
pub(super) struct State {
    /// By origin: the newest checkpoint that satisfied the policy, as it was signed.
    newest: BTreeMap<String, String>,
    pinned: Vec<Pinned>,
    /// By origin: one proof convinces.
    proven: BTreeMap<String, SplitView>,
    agreed: VecDeque<(String, u64, Hash)>,
    pub(super) unsettled: Vec<(Identifier, String)>,
    told: VecDeque<String>,
    pub(super) revision: u64,
}

/// What is told of a pinned policy, and to whom.
struct Pinned {
    authorities: BTreeSet<String>,
    logs: BTreeSet<String>,
    view: PolicyView,
}

impl State {
    pub(super) fn remembered(home: &Home) -> Result<Self, HomeError> {
        let policies = home.pinned_policies()?;
        let mut state = Self::default();
        state.policies_are(&policies);
        for origin in state.pinned.iter().flat_map(|pinned| pinned.logs.clone()).collect::<BTreeSet<_>>() {
            let kept = files::read_text(&path(home, &origin))?;
            // Until the first look: what the last audit or watch saw.
            let kept = kept.map_or_else(|| Logbook::open(home, &origin).checkpoint(), |text| Ok(Some(text)))?;
            state.newest.extend(kept.map(|text| (origin, text)));
        }
        Ok(state)
    }

    pub(super) fn policies_are(&mut self, policies: &[PinnedPolicy]) {
        let of = |pinned: &PinnedPolicy| Pinned {
            authorities: pinned.policy.authorities.iter().map(|one| one.name.clone()).collect(),
            logs: pinned.policy.authorities.iter().map(|one| one.log.clone()).collect(),
            view: PolicyView {
                genesis: pinned.pinned,
                number: pinned.policy.number,
                digest: pinned.policy.fingerprint(),
            },
        };
        self.pinned = policies.iter().map(of).collect();
    }

    pub(super) fn views(&self, authorities: &[&str]) -> Views {
        let common: Vec<_> = self
            .pinned
            .iter()
            .filter(|pinned| authorities.iter().any(|name| pinned.authorities.contains(*name)))
            .take(MAX_VIEWS)
            .collect();
        let logs: BTreeSet<&String> = common.iter().flat_map(|pinned| &pinned.logs).collect();
        let logs: Vec<&String> = logs.into_iter().take(MAX_VIEWS).collect();
        Views {
            checkpoints: logs.iter().filter_map(|log| self.newest.get(*log)).map(|text| short(text)).collect(),
            policies: common.iter().map(|pinned| pinned.view).collect(),
            contradictions: logs
                .iter()
                .filter_map(|log| self.proven.get(*log))
                .take(MAX_CONTRADICTIONS)
                .map(|split| SplitView { older: short(&split.older), newer: short(&split.newer), ..split.clone() })
                .collect(),
        }
    }

    /// The newest checkpoint of a log that was seen here.
    pub(super) fn newest(&self, origin: &str) -> Option<&String> {
        self.newest.get(origin)
    }

    /// A newer one, which extends it.
    pub(super) fn see(&mut self, home: &Home, checkpoint: &VerifiedCheckpoint) -> Result<(), HomeError> {
        let text = checkpoint.text();
        if self.newest.get(&checkpoint.origin).is_some_and(|known| known == text) {
            return Ok(());
        }
        self.newest.insert(checkpoint.origin.clone(), text.to_owned());
        files::write_atomic(&path(home, &checkpoint.origin), text.as_bytes())
    }

    pub(super) fn has_agreed(&self, seen: &VerifiedCheckpoint) -> bool {
        self.agreed.iter().any(|(origin, size, root)| (origin, *size, *root) == (&seen.origin, seen.size, seen.root))
    }

    pub(super) fn agrees(&mut self, seen: &VerifiedCheckpoint) {
        if !self.has_agreed(seen) {
            self.agreed.push_back((seen.origin.clone(), seen.size, seen.root));
            self.agreed.drain(..self.agreed.len().saturating_sub(MAX_AGREED));
        }
    }

    /// To be compared when the log answers again.
    pub(super) fn postpone(&mut self, from: &Identifier, text: &str) {
        if self.unsettled.len() < MAX_UNSETTLED && !self.unsettled.iter().any(|(_, known)| known == text) {
            self.unsettled.push((from.clone(), text.to_owned()));
        }
    }

    pub(super) fn proven(&mut self, log: &str, split: &SplitView) {
        if !self.proven.contains_key(log) {
            self.proven.insert(log.to_owned(), split.clone());
            self.revision += 1;
        }
    }

    /// Whether this is to be told: the first time.
    pub(super) fn tell(&mut self, alarm: &Alarm) -> bool {
        if self.told.contains(&alarm.name) {
            return false;
        }
        self.told.push_back(alarm.name.clone());
        self.told.drain(..self.told.len().saturating_sub(MAX_TOLD));
        true
    }
}

fn path(home: &Home, origin: &str) -> std::path::PathBuf {
    home.folder().join("logs").join(hex::encode(Sha256::digest(origin))).join("newest")
}

/// The text, or, where that is too long, its body and the log's own signatures.
fn short(text: &str) -> String {
    if text.len() <= MAX_CHECKPOINT_BYTES {
        return text.to_owned();
    }
    let Ok(note) = UnverifiedCheckpoint::parse(text) else { return String::new() };
    let claimed = note.claimed();
    let own = note.note().signatures().iter().filter(|signature| signature.name == claimed.origin);
    own.fold(format!("{}\n", claimed.to_body()), |text, signature| format!("{text}{signature}\n"))
}
