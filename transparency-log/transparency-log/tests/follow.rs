//! The unattended monitor: a book on disk, rounds that break off, and logs that were really tampered with.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{ORIGIN, clock, entry, submit_all};
use tlog_proof::{Checkpoint, Entry, Frontier, NoteSigner, UnverifiedCheckpoint, leaf_hash, sign_checkpoint};
use transparency_log::client::{ClientError, Source, SourceError, StorageSource};
use transparency_log::monitor::{
    AuditError, Book, BookError, Duplicate, FollowError, Followed, View, compare, compare_sources, follow, shown,
};
use transparency_log::storage::{MemoryStorage, Storage as _};
use transparency_log::testing::{MemoryLog, key};

type Memory = StorageSource<MemoryStorage>;

fn book(folder: &Path) -> Book {
    Book::open(folder, ORIGIN).unwrap()
}

async fn round(
    source: Memory,
    log: &MemoryLog,
    folder: &Path,
) -> (Result<Followed<Memory>, FollowError>, Vec<Duplicate>) {
    let mut book = book(folder);
    let result = follow(Arc::new(source), &log.policy, &mut book, |_| {}).await;
    let found = book.untold().unwrap();
    book.told(&found).unwrap();
    (result, found)
}

async fn clean(log: &MemoryLog, folder: &Path) -> Followed<Memory> {
    let (followed, duplicates) = round(log.source(), log, folder).await;
    assert!(duplicates.is_empty());
    followed.unwrap()
}

fn failed(result: Result<Followed<Memory>, FollowError>) -> FollowError {
    result.map(|_| ()).unwrap_err()
}

fn tampered(storage: MemoryStorage, path: &str, bit: usize) -> Memory {
    storage.tamper(path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
    StorageSource::new(Arc::new(storage))
}

#[tokio::test]
async fn goes_on_where_it_stopped_and_looks_at_everything_once() {
    let (place, log) = (tempfile::tempdir().unwrap(), MemoryLog::open(ORIGIN, clock()).await);
    let mut from = 0;
    for size in [0, 3, 256, 257, 1000] {
        submit_all(&log, from..size).await;
        let followed = clean(&log, place.path()).await;
        assert_eq!(
            (followed.start, followed.counts.total(), followed.verdict.checkpoint.size),
            (from, size - from, size)
        );
        assert_eq!(book(place.path()).checkpoint().unwrap().unwrap(), followed.verdict.checkpoint.text());
        from = size;
    }
}

#[tokio::test]
async fn every_flipped_bit_is_found() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..600).await;
    for path in ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/001", "tile/entries/002.p/88"] {
        let whole = log.storage.get(path).unwrap().unwrap().len() * 8;
        for bit in [0, 7, whole / 2, whole - 1] {
            let place = tempfile::tempdir().unwrap();
            let (result, _) = round(tampered(log.storage.snapshot(), path, bit), &log, place.path()).await;
            let error = failed(result);
            assert!(matches!(error, FollowError::Audit(_)), "{path} bit {bit}: {error}");
            let audited = book(place.path()).cursor().map_or(0, transparency_log::monitor::Cursor::size);
            assert_eq!(audited, 0, "nothing counts as audited: {path} bit {bit}");
        }
    }
}

#[tokio::test]
async fn withheld_truncated_and_rewritten_logs_are_found() {
    let place = tempfile::tempdir().unwrap();
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..300).await;
    let old = log.storage.snapshot();
    submit_all(&log, 300..600).await;
    clean(&log, place.path()).await;

    let (result, _) = round(StorageSource::new(Arc::new(old)), &log, place.path()).await;
    let error = failed(result);
    assert!(matches!(error, FollowError::Audit(AuditError::Truncated { expected: 600, found: 300 })), "{error}");

    // The same keys, another history.
    let rewritten = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&rewritten, (0..599).chain([7000])).await;
    let (result, _) = round(rewritten.source(), &log, place.path()).await;
    let error = failed(result);
    assert!(matches!(error, FollowError::Audit(AuditError::Rewritten { size: 600, .. })), "{error}");

    submit_all(&log, 600..900).await;
    let holed = log.storage.snapshot();
    holed.remove("tile/entries/002").unwrap();
    let (result, _) = round(StorageSource::new(Arc::new(holed)), &log, place.path()).await;
    let error = failed(result);
    let withheld = matches!(&error, FollowError::Audit(AuditError::Client(ClientError::Source(SourceError::NotFound { path }))) if path == "tile/entries/002");
    assert!(withheld, "{error}");
    assert_eq!(clean(&log, place.path()).await.start, 600, "nothing was skipped");
}

/// A label that comes again is found however long ago it stood there, and told before the cursor moves on.
#[tokio::test]
async fn a_label_used_again_is_found_across_rounds() {
    let (place, log) = (tempfile::tempdir().unwrap(), MemoryLog::open(ORIGIN, clock()).await);
    submit_all(&log, 0..300).await;
    clean(&log, place.path()).await;
    submit_all(&log, 300..310).await;
    let Entry::Certificate { label, .. } = Entry::decode(&entry(41)).unwrap() else { panic!("a certificate") };
    let again = Entry::Certificate { label, commitment: [1; 32] }.encode();
    transparency_log::Submit::submit(&log.sequencer, again).await.unwrap();
    let (result, found) = round(log.source(), &log, place.path()).await;
    result.map(|_| ()).unwrap();
    assert_eq!(found, [Duplicate { label, first: 41, second: 310 }]);
    // The beginning alone is no label.
    let mut near = label;
    near[31] ^= 1;
    transparency_log::Submit::submit(&log.sequencer, Entry::Certificate { label: near, commitment: [1; 32] }.encode())
        .await
        .unwrap();
    clean(&log, place.path()).await;
}

/// A monitor that dies after it found a duplicate, and before it told anybody, tells it after the next start; once.
#[tokio::test]
async fn a_duplicate_outlives_the_round_that_found_it() {
    let (place, log) = (tempfile::tempdir().unwrap(), MemoryLog::open(ORIGIN, clock()).await);
    submit_all(&log, 0..10).await;
    let twice = |number, commitment| {
        let Entry::Certificate { label, .. } = Entry::decode(&entry(number)).unwrap() else { panic!("a certificate") };
        (label, Entry::Certificate { label, commitment: [commitment; 32] }.encode())
    };
    let (one, again) = twice(3, 1);
    transparency_log::Submit::submit(&log.sequencer, again).await.unwrap();

    // The labels cannot be written: the cursor stays, what was found is kept, and found once more.
    std::fs::create_dir(place.path().join("labels")).unwrap();
    let failed = follow(Arc::new(log.source()), &log.policy, &mut book(place.path()), |_| {}).await;
    assert!(matches!(failed, Err(FollowError::Book(_))));
    let first = Duplicate { label: one, first: 3, second: 10 };
    let stayed = book(place.path());
    assert_eq!((stayed.cursor(), stayed.untold().unwrap().as_slice()), (None, std::slice::from_ref(&first)));
    drop(stayed);
    std::fs::remove_dir(place.path().join("labels")).unwrap();

    // This round ends well, and its monitor dies then.
    follow(Arc::new(log.source()), &log.policy, &mut book(place.path()), |_| {}).await.map(|_| ()).unwrap();
    assert_eq!(book(place.path()).untold().unwrap(), std::slice::from_ref(&first));

    // The next one looks at nothing old, and finds another.
    let (other, again) = twice(7, 2);
    transparency_log::Submit::submit(&log.sequencer, again).await.unwrap();
    let (result, found) = round(log.source(), &log, place.path()).await;
    assert_eq!(result.unwrap().start, 11);
    assert_eq!(found, [first, Duplicate { label: other, first: 7, second: 11 }]);
    clean(&log, place.path()).await;
    std::fs::write(place.path().join("duplicates.json"), "[{").unwrap();
    assert!(matches!(book(place.path()).untold(), Err(BookError::Damaged { .. })));
}

/// Cosignatures that were seen before, on the same tree or an older one, are not news.
#[tokio::test]
async fn a_replayed_cosignature_is_found() {
    let place = tempfile::tempdir().unwrap();
    let now = Arc::new(std::sync::atomic::AtomicU64::new(1_767_225_600));
    let time = Arc::clone(&now);
    let log = MemoryLog::open(ORIGIN, Arc::new(move || time.load(std::sync::atomic::Ordering::SeqCst))).await;
    submit_all(&log, 0..5).await;
    let old = log.storage.snapshot();
    now.fetch_add(3600, std::sync::atomic::Ordering::SeqCst);
    let log = log.restart().await.unwrap();
    clean(&log, place.path()).await;
    let (result, _) = round(StorageSource::new(Arc::new(old)), &log, place.path()).await;
    let error = failed(result);
    assert!(matches!(error, FollowError::Replayed { expected, found, .. } if expected == found + 3600), "{error}");
}

#[tokio::test]
async fn a_lost_memory_is_told_and_never_papered_over() {
    let (place, log) = (tempfile::tempdir().unwrap(), MemoryLog::open(ORIGIN, clock()).await);
    submit_all(&log, 0..20).await;
    clean(&log, place.path()).await;
    let held = book(place.path());
    assert!(matches!(Book::open(place.path(), ORIGIN), Err(BookError::Lock(_))), "one monitor for each book");
    drop(held);
    assert!(matches!(Book::open(place.path(), "other.example"), Err(BookError::Damaged { .. })));
    std::fs::OpenOptions::new().write(true).open(place.path().join("labels")).unwrap().set_len(19 * 8).unwrap();
    let error = Book::open(place.path(), ORIGIN).unwrap_err().to_string();
    assert!(error.contains("expected the labels of 20 entries, found 19"), "{error}");
    std::fs::remove_file(place.path().join("cursor.json")).unwrap();
    assert_eq!(clean(&log, place.path()).await.start, 0, "the operator decided to start over");
}

/// A fork that is shown to one client is proven by what the others see.
#[tokio::test]
async fn a_fork_shown_to_one_source_becomes_evidence() {
    let place = tempfile::tempdir().unwrap();
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..700).await;
    let followed = clean(&log, place.path()).await;
    let newest = &followed.verdict.checkpoint;
    for (size, last) in [(700, 9000), (260, 9000), (1, 9000)] {
        let fork = MemoryLog::open(ORIGIN, clock()).await;
        submit_all(&fork, (0..size - 1).chain([last])).await;
        let other = shown(&fork.source(), &log.policy, ORIGIN).await.unwrap();
        let View::Split(split) = compare(&followed.tree, newest, &other).await.unwrap() else { panic!("{size}") };
        assert_eq!(split.verify(&log.policy).unwrap(), (ORIGIN.to_owned(), size));
        let mut altered = (*split).clone();
        altered.beginning = other.root.to_string();
        altered.verify(&log.policy).unwrap_err();
        // The larger tree may be the other one.
        let (a, b) = (Arc::new(fork.source()), Arc::new(log.source()));
        let view = compare_sources((&a, &other), (&b, newest)).await.unwrap();
        assert!(matches!(view, View::Split(_)), "{size}: {view:?}");
    }
    // What agrees is no split view: an old state, the same, and a newer one.
    let honest = Frontier::from_parts(0, vec![]).map(|mut tree| {
        (0..300).for_each(|number| tree.push(leaf_hash(&entry(number))));
        tree
    });
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: 300, root: honest.unwrap().root() };
    let text = sign_checkpoint(&checkpoint, &NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap());
    let older = log.policy.check_log(&UnverifiedCheckpoint::parse(text).unwrap()).unwrap();
    assert_eq!(compare(&followed.tree, newest, &older).await.unwrap(), View::Agrees { size: 300 });
    assert_eq!(compare(&followed.tree, newest, newest).await.unwrap(), View::Agrees { size: 700 });
    submit_all(&log, 700..701).await;
    let newer = shown(&log.source(), &log.policy, ORIGIN).await.unwrap();
    assert_eq!(compare(&followed.tree, newest, &newer).await.unwrap(), View::Ahead { size: 701 });
}

/// What is not signed by the log is no view of it at all.
#[tokio::test]
async fn a_forged_view_is_no_evidence() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..5).await;
    let other = MemoryLog::open("other.example", clock()).await;
    submit_all(&other, 0..5).await;
    shown(&other.source(), &log.policy, ORIGIN).await.unwrap_err();
    let forged = log.storage.snapshot();
    forged.tamper("checkpoint", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replacen("\n5\n", "\n6\n", 1).into_bytes();
    });
    let source = StorageSource::new(Arc::new(forged));
    shown(&source, &log.policy, ORIGIN).await.unwrap_err();
    assert!(source.get("checkpoint").await.is_ok());
}
