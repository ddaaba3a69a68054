//! A witness elsewhere that says that it has cosigned more than the log holds: a liar, or the only one who noticed that the
//! log runs on an old copy.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{ORIGIN, clock, entry};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tlog_proof::checkpoint::{Checkpoint, sign_checkpoint};
use tlog_proof::{Cosigner, Hash, LogPolicy, NoteSigner, UnverifiedCheckpoint};
use transparency_log::storage::{MemoryStorage, Storage as _};
use transparency_log::testing::key;
use transparency_log::witness::Observed;
use transparency_log::{OpenError, Pace, Sequencer, Submit as _, SubmitError, Witness, WitnessError, Witnessing};

/// At the start a log waits so long for a witness without which it has its quorum: on a busy machine, too, one in this process
/// has answered by then.
const FAST: Pace = Pace { renewal: Duration::from_millis(20), ..Pace::new(Duration::from_millis(500)) };

/// The claimed number of entries.
const MANY: u64 = 1_000;

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

fn cosigner(name: &str) -> Cosigner {
    Cosigner::new(name, key(ORIGIN, name)).unwrap()
}

/// A witness elsewhere that says that it has cosigned a thousand entries, and shows this.
#[derive(Default)]
struct Claiming {
    shows: Mutex<Option<String>>,
}

impl Witnessing for Claiming {
    fn name(&self) -> &str {
        "claiming.example"
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn add_checkpoint(&self, _: u64, _: Vec<Hash>, _: String) -> BoxFuture<'_, Result<String, WitnessError>> {
        async { Err(WitnessError::Conflict { size: MANY }) }.boxed()
    }

    fn newest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        assert_eq!(origin, ORIGIN);
        async { Ok(self.shows.lock().unwrap().clone()) }.boxed()
    }
}

struct World {
    storage: Arc<MemoryStorage>,
    own: Witness,
    claiming: Arc<Claiming>,
    observed: Arc<Observed>,
}

impl World {
    fn new() -> Self {
        let own = cosigner("own.example");
        let own = Witness::open_on(Arc::new(MemoryStorage::new()), own, vec![signer().vkey()], clock());
        let claiming = Arc::new(Claiming::default());
        let observed = Arc::new(Observed::new(Arc::clone(&claiming) as Arc<dyn Witnessing>, clock()));
        Self { storage: Arc::new(MemoryStorage::new()), own, claiming, observed }
    }

    async fn open(&self, quorum: &str) -> Result<Sequencer, OpenError> {
        let (log, own, other) = (signer().vkey(), self.own.vkey(), cosigner("claiming.example").vkey());
        let text =
            format!("log {log}\nwitness own {own}\nwitness other {other}\ngroup both all own other\nquorum {quorum}\n");
        let policy = LogPolicy::parse(&text).unwrap();
        let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(self.own.clone()), Arc::clone(&self.observed) as _];
        Sequencer::open_on(Arc::clone(&self.storage) as _, ORIGIN, FAST, signer(), witnesses, policy).await
    }

    fn show(&self, text: String) {
        *self.claiming.shows.lock().unwrap() = Some(text);
    }

    fn kept(&self) -> Vec<String> {
        self.storage.paths().into_iter().filter(|path| path.starts_with("claims/")).collect()
    }
}

/// A checkpoint of a thousand entries, signed by this key.
fn signed_by(signer: &NoteSigner) -> String {
    sign_checkpoint(&Checkpoint { origin: ORIGIN.to_owned(), size: MANY, root: Hash([7; 32]) }, signer)
}

#[tokio::test]
async fn a_claim_without_proof_is_one_cosignature_less() {
    let world = World::new();
    let log = world.open("own").await.unwrap();
    log.submit(entry(1)).await.unwrap();
    log.stop().await;
    let log = world.open("own").await.unwrap();
    assert_eq!(log.submit(entry(2)).await.unwrap().index, 1);
    assert_eq!((log.trouble(), log.halted()), (None, None));
    let health = world.observed.health();
    assert!(health.failed > 0 && health.cosigned == 0);
    let said = health.trouble.unwrap();
    assert!(said.contains("1000 entries of this log, which has"), "{said}");
    assert!(world.kept().is_empty());
    log.stop().await;
}

#[tokio::test]
async fn what_it_shows_proves_nothing_unless_the_log_has_signed_it() {
    let world = World::new();
    let log = world.open("own").await.unwrap();
    let stranger = NoteSigner::new(ORIGIN, key(ORIGIN, "somebody")).unwrap();
    world.show("garbage".to_owned());
    log.submit(entry(1)).await.unwrap();
    world.show(signed_by(&stranger));
    log.submit(entry(2)).await.unwrap();
    assert!(world.kept().is_empty(), "signed by nobody who is known");
    // Its own signature on what the log has never signed is kept, for others to see.
    let text = signed_by(&stranger);
    let body = UnverifiedCheckpoint::parse(&text).unwrap().claimed().to_body();
    world.show(format!("{text}{}", cosigner("claiming.example").cosign(&body, 7)));
    log.submit(entry(3)).await.unwrap();
    let start = Instant::now();
    while world.kept().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing is kept");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let [kept] = &world.kept()[..] else { panic!("one for each witness") };
    let kept = UnverifiedCheckpoint::parse(world.storage.get(kept).unwrap().unwrap()).unwrap();
    kept.verify_cosignature(&cosigner("claiming.example").vkey()).unwrap();
    assert_eq!(log.halted(), None);
    log.stop().await;
    world.open("own").await.unwrap().stop().await;
}

#[tokio::test]
async fn the_quorum_decides_whether_a_log_can_do_without_it() {
    let world = World::new();
    let refused = world.open("both").await.unwrap_err();
    assert!(matches!(refused, OpenError::Behind { witnessed: MANY, stored: 0, .. }), "{refused}");
    // Nor does one that exists start: it could log nothing, and what it signed might be a fork.
    world.open("own").await.unwrap().stop().await;
    let refused = world.open("both").await.unwrap_err();
    assert!(refused.to_string().contains("claiming.example has cosigned 1000 entries"), "{refused}");
    world.open("own").await.unwrap().stop().await;
}

#[tokio::test]
async fn the_logs_own_signature_on_more_than_it_has_stops_it() {
    let world = World::new();
    let log = world.open("own").await.unwrap();
    log.submit(entry(1)).await.unwrap();
    log.stop().await;
    // Whoever has that is the other copy of this very log.
    world.show(signed_by(&signer()));
    let refused = world.open("own").await.unwrap_err();
    assert!(matches!(refused, OpenError::Behind { witnessed: MANY, stored: 1, .. }), "{refused}");
    assert_eq!(world.kept().len(), 1);
    // Also where it is shown to one that runs.
    *world.claiming.shows.lock().unwrap() = None;
    let log = world.open("own").await.unwrap();
    world.show(signed_by(&signer()));
    let start = Instant::now();
    while log.halted().is_none() {
        assert!(start.elapsed() < Duration::from_secs(10), "the log goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(log.halted().unwrap().contains("claiming.example"), "{:?}", log.halted());
    let refused = log.submit(entry(2)).await.unwrap_err();
    assert!(matches!(refused, SubmitError::Halted { .. }), "{refused}");
}
