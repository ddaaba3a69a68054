//! The log: how fast it takes entries, how soon it proves them, how fast it is audited, and what it needs.

pub(super) mod bed;
mod part;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tlog_proof::{Frontier, leaf_hash, sign_checkpoint};
use tokio::runtime::Runtime;

use crate::measure::{Pair, Scale, cpu, median, wall};

pub(crate) use part::part;

/// Entries of a batch of the baseline: what arrives in 100 ms at 20,000 a second.
const BATCH: u64 = 2_000;

/// The rate that the log is to keep up.
const AIM: f64 = 20_000.0;

/// Entries per second, durable, integrated and cosigned; beside the same bytes hashed into a tree and
/// appended to one file, synced per batch.
pub(crate) fn append(runtime: &Runtime, scale: Scale) -> Pair {
    let size = 500_000 * scale.factor as u64;
    let folder = bed::folder();
    let seconds = runtime.block_on(async {
        let log = bed::open(folder.path()).await;
        let seconds = bed::fill(&log, 0..size).await;
        log.stop().await;
        seconds
    });
    let baseline = bare_append(folder.path(), size.min(500_000));
    Pair::new(size as f64 / seconds, baseline).noted(format!("{size} entries, from an empty log, at full load"))
}

fn bare_append(folder: &Path, size: u64) -> f64 {
    let mut file = fs::File::create(folder.join("bare")).expect("the folder can be written");
    let mut tree = Frontier::new();
    let start = Instant::now();
    for batch in 0..size / BATCH {
        let mut bytes = Vec::new();
        for number in batch * BATCH..(batch + 1) * BATCH {
            let entry = bed::entry(number);
            tree.push(leaf_hash(&entry));
            bytes.extend(entry);
        }
        file.write_all(&bytes).and_then(|()| file.sync_data()).expect("the disk takes it");
    }
    std::hint::black_box(tree.root());
    size as f64 / start.elapsed().as_secs_f64()
}

/// CPU time per entry at the largest size, beside that at 10^4; the note has the sizes between.
pub(crate) fn growth(runtime: &Runtime, scale: Scale) -> Pair {
    let largest = if scale.factor > 1 { 10_000_000 } else { 1_000_000 };
    let folder = bed::folder();
    runtime.block_on(async {
        let log = bed::open(folder.path()).await;
        let (mut size, mut costs) = (0, Vec::new());
        for decade in (4..8).map(|power| 10u64.pow(power)).take_while(|decade| *decade <= largest) {
            bed::fill(&log, size..decade).await;
            let mut samples = Vec::new();
            size = decade;
            for _ in 0..5 {
                let before = cpu();
                bed::fill(&log, size..size + 10_000).await;
                samples.push((cpu() - before).as_secs_f64() * 1e6 / 10_000.0);
                size += 10_000;
            }
            costs.push((decade, median(samples)));
        }
        log.stop().await;
        let note = costs.iter().map(|(size, cost)| format!("{size}: {cost:.1}")).collect::<Vec<_>>().join(", ");
        Pair::new(costs[costs.len() - 1].1, costs[0].1).noted(format!("{note} µs"))
    })
}

/// Bytes on disk per entry, in blocks as the file system counts them, beside the bytes of entry and leaf hash.
pub(crate) fn disk(runtime: &Runtime, scale: Scale) -> Pair {
    let size = 100_000 * scale.factor as u64;
    let folder = filled(runtime, size);
    let used = blocks(&bed::log_folder(folder.path()));
    Pair::new(used as f64 / size as f64, (bed::entry(0).len() + 32) as f64).noted(format!("{size} entries"))
}

/// A log of so many entries in a folder of its own.
fn filled(runtime: &Runtime, size: u64) -> tempfile::TempDir {
    let folder = bed::folder();
    runtime.block_on(async {
        let log = bed::open(folder.path()).await;
        bed::fill(&log, 0..size).await;
        log.stop().await;
    });
    folder
}

fn blocks(path: &Path) -> u64 {
    let own = fs::symlink_metadata(path).map_or(0, |found| found.blocks() * 512);
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    own + below.map(|entry| blocks(&entry.path())).sum::<u64>()
}

pub(crate) fn latency_1(runtime: &Runtime, scale: Scale) -> Pair {
    latency(runtime, scale, 0.01)
}

pub(crate) fn latency_50(runtime: &Runtime, scale: Scale) -> Pair {
    latency(runtime, scale, 0.5)
}

pub(crate) fn latency_90(runtime: &Runtime, scale: Scale) -> Pair {
    latency(runtime, scale, 0.9)
}

/// p99 from submission to proof at a share of 20,000 entries a second, beside two batch intervals and a
/// synced write.
fn latency(runtime: &Runtime, scale: Scale, share: f64) -> Pair {
    let folder = filled(runtime, 100_000 * scale.factor as u64);
    let during = Duration::from_secs(5 * scale.factor.min(4) as u64);
    let times = runtime.block_on(async {
        let log = bed::open(folder.path()).await;
        let times = bed::drive(&log, 1 << 40, AIM * share, during).await;
        log.stop().await;
        times
    });
    let synced = median((0..21).map(|_| synced_write(folder.path())).collect());
    let (p50, p99) = (bed::quantile(&times, 0.5), bed::quantile(&times, 0.99));
    let rate = AIM * share;
    Pair::new(p99, 200.0 + synced)
        .noted(format!("p50 {p50:.0} ms at {rate:.0} entries/s; a synced write {synced:.1} ms"))
}

/// Milliseconds that a new file takes until it is durable under its name.
fn synced_write(folder: &Path) -> f64 {
    wall(1, || {
        let path = folder.join("synced");
        let mut file = fs::File::create(folder.join("synced.new")).expect("the folder can be written");
        file.write_all(&[7; 200_000]).and_then(|()| file.sync_all()).expect("the disk takes it");
        fs::rename(folder.join("synced.new"), path).expect("the folder can be written");
        fs::File::open(folder).and_then(|folder| folder.sync_all()).expect("the disk takes it");
    }) / 1e3
}

/// Entries per second of a full audit in a process of its own, beside the RFC 6962 root over the same
/// entries in memory.
pub(crate) fn audit(runtime: &Runtime, scale: Scale) -> Pair {
    let size = 500_000 * scale.factor as u64;
    let folder = filled(runtime, size);
    let rounds = (0..3).map(|_| part::ask("audit", folder.path())).collect::<Vec<_>>();
    let entries: Vec<_> = (0..size).map(bed::entry).collect();
    let bare = (0..3).map(|_| {
        let start = Instant::now();
        let mut tree = Frontier::new();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        std::hint::black_box(tree.root());
        size as f64 / start.elapsed().as_secs_f64()
    });
    let baseline = median(bare.collect());
    let peak = rounds.iter().map(|round| round.megabytes).fold(0.0, f64::max);
    let rate = median(rounds.iter().map(|round| size as f64 / round.seconds).collect());
    Pair::new(rate, baseline).noted(format!("{size} entries; peak memory of the process {peak:.0} MB"))
}

/// Checkpoints that a witness checks, persists and cosigns per second, one after another; beside as many
/// synced writes.
pub(crate) fn witness(_: &Runtime, scale: Scale) -> Pair {
    let folder = bed::folder();
    let witness = bed::open_witness(folder.path());
    let calls = 100 * scale.factor;
    let signer = bed::signer();
    let mut tree = Frontier::new();
    let micros = wall(calls, || {
        let (old, half) = (tree.size(), tree.clone());
        tree.push(leaf_hash(&old.to_be_bytes()));
        let proof = if old == 0 { Vec::new() } else { consistency(&half, old) };
        let origin = signer.vkey().name().to_owned();
        let checkpoint = tlog_proof::Checkpoint { origin, size: tree.size(), root: tree.root() };
        let text = sign_checkpoint(&checkpoint, &signer);
        witness.add_checkpoint_blocking(old, &proof, &text).expect("it extends the last one");
    });
    let synced = median((0..calls).map(|_| synced_write(folder.path())).collect());
    Pair::new(1e6 / micros, 1e3 / synced)
}

/// The proof that one more leaf extends this tree: its complete subtrees and the leaf.
fn consistency(before: &Frontier, size: u64) -> Vec<tlog_proof::Hash> {
    struct Last<'a>(&'a Frontier);
    impl tlog_proof::HashReader for Last<'_> {
        type Error = std::convert::Infallible;
        fn read(&mut self, level: u8, index: u64) -> Result<tlog_proof::Hash, Self::Error> {
            let size = self.0.size();
            if level == 0 && index == size {
                return Ok(leaf_hash(&size.to_be_bytes()));
            }
            // Only complete subtrees of the old tree are asked for besides.
            let larger = (u32::from(level) + 1..u64::BITS).filter(|bit| size >> bit & 1 == 1).count();
            Ok(self.0.subtrees()[larger])
        }
    }
    tlog_proof::prove_consistency(&mut Last(before), size, size + 1).unwrap_or_default()
}

/// Memory of a process with an open log of a million entries that takes 1,000 a second, beside one that
/// has an empty log open.
pub(crate) fn memory(runtime: &Runtime, _: Scale) -> Pair {
    let full = filled(runtime, 1_000_000);
    let empty = filled(runtime, 1);
    let figure = part::ask("memory", full.path()).megabytes;
    let baseline = part::ask("memory", empty.path()).megabytes;
    Pair::new(figure, baseline).noted("1000000 entries, 1000 more a second; the whole process".to_owned())
}
