//! Holding what a peer told against what is shown here.

use std::sync::Arc;

use identity::{Identifier, UnixTime};
use tlog_proof::{LogPolicy, UnverifiedCheckpoint, VerifiedCheckpoint};
use transparency_log::client::{ClientError, HttpSource, LogClient, VerifiedTree};
use transparency_log::monitor::{Here, SplitView, View, hold_seen};

use super::{Alarm, Gossip, PolicyView};
use crate::PinnedPolicy;
use crate::watch::log_source;

/// A version that both know must be the same. Which of the two is wrong no digest shows: the persons have to compare.
pub(super) fn policies(pinned: &[PinnedPolicy], from: &Identifier, told: &[PolicyView]) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for view in told {
        let Some(ours) = pinned.iter().find(|pinned| pinned.pinned == view.genesis) else { continue };
        let Some(expected) = ours.version(view.number).filter(|ours| *ours != view.digest) else { continue };
        alarms.push(Alarm {
            about: ours.policy.name.clone(),
            message: format!(
                "version {} of the trust policy {} has the fingerprint {expected} here and {} at {from}: one of the two was given another",
                view.number, ours.policy.name, view.digest
            ),
            evidence: None,
            name: format!("policy {} {from}", view.genesis),
        });
    }
    alarms
}

/// A log under the policy of now.
struct Log<'a> {
    pinned: &'a PinnedPolicy,
    origin: &'a str,
    policy: LogPolicy,
}

impl Gossip {
    /// Looks at a log: it must extend the newest checkpoint known here, and what peers told.
    pub(super) async fn look(&self, pinned: &PinnedPolicy, origin: &str, told: &[(Identifier, String)]) -> Vec<Alarm> {
        let Ok(policy) = pinned.policy.log_policy_of(origin, UnixTime::now()) else { return Vec::new() };
        let log = Log { pinned, origin, policy };
        let own = self.state().newest(origin).and_then(|text| log.signed(text));
        let mut alarms = Vec::new();
        let mut open = Vec::new();
        for (from, text) in told {
            let Some(seen) = log.signed(text) else { continue };
            match own.as_ref().and_then(|own| SplitView::of_one_size(own, &seen)) {
                // Both checkpoints alone are the proof: the log need not even answer.
                Some(split) => alarms.push(self.prove(pinned, origin, &split, shown_to(from))),
                None if own.as_ref().is_some_and(|own| (own.size, own.root) == (seen.size, seen.root)) => {}
                None if self.state().has_agreed(&seen) => {}
                None => open.push((from, text, seen)),
            }
        }
        if !told.is_empty() && open.is_empty() {
            return alarms;
        }
        match self.hold(&log, own.as_ref(), &open).await {
            Ok(found) => alarms.extend(found),
            Err(error) => {
                tracing::info!(log = origin, %error, "the log cannot be compared now");
                let mut state = self.state();
                open.iter().for_each(|(from, text, _)| state.postpone(from, text));
            }
        }
        alarms
    }

    async fn hold(
        &self,
        log: &Log<'_>,
        own: Option<&VerifiedCheckpoint>,
        told: &[(&Identifier, &String, VerifiedCheckpoint)],
    ) -> Result<Vec<Alarm>, ClientError> {
        let source = match log_source(&log.policy, log.origin) {
            Ok(source) => Arc::new(source),
            Err(reason) => {
                tracing::info!(log = log.origin, reason, "the log is not looked at");
                return Ok(Vec::new());
            }
        };
        let verdict = LogClient::new(Arc::clone(&source), log.policy.clone()).checkpoint().await?;
        let newest = verdict.checkpoint;
        let tree = VerifiedTree::open(Arc::clone(&source), &newest).await?;
        let here = (&source, &tree, &newest);
        let mut alarms = Vec::new();
        match own {
            Some(own) => alarms.extend(self.hold_own(log, here, own).await?),
            None => self.see(&newest),
        }
        for (from, _, seen) in told {
            match hold_seen(here, seen, &log.policy).await? {
                View::Agrees { .. } => self.state().agrees(seen),
                View::Ahead { size } => {
                    alarms.push(log.behind(from.as_str(), format!("{from} has seen {size} entries"), newest.size));
                }
                View::Split(split) => alarms.push(self.prove(log.pinned, log.origin, &split, shown_to(from))),
            }
        }
        Ok(alarms)
    }

    /// What was seen here before.
    async fn hold_own(
        &self,
        log: &Log<'_>,
        here: Here<'_, HttpSource>,
        own: &VerifiedCheckpoint,
    ) -> Result<Option<Alarm>, ClientError> {
        Ok(match hold_seen(here, own, &log.policy).await? {
            View::Agrees { .. } => {
                self.see(here.2);
                None
            }
            View::Ahead { size } => {
                Some(log.behind("", format!("it was seen with {size} entries before"), here.2.size))
            }
            View::Split(split) => {
                let how = "it shows this device another one than before".to_owned();
                Some(self.prove(log.pinned, log.origin, &split, how))
            }
        })
    }

    fn see(&self, newest: &VerifiedCheckpoint) {
        if let Err(error) = self.state().see(&self.home, newest) {
            tracing::warn!(%error, "the newest checkpoint is not kept");
        }
    }
}

impl Log<'_> {
    /// The checkpoint, if the log has signed it. Who cosigned it does not matter: what contradicts does so without.
    fn signed(&self, text: &str) -> Option<VerifiedCheckpoint> {
        let signed = self.policy.check_log(&UnverifiedCheckpoint::parse(text).ok()?).ok()?;
        (signed.origin == self.origin).then_some(signed)
    }

    /// `by` has seen more; nobody else than this device, if it is empty.
    fn behind(&self, by: &str, seen: String, shown: u64) -> Alarm {
        let origin = self.origin;
        let message = format!(
            "{origin} shows this device {shown} entries, but {seen}: an old state is being shown, or the log was cut off"
        );
        Alarm { about: origin.to_owned(), message, evidence: None, name: format!("behind {origin} {by}") }
    }
}

fn shown_to(from: &Identifier) -> String {
    format!("one was shown to {from}, another one to this device")
}
