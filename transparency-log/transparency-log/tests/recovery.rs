//! A log that finds its own storage contradicting itself says so and changes nothing.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{ORIGIN, clock, submit_all};
use sha2::{Digest as _, Sha256};
use tlog_proof::UnverifiedCheckpoint;
use transparency_log::OpenError;
use transparency_log::storage::{Fault, MemoryStorage, Storage as _};
use transparency_log::testing::MemoryLog;

/// A log of 700 entries, stopped.
async fn stopped() -> Arc<MemoryStorage> {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..700).await;
    log.sequencer.stop().await;
    log.storage
}

async fn open(storage: MemoryStorage) -> Result<MemoryLog, OpenError> {
    let storage = Arc::new(storage);
    let before: Vec<_> =
        storage.paths().into_iter().map(|path| (storage.get(&path), path)).map(|(b, p)| (b.unwrap(), p)).collect();
    let opened = MemoryLog::open_on(Arc::clone(&storage), ORIGIN, clock()).await;
    if opened.is_err() {
        let after: Vec<_> = storage.paths().into_iter().map(|path| (storage.get(&path).unwrap(), path)).collect();
        assert!(before == after, "a log that does not open changes nothing");
    }
    opened
}

#[tokio::test]
async fn faults_at_the_edge_are_found() {
    let storage = stopped().await;
    let edge = [
        "checkpoint",
        "tile/0/002.p/188", // the partial tile of leaf hashes
        "tile/0/001",       // the last full one
        "tile/1/000.p/2",
        "tile/entries/002.p/188",
        "tile/entries/001",
    ];
    assert!(open(storage.snapshot()).await.is_ok());
    for path in edge {
        let flipped = storage.snapshot();
        assert!(flipped.tamper(path, |bytes| bytes[20] ^= 1), "{path}");
        let refused = open(flipped).await.err();
        assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{path} with a flipped bit: {refused:?}");

        let cut = storage.snapshot();
        cut.tamper(path, |bytes| bytes.truncate(bytes.len() - 1));
        let refused = open(cut).await.err();
        assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{path} cut off: {refused:?}");

        let missing = storage.snapshot();
        missing.remove(path).unwrap();
        let refused = open(missing).await.err();
        assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{path} missing: {refused:?}");
    }
}

#[tokio::test]
async fn an_old_copy_is_caught_by_the_witness() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..10).await;
    let old = log.storage.snapshot();
    submit_all(&log, 10..20).await;
    let witness = log.storage.paths().into_iter().find(|path| path.starts_with("witness/")).unwrap();
    old.put(&witness, log.storage.get(&witness).unwrap().unwrap()).unwrap();
    let refused = open(old).await.err();
    assert!(matches!(refused, Some(OpenError::Behind { witnessed: 20, stored: 10, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_fork_is_caught_by_the_witness() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..10).await;
    let fork = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&fork, 20..30).await;
    let witness = log.storage.paths().into_iter().find(|path| path.starts_with("witness/")).unwrap();
    let forked = fork.storage.snapshot();
    forked.put(&witness, log.storage.get(&witness).unwrap().unwrap()).unwrap();
    let refused = open(forked).await.err();
    assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{refused:?}");
}

/// A log that died with its 11th entry staged, and nothing published of it.
async fn interrupted() -> MemoryLog {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..10).await;
    log.storage.die_at_write(1, Fault::NotPersisted);
    let waiting = tokio::spawn({
        let sequencer = log.sequencer.clone();
        async move { transparency_log::Submit::submit(&sequencer, common::entry(99)).await }
    });
    while !log.storage.is_dead() {
        tokio::task::yield_now().await;
    }
    log.sequencer.clone().stop().await;
    assert!(waiting.await.unwrap().is_err());
    log.storage.revive();
    log
}

/// As older programs wrote it: without the 16 bytes of its writer.
fn first_version(stage: &mut Vec<u8>) {
    stage.truncate(stage.len() - 32);
    *stage = [b"inperson-stage-v1\n", &stage[18 + 16..]].concat();
    let digest = Sha256::digest(&*stage);
    stage.extend(digest);
}

#[tokio::test]
async fn a_log_of_an_older_program_starts_whatever_its_stage_holds() {
    let log = interrupted().await;
    let pending = log.storage.snapshot();
    assert!(pending.tamper("stage", first_version));
    let upgraded = open(pending).await.unwrap();
    let finished = UnverifiedCheckpoint::parse(upgraded.sequencer.checkpoint()).unwrap();
    assert_eq!(log.policy.check(&finished).unwrap().checkpoint.size, 11, "the batch is finished");
    submit_all(&upgraded, 200..203).await;

    let published = stopped().await.snapshot();
    assert!(published.tamper("stage", first_version));
    submit_all(&open(published).await.unwrap(), 700..702).await;
}

#[tokio::test]
async fn a_damaged_or_foreign_stage_is_refused() {
    let log = interrupted().await;
    assert!(open(log.storage.snapshot()).await.is_ok(), "the stage is finished");

    let damaged = log.storage.snapshot();
    assert!(damaged.tamper("stage", |bytes| bytes[40] ^= 1));
    let refused = open(damaged).await.err();
    assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{refused:?}");

    let later = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&later, 50..55).await;
    let foreign = later.storage.snapshot();
    foreign.put("stage", log.storage.get("stage").unwrap().unwrap()).unwrap();
    let refused = open(foreign).await.err();
    assert!(matches!(refused, Some(OpenError::Inconsistent { .. })), "{refused:?}");
}
