//! `certtool audit --source`: what others show of the log, held against what it shows here.

use std::path::PathBuf;
use std::sync::Arc;

use device::evidence;
use device::watch::open_source;
use identity::trust::TrustPolicy;
use serde::Serialize;
use tlog_proof::{CheckpointError, LogPolicy, PolicyError, UnverifiedCheckpoint, VerifiedCheckpoint};
use transparency_log::client::{ClientError, HttpSource, VerifiedTree};
use transparency_log::monitor::{AuditReport, View, hold_against};

use crate::clock;
use crate::context::Context;
use crate::output::Page;
use crate::text;

/// The log that was audited, and under which policy.
pub(super) struct Scene<'a> {
    pub(super) context: &'a Context,
    pub(super) policy: &'a TrustPolicy,
    pub(super) log_policy: &'a LogPolicy,
    pub(super) source: &'a Arc<HttpSource>,
}

/// What somebody else shows of the log.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    source: String,
    /// The size of the tree that it shows, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The file that proves it to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Agrees,
    /// The log shows less here than there.
    Behind,
    SplitView,
    Silent,
}

/// Asks every source in turn.
///
/// # Errors
/// The log itself cannot be read any more.
pub(super) async fn compare(
    scene: &Scene<'_>,
    report: &AuditReport,
    urls: &[String],
) -> Result<Vec<Compared>, ClientError> {
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    let newest = scene.log_policy.check_log(&UnverifiedCheckpoint::parse(&report.checkpoint)?)?;
    let tree = VerifiedTree::open(Arc::clone(scene.source), &newest).await?;
    let mut compared = Vec::new();
    for url in urls {
        compared.extend(one(scene, &tree, &newest, url).await?);
    }
    Ok(compared)
}

/// Nothing where the source shows another of the logs that are audited.
async fn one(
    scene: &Scene<'_>,
    tree: &VerifiedTree<HttpSource>,
    newest: &VerifiedCheckpoint,
    url: &str,
) -> Result<Option<Compared>, ClientError> {
    let mut compared =
        Compared { source: url.to_owned(), size: None, verdict: Verdict::Silent, reason: None, evidence: None };
    let (other, seen) = match open_source(url).of_log(scene.log_policy, &newest.origin).await {
        Ok((other, seen)) => (Arc::new(other), seen),
        Err(
            ClientError::Checkpoint(CheckpointError::WrongOrigin { .. })
            | ClientError::Policy(PolicyError::UnknownLog { .. }),
        ) => return Ok(None),
        Err(error) => {
            compared.reason = Some(error.to_string());
            return Ok(Some(compared));
        }
    };
    compared.size = Some(seen.size);
    match hold_against((scene.source, tree, newest), (&other, &seen), scene.log_policy).await? {
        View::Agrees { .. } => compared.verdict = Verdict::Agrees,
        View::Ahead { .. } => compared.verdict = Verdict::Behind,
        View::Split(split) => {
            compared.verdict = Verdict::SplitView;
            match evidence::keep(&scene.context.home, scene.policy, evidence::claim(&split), clock::now()) {
                Ok(path) => compared.evidence = Some(path),
                Err(error) => compared.reason = Some(format!("no evidence could be written: {error}")),
            }
        }
    }
    Ok(Some(compared))
}

impl Compared {
    /// Who was asked.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it shows that the log does not keep its promise.
    pub(super) fn is_fault(&self) -> bool {
        matches!(self.verdict, Verdict::Behind | Verdict::SplitView)
    }

    /// Whether nothing that the log has signed came from there.
    pub(super) fn is_silent(&self) -> bool {
        self.verdict == Verdict::Silent
    }

    pub(super) fn page(&self, page: &mut Page) {
        let (url, size) = (&self.source, text::count(self.size.unwrap_or_default(), "entry", "entries"));
        let reason = self.reason.as_deref().unwrap_or_default();
        match self.verdict {
            Verdict::Agrees => page.field("also shown by", format!("{url}, the same up to {size}")),
            Verdict::Silent => page.warning(&format!("  {url} shows nothing of this log: {reason}")),
            Verdict::Behind => page.bad(&format!("{url} has a checkpoint of {size}: the log hides some of them here.")),
            Verdict::SplitView => {
                page.bad(&format!("{url} shows another history of this log: it has signed two, and one is a lie."));
                match &self.evidence {
                    Some(path) => page.field(
                        "evidence",
                        format!("{} (certtool verify --evidence shows what it proves)", path.display()),
                    ),
                    None => page.warning(&format!("  {reason}")),
                }
            }
        }
    }
}
