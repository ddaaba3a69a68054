//! What is measured in a process of its own, so that memory is that of the work alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use transparency_log::client::folder_source;
use transparency_log::monitor;

use super::bed;
use crate::measure::memory;

/// What the other process says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) seconds: f64,
    /// The most memory that it had resident.
    pub(crate) megabytes: f64,
}

/// Starts this program again for a part of a row.
pub(crate) fn ask(part: &str, folder: &Path) -> Told {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(["--part", part, "--folder"]).arg(folder).output();
    let output = output.expect("this program can be started");
    assert!(output.status.success(), "the part {part} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the part prints what is expected")
}

/// Does a part and prints what was seen.
pub(crate) fn part(name: &str, folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime needs only threads");
    let start = Instant::now();
    match name {
        "audit" => runtime.block_on(audit(folder)),
        "memory" => runtime.block_on(work(folder)),
        other => panic!("there is no part {other:?}"),
    }
    let told = Told { seconds: start.elapsed().as_secs_f64(), megabytes: memory("self", "VmHWM:") };
    println!("{}", serde_json::to_string(&told).expect("numbers always serialise"));
}

async fn audit(folder: &Path) {
    let source = folder_source(&bed::log_folder(folder));
    let report = monitor::audit(source, &bed::policy(), None, |_| {}, |_, _| {}).await.expect("the log is clean");
    assert!(report.duplicates.is_empty(), "every label is its own");
}

async fn work(folder: &Path) {
    let log = bed::open(folder).await;
    bed::drive(&log, 1 << 41, 1000.0, Duration::from_secs(3)).await;
    log.stop().await;
}
