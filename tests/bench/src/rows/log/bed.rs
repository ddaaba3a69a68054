//! A log on the local disk with a witness beside it, as a homeserver has it, and loads for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tlog_proof::{Cosigner, Entry, LogPolicy, NoteSigner};
use transparency_log::testing::key;
use transparency_log::{LogConfig, Pace, Sequencer, Submit as _, Witness, Witnessing, system_clock};

const ORIGIN: &str = "log.example/2026";

/// Submissions kept waiting while a log is filled: more than a batch takes.
const WAITING: usize = 40_000;

/// A folder for logs: on the disk that the build is on, since the system's temporary one may be memory.
pub(crate) fn folder() -> tempfile::TempDir {
    let program = std::env::current_exe().expect("this program has a path");
    let beside = program.parent().expect("a file lies in a folder");
    tempfile::tempdir_in(beside).expect("the build's folder can be written")
}

pub(crate) fn policy() -> LogPolicy {
    let text = format!("log {}\nwitness w {}\nquorum w\n", signer().vkey(), cosigner().vkey());
    LogPolicy::parse(&text).expect("the text is a policy")
}

pub(crate) fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).expect("a name")
}

fn cosigner() -> Cosigner {
    Cosigner::new("witness.example", key(ORIGIN, "witness")).expect("a name")
}

pub(crate) fn log_folder(folder: &Path) -> PathBuf {
    folder.join("log")
}

pub(crate) fn open_witness(folder: &Path) -> Witness {
    Witness::open(&folder.join("witness"), cosigner(), vec![signer().vkey()], system_clock()).expect("a folder of ours")
}

/// Opens the log with a witness in this process and the pace that suits it.
pub(crate) async fn open(folder: &Path) -> Sequencer {
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(open_witness(folder))];
    let batch_interval = Pace::for_witnesses(&witnesses).batch_interval;
    let config = LogConfig { folder: log_folder(folder), origin: ORIGIN.to_owned(), batch_interval };
    Sequencer::open(config, signer(), witnesses, policy()).await.expect("a log of ours opens")
}

/// A certificate's entry of its own for each number, as random as real ones look.
pub(crate) fn entry(number: u64) -> Vec<u8> {
    let label: [u8; 32] = tlog_proof::leaf_hash(&number.to_be_bytes()).0;
    let commitment: [u8; 32] = tlog_proof::leaf_hash(&label).0;
    Entry::Certificate { label, commitment }.encode()
}

/// Logs the entries of these numbers as fast as the log takes them; gives the seconds.
pub(crate) async fn fill(log: &Sequencer, numbers: std::ops::Range<u64>) -> f64 {
    let start = Instant::now();
    let submissions = stream::iter(numbers).map(|number| log.submit(entry(number))).buffer_unordered(WAITING);
    submissions.for_each(|logged| async { drop(logged.expect("it is logged")) }).await;
    start.elapsed().as_secs_f64()
}

/// Submits so many entries a second for a while; gives the times from submission to proof in ms, sorted.
pub(crate) async fn drive(log: &Sequencer, first: u64, per_second: f64, during: Duration) -> Vec<f64> {
    let start = Instant::now();
    let (mut submitted, mut waiting) = (0u64, tokio::task::JoinSet::new());
    while start.elapsed() < during {
        let due = (start.elapsed().as_secs_f64() * per_second) as u64;
        for number in submitted..due {
            let (log, entry) = (log.clone(), entry(first + number));
            waiting.spawn(async move {
                let submitted = Instant::now();
                log.submit(entry).await.expect("it is logged");
                submitted.elapsed().as_secs_f64() * 1e3
            });
        }
        submitted = due;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = waiting.join_all().await;
    times.sort_by(f64::total_cmp);
    times
}

/// The value below which this share of sorted samples lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}
