//! A log on an object store: over S3 as moto serves it, and over stores that are better or worse than they
//! should be. Two writers race, and the log never forks.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{ORIGIN, clock, entry};
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use tlog_proof::{Cosigner, Hash, LogPolicy, NoteSigner, UnverifiedCheckpoint, leaf_hash};
use transparency_log::client::StorageSource;
use transparency_log::monitor::audit;
use transparency_log::storage::{MemoryStorage, ObjectStorage, ProbeError, Storage as _};
use transparency_log::testing::key;
use transparency_log::{OpenError, Pace, Sequencer, Submit as _, SubmitError, Witness, Witnessing};

const PACE: Pace = Pace { renewal: Duration::from_millis(50), ..Pace::new(Duration::from_millis(5)) };

fn signer() -> NoteSigner {
    NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap()
}

/// Nobody has to cosign: what keeps the log from forking here is its storage alone.
fn unwitnessed() -> LogPolicy {
    LogPolicy::parse(&format!("log {}\nquorum none\n", signer().vkey())).unwrap()
}

async fn storage(store: &Arc<dyn ObjectStore>) -> Arc<ObjectStorage> {
    Arc::new(ObjectStorage::open(Arc::clone(store), "logs/2026").await.unwrap())
}

async fn open(store: &Arc<dyn ObjectStore>) -> Result<Sequencer, OpenError> {
    Sequencer::open_on(storage(store).await, ORIGIN, PACE, signer(), Vec::new(), unwitnessed()).await
}

/// Submits, restarts, finds everything where it was, and cleans up.
async fn live(store: Arc<dyn ObjectStore>) {
    let cosigner = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let text = format!("log {}\nwitness w {}\nquorum w\n", signer().vkey(), cosigner.vkey());
    let policy = LogPolicy::parse(&text).unwrap();
    let witness = Witness::open_on(Arc::new(MemoryStorage::new()), cosigner, vec![signer().vkey()], clock());
    let witnesses = || -> Vec<Arc<dyn Witnessing>> { vec![Arc::new(witness.clone())] };
    let log = Sequencer::open_on(storage(&store).await, ORIGIN, PACE, signer(), witnesses(), policy.clone());
    let log = log.await.unwrap();
    for batch in [0..3, 3..300, 300..301] {
        let logged = join_all(batch.clone().map(|number| log.submit(entry(number)))).await;
        for (number, logged) in batch.zip(logged) {
            let logged = logged.unwrap();
            assert_eq!(logged.index, number);
            logged.proof.verify(&leaf_hash(&entry(number)), &policy).unwrap();
        }
    }
    log.stop().await;
    let read = storage(&store).await;
    let report = audit(StorageSource::new(Arc::clone(&read)), &policy, None, |_| {}, |_, _| {}).await.unwrap();
    assert_eq!((report.size, report.duplicates.len()), (301, 0));
    let partial = tokio::task::spawn_blocking(move || read.get("tile/0/000.p/3").unwrap()).await.unwrap();
    assert_eq!(partial, None, "the full tile has replaced it");
    let log = Sequencer::open_on(storage(&store).await, ORIGIN, PACE, signer(), witnesses(), policy).await.unwrap();
    assert_eq!(log.submit(entry(7)).await.unwrap().index, 7);
    log.stop().await;
}

/// Lets two processes write the same log, again and again; whoever loses is started anew.
async fn race(store: Arc<dyn ObjectStore>, rounds: u64) {
    let mut writers = [open(&store).await.ok(), open(&store).await.ok()];
    let (mut answered, mut trees, mut lost) = (BTreeMap::new(), BTreeMap::<u64, Hash>::new(), 0);
    let mut see = |text: &str| {
        let verdict = unwitnessed().check(&UnverifiedCheckpoint::parse(text).unwrap()).unwrap();
        let (size, root) = (verdict.checkpoint.size, verdict.checkpoint.root);
        assert_eq!(*trees.entry(size).or_insert(root), root, "two trees of {size} entries");
    };
    for round in 0..rounds {
        for writer in &mut writers {
            if writer.is_none() {
                *writer = open(&store).await.ok();
            }
        }
        let submissions = writers.iter().zip(0..).flat_map(|(log, which)| {
            let numbers = (0..5).map(move |number| 1_000_000 * which + 10 * round + number);
            log.iter().flat_map(move |log| numbers.clone().map(move |number| (number, log)))
        });
        let waiting = submissions.map(|(number, log)| async move { (number, log.submit(entry(number)).await) });
        for (number, logged) in join_all(waiting).await {
            match logged {
                Ok(logged) => {
                    see(&logged.proof.checkpoint);
                    assert_eq!(*answered.entry(number).or_insert(logged.index), logged.index);
                }
                Err(SubmitError::Halted { reason }) => assert!(reason.contains("another process"), "{reason}"),
                Err(other) => panic!("{other}"),
            }
        }
        for writer in &mut writers {
            if writer.as_ref().is_some_and(|log| log.halted().is_some()) {
                lost += 1;
                writer.take().unwrap().stop().await;
            }
        }
    }
    for log in writers.into_iter().flatten() {
        log.stop().await;
    }
    assert!(lost >= rounds / 2, "the writers met: {lost} times in {rounds} rounds one lost");
    let log = open(&store).await.unwrap();
    for (number, index) in &answered {
        assert_eq!(log.submit(entry(*number)).await.unwrap().index, *index, "entry {number}");
    }
    assert!(!answered.is_empty());
    log.stop().await;
    let source = StorageSource::new(storage(&store).await);
    let report = audit(source, &unwitnessed(), None, |_| {}, |_, _| {}).await.unwrap();
    assert_eq!(report.duplicates.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_lives_on_an_object_store() {
    live(Arc::new(InMemory::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_never_fork_the_log() {
    race(Arc::new(InMemory::new()), 40).await;
}

/// A store that is worse than it should be.
#[derive(Debug)]
struct Bad {
    store: InMemory,
    manner: Manner,
}

#[derive(Debug)]
enum Manner {
    /// Its conditional writes do not look at their condition.
    Blind,
    /// Its conditional writes look first and write then.
    Careless,
    /// Sound, until it does one write of the object named, whose answer is lost; its client sends it again, and is told
    /// that the object is another one by now. The next read fails.
    Lossy(Mutex<Loss>),
}

#[derive(Debug, PartialEq)]
enum Loss {
    Ahead(&'static str),
    Read,
    Over,
}

impl Bad {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self { store: InMemory::new(), manner })
    }

    /// Whether this is the moment.
    fn loses(&self, when: impl Fn(&Loss) -> bool, then: Loss) -> bool {
        let Manner::Lossy(loss) = &self.manner else { return false };
        let mut loss = loss.lock().unwrap();
        let now = when(&loss);
        if now {
            *loss = then;
        }
        now
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bad store")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Bad {
    async fn put_opts(&self, path: &ObjectPath, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let another = || Err(Error::Precondition { path: path.to_string(), source: "it is another one".into() });
        if matches!(self.manner, Manner::Lossy(_)) {
            let written = self.store.put_opts(path, payload, options).await;
            let named = |loss: &Loss| matches!(loss, Loss::Ahead(name) if path.as_ref().ends_with(name));
            return if written.is_ok() && self.loses(named, Loss::Read) { another() } else { written };
        }
        let found = self.store.get_opts(path, GetOptions::default()).await.ok().and_then(|found| found.meta.e_tag);
        let fits = match &options.mode {
            PutMode::Overwrite => true,
            PutMode::Create => found.is_none(),
            PutMode::Update(version) => found == version.e_tag,
        };
        if matches!(self.manner, Manner::Careless) && !fits {
            return another();
        }
        tokio::task::yield_now().await;
        self.store.put_opts(path, payload, PutMode::Overwrite.into()).await
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        if self.loses(|loss| *loss == Loss::Read, Loss::Over) {
            return Err(Error::Generic { store: "bad", source: "connection reset".into() });
        }
        self.store.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lets_two_writers_win_is_refused() {
    for manner in [Manner::Careless, Manner::Blind] {
        let refused = ObjectStorage::open(Bad::new(manner), "logs/2026").await.unwrap_err();
        assert!(matches!(refused, ProbeError::NotAtomic { won: 2.., .. }), "{refused}");
        assert!(refused.to_string().contains("could fork"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_to_read_is_never_written() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let writer = storage(&store).await;
    let reader = ObjectStorage::open_to_read(Arc::clone(&store), "logs/2026").unwrap();
    let below = reader.below("2026").unwrap();
    let work = move || {
        writer.put("2026/checkpoint", b"x".to_vec()).unwrap();
        assert_eq!(below.get("checkpoint").unwrap().as_deref(), Some(&b"x"[..]));
        let refusals = [
            below.put("checkpoint", b"y".to_vec()),
            below.remove("checkpoint"),
            below.claim("checkpoint").map(drop),
            below.replace("checkpoint", b"y".to_vec()),
        ];
        assert!(refusals.iter().all(Result::is_err), "{refusals:?}");
        assert_eq!(writer.get("2026/checkpoint").unwrap().as_deref(), Some(&b"x"[..]));
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_no_other_writer() {
    let bad = Bad::new(Manner::Lossy(Mutex::new(Loss::Ahead("2026/checkpoint"))));
    let store: Arc<dyn ObjectStore> = bad.clone();
    let (mine, others) = (storage(&store).await, storage(&store).await);
    tokio::task::spawn_blocking(move || {
        for writer in [&mine, &others] {
            assert_eq!(writer.claim("checkpoint").unwrap(), None);
        }
        let failed = mine.replace("checkpoint", b"first".to_vec()).unwrap_err();
        assert!(failed.to_string().contains("connection reset"), "{failed}");
        // What stands there is its own first attempt.
        mine.replace("checkpoint", b"second".to_vec()).unwrap();
        assert_eq!(mine.get("checkpoint").unwrap().unwrap(), b"second");
        let refused = others.replace("checkpoint", b"third".to_vec()).unwrap_err();
        assert!(refused.to_string().contains("another process"), "{refused}");
    })
    .await
    .unwrap();
    assert!(bad.loses(|loss| *loss == Loss::Over, Loss::Over), "it happened");
}

/// An S3 server of moto's, in a process of its own.
struct Moto {
    server: Child,
    port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ended = self.server.kill();
        let _ended = self.server.wait();
    }
}

impl Moto {
    /// One request at a time, so that its conditional writes, which look first and write then, are atomic.
    fn start() -> Result<Self, String> {
        let python = environment()?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/object_store/serve_s3.py");
        let mut command = Command::new(python);
        command.arg("-B").arg(script).stdout(Stdio::piped()).stderr(Stdio::null());
        let server = command.spawn().map_err(|error| error.to_string())?;
        let mut moto = Self { server, port: 0 };
        let mut output = BufReader::new(moto.server.stdout.take().unwrap());
        let (send, said) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = output.read_line(&mut line);
            send.send(line)
        });
        let line = said.recv_timeout(Duration::from_secs(60)).unwrap_or_default();
        moto.port = line.trim().parse().map_err(|_| format!("moto printed {line:?} instead of its port"))?;
        Ok(moto)
    }

    fn store(&self, conditional: S3ConditionalPut) -> Arc<dyn ObjectStore> {
        let builder = AmazonS3Builder::new()
            .with_endpoint(format!("http://127.0.0.1:{}", self.port))
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name("logs")
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .with_conditional_put(conditional);
        Arc::new(builder.build().unwrap())
    }
}

/// A Python environment below the build's folder that has moto; made at the first run.
fn environment() -> Result<PathBuf, String> {
    const MOTO: &str = include_str!("object_store/requirements.txt");
    /// The tests of this file run side by side, and share it.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let (python, done) = (folder.join("bin/python"), folder.join("installed.txt"));
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == MOTO) && python.is_file() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", MOTO.trim()]))?;
    std::fs::write(done, MOTO).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {said}")) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_lives_on_s3() {
    let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let moto = match Moto::start() {
        Ok(moto) => moto,
        Err(reason) => {
            skipped(&reason);
            return;
        }
    };
    live(moto.store(S3ConditionalPut::ETagMatch)).await;
    let other = moto.store(S3ConditionalPut::Disabled);
    let refused = ObjectStorage::open(other, "logs/2026").await.unwrap_err();
    assert!(matches!(refused, ProbeError::Unconditional { .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_never_fork_the_log_on_s3() {
    let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Moto::start() {
        Ok(moto) => race(moto.store(S3ConditionalPut::ETagMatch), 10).await,
        Err(reason) => skipped(&reason),
    }
}

/// Past the test program, which hides what a test prints unless it fails.
fn skipped(reason: &impl fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "SKIPPED: no S3 server: {reason}");
}
