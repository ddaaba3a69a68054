//! What a Prometheus server reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::round::Report;

/// Numbers of all logs, kept as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<String, Log>>);

#[derive(Debug, Default)]
struct Log {
    size: u64,
    checked: u64,
    rounds: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    finished_at: u64,
    cosigned: BTreeMap<String, u64>,
    sources: BTreeMap<String, Option<u64>>,
}

impl Metrics {
    /// Counts a round.
    pub(super) fn take(&self, report: &Report) {
        let mut logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = logs.entry(report.log.clone()).or_default();
        *log.rounds.entry(report.result()).or_default() += 1;
        for fault in &report.faults {
            *log.faults.entry(fault.kind.name()).or_default() += 1;
        }
        log.checked += report.checked;
        log.sources = report.sources.iter().map(|source| (source.name.clone(), source.size)).collect();
        if let Some(size) = report.size {
            (log.size, log.finished_at) = (size, report.at);
            log.cosigned = report.cosigned.clone();
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let logs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = |name: &str, kind: &str, help: &str, line: &dyn Fn(&str, &Log, &mut String)| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (origin, log) in logs.iter() {
                line(&label(origin), log, &mut text);
            }
        };
        family(
            "tlog_monitor_size",
            "gauge",
            "Entries of the newest checkpoint that was audited whole.",
            &|log, m, out| {
                let _ = writeln!(out, "tlog_monitor_size{{log=\"{log}\"}} {}", m.size);
            },
        );
        family("tlog_monitor_entries_total", "counter", "Entries audited by this process.", &|log, m, out| {
            let _ = writeln!(out, "tlog_monitor_entries_total{{log=\"{log}\"}} {}", m.checked);
        });
        family(
            "tlog_monitor_finished_timestamp_seconds",
            "gauge",
            "When a round was last finished.",
            &|log, m, out| {
                let _ = writeln!(out, "tlog_monitor_finished_timestamp_seconds{{log=\"{log}\"}} {}", m.finished_at);
            },
        );
        family("tlog_monitor_rounds_total", "counter", "Rounds by result.", &|log, m, out| {
            for (result, count) in &m.rounds {
                let _ = writeln!(out, "tlog_monitor_rounds_total{{log=\"{log}\",result=\"{result}\"}} {count}");
            }
        });
        family("tlog_monitor_faults_total", "counter", "Faults of the log by kind.", &|log, m, out| {
            for (kind, count) in &m.faults {
                let _ = writeln!(out, "tlog_monitor_faults_total{{log=\"{log}\",kind=\"{kind}\"}} {count}");
            }
        });
        let help = "When each witness cosigned the newest checkpoint.";
        family("tlog_monitor_cosigned_timestamp_seconds", "gauge", help, &|log, m, out| {
            for (name, at) in &m.cosigned {
                let name = label(name);
                let _ =
                    writeln!(out, "tlog_monitor_cosigned_timestamp_seconds{{log=\"{log}\",witness=\"{name}\"}} {at}");
            }
        });
        family(
            "tlog_monitor_source_up",
            "gauge",
            "Whether another source answered in the last round.",
            &|log, m, out| {
                for (name, size) in &m.sources {
                    let (name, up) = (label(name), u8::from(size.is_some()));
                    let _ = writeln!(out, "tlog_monitor_source_up{{log=\"{log}\",source=\"{name}\"}} {up}");
                }
            },
        );
        text
    }
}

/// A label's value, as the text format wants it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Serves `/metrics`.
pub(super) fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(serve)).with_state(metrics)
}

async fn serve(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.text())
}
