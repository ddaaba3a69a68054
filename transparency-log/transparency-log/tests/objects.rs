//! Objects that entries name: fetched, held against their hashes, withheld, altered, and looked for again.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{ORIGIN, audit_from, clock, submit_all};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tlog_proof::{ObjectKind, UnverifiedCheckpoint};
use transparency_log::client::{Source, SourceError, StorageSource, VerifiedTree};
use transparency_log::monitor::{AuditReport, Budget, Looked, ObjectCursor, ObjectFault, look};
use transparency_log::sequencer::MAX_OBJECT_BYTES;
use transparency_log::storage::{MemoryStorage, Storage as _};
use transparency_log::testing::MemoryLog;

fn path(object: &[u8]) -> String {
    format!("object/{}", hex::encode(Sha256::digest(object)))
}

/// Audits what is shown from the cursor of an earlier report, and looks at the objects from `known` on.
async fn audited<S: Source + 'static>(
    shown: S,
    log: &MemoryLog,
    before: Option<&AuditReport>,
    known: ObjectCursor,
    budget: Budget,
) -> (AuditReport, Looked) {
    let shown = Arc::new(shown);
    let report = audit_from(Arc::clone(&shown), log, before.map(|report| report.cursor.clone())).await.unwrap();
    let checkpoint = UnverifiedCheckpoint::parse(report.checkpoint.as_bytes()).unwrap();
    let verdict = log.policy.check(&checkpoint).unwrap();
    let tree = Arc::new(VerifiedTree::open(Arc::clone(&shown), &verdict.checkpoint).await.unwrap());
    let looked = look(&*shown, &tree, known, &report.objects, budget).await.unwrap();
    (report, looked)
}

fn source(storage: MemoryStorage) -> StorageSource<MemoryStorage> {
    StorageSource::new(Arc::new(storage))
}

/// A log with certificates, and three objects of which one is logged twice: entries 300 to 303.
async fn log() -> (MemoryLog, [&'static [u8]; 3]) {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..300).await;
    let objects: [&[u8]; 3] = [b"a list", b"a policy", b"a head"];
    let kinds = [ObjectKind::Crl, ObjectKind::TrustPolicy, ObjectKind::AuditHead];
    for (kind, object) in kinds.into_iter().zip(objects) {
        log.sequencer.put_object(kind, object.to_vec()).await.unwrap();
    }
    (log, objects)
}

#[tokio::test]
async fn objects_are_fetched_once_and_not_again() {
    let (log, _) = log().await;
    let (report, looked) = audited(log.source(), &log, None, ObjectCursor::default(), Budget::default()).await;
    assert_eq!((looked.good, looked.left, looked.bytes), (3, 0, 20));
    assert!(looked.faults.is_empty() && looked.silent.is_none());
    log.sequencer.put_object(ObjectKind::Crl, b"another list".to_vec()).await.unwrap();
    let (_, looked) = audited(log.source(), &log, Some(&report), looked.cursor, Budget::default()).await;
    assert_eq!((looked.good, looked.left), (1, 0));
    // The cursor survives being written down.
    let text = serde_json::to_string(&looked.cursor).unwrap();
    assert_eq!(serde_json::from_str::<ObjectCursor>(&text).unwrap(), looked.cursor);
}

#[tokio::test]
async fn a_withheld_and_an_altered_object_are_named_until_they_are_there() {
    let (log, [list, policy, head]) = log().await;
    let tampered = log.storage.snapshot();
    tampered.remove(&path(list)).unwrap();
    assert!(tampered.tamper(&path(policy), |bytes| bytes[0] ^= 1));
    assert!(tampered.tamper(&path(head), |bytes| bytes.resize(MAX_OBJECT_BYTES + 1, 0)));
    let (report, looked) =
        audited(source(tampered.snapshot()), &log, None, ObjectCursor::default(), Budget::default()).await;
    let [withheld, altered, larger] = &looked.faults[..] else { panic!("{:?}", looked.faults) };
    assert!(matches!(withheld, ObjectFault::Withheld(object) if object.index == 300 && withheld.is_withheld()));
    assert!(matches!(altered, ObjectFault::Altered { object, .. } if object.kind == ObjectKind::TrustPolicy));
    assert!(matches!(larger, ObjectFault::TooLarge { object, .. } if object.index == 302));
    let account = withheld.to_string();
    assert!(account.contains("a revocation list, entry 300") && account.contains(&path(list)), "{account}");
    assert_eq!((looked.good, looked.left), (0, 0));
    // The next audit looks at nothing new, and asks for them again.
    let (report, again) =
        audited(source(tampered), &log, Some(&report), looked.cursor.clone(), Budget::default()).await;
    assert_eq!((again.faults.len(), &again.cursor), (3, &looked.cursor));
    let (_, honest) = audited(log.source(), &log, Some(&report), again.cursor, Budget::default()).await;
    assert_eq!((honest.good, honest.faults.len()), (3, 0));
    let (_, over) = audited(log.source(), &log, Some(&report), honest.cursor, Budget::default()).await;
    assert_eq!((over.good, over.faults.len()), (0, 0));
}

#[tokio::test]
async fn what_one_call_leaves_the_next_one_fetches_however_the_log_has_grown() {
    let (log, [list, ..]) = log().await;
    for budget in [Budget { objects: 1, bytes: 1 << 20 }, Budget { objects: 100, bytes: 1 }] {
        let (mut report, mut looked) = audited(log.source(), &log, None, ObjectCursor::default(), budget).await;
        let mut fetched = looked.good;
        assert!(looked.left > 0);
        while looked.left > 0 {
            let before = looked.left;
            (report, looked) = audited(log.source(), &log, Some(&report), looked.cursor, budget).await;
            fetched += looked.good;
            assert!(looked.left < before, "it comes to an end");
        }
        assert_eq!(fetched, report.counts.objects.max(3));
    }
    // The same object under a later entry is one object.
    log.sequencer.put_object(ObjectKind::AuditHead, list.to_vec()).await.unwrap();
    let (_, looked) = audited(log.source(), &log, None, ObjectCursor::default(), Budget::default()).await;
    assert_eq!((looked.good, looked.left), (3, 0));
}

/// Answers for everything but objects.
struct Silent(StorageSource<MemoryStorage>);

impl Source for Silent {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        if path.starts_with("object/") {
            let (path, reason) = (path.to_owned(), "no route".to_owned());
            return async { Err(SourceError::Unreachable { path, reason }) }.boxed();
        }
        self.0.get(path)
    }
}

#[tokio::test]
async fn silence_is_no_fault_and_nothing_is_skipped_over_it() {
    let (log, _) = log().await;
    let shown = Silent(source(log.storage.snapshot()));
    let (report, looked) = audited(shown, &log, None, ObjectCursor::default(), Budget::default()).await;
    assert!(looked.faults.is_empty() && looked.silent.as_ref().unwrap().contains("no route"));
    assert_eq!((looked.good, looked.left), (0, 3));
    let (_, looked) = audited(log.source(), &log, Some(&report), looked.cursor, Budget::default()).await;
    assert_eq!((looked.good, looked.left), (3, 0));
}
