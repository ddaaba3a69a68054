//! One round with one log.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Cosigned, LogPolicy, UnverifiedCheckpoint};
use tokio::io::AsyncWriteExt as _;
use transparency_log::client::{HttpSource, LogClient, VerifiedTree};
use transparency_log::monitor::{Budget, Duplicate, Followed, SplitView, View, compare, follow, hold_against, look};
use transparency_log::page::{ago, utc};
use transparency_log::system_clock;

use super::finding::{Fault, Kind, sort};
use super::progress::Progress;
use super::{Watched, evidence};
use crate::settings::{MonitorSettings, Read};

/// How long the alarm's command may run.
const ALARM: Duration = Duration::from_secs(30);

/// What one round has found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The log.
    pub log: String,
    /// When the round ended, in seconds since the epoch.
    pub at: u64,
    /// The size of the newest checkpoint, if it was audited whole.
    pub size: Option<u64>,
    /// Entries looked at in this round.
    pub checked: u64,
    /// Objects fetched in this round that are what their entries say.
    pub objects: u64,
    /// What is wrong with the log.
    pub faults: Vec<Fault>,
    /// Why the round was not finished, if it is not the log's fault.
    pub blind: Option<String>,
    /// When each witness cosigned the newest checkpoint.
    pub cosigned: BTreeMap<String, u64>,
    /// What the other sources show.
    pub sources: Vec<Other>,
    /// Those of the faults that the book keeps until they were told.
    #[serde(skip)]
    pub(super) duplicates: Vec<Duplicate>,
}

/// What another source shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// The size it shows, if it answered.
    pub size: Option<u64>,
    /// In words.
    pub account: String,
}

/// SHA-256 in hex: names folders and files by texts of any shape.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

pub(super) async fn round(
    log: &mut Watched,
    policy: &LogPolicy,
    settings: &MonitorSettings,
    read: &Read<MonitorSettings>,
    mut bar: Progress,
) -> Report {
    let mut report = Report { log: log.origin.clone(), ..Report::default() };
    let start = log.book.cursor().map_or(0, transparency_log::monitor::Cursor::size);
    let older = log.book.checkpoint().ok().flatten();
    let source = Arc::new(log.source.clone());
    let followed = follow(Arc::clone(&source), policy, &mut log.book, |at| bar.advance(at)).await;
    drop(bar);
    report.at = system_clock()();
    report.checked = log.book.cursor().map_or(0, transparency_log::monitor::Cursor::size).saturating_sub(start);
    // Those of earlier rounds, too, that ended before anybody was told.
    match log.book.untold() {
        Ok(untold) => report.duplicates = untold,
        Err(error) => report.blind = Some(error.to_string()),
    }
    for found in &report.duplicates {
        let account =
            format!("entries {} and {} have the label {}", found.first, found.second, hex::encode(found.label));
        report.faults.push(Fault::new(Kind::Duplicate, account));
    }
    let keep = Keeper { read, settings, policy, origin: &log.origin, at: report.at };
    match followed {
        Ok(followed) => {
            report.size = Some(followed.verdict.checkpoint.size);
            report.cosigned = followed.verdict.cosigned.iter().map(|by| (by.name.clone(), by.time)).collect();
            report.faults.extend(stale(&followed.verdict.cosigned, settings.max_age_seconds.get().into(), report.at));
            objects(log, &source, &followed, &mut report).await;
            others(log, policy, &source, &followed, &keep, &mut report).await;
        }
        Err(error) => match sort(&error) {
            Ok(mut fault) => {
                if matches!(fault.kind, Kind::Rewritten | Kind::Truncated)
                    && let Some(split) = rewritten(older.as_deref(), &source, policy).await
                {
                    fault = keep.fault(&split, None);
                }
                report.faults.push(fault);
            }
            Err(reason) => report.blind = Some(reason),
        },
    }
    report
}

/// A checkpoint whose newest cosignature is old says nothing about now.
fn stale(cosigned: &[Cosigned], max_age_seconds: u64, now: u64) -> Option<Fault> {
    let newest = cosigned.iter().map(|by| by.time).max()?;
    let too_old = now.saturating_sub(newest) > max_age_seconds;
    too_old.then(|| {
        Fault::new(Kind::Stale, format!("the newest cosignature is of {} ({})", utc(newest), ago(newest, now)))
    })
}

/// Holds the objects that entries name against them.
async fn objects(log: &Watched, source: &HttpSource, followed: &Followed<HttpSource>, report: &mut Report) {
    let known = match log.book.objects() {
        Ok(known) => known,
        Err(error) => return report.blind = Some(error.to_string()),
    };
    match look(source, &followed.tree, known, &followed.objects, Budget::default()).await {
        Ok(looked) => {
            report.objects = looked.good;
            for fault in &looked.faults {
                let kind = if fault.is_withheld() { Kind::Withheld } else { Kind::Mismatch };
                report.faults.push(Fault::new(kind, fault));
            }
            if looked.silent.is_some() {
                report.blind = looked.silent;
            }
            if let Err(error) = log.book.keep_objects(&looked.cursor) {
                report.blind = Some(error.to_string());
            }
        }
        Err(error) => match sort(&error.into()) {
            Ok(fault) => report.faults.push(fault),
            Err(reason) => report.blind = Some(reason),
        },
    }
}

/// Holds what other sources show against the log.
async fn others(
    log: &Watched,
    policy: &LogPolicy,
    source: &Arc<HttpSource>,
    followed: &Followed<HttpSource>,
    keep: &Keeper<'_>,
    report: &mut Report,
) {
    let newest = &followed.verdict.checkpoint;
    for (name, other) in &log.others {
        let (other, seen) = match other.of_log(policy, &log.origin).await {
            Ok(found) => found,
            Err(error) => {
                let account = error.to_string();
                report.sources.push(Other { name: name.clone(), size: None, account });
                continue;
            }
        };
        let (mine, theirs) = ((source, &*followed.tree, newest), (&Arc::new(other), &seen));
        let account = match hold_against(mine, theirs, policy).await {
            Ok(View::Agrees { size }) => format!("agrees up to {size} entries"),
            Ok(View::Ahead { size }) => {
                let account = format!("{name} has a checkpoint of {size} entries, the log shows {}", newest.size);
                report.faults.push(Fault::new(Kind::Stale, &account));
                account
            }
            Ok(View::Split(split)) => {
                report.faults.push(keep.fault(&split, Some(name)));
                "shows another history".to_owned()
            }
            Err(error) => error.to_string(),
        };
        report.sources.push(Other { name: name.clone(), size: Some(seen.size), account });
    }
}

/// The proof that the log's newest tree contradicts the checkpoint of an earlier round, if it does.
async fn rewritten(older: Option<&str>, source: &Arc<HttpSource>, policy: &LogPolicy) -> Option<SplitView> {
    let older = policy.check_log(&UnverifiedCheckpoint::parse(older?).ok()?).ok()?;
    let client = LogClient::new(Arc::clone(source), policy.clone());
    let newer = client.checkpoint().await.ok()?.checkpoint;
    if newer.size < older.size {
        return None;
    }
    let tree = VerifiedTree::open(Arc::clone(source), &newer).await.ok()?;
    match compare(&tree, &newer, &older).await.ok()? {
        View::Split(split) => Some(*split),
        _ => None,
    }
}

/// Where evidence goes.
struct Keeper<'a> {
    read: &'a Read<MonitorSettings>,
    settings: &'a MonitorSettings,
    policy: &'a LogPolicy,
    origin: &'a str,
    at: u64,
}

impl Keeper<'_> {
    fn fault(&self, split: &SplitView, source: Option<&str>) -> Fault {
        let mut fault = Fault::new(Kind::SplitView, format!("{} has signed two histories", self.origin));
        let folder = self.read.resolve(&self.settings.folder).join("evidence");
        let trust = self.settings.trust_document(self.read).ok().flatten();
        match evidence::keep(&folder, split, source, self.policy, trust.as_deref(), self.at) {
            Ok(path) => fault.evidence = Some(path),
            Err(error) => tracing::error!(%error, "no evidence could be written"),
        }
        fault
    }
}

impl Report {
    /// One word for metrics.
    pub(super) fn result(&self) -> &'static str {
        match (self.faults.is_empty(), &self.blind) {
            (false, _) => "fault",
            (true, Some(_)) => "blind",
            (true, None) => "clean",
        }
    }

    /// Tells the round: a line of JSON for programs, messages for people.
    pub(super) fn tell(&self, json: bool) {
        crate::running::announce_line(self, json);
        let log = &self.log;
        for fault in &self.faults {
            let (kind, evidence) = (fault.kind.name(), fault.evidence.as_ref().map(|path| path.display().to_string()));
            tracing::error!(%log, kind, evidence, "{}", fault.account);
        }
        for source in self.sources.iter().filter(|source| source.size.is_none()) {
            tracing::warn!(%log, source = source.name, "does not answer: {}", source.account);
        }
        match &self.blind {
            Some(reason) => tracing::warn!(%log, "blind: {reason}"),
            None if self.faults.is_empty() => tracing::info!(%log, size = self.size, checked = self.checked, "clean"),
            None => {}
        }
    }
}

/// Runs the alarm's command with the report on its standard input, if something is wrong. Says whether nobody remains
/// to be told.
pub(super) async fn alarm(command: Option<&[String]>, report: &Report) -> bool {
    let Some((program, arguments)) = command.and_then(<[_]>::split_first).filter(|_| !report.faults.is_empty()) else {
        return true;
    };
    let text = serde_json::to_vec(report).expect("strings and numbers can be written as JSON");
    let work = async {
        let mut child =
            tokio::process::Command::new(program).args(arguments).stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A command that does not read is none the worse for it.
            let _ = input.write_all(&text).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(ALARM, work).await {
        Ok(Ok(status)) if status.success() => return true,
        Ok(Ok(status)) => tracing::error!(program, %status, "the alarm's command failed"),
        Ok(Err(error)) => tracing::error!(program, %error, "the alarm's command could not be run"),
        Err(_elapsed) => tracing::error!(program, "the alarm's command took longer than 30 seconds and was ended"),
    }
    false
}
