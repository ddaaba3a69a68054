//! `certtool audit`: an authority's whole log, checked to the last hash.

mod report;
mod sources;

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use device::evidence;
use device::logbook::{FollowError, From, Logbook};
use device::watch::{check_freshness, log_source};
use identity::trust::{Shard, TrustPolicy};
use tlog_proof::LogPolicy;
use transparency_log::client::{ClientError, HttpSource};
use transparency_log::monitor::{AuditError, Budget};

use self::report::{Audited, stale};
use self::sources::Scene;
use crate::clock;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::progress;

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
