//! Logs over real sockets, honest and not, and what the monitor makes of them.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use tlog_proof::Entry;
use tokio::net::TcpListener;
use transparency_log::limit::RateLimit;
use transparency_log::storage::{FolderStorage, MemoryStorage, Storage};
use transparency_log::testing::{MemoryLog, key};
use transparency_log::{Submit as _, Witness, server, system_clock, witness};

use super::*;

const ORIGIN: &str = "log.example/2026";

async fn serve_at(router: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn submit(log: &MemoryLog, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut label = [0xaa; 32];
        label[..4].copy_from_slice(&number.to_be_bytes());
        log.sequencer.submit(Entry::Certificate { label, commitment: [1; 32] }.encode()).await.unwrap();
    }
}

/// A monitor's settings in a folder of their own, and the log it looks at: whatever lies in `served`.
struct World {
    place: tempfile::TempDir,
    log: MemoryLog,
    served: Arc<std::sync::RwLock<Arc<MemoryStorage>>>,
    url: String,
}

/// Reads through to whatever is shown just now.
struct Shown(Arc<std::sync::RwLock<Arc<MemoryStorage>>>);

impl Storage for Shown {
    fn get(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.0.read().unwrap().get(path)
    }

    fn put_all(&self, _files: &[transparency_log::storage::File]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _path: &str) -> std::io::Result<()> {
        Err(std::io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

impl World {
    async fn new() -> Self {
        let log = MemoryLog::open(ORIGIN, system_clock()).await;
        let served = Arc::new(std::sync::RwLock::new(Arc::clone(&log.storage)));
        let address = serve_at(server::router(Arc::new(Shown(Arc::clone(&served))))).await;
        let world = Self { place: tempfile::tempdir().unwrap(), log, served, url: format!("http://{address}") };
        world.write("");
        world
    }

    fn config(&self) -> PathBuf {
        self.place.path().join("monitor.toml")
    }

    fn write(&self, more: &str) {
        let policy = self
            .log
            .policy
            .to_string()
            .replace(&self.log.log_key.to_string(), &format!("{} {}", self.log.log_key, self.url));
        std::fs::write(self.config(), format!("folder = \"memory\"\npolicy = '''\n{policy}'''\n{more}")).unwrap();
    }

    fn show(&self, storage: MemoryStorage) {
        *self.served.write().unwrap() = Arc::new(storage);
    }

    async fn once(&self) -> Ending {
        run(&self.config(), false, true, CancellationToken::new()).await.unwrap()
    }

    fn evidence(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.place.path().join("memory/evidence"))
            .map(|found| found.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn an_honest_log_is_clean_and_one_that_is_gone_is_not() {
    let world = World::new().await;
    submit(&world.log, 0..300).await;
    assert_eq!(world.once().await, Ending::Clean);
    submit(&world.log, 300..310).await;
    assert_eq!(world.once().await, Ending::Clean);
    std::fs::write(
        world.config(),
        std::fs::read_to_string(world.config()).unwrap().replace(&world.url, "http://127.0.0.1:9"),
    )
    .unwrap();
    assert_eq!(world.once().await, Ending::Blind);
    assert!(world.evidence().is_empty());
}

#[tokio::test]
async fn a_rewritten_history_becomes_evidence_that_convinces_others() {
    let world = World::new().await;
    submit(&world.log, 0..300).await;
    assert_eq!(world.once().await, Ending::Clean);
    let fork = MemoryLog::open(ORIGIN, system_clock()).await;
    submit(&fork, 1..400).await;
    world.show(fork.storage.snapshot());
    let alarm = world.place.path().join("alarm.json");
    world.write(&format!("alarm_command = [\"sh\", \"-c\", \"cat > {}\"]\n", alarm.display()));
    assert_eq!(world.once().await, Ending::Fault);
    let [file] = &world.evidence()[..] else { panic!("one file") };
    let judged = judge(file).unwrap();
    assert_eq!((judged.log.as_str(), judged.size, judged.keys.len()), (ORIGIN, 300, 1));
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(alarm).unwrap()).unwrap();
    assert_eq!(told["faults"][0]["kind"], "split-view");
    // The same fork in later rounds, grown and cosigned anew, is the same evidence.
    let before = std::fs::read(file).unwrap();
    submit(&fork, 400..410).await;
    world.show(fork.storage.snapshot());
    assert_eq!(world.once().await, Ending::Fault);
    assert_eq!((world.evidence().as_slice(), std::fs::read(file).unwrap()), (std::slice::from_ref(file), before));
    // One altered byte proves nothing any more.
    let text = std::fs::read_to_string(file).unwrap();
    let other = world.place.path().join("altered.json");
    std::fs::write(&other, text.replacen("\\n300\\n", "\\n299\\n", 1)).unwrap();
    assert!(judge(&other).is_err());
    // And honesty afterwards does not wipe it out.
    world.show(world.log.storage.snapshot());
    assert_eq!(world.once().await, Ending::Clean);
    assert_eq!(world.evidence().len(), 1);
}

#[tokio::test]
async fn an_object_that_is_withheld_or_altered_is_a_fault_until_it_is_served() {
    let world = World::new().await;
    submit(&world.log, 0..20).await;
    let list = b"a list".to_vec();
    let path = format!("object/{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&list)));
    world.log.sequencer.put_object(tlog_proof::ObjectKind::Crl, list).await.unwrap();
    let alarm = world.place.path().join("alarm.json");
    world.write(&format!("alarm_command = [\"sh\", \"-c\", \"cat > {}\"]\n", alarm.display()));
    let withheld = world.log.storage.snapshot();
    withheld.remove(&path).unwrap();
    let altered = world.log.storage.snapshot();
    assert!(altered.tamper(&path, |bytes| bytes[0] ^= 1));
    for (shown, kind) in [(withheld, "withheld"), (altered, "mismatch")] {
        world.show(shown);
        assert_eq!(world.once().await, Ending::Fault);
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&alarm).unwrap()).unwrap();
        assert_eq!((told["faults"][0]["kind"].as_str(), told["objects"].as_u64()), (Some(kind), Some(0)));
        assert!(told["faults"][0]["account"].as_str().unwrap().contains("entry 20"), "{told}");
    }
    world.show(world.log.storage.snapshot());
    assert_eq!(world.once().await, Ending::Clean);
}

#[tokio::test]
async fn what_a_mirror_and_a_witness_have_seen_is_held_against_the_log() {
    let world = World::new().await;
    submit(&world.log, 0..50).await;
    let fork = MemoryLog::open(ORIGIN, system_clock()).await;
    submit(&fork, 1..31).await;
    let mirror = serve_at(server::router(Arc::clone(&world.log.storage) as Arc<dyn Storage>)).await;
    let cosigner = tlog_proof::Cosigner::new("w.example", key(ORIGIN, "other")).unwrap();
    let seen =
        Witness::open_on(Arc::new(MemoryStorage::new()), cosigner, vec![world.log.log_key.clone()], system_clock());
    let many = NonZeroU32::new(1000).unwrap();
    let address = serve_at(witness::router(seen.clone(), RateLimit::new(many, many))).await;
    let witnessed = format!("http://{address}/{}", round::digest(ORIGIN));
    let sources = format!(
        "[[source]]\nname = \"mirror\"\nurl = \"http://{mirror}\"\n[[source]]\nname = \"witness\"\nurl = \"{witnessed}\"\n\
         [[source]]\nname = \"gone\"\nurl = \"http://127.0.0.1:9\"\n"
    );
    world.write(&sources);
    assert_eq!(world.once().await, Ending::Clean, "one that does not answer says nothing about the log");

    // The log shows this witness another history, which the monitor never sees itself.
    seen.add_checkpoint_blocking(0, &[], &fork.sequencer.checkpoint()).unwrap();
    assert_eq!(world.once().await, Ending::Fault);
    assert_eq!(judge(&world.evidence()[0]).unwrap().size, 30);
}

/// A fork that grows with every round does not fill the disk, and every fault names a file that proves it.
#[tokio::test]
async fn evidence_of_one_source_has_an_end() {
    let world = World::new().await;
    submit(&world.log, 0..50).await;
    let fork = MemoryLog::open(ORIGIN, system_clock()).await;
    let mirror = serve_at(server::router(Arc::clone(&fork.storage) as Arc<dyn Storage>)).await;
    let alarm = world.place.path().join("alarm.json");
    world.write(&format!(
        "alarm_command = [\"sh\", \"-c\", \"cat > {}\"]\n[[source]]\nname = \"mirror\"\nurl = \"http://{mirror}\"\n",
        alarm.display()
    ));
    for round in 1..20 {
        submit(&fork, 100 + round..101 + round).await;
        assert_eq!(world.once().await, Ending::Fault);
        assert_eq!(world.evidence().len(), round.min(16) as usize);
        let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&alarm).unwrap()).unwrap();
        judge(told["faults"][0]["evidence"].as_str().unwrap().as_ref()).unwrap();
    }
}

#[tokio::test]
async fn a_log_that_shows_less_than_a_mirror_is_stale() {
    let world = World::new().await;
    submit(&world.log, 0..20).await;
    let old = world.log.storage.snapshot();
    submit(&world.log, 20..40).await;
    let mirror = serve_at(server::router(Arc::clone(&world.log.storage) as Arc<dyn Storage>)).await;
    world.write(&format!("[[source]]\nname = \"mirror\"\nurl = \"http://{mirror}\"\n"));
    world.show(old);
    assert_eq!(world.once().await, Ending::Fault);
    assert!(world.evidence().is_empty(), "an old state proves nothing to others");
}

#[tokio::test]
async fn flipped_bits_and_withheld_entries_are_faults() {
    let world = World::new().await;
    submit(&world.log, 0..300).await;
    for path in ["tile/0/000", "tile/0/001.p/44", "tile/entries/000", "tile/entries/001.p/44", "checkpoint"] {
        let tampered = world.log.storage.snapshot();
        tampered.tamper(path, |bytes| bytes[40] ^= 1);
        world.show(tampered);
        assert_eq!(world.once().await, Ending::Fault, "{path}");
        let holed = world.log.storage.snapshot();
        holed.remove(path).unwrap();
        world.show(holed);
        assert_eq!(world.once().await, Ending::Fault, "{path} withheld");
    }
    world.show(world.log.storage.snapshot());
    assert_eq!(world.once().await, Ending::Clean);
}

/// A monitor that was ended after it went past a duplicate tells it after the next start, until somebody listens.
#[tokio::test]
async fn a_duplicate_is_told_after_a_crash_and_a_failed_alarm() {
    let world = World::new().await;
    submit(&world.log, 0..5).await;
    assert_eq!(world.once().await, Ending::Clean);
    let mut label = [0xaa; 32];
    label[..4].copy_from_slice(&3_u32.to_be_bytes());
    world.log.sequencer.submit(Entry::Certificate { label, commitment: [2; 32] }.encode()).await.unwrap();
    // As far as a round gets that is ended before its report.
    let folder = world.place.path().join("memory").join(round::digest(ORIGIN));
    let mut book = Book::open(&folder, ORIGIN).unwrap();
    let source = Arc::new(world.log.source());
    transparency_log::monitor::follow(source, &world.log.policy, &mut book, |_| {}).await.map(|_| ()).unwrap();
    assert_eq!(book.cursor().unwrap().size(), 6);
    drop(book);

    world.write("alarm_command = [\"false\"]\n");
    assert_eq!(world.once().await, Ending::Fault);
    let alarm = world.place.path().join("alarm.json");
    world.write(&format!("alarm_command = [\"sh\", \"-c\", \"cat > {}\"]\n", alarm.display()));
    assert_eq!(world.once().await, Ending::Fault, "the alarm had failed");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(alarm).unwrap()).unwrap();
    assert_eq!((&told["faults"][0]["kind"], told["checked"].as_u64()), (&"duplicate".into(), Some(0)));
    assert_eq!(world.once().await, Ending::Clean, "told once");
}

#[tokio::test]
async fn tells_a_prometheus_server_and_stops_when_told() {
    let world = World::new().await;
    submit(&world.log, 0..5).await;
    let metrics = Arc::new(metrics::Metrics::default());
    let report = Report {
        log: "a\"b\\c".into(),
        size: Some(5),
        checked: 5,
        at: 7,
        faults: vec![Fault::new(Kind::Duplicate, "x")],
        cosigned: [("w".to_owned(), 9)].into(),
        ..Report::default()
    };
    metrics.take(&report);
    let address = serve_at(metrics::router(metrics)).await;
    let http = self_proving_http();
    let text = http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    for line in [
        "tlog_monitor_size{log=\"a\\\"b\\\\c\"} 5",
        "tlog_monitor_faults_total{log=\"a\\\"b\\\\c\",kind=\"duplicate\"} 1",
        "tlog_monitor_rounds_total{log=\"a\\\"b\\\\c\",result=\"fault\"} 1",
        "tlog_monitor_cosigned_timestamp_seconds{log=\"a\\\"b\\\\c\",witness=\"w\"} 9",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(30), run(&world.config(), false, false, stop)).await.unwrap();
    assert_eq!(ended.unwrap(), Ending::Clean);
    drop(FolderStorage::open_exclusive(&world.place.path().join("memory").join(round::digest(ORIGIN))).unwrap());
}
