//! Where the time goes: how long this process has been at each kind of work since it started, for its figures.
//!
//! Times are of the wall: on a machine that is busy with something else they are longer than the work. What waits for a
//! disk or a log is counted as long as it waits; commits that share a transaction wait together, and are counted once.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A kind of work.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// The signature of a request, or of a request for a certificate, is verified.
    Requests,
    /// The label of a certificate and its proof are computed, here or by a signer.
    Labels,
    /// A certificate is planned and linted.
    Plans,
    /// A log's proof is verified, and the certificate completed and linted.
    Proofs,
    /// A certificate is signed, verified and linted.
    Signatures,
    /// Statements of the database, but for the end of a transaction.
    Sql,
    /// A transaction of the database becomes durable.
    DatabaseSync,
    /// Records of the audit trail are written and become durable.
    Trail,
    /// An entry is on its way through the log: batch, witnesses, proof.
    Log,
}

/// Every kind of work, with its name among the figures.
const ALL: [(Work, &str); 9] = [
    (Work::Requests, "requests"),
    (Work::Labels, "labels"),
    (Work::Plans, "plans"),
    (Work::Proofs, "proofs"),
    (Work::Signatures, "signatures"),
    (Work::Sql, "sql"),
    (Work::DatabaseSync, "database-sync"),
    (Work::Trail, "trail"),
    (Work::Log, "log"),
];

/// Nanoseconds, and how often, by [`Work`].
static SPENT: [(AtomicU64, AtomicU64); ALL.len()] = [const { (AtomicU64::new(0), AtomicU64::new(0)) }; ALL.len()];

/// Counts the work from now on until this value is dropped.
pub(crate) struct At(Work, Instant);

impl Work {
    /// Begins to count.
    pub(crate) fn begin(self) -> At {
        At(self, Instant::now())
    }

    /// Counts what it takes to do this.
    pub(crate) fn time<T>(self, work: impl FnOnce() -> T) -> T {
        let _at = self.begin();
        work()
    }
}

impl Drop for At {
    fn drop(&mut self) {
        let (nanoseconds, times) = &SPENT[self.0 as usize];
        let elapsed = u64::try_from(self.1.elapsed().as_nanos()).unwrap_or(u64::MAX);
        nanoseconds.fetch_add(elapsed, Ordering::Relaxed);
        times.fetch_add(1, Ordering::Relaxed);
    }
}

/// In the text format of Prometheus.
pub(crate) fn metrics() -> String {
    let mut out = String::from(
        "# HELP inperson_ca_work_seconds_total Time at each kind of work since the start.\n# TYPE inperson_ca_work_seconds_total counter\n",
    );
    for (work, name) in ALL {
        let seconds = SPENT[work as usize].0.load(Ordering::Relaxed) as f64 / 1e9;
        let _ = writeln!(out, "inperson_ca_work_seconds_total{{work=\"{name}\"}} {seconds}");
    }
    out.push_str(
        "# HELP inperson_ca_work_total How often each kind of work was done since the start.\n# TYPE inperson_ca_work_total counter\n",
    );
    for (work, name) in ALL {
        let times = SPENT[work as usize].1.load(Ordering::Relaxed);
        let _ = writeln!(out, "inperson_ca_work_total{{work=\"{name}\"}} {times}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_under_its_name() {
        let times = || {
            let text = metrics();
            let line = text.lines().find_map(|line| line.strip_prefix("inperson_ca_work_total{work=\"log\"} "));
            line.unwrap().parse::<u64>().unwrap()
        };
        let before = times();
        Work::Log.time(|| ());
        drop(Work::Log.begin());
        // Other tests of this process log as well.
        assert!(times() >= before + 2);
        assert!(metrics().contains("inperson_ca_work_seconds_total{work=\"database-sync\"} "));
    }
}
