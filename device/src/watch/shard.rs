//! The watch of one log: an authority has several, one after the other, and certificates in any of the last ones may still
//! be valid.

use std::path::PathBuf;
use std::sync::Arc;

use identity::trust::{Shard, TrustPolicy};
use identity::{Identifier, UnixTime};
use transparency_log::monitor::{AuditReport, Progress};

use super::labels::{self, Span};
use super::opened::{self, OpenedCertificate};
use super::state::State;
use super::{Alarm, Blindness, Owner, WatchError, accuse, freshness, log_source, mirror_source, scan};
use crate::acme::AcmeClient;
use crate::acme::messages::{WatchAnswer, WatchAnswers};
use crate::logbook::{From, Logbook};
use crate::{Home, HomeError};

/// A log whose labels were proven.
pub(super) struct Look<'a> {
    shard: &'a Shard,
    span: Span,
    answer: WatchAnswer,
    state: State,
}

/// What is the same for all logs of a watch.
pub(super) struct Place<'a> {
    pub(super) home: &'a Home,
    pub(super) owner: &'a Owner,
    pub(super) policy: &'a TrustPolicy,
    pub(super) authority: &'a str,
    pub(super) mirror: Option<&'a str>,
    pub(super) now: UnixTime,
}

/// What one log shows.
pub(super) struct Saw {
    pub(super) audit: AuditReport,
    pub(super) certificates: Vec<OpenedCertificate>,
    pub(super) alarms: Vec<Alarm>,
    pub(super) evidence: Vec<PathBuf>,
    pub(super) stale: Option<Blindness>,
}

impl<'a> Look<'a> {
    /// Verifies the proofs of the labels in this log, and remembers them.
    pub(super) fn begin(
        home: &Home,
        identifier: &Identifier,
        shard: &'a Shard,
        span: Span,
        answers: &WatchAnswers,
    ) -> Result<Result<Self, Blindness>, HomeError> {
        let answer = match answer_of(answers, shard) {
            Ok(answer) => answer,
            Err(blind) => return Ok(Err(blind)),
        };
        let labels = match labels::verify(&shard.vrf_key, identifier, &answer, span) {
            Ok(labels) => labels,
            Err(blind) => return Ok(Err(blind)),
        };
        let state = State::remember(home, identifier, &shard.origin, &labels)?;
        Ok(Ok(Self { shard, span, answer, state }))
    }

    /// Follows the log, searches it, and judges what is found.
    pub(super) async fn look(
        mut self,
        place: &Place<'_>,
        client: &mut AcmeClient,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Saw, WatchError> {
        let Place { home, owner, policy, authority, mirror, now } = *place;
        let (identifier, origin) = (owner.identifier(), &self.shard.origin);
        let incomplete = |reason: String| WatchError::Policy { authority: authority.to_owned(), reason };
        let log_policy = policy.log_policy_of(origin, self.shard.window.judged_at(now));
        let log_policy = log_policy.map_err(|error| incomplete(error.to_string()))?;
        let source = match mirror {
            Some(mirror) => mirror_source(mirror, origin),
            None => log_source(&log_policy, origin).map_err(incomplete)?,
        };
        let source = Arc::new(source);
        let book = Logbook::open(home, origin);
        let audit = book.follow(&source, &log_policy, From::Cursor, progress).await?;
        let found = scan::find(&book, &source, &log_policy, &audit.cursor, &self.state, owner.own()).await?;
        if found.newer_than(&self.answer, &self.state) {
            // Somebody, perhaps another device of hers, enrolled between the two looks: ask once more before the alarm.
            let answers = client.watch(identifier.as_str()).await.map_err(WatchError::Acme)?;
            if let Ok(newer) = answer_of(&answers, self.shard) {
                self.answer = newer;
            }
        }
        let opened::Judged { certificates, alarms, new } = opened::judge(identifier, &found, &self.answer, &self.state);
        State::settle(home, identifier, origin, &new)?;
        // What ended long ago is of no interest, as long as it is known.
        let certificates =
            certificates.into_iter().filter(|(hit, _)| self.span.covers(hit.period)).map(|(_, one)| one).collect();
        let stale = freshness::check(&log_policy, &audit.cosigned_by, &self.shard.window, now).err();
        let (source, found, answer, log_policy) = (&source, &found, &self.answer, &log_policy);
        let evidence =
            accuse::Scene { home, owner, policy, log_policy, source, found, answer, now }.keep(&alarms).await;
        Ok(Saw { audit, certificates, alarms, evidence, stale })
    }
}

fn answer_of(answers: &WatchAnswers, shard: &Shard) -> Result<WatchAnswer, Blindness> {
    let own = answers.logs.iter().find(|answer| answer.origin == shard.origin);
    own.cloned().ok_or_else(|| {
        let found: Vec<_> = answers.logs.iter().map(|answer| answer.origin.as_str()).collect();
        Blindness::OtherLog { expected: shard.origin.clone(), found: found.join(", ") }
    })
}
