//! What the tests of this crate share.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod by_hand;

use std::convert::Infallible;
use std::sync::Arc;

use tlog_proof::{Entry, Hash, HashReader, leaf_hash, node_hash};
use transparency_log::client::Source;
use transparency_log::monitor::{AuditError, AuditReport, Cursor, audit};
use transparency_log::testing::MemoryLog;
use transparency_log::{Clock, Logged, Submit as _};

/// A tree whose leaves are numbers from this one on.
pub(crate) struct Numbers(pub(crate) u64);

impl HashReader for Numbers {
    type Error = Infallible;

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, Infallible> {
        if level == 0 {
            return Ok(leaf_hash(&(self.0 + index).to_be_bytes()));
        }
        let (left, right) = (self.read(level - 1, 2 * index)?, self.read(level - 1, 2 * index + 1)?);
        Ok(node_hash(&left, &right))
    }
}

pub(crate) const ORIGIN: &str = "log.example/2026";

/// A clock that stands still.
pub(crate) fn clock() -> Clock {
    Arc::new(|| 1_767_225_600)
}

/// A certificate entry of its own for each number.
pub(crate) fn entry(number: u64) -> Vec<u8> {
    let mut label = [0xaa; 32];
    label[..8].copy_from_slice(&number.to_be_bytes());
    Entry::Certificate { label, commitment: [0xbb; 32] }.encode()
}

/// Submits many entries at once and checks every answer.
pub(crate) async fn submit_all(log: &MemoryLog, numbers: impl IntoIterator<Item = u64>) -> Vec<Logged> {
    let entries: Vec<Vec<u8>> = numbers.into_iter().map(entry).collect();
    let submissions = entries.iter().map(|entry| log.sequencer.submit(entry.clone()));
    let logged = futures_util::future::try_join_all(submissions).await.unwrap();
    for (entry, logged) in entries.iter().zip(&logged) {
        check(log, entry, logged);
    }
    logged
}

/// An answer proves what it claims, offline.
pub(crate) fn check(log: &MemoryLog, entry: &[u8], logged: &Logged) {
    assert_eq!(logged.index, logged.proof.index);
    let verdict = logged.proof.verify(&leaf_hash(entry), &log.policy).unwrap();
    assert!(logged.index < verdict.checkpoint.size);
    assert_eq!(verdict.cosigned.len(), 1);
}

/// Audits from a cursor without looking at the entries.
pub(crate) async fn audit_from<S: Source + 'static>(
    source: S,
    log: &MemoryLog,
    cursor: Option<Cursor>,
) -> Result<AuditReport, AuditError> {
    audit(source, &log.policy, cursor, |_| {}, |_, _| {}).await
}

/// Audits the whole log and expects it to be clean.
pub(crate) async fn clean(log: &MemoryLog) -> AuditReport {
    let report = audit_from(log.source(), log, None).await.unwrap();
    assert_eq!((report.size, report.duplicates.len()), (report.counts.total(), 0));
    report
}
