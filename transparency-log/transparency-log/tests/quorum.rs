//! Witnesses that fail, are slow, or are needed again.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{ORIGIN, clock, entry};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tlog_proof::{Cosigner, Hash, LogPolicy, NoteSigner, UnverifiedCheckpoint, leaf_hash};
use transparency_log::storage::MemoryStorage;
use transparency_log::testing::key;
use transparency_log::{
    Clock, OpenError, Pace, Sequencer, Submit as _, SubmitError, Witness, WitnessError, Witnessing,
};

/// What a witness does before it does its work.
enum Mood {
    /// Fails as often as the number says, and from then on works.
    Failing(AtomicU64),
    /// Never answers.
    Silent,
    /// Answers with a cosignature of something else.
    Confused,
}

struct Moody(Witness, Mood);

impl Witnessing for Moody {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>> {
        match &self.1 {
            Mood::Failing(left)
                if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() =>
            {
                std::future::ready(Err(WitnessError::Unreachable("a bad day".into()))).boxed()
            }
            Mood::Failing(_) => self.0.add_checkpoint(old, proof, checkpoint),
            Mood::Silent => std::future::pending().boxed(),
            Mood::Confused => async move {
                let line = self.0.add_checkpoint(old, proof, checkpoint).await?;
                Ok(line.replace("AAAA", "AAAB"))
            }
            .boxed(),
        }
    }
}

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

fn witness(name: &str, clock: Clock) -> Witness {
    let cosigner = Cosigner::new(name, key(ORIGIN, name)).unwrap();
    Witness::open_on(Arc::new(MemoryStorage::new()), cosigner, vec![signer().vkey()], clock)
}

/// Opens a log with these witnesses, any `threshold` of them making the quorum.
async fn open(
    witnesses: Vec<(Witness, Mood)>,
    threshold: usize,
    pace: Pace,
) -> (Result<Sequencer, OpenError>, LogPolicy) {
    let names: Vec<String> = (0..witnesses.len()).map(|n| format!("w{n}")).collect();
    let lines: String = names
        .iter()
        .zip(&witnesses)
        .map(|(name, (witness, _))| format!("witness {name} {}\n", witness.vkey()))
        .collect();
    let group = format!("group g {threshold} {}\nquorum g\n", names.join(" "));
    let policy = LogPolicy::parse(&format!("log {}\n{lines}{group}", signer().vkey())).unwrap();
    let witnesses = witnesses.into_iter().map(|(witness, mood)| Arc::new(Moody(witness, mood)) as Arc<dyn Witnessing>);
    let storage = Arc::new(MemoryStorage::new());
    let opened = Sequencer::open_on(storage, ORIGIN, pace, signer(), witnesses.collect(), policy.clone()).await;
    (opened, policy)
}

const FAST: Pace = Pace::new(Duration::from_millis(5));

/// Time stands still here until all that is left to do is to wait: what passes is what was waited for.
#[tokio::test(start_paused = true)]
async fn a_quorum_is_enough_and_is_not_held_up() {
    let witnesses = vec![
        (witness("a.example", clock()), Mood::Failing(AtomicU64::new(0))),
        (witness("b.example", clock()), Mood::Failing(AtomicU64::new(u64::MAX))),
        (witness("c.example", clock()), Mood::Silent),
        (witness("d.example", clock()), Mood::Confused),
        (witness("e.example", clock()), Mood::Failing(AtomicU64::new(0))),
    ];
    let (log, policy) = open(witnesses, 2, FAST).await;
    let log = log.unwrap();
    let start = tokio::time::Instant::now();
    let logged = log.submit(entry(1)).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "the silent one is not waited for: {:?}", start.elapsed());
    let verdict = logged.proof.verify(&leaf_hash(&entry(1)), &policy).unwrap();
    let names: Vec<&str> = verdict.cosigned.iter().map(|by| by.name.as_str()).collect();
    assert_eq!(names, ["a.example", "e.example"]);
}

#[tokio::test]
async fn a_quorum_that_is_missed_opens_no_log() {
    let working = || (witness("a.example", clock()), Mood::Failing(AtomicU64::new(0)));
    let failing = || (witness("b.example", clock()), Mood::Failing(AtomicU64::new(1)));
    let (refused, _) = open(vec![working(), failing()], 2, FAST).await;
    let reason = refused.unwrap_err().to_string();
    assert!(reason.contains("expected the quorum g") && reason.contains("b.example: "), "{reason}");
    assert!(open(vec![working(), failing()], 1, FAST).await.0.is_ok());
}

#[tokio::test]
async fn trouble_is_told_and_passes() {
    /// Works once, to open the log, then fails three times, then works.
    struct Later(Witness, AtomicU64);
    impl Witnessing for Later {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn add_checkpoint(
            &self,
            old: u64,
            proof: Vec<Hash>,
            text: String,
        ) -> BoxFuture<'_, Result<String, WitnessError>> {
            match self.1.fetch_add(1, Ordering::SeqCst) {
                1..=3 => std::future::ready(Err(WitnessError::Unreachable("a bad hour".into()))).boxed(),
                _ => self.0.add_checkpoint(old, proof, text),
            }
        }
    }
    let witness = witness("a.example", clock());
    let text = format!("log {}\nwitness w {}\nquorum w\n", signer().vkey(), witness.vkey());
    let policy = LogPolicy::parse(&text).unwrap();
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(Later(witness, AtomicU64::new(0)))];
    let storage = Arc::new(MemoryStorage::new());
    let log = Sequencer::open_on(storage, ORIGIN, FAST, signer(), witnesses, policy.clone()).await.unwrap();
    let waiting = tokio::spawn({
        let log = log.clone();
        async move { log.submit(entry(1)).await }
    });
    while log.trouble().is_none() {
        assert!(!waiting.is_finished(), "no answer without a quorum");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(log.trouble().unwrap().contains("a bad hour"), "{:?}", log.trouble());
    waiting.await.unwrap().unwrap().proof.verify(&leaf_hash(&entry(1)), &policy).unwrap();
    assert_eq!(log.trouble(), None);
}

#[tokio::test]
async fn an_idle_log_renews_its_cosignatures() {
    let time = Arc::new(AtomicU64::new(1000));
    let ticking: Clock = Arc::new({
        let time = Arc::clone(&time);
        move || time.fetch_add(1, Ordering::SeqCst)
    });
    let pace = Pace { renewal: Duration::from_millis(20), ..FAST };
    let (log, policy) = open(vec![(witness("a.example", ticking), Mood::Failing(AtomicU64::new(0)))], 1, pace).await;
    let log = log.unwrap();
    let index = log.submit(entry(1)).await.unwrap().index;
    let cosigned = |log: &Sequencer| {
        let checkpoint = UnverifiedCheckpoint::parse(log.checkpoint()).unwrap();
        let verdict = policy.check(&checkpoint).unwrap();
        assert_eq!(verdict.checkpoint.size, index + 1);
        verdict.cosigned[0].time
    };
    let first = cosigned(&log);
    let start = Instant::now();
    while cosigned(&log) < first + 3 {
        assert!(start.elapsed() < Duration::from_secs(10), "not renewed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    log.submit(entry(2)).await.unwrap();
}

/// Answers when it is let; elsewhere or in this process.
struct Slow(Witness, Arc<tokio::sync::Semaphore>, bool);

impl Witnessing for Slow {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn is_remote(&self) -> bool {
        self.2
    }
    fn add_checkpoint(&self, old: u64, proof: Vec<Hash>, text: String) -> BoxFuture<'_, Result<String, WitnessError>> {
        async move {
            self.1.acquire().await.unwrap().forget();
            self.0.add_checkpoint(old, proof, text).await
        }
        .boxed()
    }
}

#[tokio::test]
async fn a_late_cosignature_joins_the_newest_checkpoint() {
    let (quick, slow) = (witness("a.example", clock()), witness("b.example", clock()));
    let text = format!(
        "log {}\nwitness a {}\nwitness b {}\ngroup g 1 a b\nquorum g\n",
        signer().vkey(),
        quick.vkey(),
        slow.vkey()
    );
    let policy = LogPolicy::parse(&text).unwrap();
    let turns = Arc::new(tokio::sync::Semaphore::new(0));
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(quick), Arc::new(Slow(slow, Arc::clone(&turns), true))];
    let (elsewhere, here) = (Pace::for_witnesses(&witnesses), Pace::for_witnesses(&witnesses[..1]));
    assert_eq!((elsewhere.batch_interval, elsewhere.even), (Duration::from_secs(1), true));
    assert_eq!((here.batch_interval, here.even), (Duration::from_millis(100), false));
    let storage = Arc::new(MemoryStorage::new());
    let shared: Arc<dyn transparency_log::storage::Storage> = Arc::<MemoryStorage>::clone(&storage);
    let log = Sequencer::open_on(shared, ORIGIN, FAST, signer(), witnesses, policy.clone()).await.unwrap();
    let cosigned = |text: String| -> (u64, usize) {
        let verdict = policy.check(&UnverifiedCheckpoint::parse(text).unwrap()).unwrap();
        (verdict.checkpoint.size, verdict.cosigned.len())
    };
    let logged = log.submit(entry(1)).await.unwrap();
    assert_eq!(cosigned(logged.proof.checkpoint.clone()), (1, 1), "the quorum is not held up");
    log.submit(entry(2)).await.unwrap();
    assert_eq!(cosigned(log.checkpoint()), (2, 1));
    // It finishes what it was asked first, is not asked for what is outdated, and then for the newest.
    turns.add_permits(10);
    let start = Instant::now();
    while cosigned(log.checkpoint()) != (2, 2) {
        assert!(start.elapsed() < Duration::from_secs(10), "the late cosignature did not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let served = transparency_log::storage::Storage::get(&*storage, "checkpoint").unwrap().unwrap();
    assert_eq!(cosigned(String::from_utf8(served).unwrap()), (2, 2), "it is served");
    log.stop().await;
}

/// A witness in this process that has seen another history of this log stops it, also when the quorum does not need it.
#[tokio::test]
async fn a_late_contradiction_halts_the_log() {
    let (quick, slow) = (witness("a.example", clock()), witness("b.example", clock()));
    let text = format!(
        "log {}\nwitness a {}\nwitness b {}\ngroup g 1 a b\nquorum g\n",
        signer().vkey(),
        quick.vkey(),
        slow.vkey()
    );
    let policy = LogPolicy::parse(&text).unwrap();
    let other: Vec<Arc<dyn Witnessing>> = vec![Arc::new(slow.clone())];
    let forked = Sequencer::open_on(Arc::new(MemoryStorage::new()), ORIGIN, FAST, signer(), other, policy.clone());
    let forked = forked.await.unwrap();
    forked.submit(entry(7)).await.unwrap();
    forked.stop().await;

    let turns = Arc::new(tokio::sync::Semaphore::new(0));
    let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(quick), Arc::new(Slow(slow, Arc::clone(&turns), false))];
    let log = Sequencer::open_on(Arc::new(MemoryStorage::new()), ORIGIN, FAST, signer(), witnesses, policy);
    let log = log.await.unwrap();
    log.submit(entry(1)).await.unwrap();
    turns.add_permits(10);
    let start = Instant::now();
    while log.halted().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "the log goes on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(log.halted().unwrap().contains("b.example"), "{:?}", log.halted());
    let refused = log.submit(entry(2)).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Halted { .. }), "{refused}");
}
