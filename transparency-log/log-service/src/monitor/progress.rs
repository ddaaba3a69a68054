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
        let rate = (at.done - at.start) as f64 / self.began.elapsed().as_secs_f64().max(1e-6);
        let left = (at.size - at.done) as f64 / rate.max(1e-6);
        let (origin, done, size) = (&self.origin, at.done, at.size);
        tracing::info!(%origin, done, size, per_second = rate as u64, seconds_left = left as u64, "auditing");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
