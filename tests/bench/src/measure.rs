//! Paired measurement: figure and baseline take turns, so that a noisy moment hits both; the medians are compared.

use std::fmt::Display;
use std::time::{Duration, Instant};

use serde::Serialize;

use rustix::time::{ClockId, clock_gettime};

/// How much longer than the default a run may take.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) factor: usize,
}

/// Medians of one row, in the row's unit.
pub(crate) struct Pair {
    pub(crate) figure: f64,
    pub(crate) baseline: f64,
    /// What else was seen, for people.
    pub(crate) note: Option<String>,
    /// What the figure is made of.
    pub(crate) parts: Vec<Part>,
}

/// One of the things that a row's work is made of.
#[derive(Clone, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) figure: f64,
    pub(crate) unit: &'static str,
    /// How often it is done for one unit of the row.
    pub(crate) times: f64,
}

impl Pair {
    pub(crate) fn new(figure: f64, baseline: f64) -> Self {
        Self { figure, baseline, note: None, parts: Vec::new() }
    }

    pub(crate) fn noted(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }
}

/// Microseconds of wall time that `work` takes per call, over `calls` calls.
pub(crate) fn wall(calls: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}

/// CPU time of this whole process so far, all threads.
pub(crate) fn cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// CPU time of this thread so far.
pub(crate) fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A line of the kernel's own account of a process (a number or `self`) in MB: `VmHWM:` for the most that was resident at any
/// time, `VmRSS:` for now. No number if it has ended.
pub(crate) fn memory(process: impl Display, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    let kib = found.and_then(|found| found.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// Runs both sides `rounds` times, alternating which goes first.
pub(crate) fn paired(rounds: usize, mut figure: impl FnMut() -> f64, mut baseline: impl FnMut() -> f64) -> Pair {
    let (mut figures, mut baselines) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            figures.push(figure());
            baselines.push(baseline());
        } else {
            baselines.push(baseline());
            figures.push(figure());
        }
    }
    Pair::new(median(figures), median(baselines))
}

/// The middle value; `samples` is not empty.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
