//! A log that was struck is evidence: a restore takes of it what there is, and serves it on, and never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use tower::ServiceExt as _;

use super::*;
use crate::backup::LogEdge;
use crate::testing::{announce, clock, published, start, version};

/// A server whose first log was struck after the second began.
struct House {
    place: tempfile::TempDir,
    clock: ca::config::Clock,
    /// The origins, the struck one first.
    origins: [String; 2],
}

impl House {
    /// With a backup from before the strike, `early`, and one from after it, `late`.
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (seconds, clock): (Arc<AtomicU64>, _) = clock();
        let folder = place.path().join("server");
        let server = start(&folder, &clock).await.unwrap();
        let settings = Settings::parse(&settings::read(&folder.join(settings::FILE)).unwrap()).unwrap();
        let origins = [settings.origin(), settings.shard_origin("next")];
        let begins = announce(&folder, &clock);
        published(&folder).await;
        server.stop().await;
        let house = Self { place, clock, origins };
        house.backup("server", "early").await.unwrap();
        // The log grows by lists that are signed anew.
        for file in files::below(&folder.join("crl")).unwrap() {
            std::fs::remove_file(folder.join("crl").join(file)).unwrap();
        }
        start(&folder, &house.clock).await.unwrap().stop().await;
        seconds.store(begins.as_secs() + 60, Ordering::SeqCst);
        let next = house.at("next.json");
        let strike = policies::Strike { logs: vec![house.origins[0].clone()], ..policies::Strike::default() };
        std::fs::write(&next, policies::draft(&folder, &strike).unwrap()).unwrap();
        policies::sign(&folder, &next, None, None, (house.clock)()).unwrap();
        let server = start(&folder, &house.clock).await.unwrap();
        version(&folder, 3).await;
        server.stop().await;
        house.backup("server", "late").await.unwrap();
        house
    }

    fn at(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn backup(&self, folder: &str, to: &str) -> Result<Vec<LogEdge>, StartError> {
        let made = backup::backup(&self.at(folder), &self.at(to), (self.clock)()).await;
        made.map(|made| made.manifest.logs)
    }

    fn unpack(&self, backup: &str, to: &str) -> Result<Manifest, RestoreError> {
        unpack(&self.at(backup), &self.at(to), (self.clock)())
    }

    /// How each log stands; the one that is not struck is never certain, for its only witness was on the disk.
    async fn catch_up(&self, folder: &str, wishes: &Wishes) -> [Standing; 2] {
        match catch_up(&self.at(folder), wishes, (self.clock)()).await {
            Err(RestoreError::NotCertain { logs }) => logs.try_into().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Another log begins.
    async fn begin(&self, folder: &str, wishes: &Wishes) -> new_log::Begun {
        let wishes = Wishes { without_lists: true, ..wishes.clone() };
        new_log::begin(&self.at(folder), "again", &wishes, (self.clock)()).await.unwrap()
    }

    /// What a restored server shows of a log.
    async fn shown(&self, folder: &str, path: &str) -> (StatusCode, Vec<u8>) {
        let server = start(&self.at(folder), &self.clock).await.unwrap();
        let page = server.logs.router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = page.status();
        let bytes = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        server.stop().await;
        (status, bytes.to_vec())
    }

    fn mirror(&self) -> Wishes {
        Wishes { mirrors: vec![self.at("server/log").display().to_string()], ..Wishes::default() }
    }
}

fn flip_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Another log by the same key, with so many entries.
async fn forge(key: &Path, origin: &str, folder: &Path, size: u64) {
    use transparency_log::{Pace, Sequencer, Submit as _, storage::FolderStorage};
    let key = Folder::beside(key.parent().unwrap().parent().unwrap()).unwrap();
    let signer = tlog_proof::NoteSigner::new(origin, keys::open(&key, keys::LOG).unwrap()).unwrap();
    let policy = tlog_proof::LogPolicy::parse(&format!("log {}\nquorum none\n", signer.vkey())).unwrap();
    let storage = Arc::new(FolderStorage::open_exclusive(folder).unwrap());
    let log = Sequencer::open_on(storage, origin, Pace::for_witnesses(&[]), signer, Vec::new(), policy).await.unwrap();
    let entry =
        |number: u64| Entry::Object { kind: ObjectKind::Crl, hash: Sha256::digest(number.to_be_bytes()).into() };
    let submitted = (0..size).map(|number| log.submit(entry(number).encode()));
    futures_util::future::join_all(submitted).await.into_iter().for_each(|logged| drop(logged.unwrap()));
    log.stop().await;
}

fn said(standing: &Standing) -> String {
    standing.to_string()
}

#[tokio::test]
async fn what_a_mirror_has_of_a_struck_log_is_taken() {
    let house = House::new().await;
    let grown = house.unpack("late", "whole").unwrap().logs[0].size;
    let before = house.unpack("early", "restored").unwrap().logs[0].size;
    assert!(grown > before, "{grown} entries, {before} before");
    let updates = vec![house.at("server/policies/3.json")];
    let [struck, _] = house.catch_up("restored", &Wishes { updates, ..house.mirror() }).await;
    assert_eq!((&struck.origin, struck.backup, struck.size), (&house.origins[0], before, grown), "{}", said(&struck));
    assert!(struck.certain && said(&struck).contains("gave"), "{}", said(&struck));
    // One that cannot be reached, or shows another log, is told and holds nothing up.
    house.unpack("late", "second").unwrap();
    let elsewhere = [house.at("nowhere"), house.at("server/shards/next/log")];
    let mirrors = elsewhere.iter().map(|mirror| mirror.display().to_string()).collect();
    let [struck, _] = house.catch_up("second", &Wishes { mirrors, ..Wishes::default() }).await;
    assert_eq!((struck.size, struck.answers.len()), (grown, 3), "{}", said(&struck));
}

#[tokio::test]
async fn a_damaged_copy_of_a_struck_log_is_told_and_the_rest_goes_on() {
    let house = House::new().await;
    let size = house.unpack("late", "whole").unwrap().logs[0].size;
    let tile = files::below(&house.at("late/log/tile")).unwrap().remove(0);
    // In a backup: what is left is put aside, and a mirror has the whole.
    flip_a_bit(&house.at("late/log/tile").join(&tile));
    house.unpack("late", "restored").unwrap();
    assert!(house.at("restored/log.damaged/tile").join(&tile).exists() && !house.at("restored/log/tile").exists());
    let [struck, _] = house.catch_up("restored", &Wishes::default()).await;
    assert_eq!(struck.size, 0);
    assert!(struck.certain && said(&struck).contains("log.damaged"), "{}", said(&struck));
    let [struck, other] = house.catch_up("restored", &house.mirror()).await;
    assert!(struck.size == size && !said(&struck).contains("another history"), "{}", said(&struck));
    assert!(other.size > 0, "{}", said(&other));
    // A thief of the key shows a mirror another history: it is not taken for the backup's.
    house.unpack("late", "second").unwrap();
    forge(&house.at("server/keys/log.pem"), &house.origins[0], &house.at("forged"), size + 1).await;
    let forged = house.at("forged").display().to_string();
    let wishes = |mirrors: &[&String]| Wishes {
        mirrors: mirrors.iter().map(ToString::to_string).collect(),
        ..Wishes::default()
    };
    let [struck, _] = house.catch_up("second", &wishes(&[&forged])).await;
    assert!(struck.size == 0 && said(&struck).contains("another history"), "{}", said(&struck));
    // Nor is one that is shorter than the backup, and cannot be compared.
    forge(&house.at("server/keys/log.pem"), &house.origins[0], &house.at("short"), size - 1).await;
    let short = house.at("short").display().to_string();
    let [struck, _] = house.catch_up("second", &wishes(&[&short])).await;
    assert!(struck.size == 0 && said(&struck).contains("fewer than"), "{}", said(&struck));
    let [struck, _] = house.catch_up("second", &wishes(&[&forged, &short, &house.mirror().mirrors[0]])).await;
    assert_eq!(struck.size, size, "{}", said(&struck));
    // Also if the disk spoils it after it was unpacked.
    flip_a_bit(&house.at("whole/log/checkpoint"));
    let [struck, _] = house.catch_up("whole", &Wishes::default()).await;
    assert!(struck.size == 0 && house.at("whole/log.damaged/checkpoint").exists(), "{}", said(&struck));
    let [struck, _] = house.catch_up("whole", &house.mirror()).await;
    assert_eq!(struck.size, size, "{}", said(&struck));
    // A log that is in use is another thing.
    let tile = files::below(&house.at("late/shards/next/log/tile")).unwrap().remove(0);
    flip_a_bit(&house.at("late/shards/next/log/tile").join(tile));
    let refused = house.unpack("late", "third").unwrap_err();
    assert!(matches!(&refused, RestoreError::Backup { reason, .. } if reason.contains("shards/next")), "{refused}");
}

#[tokio::test]
async fn a_struck_log_is_served_on_when_another_log_begins() {
    let house = House::new().await;
    house.unpack("late", "restored").unwrap();
    let begun = house.begin("restored", &Wishes::default()).await;
    assert_eq!(begun.given_up, [house.origins[1].clone()]);
    assert_eq!(begun.struck.iter().map(|log| &log.origin).collect::<Vec<_>>(), [&house.origins[0]]);
    let checkpoint = std::fs::read(house.at("server/log/checkpoint")).unwrap();
    assert_eq!(house.shown("restored", "/log/checkpoint").await, (StatusCode::OK, checkpoint.clone()));
    assert_eq!(house.shown("restored", "/log/next/checkpoint").await.0, StatusCode::NOT_FOUND, "it was given up");
    // It is in the next backup, and in what is restored from that.
    let logs = house.backup("restored", "next").await.unwrap();
    assert_eq!(logs[0].origin, house.origins[0]);
    house.unpack("next", "again").unwrap();
    assert_eq!(std::fs::read(house.at("again/log/checkpoint")).unwrap(), checkpoint);
    let waiting = Waiting::open(&house.at("again")).unwrap();
    assert!(waiting.own_logs().unwrap()[0].is_struck);
}

#[tokio::test]
async fn a_struck_log_of_which_nothing_is_left_keeps_no_backup_from_being_made() {
    let house = House::new().await;
    flip_a_bit(&house.at("late/log/checkpoint"));
    house.unpack("late", "restored").unwrap();
    let begun = house.begin("restored", &Wishes::default()).await;
    assert!(said(&begun.struck[0]).contains("log.damaged"), "{}", said(&begun.struck[0]));
    assert_eq!(house.shown("restored", "/log/checkpoint").await.0, StatusCode::NOT_FOUND);
    let logs = house.backup("restored", "next").await.unwrap();
    assert!(logs.iter().all(|log| log.origin != house.origins[0]), "{logs:?}");
    // Brought back, it is in backups again.
    std::fs::remove_dir_all(house.at("restored/log")).unwrap();
    std::fs::rename(house.at("server/log"), house.at("restored/log")).unwrap();
    assert_eq!(house.backup("restored", "third").await.unwrap()[0].origin, house.origins[0]);
}
