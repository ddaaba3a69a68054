//! Following a log: every entry looked at once, nothing skipped, nothing believed.

mod book;
mod cursor;
mod duplicates;
mod follow;
mod labels;
mod objects;
mod report;
mod sources;
mod untold;
mod views;

use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::tile::TILE_HEIGHT;
use tlog_proof::{Entry, EntryError, Hash, LogPolicy, PolicyVerdict};

use crate::client::{ClientError, Scanned, Source, VerifiedTree, fetch_checkpoint};

pub use book::{Book, BookError};
pub use cursor::{Cursor, CursorError};
pub use follow::{FollowError, Followed, follow};
pub use objects::{Budget, Looked, NamedObject, NamedObjects, ObjectCursor, ObjectFault, look};
pub use report::{AuditReport, Counts, Duplicate, Progress};
pub use sources::{Here, OtherSource, hold_against, hold_seen};
pub use views::{SplitView, SplitViewError, View, compare, compare_sources, shown};

use labels::Uneven;
use report::Tally;

/// Why an audit found fault with a log, or could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Something could not be read, or does not verify against the checkpoint.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cursor is another log's.
    #[error("the cursor follows the log {expected:?}, the checkpoint is of {found:?}")]
    OtherLog {
        /// The cursor's origin.
        expected: String,
        /// The checkpoint's origin.
        found: String,
    },
    /// The log shows less than it showed before: it was cut off, or an old checkpoint is being replayed.
    #[error(
        "the log was seen with {expected} entries and now shows {found}: it was truncated, or an old checkpoint is replayed"
    )]
    Truncated {
        /// The cursor's size.
        expected: u64,
        /// The checkpoint's size.
        found: u64,
    },
    /// The entries seen before are not those of the checkpoint: the log has two histories.
    #[error("the first {size} entries had the root {expected}, and now have {found}: the log's history was rewritten")]
    Rewritten {
        /// The cursor's size.
        size: u64,
        /// The root seen before.
        expected: Hash,
        /// The root now.
        found: Hash,
    },
    /// The entries that were read do not make the checkpoint's root.
    #[error("the entries make the root {found}, the checkpoint has {expected}")]
    Root {
        /// The checkpoint's root.
        expected: Hash,
        /// The root of the entries.
        found: Hash,
    },
    /// An entry that no honest authority logs.
    #[error("entry {index}: {error}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        error: EntryError,
    },
    /// Labels are outputs of a VRF, as even as random numbers; these were chosen.
    #[error(
        "entry {index}: expected labels as even as a VRF makes them, found more than {most} that lie close together: they were chosen"
    )]
    Uneven {
        /// The entry that was one too many.
        index: u64,
        /// How many may lie there.
        most: u64,
    },
}

/// Audits a log from a cursor (or from its first entry) to its newest checkpoint.
///
/// Fetches and verifies every bundle and every tile in that part, recomputes the root from the entries,
/// checks that the tree extends the cursor's, decodes every entry and hands it to `each`, and looks for
/// labels that stand there twice. Duplicates are looked for among the entries of this call: an audit
/// without cursor finds all. `progress` is told after each bundle. Memory is bounded (some 150 MB): of more than 16
/// million entries, each further 16 million ask for one more reading of the log. Labels that were chosen so that more
/// memory would be needed are a fault of the log ([`AuditError::Uneven`]).
///
/// The report's cursor is to be kept for the next call. After an error, keep the old one: the next audit
/// then looks at the same entries again, and none is ever skipped.
///
/// # Errors
/// When the log cannot be read, or shows a fault; the error says which, and where.
pub async fn audit<S: Source + 'static>(
    source: S,
    policy: &LogPolicy,
    cursor: Option<Cursor>,
    progress: impl FnMut(Progress),
    each: impl FnMut(u64, &Entry),
) -> Result<AuditReport, AuditError> {
    audit_keeping(source, policy, cursor, progress, each, labels::MAX_KEPT).await
}

/// As [`audit`], with `most` labels in memory at once; it is what its tests call.
async fn audit_keeping<S: Source + 'static>(
    source: S,
    policy: &LogPolicy,
    cursor: Option<Cursor>,
    mut progress: impl FnMut(Progress),
    mut each: impl FnMut(u64, &Entry),
    most: u64,
) -> Result<AuditReport, AuditError> {
    let source = Arc::new(source);
    let verdict = fetch_checkpoint(&*source, policy).await?;
    let start = cursor.as_ref().map_or(0, Cursor::size);
    let tree = match cursor {
        Some(cursor) => extend(Arc::clone(&source), &verdict, &cursor).await?,
        None => open(Arc::clone(&source), &verdict).await?,
    };
    let mut frontier = tree.frontier(start).await?;
    let size = verdict.checkpoint.size;
    let mut tally = Tally::new(start, size, most);
    let scan = tree.scan(start..size).map_err(ClientError::from)?;
    pin_mut!(scan);
    while let Some(scanned) = scan.next().await {
        let Scanned { bundle, root } = scanned?;
        let skip = start.saturating_sub(bundle.first) as usize;
        for (index, bytes) in (bundle.first..).zip(&bundle.entries).skip(skip) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            tally.add(index, &entry).map_err(|Uneven { most }| AuditError::Uneven { index, most })?;
            each(index, &entry);
        }
        // A whole bundle is appended by the root over its entries, which was computed already.
        if !root.is_some_and(|root| frontier.push_subtree(TILE_HEIGHT, root)) {
            bundle.leaves.iter().skip(skip).for_each(|leaf| frontier.push(*leaf));
        }
        progress(Progress { start, done: frontier.size(), size });
    }
    duplicates::find(&tree, &mut tally, size).await?;
    let (expected, found) = (verdict.checkpoint.root, frontier.root());
    if expected != found {
        return Err(AuditError::Root { expected, found });
    }
    Ok(tally.report(verdict, frontier))
}

async fn open<S: Source + 'static>(
    source: Arc<S>,
    verdict: &PolicyVerdict,
) -> Result<Arc<VerifiedTree<S>>, AuditError> {
    Ok(Arc::new(VerifiedTree::open(source, &verdict.checkpoint).await?))
}

/// Opens the tree and checks that it extends the cursor's.
async fn extend<S: Source + 'static>(
    source: Arc<S>,
    verdict: &PolicyVerdict,
    cursor: &Cursor,
) -> Result<Arc<VerifiedTree<S>>, AuditError> {
    let checkpoint = &verdict.checkpoint;
    if cursor.origin() != checkpoint.origin {
        let (expected, found) = (cursor.origin().to_owned(), checkpoint.origin.clone());
        return Err(AuditError::OtherLog { expected, found });
    }
    if cursor.size() > checkpoint.size {
        return Err(AuditError::Truncated { expected: cursor.size(), found: checkpoint.size });
    }
    let tree = open(source, verdict).await?;
    let (expected, found) = (cursor.root(), tree.frontier(cursor.size()).await?.root());
    if expected != found {
        return Err(AuditError::Rewritten { size: cursor.size(), expected, found });
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Submit as _;
    use crate::testing::MemoryLog;

    /// However little memory there is for labels, every one that comes again is found, with its places.
    #[tokio::test]
    async fn labels_that_do_not_fit_into_memory_are_compared_all_the_same() {
        let log = MemoryLog::open("log.example/2026", crate::system_clock()).await;
        let label = |number: u64| {
            let mut label = [7; 32];
            label[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            label
        };
        let entry = |number: u64, commitment| Entry::Certificate { label: label(number), commitment: [commitment; 32] };
        for number in 0..300 {
            log.sequencer.submit(entry(number, 1).encode()).await.unwrap();
        }
        for (number, commitment) in [(5, 2), (299, 2), (5, 3)] {
            log.sequencer.submit(entry(number, commitment).encode()).await.unwrap();
        }
        // Two that agree in the eight bytes that are kept, and in no more.
        let mut alike = label(9);
        alike[31] ^= 1;
        log.sequencer.submit(Entry::Certificate { label: alike, commitment: [3; 32] }.encode()).await.unwrap();
        for most in [1000, 304, 100, 13] {
            let report = audit_keeping(log.source(), &log.policy, None, |_| {}, |_, _| {}, most).await.unwrap();
            let found: Vec<_> = report.duplicates.iter().map(|one| (one.label, one.first, one.second)).collect();
            assert_eq!(found, [(label(5), 5, 300), (label(299), 299, 301), (label(5), 5, 302)], "{most} at once");
        }
    }

    async fn audited(entries: impl IntoIterator<Item = [u8; 32]>, most: u64) -> Result<AuditReport, AuditError> {
        let log = MemoryLog::open("log.example/2026", crate::system_clock()).await;
        let entry = |label| Entry::Certificate { label, commitment: [1; 32] }.encode();
        let sent = entries.into_iter().map(|label| log.sequencer.submit(entry(label)));
        futures_util::future::try_join_all(sent).await.unwrap();
        audit_keeping(log.source(), &log.policy, None, |_| {}, |_, _| {}, most).await
    }

    /// Whatever labels a log makes up, memory stays bounded, and it is told.
    #[tokio::test]
    async fn labels_that_were_chosen_are_a_fault_and_cost_no_memory() {
        let close = |number: u64| {
            let mut label = [0; 32];
            label[8..16].copy_from_slice(&number.to_be_bytes());
            label
        };
        // All in one part of many.
        let error = audited((0..400).map(close), 100).await.unwrap_err();
        assert!(matches!(error, AuditError::Uneven { most: 200, .. }), "{error}");
        // All in one part, and all alike in what is kept of them.
        let alike = duplicates::MAX_FIRSTS as u64 + 1;
        let error = audited((0..alike).map(close), 1 << 20).await.unwrap_err();
        assert!(matches!(error, AuditError::Uneven { most, .. } if most == alike - 1), "{error}");
    }
}
