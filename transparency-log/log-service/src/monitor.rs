//! A monitor as a process: follows logs for months without anybody watching, and raises its voice when one breaks its
//! promise.
//!
//! Each round follows every log from its durable cursor to its newest checkpoint, and holds what other sources show
//! against it. What is found wrong is written down as evidence where it can be proven to others, counted, and told to
//! a command. A log that cannot be reached makes the monitor *blind*, never clean.

mod evidence;
mod finding;
mod metrics;
mod progress;
mod round;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transparency_log::client::{HttpSource, self_proving_http};
use transparency_log::monitor::{Book, OtherSource};

use crate::error::Failure;
use crate::running::{announce_line, bind};
use crate::serving::serve;
use crate::settings::{MonitorSettings, Read};

pub use evidence::{Judged, judge, judge_bytes};
pub use finding::{Fault, Kind};
pub use round::Report;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every log kept its promise in every round, and the last one was finished.
    Clean,
    /// The last round of some log could not be finished.
    Blind,
    /// Some log has broken its promise.
    Fault,
}

/// One log that is watched.
struct Watched {
    origin: String,
    source: HttpSource,
    others: Vec<(String, OtherSource)>,
    book: Book,
}

/// Runs rounds until `stop` is cancelled; a single one with `once`.
///
/// # Errors
/// It cannot start: settings, folder or port.
pub async fn run(path: &Path, json: bool, once: bool, stop: CancellationToken) -> Result<Ending, Failure> {
    let read = Read::<MonitorSettings>::open(path)?;
    let settings = &read.settings;
    let policy = settings.policy(&read)?;
    let mut watched = open(&read, &policy)?;
    let metrics = Arc::new(metrics::Metrics::default());
    if let Some(port) = &settings.metrics {
        let bound = bind(&read, port, None).await?;
        tracing::info!(url = format!("{}/metrics", bound.url), "metrics are served");
        announce_line(&serde_json::json!({ "ready": true, "metrics": format!("{}/metrics", bound.url) }), json);
        tokio::spawn(serve(bound.listener, bound.serving, metrics::router(Arc::clone(&metrics)), stop.clone()));
    }
    let mut endings = BTreeMap::new();
    let mut faults = false;
    loop {
        for log in &mut watched {
            let bar = progress::Progress::new(&log.origin, json);
            let work = round::round(log, &policy, settings, &read, bar);
            let report = tokio::select! {
                report = work => report,
                // Nothing is lost: the next start goes on after the last portion.
                () = stop.cancelled() => return Ok(ending(faults, &endings)),
            };
            report.tell(json);
            metrics.take(&report);
            faults |= !report.faults.is_empty();
            // Only what was told is forgotten: after a failed alarm, or a crash until here, it is told again.
            if round::alarm(settings.alarm_command.as_deref(), &report).await
                && let Err(error) = log.book.told(&report.duplicates)
            {
                tracing::error!(log = log.origin, %error, "duplicates will be told again");
            }
            endings.insert(log.origin.clone(), report.blind.is_none());
        }
        if once {
            return Ok(ending(faults, &endings));
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(ending(faults, &endings)),
            () = tokio::time::sleep(Duration::from_secs(settings.every_seconds.get().into())) => {}
        }
    }
}

fn ending(faults: bool, finished: &BTreeMap<String, bool>) -> Ending {
    match (faults, finished.values().all(|finished| *finished)) {
        (true, _) => Ending::Fault,
        (false, false) => Ending::Blind,
        (false, true) => Ending::Clean,
    }
}

fn open(read: &Read<MonitorSettings>, policy: &tlog_proof::LogPolicy) -> Result<Vec<Watched>, Failure> {
    let http = self_proving_http();
    let mut watched = Vec::new();
    for log in &policy.logs {
        let origin = log.vkey.name().to_owned();
        let url = log.url.as_ref().ok_or_else(|| {
            Failure::usage(format!("the policy has no address of the log {origin}"), "add its URL to the log's line")
        })?;
        let sources = read
            .settings
            .sources
            .iter()
            .filter(|source| policy.logs.len() == 1 || source.log.as_deref() == Some(&origin));
        let others = sources.map(|source| (source.name.clone(), OtherSource::new(http.clone(), &source.url))).collect();
        let folder = read.resolve(&read.settings.folder).join(round::digest(&origin));
        let book = Book::open(&folder, &origin).map_err(|error| {
            Failure::new(
                format!("the monitor's memory cannot be used: {error}"),
                "stop the other monitor, or restore the folder; after removing it, everything is audited again from the first entry",
            )
        })?;
        watched.push(Watched { source: HttpSource::new(http.clone(), url), origin, others, book });
    }
    if watched.is_empty() {
        return Err(Failure::usage("expected at least one log in the policy, found none", "add a line: log VKEY URL"));
    }
    Ok(watched)
}

#[cfg(test)]
mod tests;
