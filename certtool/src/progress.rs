//! Progress of what takes time, on a terminal only.

use std::fs::File;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use transparency_log::monitor::Progress;

use crate::output::Output;

/// A bar that follows an audit, or nothing where nobody looks.
pub(crate) fn audit_bar(output: &Output) -> ProgressBar {
    if !output.progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} entries, {per_sec}, {eta} left")
        .expect("the template is a constant that parses");
    ProgressBar::new(0).with_style(style)
}

/// Moves the bar.
pub(crate) fn advance(bar: &ProgressBar, progress: &Progress) {
    bar.set_length(progress.size);
    bar.set_position(progress.done);
}

/// A bar that follows the reading of a file, or nothing where nobody looks.
pub(crate) fn bytes(output: &Output, file: &File) -> ProgressBar {
    if !output.progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("  {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left")
        .expect("the template is a constant that parses");
    // A pipe has no length: then the bar says how much was read.
    ProgressBar::new(file.metadata().map_or(0, |found| found.len())).with_style(style)
}

/// A sign of life while something is waited for.
pub(crate) fn spinner(output: &Output, text: &'static str) -> ProgressBar {
    if !output.progress() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(text);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}
