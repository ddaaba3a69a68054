//! Following a log for months: in portions, each of which is on disk before the next begins.
//!
//! Memory does not grow with the log: labels are compared through the [`Book`] on disk. A round that breaks off, for
//! whatever reason, is taken up after its last portion, and nothing is ever skipped.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, pin_mut};
use tlog_proof::{Entry, Frontier, LogPolicy, PolicyVerdict};

use super::book::{Book, BookError, prefix};
use super::objects::NamedObjects;
use super::{AuditError, Counts, Cursor, Duplicate, Progress};
use crate::client::{ClientError, Source, VerifiedTree, fetch_checkpoint};

/// Entries of one portion: what is looked at again after a crash, at most.
const PORTION: u64 = 1 << 18;

/// Why a round was not finished.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The log cannot be read, or shows a fault.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The monitor's own folder.
    #[error(transparent)]
    Book(#[from] BookError),
    /// A cosignature is older than one by the same witness that was seen before: an old checkpoint is shown again.
    #[error(
        "the witness {witness} was seen to cosign at {expected}, and the checkpoint now has its cosignature of {found}: an old one is replayed"
    )]
    Replayed {
        /// The witness.
        witness: String,
        /// The latest time seen before, in seconds since the epoch.
        expected: u64,
        /// The time now.
        found: u64,
    },
}

impl From<ClientError> for FollowError {
    fn from(error: ClientError) -> Self {
        Self::Audit(error.into())
    }
}

/// What a round has found: the log is append-only and well-formed up to this checkpoint.
pub struct Followed<S: ?Sized> {
    /// The checkpoint, and who cosigned it when.
    pub verdict: PolicyVerdict,
    /// Its tree, for further questions.
    pub tree: Arc<VerifiedTree<S>>,
    /// The first entry that this round looked at.
    pub start: u64,
    /// The entries that this round looked at, by kind.
    pub counts: Counts,
    /// The objects that they name: for [`super::look`].
    pub objects: NamedObjects,
}

/// What one round keeps of the entries it reads.
struct Kept {
    counts: Counts,
    objects: NamedObjects,
}

/// Follows a log from the book's cursor to the newest checkpoint of `source`.
///
/// Verifies what [`super::audit`] verifies. Labels are compared with all that were ever seen; those found again are in
/// [`Book::untold`] before the cursor moves past them, so that none is lost however the round ends.
///
/// # Errors
/// When the log cannot be read or shows a fault. What was audited until then stays audited.
pub async fn follow<S: Source + 'static>(
    source: Arc<S>,
    policy: &LogPolicy,
    book: &mut Book,
    mut progress: impl FnMut(Progress),
) -> Result<Followed<S>, FollowError> {
    let verdict = fetch_checkpoint(&*source, policy).await?;
    let start = book.cursor().map_or(0, Cursor::size);
    let tree = match book.cursor() {
        Some(cursor) => super::extend(source, &verdict, cursor).await?,
        None => super::open(source, &verdict).await?,
    };
    not_replayed(&book.seen()?, &verdict)?;
    let mut frontier = tree.frontier(start).await?;
    let mut kept = Kept { counts: Counts::default(), objects: NamedObjects::from(start) };
    let size = verdict.checkpoint.size;
    while frontier.size() < size {
        let end = (frontier.size() + PORTION).min(size);
        let labels =
            portion(&tree, &mut frontier, end, &mut kept, |done| progress(Progress { start, done, size })).await?;
        let first = end - labels.len() as u64;
        let found = duplicates(&tree, book, first, &labels).await?;
        book.keep_untold(&found)?;
        book.advance(&labels, Cursor::new(verdict.checkpoint.origin.clone(), frontier.clone()))?;
    }
    if size == 0 {
        progress(Progress { start, done: 0, size });
    }
    let (expected, found) = (verdict.checkpoint.root, frontier.root());
    if expected != found {
        return Err(AuditError::Root { expected, found }.into());
    }
    book.keep_checkpoint(verdict.checkpoint.text())?;
    book.see(&verdict.cosigned)?;
    Ok(Followed { verdict, tree, start, counts: kept.counts, objects: kept.objects })
}

/// No witness may have cosigned before the time that was seen of it already. One that is missing now says nothing.
fn not_replayed(seen: &BTreeMap<String, u64>, verdict: &PolicyVerdict) -> Result<(), FollowError> {
    for by in &verdict.cosigned {
        if let Some(&expected) = seen.get(&by.name).filter(|seen| **seen > by.time) {
            return Err(FollowError::Replayed { witness: by.name.clone(), expected, found: by.time });
        }
    }
    Ok(())
}

/// Looks at the entries up to `end`, and gives the beginnings of their labels.
async fn portion<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    frontier: &mut Frontier,
    end: u64,
    kept: &mut Kept,
    mut progress: impl FnMut(u64),
) -> Result<Vec<u64>, AuditError> {
    let start = frontier.size();
    let mut labels = Vec::with_capacity((end - start) as usize);
    let scan = tree.scan(start..end).map_err(ClientError::from)?;
    pin_mut!(scan);
    while let Some(scanned) = scan.next().await {
        let bundle = scanned?.bundle;
        let entries = (bundle.first..).zip(bundle.entries.iter().zip(&bundle.leaves));
        for (index, (bytes, leaf)) in entries.filter(|(index, _)| (start..end).contains(index)) {
            let entry = Entry::decode(bytes).map_err(|error| AuditError::Entry { index, error })?;
            frontier.push(*leaf);
            kept.counts.add(&entry);
            kept.objects.add(index, &entry);
            labels.push(prefix(&entry));
        }
        progress(frontier.size());
    }
    Ok(labels)
}

/// The labels of a portion that stand there twice, or stood in the log before it.
async fn duplicates<S: Source + 'static>(
    tree: &Arc<VerifiedTree<S>>,
    book: &Book,
    first: u64,
    labels: &[u64],
) -> Result<Vec<Duplicate>, FollowError> {
    let (mut positions, mut candidates) = (HashMap::new(), Vec::new());
    for (index, label) in (first..).zip(labels).filter(|(_, label)| **label != 0) {
        if let Some(earlier) = positions.insert(*label, index) {
            candidates.push((earlier, index));
        }
    }
    let prefixes: HashSet<u64> = positions.keys().copied().collect();
    let earlier = book.find(&prefixes, first)?;
    candidates.extend(earlier.into_iter().filter_map(|(index, label)| Some((index, *positions.get(&label)?))));
    let mut found = Vec::new();
    for (first, second) in candidates {
        let labels = [label(tree, first).await?, label(tree, second).await?];
        if let [Some(label), Some(again)] = labels
            && label == again
        {
            found.push(Duplicate { label, first, second });
        }
    }
    Ok(found)
}

/// The whole label of one entry.
async fn label<S: Source + 'static>(tree: &Arc<VerifiedTree<S>>, index: u64) -> Result<Option<[u8; 32]>, AuditError> {
    let entry = tree.entry(index).await?;
    Ok(Entry::decode(&entry).map_err(|error| AuditError::Entry { index, error })?.label().copied())
}
