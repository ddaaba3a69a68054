//! `certtool audit`: an authority's whole log, checked to the last hash.

mod sources;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use device::evidence;
use device::logbook::{FollowError, From, Logbook};
use device::watch::{Blindness, check_freshness, log_source};
use identity::UnixTime;
use identity::trust::{Shard, TrustPolicy};
use serde::Serialize;
use tlog_proof::LogPolicy;
use transparency_log::client::{ClientError, HttpSource};
use transparency_log::monitor::{AuditError, AuditReport, Budget, Looked};

use self::sources::{Compared, Scene};
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};
use crate::{progress, text};

/// No more files of evidence than this are written at once.
const MAX_FILES: usize = 16;

/// Check an authority's whole log.
///
/// Downloads what was added since the last audit, recomputes the root from every entry, checks the log's signature, the
/// witnesses' cosignatures and that nothing seen before was changed. Goes on where the last audit stopped. Exit code 3:
/// the log does not keep its promise, or what it shows is older than an hour, so that it could hide what came since.
///
/// A log can show you one history and others another. With --source it is held against what somebody else shows of it:
/// a mirror, a witness, a copy. Where the two contradict each other, the proof is written to a file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  certtool audit\n  certtool audit --from-start --json\n  \
    certtool audit --source https://chat.example.net:8443/witness --source https://mirror.example.com")]
pub(crate) struct Audit {
    /// Only this authority's log
    #[arg(long, value_name = "NAME")]
    authority: Option<String>,
    /// Check every entry again from the first
    #[arg(long)]
    from_start: bool,
    /// Who else shows the log: a mirror, a witness, or the address below which its checkpoint lies; may be given several
    /// times
    #[arg(long = "source", value_name = "URL")]
    sources: Vec<String>,
}

impl Audit {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policies = context.home.trust_policies()?;
        if policies.is_empty() {
            return Err(device::enrolment::ChooseError::NoPolicy.into());
        }
        let wanted = |name: &str| self.authority.as_deref().is_none_or(|authority| authority == name);
        let logs: Vec<_> = policies
            .iter()
            .flat_map(|policy| policy.authorities.iter().map(move |authority| (policy, authority)))
            .filter(|(_, authority)| wanted(&authority.name))
            .collect();
        if logs.is_empty() {
            return Err(Failure::failed("no pinned authority of that name", "certtool trust list shows them."));
        }
        let mut exit = Exit::Ok;
        let mut unused: Vec<&String> = self.sources.iter().collect();
        for (policy, authority) in logs {
            let shards = policy.shards(authority).map_err(|error| incomplete(&authority.name, &error.to_string()))?;
            for shard in shards.iter().filter(|shard| shard.window.has_begun(clock::now())) {
                let audited = self.audit(context, policy, &authority.name, shard).await?;
                exit = worse(exit, audited.exit());
                unused.retain(|url| !audited.sources.iter().any(|compared| compared.source() == *url));
                context.output.report(&audited);
            }
        }
        match unused.first() {
            Some(url) if exit == Exit::Ok => Err(Failure::failed(
                format!("{url} shows another log than those that were audited"),
                "Give the address of a mirror or witness of this log, or the one below which its checkpoint lies.",
            )),
            _ => Ok(exit),
        }
    }

    async fn audit(
        &self,
        context: &Context,
        policy: &TrustPolicy,
        authority: &str,
        shard: &Shard,
    ) -> Result<Audited, Failure> {
        let (origin, now) = (&shard.origin, clock::now());
        // A log that is closed is judged as it was at its end.
        let log_policy = policy.log_policy_of(origin, shard.window.judged_at(now));
        let log_policy = log_policy.map_err(|error| incomplete(authority, &error.to_string()))?;
        let source = log_source(&log_policy, origin).map_err(|reason| incomplete(authority, &reason))?;
        let source = Arc::new(source);
        let book = Logbook::open(&context.home, origin);
        let from = if self.from_start { From::Start } else { From::Cursor };
        let bar = progress::audit_bar(&context.output);
        let started = Instant::now();
        let report = book.follow(&source, &log_policy, from, |progress| progress::advance(&bar, &progress)).await;
        bar.finish_and_clear();
        let report = match report {
            Ok(report) => report,
            Err(error) => return Err(accuse(context, policy, &book, &source, &log_policy, error).await),
        };
        let mut audited = Audited::new(authority, policy, &report, started.elapsed());
        let told = |error: ClientError| Failure::from(FollowError::from(AuditError::from(error)));
        let looked = book.look_at_objects(&source, &log_policy, &report, from, Budget::default()).await?;
        audited.take(looked);
        let scene = Scene { context, policy, log_policy: &log_policy, source: &source };
        audited.sources = sources::compare(&scene, &report, &self.sources).await.map_err(told)?;
        audited.stale = check_freshness(&log_policy, &report.cosigned_by, &shard.window, now).err().map(|b| stale(&b));
        for duplicate in report.duplicates.iter().take(MAX_FILES) {
            let claim = evidence::duplicate(duplicate, &source, &log_policy).await;
            match claim.and_then(|claim| evidence::keep(&context.home, policy, claim, clock::now())) {
                Ok(path) => audited.evidence.push(path.display().to_string()),
                Err(error) => context.output.step(&format!("No evidence could be written: {error}")),
            }
        }
        Ok(audited)
    }
}

/// A broken promise outweighs a source that was silent.
fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Refused || other == Exit::Ok { one } else { other }
}

fn incomplete(authority: &str, reason: &str) -> Failure {
    Failure::failed(format!("the trust policy of {authority} is not complete: {reason}"), "Ask its operator.")
}

/// What an old checkpoint may mean.
fn stale(blindness: &Blindness) -> String {
    let (cosigned, now) = match blindness {
        Blindness::Stale { cosigned, now } => (cosigned.as_secs(), now.as_secs()),
        other => return other.to_string(),
    };
    if cosigned > now {
        return format!(
            "the newest checkpoint is dated {} ahead of this clock: one of the two clocks is wrong",
            text::span(cosigned - now)
        );
    }
    let age = text::span(now - cosigned);
    format!("the newest checkpoint is {age} old: the log stands still or an old one is being shown")
}

/// The failure, with the file that proves it to others where there is something to prove.
async fn accuse(
    context: &Context,
    policy: &TrustPolicy,
    book: &Logbook,
    source: &Arc<HttpSource>,
    log_policy: &LogPolicy,
    error: FollowError,
) -> Failure {
    let rewritten = matches!(error, FollowError::Audit(AuditError::Rewritten { .. }));
    let mut failure = Failure::from(error);
    let Some(older) = book.checkpoint().ok().flatten().filter(|_| rewritten) else { return failure };
    let kept = match evidence::split_view(&older, source, log_policy).await {
        Ok(Some(claim)) => evidence::keep(&context.home, policy, claim, clock::now()),
        Ok(None) => return failure,
        Err(error) => Err(error),
    };
    match kept {
        Ok(path) => {
            let path = path.display();
            failure.remedy = format!(
                "{path} proves it to others: certtool verify --evidence {path}. Show it to those who use the log; do not enrol there until it is explained."
            );
        }
        Err(error) => context.output.step(&format!("No evidence could be written: {error}")),
    }
    failure
}

#[derive(Debug, Serialize)]
pub(crate) struct Audited {
    authority: String,
    log: String,
    size: u64,
    root: String,
    /// Entries checked now.
    checked: u64,
    entries_per_second: f64,
    kinds: BTreeMap<&'static str, u64>,
    cosigned_by: Vec<Witnessed>,
    witnessed_only_by_operator: bool,
    duplicates: Vec<String>,
    /// Objects fetched now that are what their entries say.
    objects: u64,
    /// Objects that entries name, and that are missing or altered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects_missing: Vec<String>,
    /// Entries whose objects the next audit looks at.
    #[serde(skip_serializing_if = "is_zero")]
    objects_left: u64,
    /// Why the log could not be asked for an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects_silent: Option<String>,
    /// Why the newest checkpoint says nothing about now, if it is older than an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<String>,
    /// What others show of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<Compared>,
    /// Files that prove it to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
    #[serde(skip)]
    took: Duration,
}

/// One witness's cosignature on the newest checkpoint.
#[derive(Debug, Serialize)]
struct Witnessed {
    name: String,
    at: String,
    by_operator: bool,
    #[serde(skip)]
    when: UnixTime,
}

impl Audited {
    fn new(authority: &str, policy: &TrustPolicy, report: &AuditReport, took: Duration) -> Self {
        let cosigned_by: Vec<_> = report
            .cosigned_by
            .iter()
            .map(|cosigned| {
                let when = UnixTime::since_unix_epoch(Duration::from_secs(cosigned.time));
                let by_operator = policy.operator_witnesses.contains(&cosigned.name);
                Witnessed { name: cosigned.name.clone(), at: text::rfc3339(when), by_operator, when }
            })
            .collect();
        let checked = report.size.saturating_sub(report.start);
        Self {
            authority: authority.to_owned(),
            log: report.origin.clone(),
            size: report.size,
            root: report.root.to_string(),
            checked,
            entries_per_second: checked as f64 / took.as_secs_f64().max(1e-6),
            kinds: kinds(report),
            witnessed_only_by_operator: cosigned_by.iter().all(|witness| witness.by_operator),
            cosigned_by,
            duplicates: report
                .duplicates
                .iter()
                .map(|duplicate| format!("entries {} and {}", duplicate.first, duplicate.second))
                .collect(),
            objects: 0,
            objects_missing: Vec::new(),
            objects_left: 0,
            objects_silent: None,
            stale: None,
            sources: Vec::new(),
            evidence: Vec::new(),
            took,
        }
    }

    fn take(&mut self, looked: Looked) {
        self.objects = looked.good;
        self.objects_missing = looked.faults.iter().map(ToString::to_string).collect();
        self.objects_left = looked.left;
        self.objects_silent = looked.silent;
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Audited {
    /// A log that shows an old state of itself may have broken its promise since. A source that does not answer leaves
    /// a question open, which is not the same as a clean answer.
    fn exit(&self) -> Exit {
        if !self.keeps_its_promise() {
            Exit::Refused
        } else if self.objects_silent.is_some() || self.sources.iter().any(Compared::is_silent) {
            Exit::Unreachable
        } else {
            Exit::Ok
        }
    }

    fn keeps_its_promise(&self) -> bool {
        self.duplicates.is_empty()
            && self.objects_missing.is_empty()
            && self.stale.is_none()
            && !self.sources.iter().any(Compared::is_fault)
    }
}

/// The entries checked now, by kind.
fn kinds(report: &AuditReport) -> BTreeMap<&'static str, u64> {
    let counts = &report.counts;
    BTreeMap::from([
        ("certificates", counts.certificates),
        ("services", counts.services),
        ("signatures", counts.signatures),
        ("objects", counts.objects),
    ])
}

impl Report for Audited {
    fn page(&self, page: &mut Page) {
        page.heading(&format!("{} (log {})", self.authority, self.log));
        page.field("size", text::count(self.size, "entry", "entries"));
        page.field("root", &self.root);
        let millis = self.took.as_millis();
        page.field(
            "checked now",
            format!(
                "{} in {millis} ms ({:.0}/s)",
                text::count(self.checked, "entry", "entries"),
                self.entries_per_second
            ),
        );
        let kinds = self.kinds.iter().filter(|(_, count)| **count > 0);
        let kinds: Vec<_> = kinds.map(|(kind, &count)| text::count(count, kind.trim_end_matches('s'), kind)).collect();
        if !kinds.is_empty() {
            page.field("", kinds.join(", "));
        }
        if self.objects > 0 {
            page.field("fetched", format!("{} that entries name", text::count(self.objects, "object", "objects")));
        }
        if self.objects_left > 0 && self.objects_silent.is_none() && self.objects_missing.is_empty() {
            let left = text::count(self.objects_left, "entry", "entries");
            page.field("", format!("those that the last {left} may name are left for the next audit"));
        }
        for witness in &self.cosigned_by {
            page.field("cosigned by", format!("{}, {}", witness.name, text::relative(witness.when, clock::now())));
        }
        if self.witnessed_only_by_operator {
            page.warning("  witnessed only by the CA's operator");
        }
        if let Some(stale) = &self.stale {
            page.bad(&format!("What was checked is right, but {stale}."));
        }
        for missing in &self.objects_missing {
            page.bad(&format!("What the log names it must serve: {missing}."));
        }
        if let Some(reason) = &self.objects_silent {
            page.warning(&format!("  An object could not be asked for: {reason}"));
        }
        for source in &self.sources {
            source.page(page);
        }
        if self.keeps_its_promise() {
            page.good("The log keeps its promise: same history, right root, signed and cosigned.");
        }
        for duplicate in &self.duplicates {
            page.bad(&format!(
                "One label stands twice in the log, at {duplicate}: an honest authority never does that."
            ));
        }
        for path in &self.evidence {
            page.field("evidence", format!("{path} (certtool verify --evidence shows what it proves)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn audited() -> Audited {
        Audited {
            authority: "Example".into(),
            log: "log.example.org/2026".into(),
            size: 0,
            root: String::new(),
            checked: 0,
            entries_per_second: 0.0,
            kinds: BTreeMap::new(),
            cosigned_by: Vec::new(),
            witnessed_only_by_operator: false,
            duplicates: Vec::new(),
            objects: 0,
            objects_missing: Vec::new(),
            objects_left: 0,
            objects_silent: None,
            stale: None,
            sources: Vec::new(),
            evidence: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_log_that_withholds_an_object_does_not_keep_its_promise_and_one_that_is_silent_may() {
        let missing = Audited { objects_missing: vec!["object/00 is withheld".into()], ..audited() };
        assert!(Page::of(&missing).contains("object/00 is withheld"));
        assert_eq!(missing.exit(), Exit::Refused);
        let silent = Audited { objects_silent: Some("no route".into()), objects_left: 3, ..audited() };
        assert!(Page::of(&silent).contains("could not be asked for: no route"));
        assert_eq!(silent.exit(), Exit::Unreachable);
    }

    #[test]
    fn a_log_that_shows_an_old_checkpoint_does_not_keep_its_promise() {
        assert!(Page::of(&audited()).contains("keeps its promise"));
        let stale = stale(&Blindness::Stale { cosigned: at(10_000), now: at(10_000 + 3 * 3_600) });
        let old = Audited { stale: Some(stale), ..audited() };
        let text = Page::of(&old);
        let expected = "the newest checkpoint is 3 hours old: the log stands still or an old one is being shown";
        assert!(text.contains(expected) && !text.contains("keeps its promise"), "{text}");
        assert!(serde_json::to_value(&old).unwrap()["stale"].as_str().unwrap().contains("3 hours old"));
        assert_eq!(old.exit(), Exit::Refused);
    }
}
