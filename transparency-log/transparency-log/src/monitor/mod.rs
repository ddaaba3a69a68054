//! Following a log: every entry looked at once, nothing skipped, nothing believed.

mod book;
mod cursor;
mod follow;
mod report;
mod views;

use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::{Entry, EntryError, Hash, LogPolicy, PolicyVerdict, TILE_WIDTH, TilePath};

use crate::client::{Bundle, ClientError, Source, VerifiedTree, fetch_checkpoint};

pub use book::{Book, BookError};
pub use cursor::{Cursor, CursorError};
pub use follow::{FollowError, Followed, follow};
pub use report::{AuditReport, Counts, Duplicate, Progress};
pub use views::{SplitView, SplitViewError, View, compare, compare_sources, shown};

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
    /// A tile of leaf hashes does not hold the hashes of its entries.
    #[error("{path}: does not hold the leaf hashes of its entries")]
    Tile {
        /// The tile.
        path: TilePath,
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
}

/// Audits a log from a cursor (or from its first entry) to its newest checkpoint.
///
/// Fetches and verifies every bundle and every tile in that part, recomputes the root from the entries,
/// checks that the tree extends the cursor's, decodes every entry and hands it to `each`, and looks for
/// labels that stand there twice. Duplicates are looked for among the entries of this call: an audit
/// without cursor finds all. `progress` is told after each bundle.
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
    mut progress: impl FnMut(Progress),
    mut each: impl FnMut(u64, &Entry),
) -> Result<AuditReport, AuditError> {
    let source = Arc::new(source);
    let verdict = fetch_checkpoint(&*source, policy).await?;
    let start = cursor.as_ref().map_or(0, Cursor::size);
    let tree = match cursor {
        Some(cursor) => extend(Arc::clone(&source), &verdict, &cursor).await?,
        None => open(Arc::clone(&source), &verdict).await?,
    };
    let mut frontier = tree.frontier(start).await?;
    let mut tally = Tally::new(start);
    let size = verdict.checkpoint.size;
    let bundles = tree.bundles_shared(start..size).map_err(ClientError::from)?;
    pin_mut!(bundles);
    while let Some(bundle) = bundles.next().await {
        let bundle = bundle?;
        verify_leaf_tile(&tree, &bundle).await?;
        let skip = start.saturating_sub(bundle.first) as usize;
        for (index, (bytes, leaf)) in (bundle.first..).zip(bundle.entries.iter().zip(&bundle.leaves)).skip(skip) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            frontier.push(*leaf);
            tally.add(index, &entry);
            each(index, &entry);
        }
        progress(Progress { start, done: frontier.size(), size });
    }
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

/// The bundle was verified against the tree; the tile of leaf hashes that is served beside it must agree.
async fn verify_leaf_tile<S: Source + 'static>(tree: &VerifiedTree<S>, bundle: &Bundle) -> Result<(), AuditError> {
    let path = TilePath { level: 0, index: bundle.path.index, width: bundle.path.width };
    let tile = tree.tile(0, bundle.first / TILE_WIDTH).await?;
    let agrees = (0..).zip(&bundle.leaves).all(|(position, leaf)| tile.get(0, position) == Some(*leaf));
    if agrees { Ok(()) } else { Err(AuditError::Tile { path }) }
}
