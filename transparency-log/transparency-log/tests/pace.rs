//! When a batch is closed: what waits for whom. Time stands still here until all that is left to do is to wait, so that what
//! passes is what was waited for.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{ORIGIN, clock, entry};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tlog_proof::{Cosigner, Hash, LogPolicy, NoteSigner};
use tokio::time::{Instant, sleep};
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::key;
use transparency_log::{BatchFigures, Pace, Sequencer, Submit as _, Witness, WitnessError, Witnessing};

/// How long the witness takes, and so the whole batch: nothing else here takes any time.
const WORK: Duration = Duration::from_secs(2);
const HOUR: Duration = Duration::from_secs(3600);

/// Takes its time.
struct Thorough(Witness);

impl Witnessing for Thorough {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn add_checkpoint(&self, old: u64, proof: Vec<Hash>, text: String) -> BoxFuture<'_, Result<String, WitnessError>> {
        async move {
            sleep(WORK).await;
            self.0.add_checkpoint(old, proof, text).await
        }
        .boxed()
    }
}

async fn open(pace: Pace) -> Sequencer {
    let signer = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap();
    let cosigner = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let policy = format!("log {}\nwitness w {}\nquorum w\n", signer.vkey(), cosigner.vkey());
    let storage = Arc::new(MemoryStorage::new());
    let witness = Witness::open_on(Arc::clone(&storage) as _, cosigner, vec![signer.vkey()], clock());
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(Thorough(witness))];
    Sequencer::open_on(storage, ORIGIN, pace, signer, witnesses, LogPolicy::parse(&policy).unwrap()).await.unwrap()
}

/// How long these are on their way, all together, in whole seconds.
async fn takes(log: &Sequencer, numbers: std::ops::Range<u64>) -> u64 {
    let start = Instant::now();
    let expected = numbers.start;
    let logged = futures_util::future::try_join_all(numbers.map(|number| log.submit(entry(number)))).await.unwrap();
    assert_eq!(logged[0].index, expected);
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_alone_waits_for_nobody() {
    let log = open(Pace::new(HOUR)).await;
    for number in 0..4 {
        assert_eq!(takes(&log, number..number + 1).await, WORK.as_secs(), "entry {number}");
    }
    log.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_batch_that_several_shared_the_log_rests_as_long_as_it_worked() {
    let log = open(Pace::new(HOUR)).await;
    assert_eq!(takes(&log, 0..2).await, WORK.as_secs(), "nobody was there before them");
    assert_eq!(takes(&log, 2..5).await, 2 * WORK.as_secs(), "they come while it rests");
    assert_eq!(takes(&log, 5..6).await, 2 * WORK.as_secs(), "and so does she");
    assert_eq!(takes(&log, 6..7).await, WORK.as_secs(), "who was alone before her");
    assert_eq!(log.figures(), BatchFigures { batches: 4, entries: 7, took: 4 * WORK });
    log.stop().await;
}

/// Nobody waits longer than the interval for a batch to be closed, whatever the one before has cost.
#[tokio::test(start_paused = true)]
async fn the_log_rests_no_longer_than_its_interval() {
    let log = open(Pace::new(WORK + Duration::from_secs(1))).await;
    assert_eq!(takes(&log, 0..2).await, WORK.as_secs());
    assert_eq!(takes(&log, 2..4).await, 1 + WORK.as_secs());
    log.stop().await;
}

/// A witness elsewhere is asked no more often than that, whoever waits.
#[tokio::test(start_paused = true)]
async fn even_batches_are_an_interval_apart() {
    let log = open(Pace { even: true, ..Pace::new(WORK + Duration::from_secs(3)) }).await;
    assert_eq!(takes(&log, 0..1).await, WORK.as_secs(), "an idle log takes the next entry at once");
    assert_eq!(takes(&log, 1..2).await, 3 + WORK.as_secs());
    sleep(HOUR / 60).await;
    assert_eq!(takes(&log, 2..3).await, WORK.as_secs(), "nor was it idle for less");
    log.stop().await;
}

/// Batches an hour apart: a full one does not wait for that.
#[tokio::test(start_paused = true)]
async fn a_full_batch_is_closed_at_once() {
    const FULL: u64 = 16_384;
    let log = open(Pace { even: true, ..Pace::new(HOUR) }).await;
    takes(&log, 0..1).await;
    assert_eq!(takes(&log, 1..FULL + 1).await, WORK.as_secs());
    log.stop().await;
}

/// A log that is stopped finishes what waits.
#[tokio::test(start_paused = true)]
async fn a_log_that_is_stopped_closes_its_batch() {
    let log = open(Pace { even: true, ..Pace::new(HOUR) }).await;
    takes(&log, 0..1).await;
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { takes(&log, 1..2).await }
    });
    tokio::task::yield_now().await;
    log.stop().await;
    assert_eq!(waiting.await.unwrap(), WORK.as_secs());
}
