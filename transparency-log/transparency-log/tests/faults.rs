//! Every write of a log's life fails in every way, and nothing that was answered is ever lost.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, audit_from, check, clean, clock, entry, submit_all};
use transparency_log::storage::{Fault, MemoryStorage};
use transparency_log::testing::MemoryLog;
use transparency_log::{Logged, Submit as _, SubmitError};

/// The batches of one life: small, one that fills a tile, and one after it.
const BATCHES: [std::ops::Range<u64>; 3] = [0..3, 3..300, 300..301];

/// More than the writes of all batches: stage, tiles, witness, checkpoint of each.
const WRITES: u64 = 13;

#[tokio::test]
async fn a_write_that_fails_once_is_repeated() {
    for fault in Fault::ALL {
        for write in 0..WRITES {
            let log = MemoryLog::open(ORIGIN, clock()).await;
            let cursor = clean(&log).await.cursor;
            log.storage.fail_write(write, fault);
            for batch in BATCHES {
                submit_all(&log, batch).await;
            }
            assert_eq!(clean(&log).await.size, 301, "{fault:?} at write {write}");
            audit_from(log.source(), &log, Some(cursor)).await.unwrap();
            assert_eq!(log.sequencer.trouble(), None);
        }
    }
}

/// Submits batch after batch until all are answered or the storage is dead; gives what was answered.
async fn live(log: &MemoryLog) -> Vec<(u64, Logged)> {
    let mut answered = Vec::new();
    for batch in BATCHES {
        let waiting: Vec<_> = batch
            .map(|number| {
                let sequencer = log.sequencer.clone();
                (number, tokio::spawn(async move { sequencer.submit(entry(number)).await }))
            })
            .collect();
        while !log.storage.is_dead() && !waiting.iter().all(|(_, task)| task.is_finished()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if log.storage.is_dead() {
            log.sequencer.clone().stop().await;
        }
        for (number, task) in waiting {
            match task.await.unwrap() {
                Ok(logged) => answered.push((number, logged)),
                Err(SubmitError::Stopped | SubmitError::Proof(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    answered
}

/// The log is consistent, everything answered is where it was, and the rest can be submitted again.
async fn account(log: &MemoryLog, answered: &[(u64, Logged)], context: &str) {
    let report = audit_from(log.source(), log, None).await.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(report.duplicates.is_empty(), "{context}");
    for (number, before) in answered {
        check(log, &entry(*number), before);
        let again = log.sequencer.submit(entry(*number)).await.unwrap();
        assert_eq!(again.index, before.index, "{context}");
    }
    submit_all(log, BATCHES.into_iter().flatten()).await;
    let whole = clean(log).await;
    assert_eq!(whole.size, 301, "{context}: nothing twice, nothing lost");
    audit_from(log.source(), log, Some(report.cursor)).await.unwrap();
}

#[tokio::test]
async fn a_death_at_any_write_loses_nothing() {
    for fault in Fault::ALL {
        for write in 0..WRITES {
            let log = MemoryLog::open(ORIGIN, clock()).await;
            let cursor = clean(&log).await.cursor;
            log.storage.die_at_write(write, fault);
            let answered = live(&log).await;
            let context = format!("{fault:?} at write {write}");
            assert!(log.storage.is_dead() || write == WRITES - 1, "{context} did not happen");
            let log = log.restart().await.unwrap_or_else(|error| panic!("{context}: {error}"));
            account(&log, &answered, &context).await;
            audit_from(log.source(), &log, Some(cursor)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_death_while_recovering_from_a_death_loses_nothing() {
    for fault in Fault::ALL {
        for write in 4..8 {
            for second in 0..4 {
                let log = MemoryLog::open(ORIGIN, clock()).await;
                log.storage.die_at_write(write, fault);
                let answered = live(&log).await;
                let context = format!("{fault:?} at write {write}, then at {second}");
                log.sequencer.clone().stop().await;
                let storage: Arc<MemoryStorage> = Arc::clone(&log.storage);
                storage.revive();
                storage.die_at_write(second, fault);
                if let Ok(log) = MemoryLog::open_on(Arc::clone(&storage), ORIGIN, clock()).await {
                    log.sequencer.stop().await;
                }
                storage.revive();
                let log = MemoryLog::open_on(storage, ORIGIN, clock()).await;
                let log = log.unwrap_or_else(|error| panic!("{context}: {error}"));
                account(&log, &answered, &context).await;
            }
        }
    }
}

/// The witness never knows more than what a restart can make again.
#[tokio::test]
async fn the_witness_is_never_ahead_of_the_stage() {
    for write in 0..WRITES {
        let log = MemoryLog::open(ORIGIN, clock()).await;
        log.storage.die_at_write(write, Fault::Persisted);
        live(&log).await;
        let dead = log.storage.snapshot();
        let paths = dead.paths();
        let witness = paths.iter().find(|path| path.starts_with("witness/"));
        let size = |path: &str| {
            let text = transparency_log::storage::Storage::get(&dead, path).unwrap().unwrap();
            tlog_proof::UnverifiedCheckpoint::parse(text).unwrap().claimed().size
        };
        let witnessed = witness.map_or(0, |path| size(path));
        let staged = staged_size(&dead);
        assert!(witnessed == size("checkpoint") || witnessed == staged, "witnessed {witnessed} at write {write}");
    }
}

/// The size of the checkpoint that the stage holds; 0 without a stage.
fn staged_size(storage: &MemoryStorage) -> u64 {
    let Some(stage) = transparency_log::storage::Storage::get(storage, "stage").unwrap() else { return 0 };
    let text = String::from_utf8_lossy(&stage).into_owned();
    let line = text.lines().skip_while(|line| !line.ends_with(ORIGIN)).nth(1).unwrap();
    line.parse().unwrap()
}
