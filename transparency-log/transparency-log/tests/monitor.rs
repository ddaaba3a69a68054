//! Audits of logs that were really tampered with.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{ORIGIN, audit_from, clean, clock, entry, submit_all};
use tlog_proof::Entry;
use transparency_log::Submit as _;
use transparency_log::client::{ClientError, SourceError, StorageSource};
use transparency_log::monitor::{AuditError, Cursor, audit};
use transparency_log::storage::{MemoryStorage, Storage as _};
use transparency_log::testing::MemoryLog;

fn source(storage: MemoryStorage) -> StorageSource<MemoryStorage> {
    StorageSource::new(Arc::new(storage))
}

#[tokio::test]
async fn every_flipped_bit_is_found() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..700).await;
    let served: Vec<String> =
        log.storage.paths().into_iter().filter(|path| path.starts_with("tile/") || path == "checkpoint").collect();
    assert_eq!(served.len(), 1 + 3 + 3 + 1, "{served:?}");
    for path in served {
        let length = log.storage.get(&path).unwrap().unwrap().len();
        for position in [0, 1, length / 2, length - 2, length - 1] {
            let tampered = log.storage.snapshot();
            tampered.tamper(&path, |bytes| bytes[position] ^= 0x10);
            let found = audit_from(source(tampered), &log, None).await;
            assert!(found.is_err(), "{path}, byte {position}");
        }
    }
}

#[tokio::test]
async fn the_account_names_what_was_tampered_with() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..700).await;
    let audit_tampered = async |path: &str, position: usize| {
        let tampered = log.storage.snapshot();
        assert!(tampered.tamper(path, |bytes| bytes[position] ^= 1), "{path}");
        audit_from(source(tampered), &log, None).await.unwrap_err()
    };
    for bundle in ["tile/entries/000", "tile/entries/002.p/188"] {
        let error = audit_tampered(bundle, 40).await;
        assert!(matches!(&error, AuditError::Client(ClientError::Mismatch { path, .. }) if path == bundle), "{error}");
    }
    let error = audit_tampered("tile/0/001", 40).await;
    assert!(
        matches!(&error, AuditError::Client(ClientError::Mismatch { path, .. }) if path == "tile/0/001"),
        "{error}"
    );
    let error = audit_tampered("tile/1/000.p/2", 40).await;
    assert!(
        matches!(&error, AuditError::Client(ClientError::Mismatch { path, .. }) if path == "checkpoint"),
        "{error}"
    );
}

#[tokio::test]
async fn a_withheld_bundle_is_missed() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..700).await;
    for path in ["tile/entries/001", "tile/0/000", "tile/entries/002.p/188"] {
        let tampered = log.storage.snapshot();
        tampered.remove(path).unwrap();
        let error = audit_from(source(tampered), &log, None).await.unwrap_err();
        let missing =
            matches!(&error, AuditError::Client(ClientError::Source(SourceError::NotFound { path: at })) if at == path);
        assert!(missing, "{error}");
    }
}

#[tokio::test]
async fn a_truncated_log_is_found_by_the_cursor() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..400).await;
    let old = log.storage.snapshot();
    submit_all(&log, 400..700).await;
    let cursor = clean(&log).await.cursor;
    let error = audit_from(source(old), &log, Some(cursor)).await.unwrap_err();
    assert!(matches!(error, AuditError::Truncated { expected: 700, found: 400 }), "{error}");
}

#[tokio::test]
async fn a_rewritten_history_is_found_by_the_cursor() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..400).await;
    let cursor = clean(&log).await.cursor;
    // The same log, key and witness, with one entry another: each log is clean in itself.
    for size in [400, 401, 700] {
        let other = MemoryLog::open(ORIGIN, clock()).await;
        submit_all(&other, (0..size).map(|number| if number == 5 { 1_000_000 } else { number })).await;
        clean(&other).await;
        let error = audit_from(other.source(), &other, Some(cursor.clone())).await.unwrap_err();
        assert!(matches!(error, AuditError::Rewritten { size: 400, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_duplicate_label_is_reported() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..300).await;
    let Entry::Certificate { label, .. } = Entry::decode(&entry(7)).unwrap() else { unreachable!() };
    log.sequencer.submit(Entry::Certificate { label, commitment: [0; 32] }.encode()).await.unwrap();
    // A service's digest and an object's hash repeat by design.
    for commitment in [[1; 32], [2; 32]] {
        log.sequencer.submit(Entry::Service { name_digest: [9; 32], commitment }.encode()).await.unwrap();
    }
    let report = audit_from(log.source(), &log, None).await.unwrap();
    assert_eq!(report.duplicates.len(), 1);
    let duplicate = &report.duplicates[0];
    assert_eq!((duplicate.label, duplicate.first, duplicate.second), (label, 7, 300));
}

#[tokio::test]
async fn an_uncosigned_checkpoint_is_refused() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..3).await;
    let stripped = log.storage.snapshot();
    stripped.tamper("checkpoint", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text
            .lines()
            .filter(|line| !line.contains("/witness"))
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
            .into();
    });
    let error = audit_from(source(stripped), &log, None).await.unwrap_err();
    assert!(matches!(error, AuditError::Client(ClientError::Policy(_))), "{error}");
}

/// Step by step from the cursor, stored and read back, every entry is seen once and none is skipped.
#[tokio::test]
async fn a_durable_cursor_skips_nothing() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    let (mut seen, mut stored) = (Vec::new(), None::<String>);
    let mut from = 0;
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 700, 700] {
        submit_all(&log, from..size).await;
        from = size;
        let cursor = stored.as_deref().map(|json| serde_json::from_str::<Cursor>(json).unwrap());
        let mut last = None;
        let looked_at = |index, found: &Entry| {
            assert_eq!(found.encode(), entry(index));
            seen.push(index);
        };
        let report = audit(log.source(), &log.policy, cursor, |at| last = Some(at), looked_at).await.unwrap();
        assert_eq!((report.size, report.cursor.size()), (size, size));
        assert_eq!(report.start + report.counts.total(), size);
        assert!(last.is_none_or(|at| at.done == size && at.size == size));
        assert_eq!(report.cursor, clean(&log).await.cursor, "as if audited from the start");
        stored = Some(serde_json::to_string(&report.cursor).unwrap());
    }
    assert!(seen.into_iter().eq(0..700));
}

#[tokio::test]
async fn a_cursor_is_for_its_log_and_of_its_shape() {
    let log = MemoryLog::open(ORIGIN, clock()).await;
    submit_all(&log, 0..5).await;
    let cursor = clean(&log).await.cursor;
    let other = MemoryLog::open("other.example", clock()).await;
    let error = audit_from(other.source(), &other, Some(cursor.clone())).await.unwrap_err();
    assert!(matches!(error, AuditError::OtherLog { .. }), "{error}");
    let json = serde_json::to_string(&cursor).unwrap();
    for (fault, json) in [
        ("other_size", json.replace("\"size\":5", "\"size\":7")),
        ("unknown_field", json.replace("\"size\"", "\"x\":1,\"size\"")),
        ("not_a_hash", json.replace("=\"", "\"")),
    ] {
        assert!(serde_json::from_str::<Cursor>(&json).is_err(), "{fault}");
    }
}
