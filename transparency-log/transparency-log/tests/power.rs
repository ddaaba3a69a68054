//! Power cuts at any step of the disk, disks that run full, and disks that turn read-only.
//!
//! Below the storage trait lies a disk that loses what was not synced. Log and witness keep their folders
//! on the same one, as in a homeserver.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ORIGIN, clock, entry};
use tlog_proof::{Cosigner, LogPolicy, NoteSigner, leaf_hash};
use transparency_log::client::StorageSource;
use transparency_log::monitor::{AuditReport, audit};
use transparency_log::storage::{FolderStorage, SimulatedDisk};
use transparency_log::testing::key;
use transparency_log::{OpenError, Pace, Sequencer, Submit as _, SubmitError, Witness};

/// One that is small, one that fills a tile, and one after it.
const BATCHES: [std::ops::Range<u64>; 3] = [0..3, 3..300, 300..301];

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap()
}

fn policy() -> LogPolicy {
    LogPolicy::parse(&format!("log {}\nwitness w {}\nquorum w\n", signer().vkey(), cosigner().vkey())).unwrap()
}

fn folder(disk: &Arc<SimulatedDisk>, name: &str) -> Arc<FolderStorage> {
    let disk: Arc<SimulatedDisk> = Arc::clone(disk);
    Arc::new(FolderStorage::on(disk, &Path::new("/srv").join(name)))
}

async fn open(disk: &Arc<SimulatedDisk>) -> Result<Sequencer, OpenError> {
    let witness = Witness::open_on(folder(disk, "witness"), cosigner(), vec![signer().vkey()], clock());
    let pace = Pace::new(Duration::from_millis(1));
    Sequencer::open_on(folder(disk, "log"), ORIGIN, pace, signer(), vec![Arc::new(witness)], policy()).await
}

/// Submits batch after batch until the power is cut; gives the numbers and indexes that were answered.
async fn live(log: &Sequencer, disk: &Arc<SimulatedDisk>) -> Vec<(u64, u64)> {
    let mut answered = Vec::new();
    for batch in BATCHES {
        let submit = |number: u64| {
            let log = log.clone();
            (number, tokio::spawn(async move { log.submit(entry(number)).await }))
        };
        let waiting: Vec<_> = batch.map(submit).collect();
        while !disk.is_dead() && !waiting.iter().all(|(_, task)| task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if disk.is_dead() {
            log.clone().stop().await;
        }
        for (number, task) in waiting {
            match task.await.unwrap() {
                Ok(logged) => {
                    logged.proof.verify(&leaf_hash(&entry(number)), &policy()).unwrap();
                    answered.push((number, logged.index));
                }
                Err(SubmitError::Stopped | SubmitError::Proof(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    answered
}

async fn clean(disk: &Arc<SimulatedDisk>) -> AuditReport {
    let source = StorageSource::new(folder(disk, "log"));
    let report = audit(source, &policy(), None, |_| {}, |_, _| {}).await.unwrap();
    assert!(report.duplicates.is_empty());
    report
}

/// After the cut: the log opens, is clean, has everything that was answered at its place, and goes on.
async fn account(disk: &Arc<SimulatedDisk>, answered: &[(u64, u64)], context: &str) {
    let log = open(disk).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    clean(disk).await;
    for (number, index) in answered {
        let again = log.submit(entry(*number)).await.unwrap();
        assert_eq!(again.index, *index, "{context}: entry {number}");
    }
    let rest = BATCHES.into_iter().flatten().map(|number| log.submit(entry(number)));
    futures_util::future::try_join_all(rest).await.unwrap();
    assert_eq!(clean(disk).await.size, 301, "{context}: nothing twice, nothing lost");
    log.stop().await;
}

/// Cuts the power at every `stride`-th step of a life.
async fn cut_everywhere(stride: u64, seeds: std::ops::Range<u64>) {
    let disk = Arc::new(SimulatedDisk::new());
    let log = open(&disk).await.unwrap();
    let opened = disk.steps();
    live(&log, &disk).await;
    log.stop().await;
    let steps = disk.steps() - opened;
    assert!(steps > 60, "stage, tiles, witness and checkpoint of each batch: {steps}");
    for seed in seeds {
        for cut in (seed % stride..steps).step_by(stride as usize) {
            let disk = Arc::new(SimulatedDisk::new());
            let log = open(&disk).await.unwrap();
            disk.cut_power_at(cut);
            let answered = live(&log, &disk).await;
            log.stop().await;
            disk.restart(seed);
            account(&disk, &answered, &format!("power cut at step {cut} of {steps}, seed {seed}")).await;
        }
    }
}

#[tokio::test]
async fn a_power_cut_loses_nothing_that_was_answered() {
    cut_everywhere(4, 0..2).await;
}

#[tokio::test]
#[ignore = "ten seeds at every step take minutes; run by ./test --all"]
async fn power_cuts_at_every_step_lose_nothing_that_was_answered() {
    cut_everywhere(1, 0..10).await;
}

#[tokio::test]
async fn a_new_log_survives_power_cuts_while_it_is_made() {
    for cut in 0..40 {
        let disk = Arc::new(SimulatedDisk::new());
        disk.cut_power_at(cut);
        let made = open(&disk).await;
        if let Ok(log) = made {
            log.stop().await;
        }
        disk.restart(cut);
        account(&disk, &[], &format!("power cut at step {cut} of the first start")).await;
    }
}

/// Two cuts: the second while the log starts again after the first.
#[tokio::test]
async fn a_power_cut_while_recovering_loses_nothing() {
    for first in (10..60).step_by(7) {
        for second in (0..24).step_by(5) {
            let disk = Arc::new(SimulatedDisk::new());
            let log = open(&disk).await.unwrap();
            disk.cut_power_at(first);
            let answered = live(&log, &disk).await;
            log.stop().await;
            disk.restart(first);
            disk.cut_power_at(second);
            if let Ok(log) = open(&disk).await {
                log.stop().await;
            }
            disk.restart(second);
            account(&disk, &answered, &format!("power cut at step {first}, then at {second}")).await;
        }
    }
}

/// Waits until the log says what it fails at, while the submission is not answered.
async fn wait_for_trouble(log: &Sequencer, what: &str) {
    let start = Instant::now();
    loop {
        match log.trouble() {
            Some(trouble) if trouble.contains(what) => return,
            other => assert!(start.elapsed() < Duration::from_secs(20), "expected {what:?}, the log says {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_log_goes_on_when_there_is_room() {
    // From no room for the stage to room for a part of the tiles.
    for room in [0, 100, 700, 5_000, 20_000, 40_000] {
        let disk = Arc::new(SimulatedDisk::new());
        let log = open(&disk).await.unwrap();
        let first = log.submit(entry(1)).await.unwrap();
        disk.set_room(Some(room));
        let waiting = tokio::spawn({
            let log = log.clone();
            async move { futures_util::future::join_all((1000..1600).map(|number| log.submit(entry(number)))).await }
        });
        wait_for_trouble(&log, "no storage space").await;
        assert_eq!(clean(&disk).await.size, 1, "room {room}: what is published stays whole");
        disk.set_room(None);
        let logged: Vec<_> = waiting.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert!(logged.iter().zip(1..).all(|(logged, index)| logged.index == index), "room {room}");
        assert_eq!(log.submit(entry(1)).await.unwrap().index, first.index);
        assert_eq!(log.trouble(), None);
        assert_eq!(clean(&disk).await.size, 601);
        log.stop().await;
    }
}

#[tokio::test]
async fn a_disk_that_turns_read_only_is_told_and_nothing_is_answered() {
    let disk = Arc::new(SimulatedDisk::new());
    let log = open(&disk).await.unwrap();
    log.submit(entry(1)).await.unwrap();
    disk.set_read_only(true);
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.submit(entry(2)).await }
    });
    wait_for_trouble(&log, "read-only").await;
    assert!(!waiting.is_finished(), "no answer without durability");
    log.stop().await;
    assert!(matches!(waiting.await.unwrap(), Err(SubmitError::Stopped)));

    let refused = open(&disk).await;
    let account = refused.unwrap_err().to_string();
    assert!(account.contains("read-only"), "{account}");
    disk.set_read_only(false);
    let log = open(&disk).await.unwrap();
    assert_eq!(log.submit(entry(1)).await.unwrap().index, 0);
    assert_eq!(log.submit(entry(2)).await.unwrap().index, 1);
    assert_eq!(clean(&disk).await.size, 2);
}
