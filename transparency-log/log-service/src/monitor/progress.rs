//! How far a round has come, with rate and time left: a bar for eyes, a line now and then for journals.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use transparency_log::monitor;

/// How often a line is told where nobody sees a bar.
const PAUSE: Duration = Duration::from_secs(10);

/// The progress of one round.
pub(super) struct Progress {
    origin: String,
    bar: Option<ProgressBar>,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// Shows a bar if somebody looks.
    pub(super) fn new(origin: &str, json: bool) -> Self {
        let bar = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
            let bar = ProgressBar::new(0).with_message(origin.to_owned());
            style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
        });
        Self { origin: origin.to_owned(), bar, began: Instant::now(), told: Instant::now() }
    }

    /// Takes how far it has come.
    pub(super) fn advance(&mut self, at: monitor::Progress) {
        if let Some(bar) = &self.bar {
            bar.set_length(at.size);
            bar.set_position(at.done);
            return;
        }
        if self.told.elapsed() < PAUSE {
            return;
        }
        self.told = Instant::now();
        let (per_second, seconds_left) = pace(&at, self.began.elapsed());
        let (origin, done, size) = (&self.origin, at.done, at.size);
        tracing::info!(%origin, done, size, per_second, seconds_left, "auditing");
    }
}

/// Entries a second, of those that this round had to look at, and the seconds that the rest will take at that rate.
fn pace(at: &monitor::Progress, took: Duration) -> (u64, u64) {
    let rate = at.done.saturating_sub(at.start) as f64 / took.as_secs_f64().max(1e-6);
    let left = at.size.saturating_sub(at.done) as f64 / rate.max(1e-6);
    (rate as u64, left as u64)
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_audited_before_counts_neither_for_the_rate_nor_for_what_is_left() {
        let at = |start, done, size| monitor::Progress { start, done, size };
        assert_eq!(pace(&at(0, 1000, 5000), Duration::from_secs(2)), (500, 8));
        assert_eq!(pace(&at(900, 1000, 1500), Duration::from_secs(1)), (100, 5));
        assert_eq!(pace(&at(0, 7, 7), Duration::ZERO), (7_000_000, 0));
        let nothing_yet = pace(&at(0, 0, 10), Duration::from_secs(10));
        assert!(nothing_yet.0 == 0 && nothing_yet.1 > 1_000_000, "{nothing_yet:?}");
    }
}
