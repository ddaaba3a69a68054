//! How far each log was followed, and the labels seen on the way.
//!
//! One log is followed once, however many identifiers are watched in it: [`Logbook::follow`] audits the log from a
//! durable cursor and appends the first eight bytes of every label to an index. The index is kept because a label can
//! become interesting later: a dishonest authority could log an entry today under a label of a week to come, whose
//! proof no owner holds yet, and use it when that week has begun. With the index such an entry is found all the same.
//!
//! ```text
//! logs/<SHA-256 of the origin>/cursor.json   what was audited; replaced atomically after the index is on disk
//! logs/<SHA-256 of the origin>/checkpoint    the checkpoint of then, signed: evidence, should the log show another tree
//! logs/<SHA-256 of the origin>/objects.json  how far the objects that entries name were looked at
//! logs/<SHA-256 of the origin>/labels        eight bytes an entry; zeros for what is no certificate
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tlog_proof::{Entry, Frontier, Hash, LogPolicy, UnverifiedCheckpoint, leaf_hash};
use transparency_log::client::{ClientError, LogClient, Source, SourceError, VerifiedTree};
use transparency_log::monitor::{
    self, AuditError, AuditReport, Budget, Cursor, Duplicate, Looked, ObjectCursor, Progress,
};

use crate::{Home, HomeError, files};

/// Bytes of a label that are kept for each entry: enough that a chance hit is rare, and a hit is checked anyway.
const PREFIX: usize = 8;

/// New entries whose labels are compared at once with those before: 32 MiB of memory, and as much for their order.
const PIECE: u64 = 1 << 22;

/// Why a log could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The audit failed: the log cannot be reached, or is not what it promised to be.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl FollowError {
    /// Whether nobody answered, as opposed to a wrong answer.
    pub fn unreachable(&self) -> bool {
        matches!(self, Self::Audit(AuditError::Client(ClientError::Source(SourceError::Unreachable { .. }))))
    }
}

/// One log's cursor and index.
#[derive(Debug, Clone)]
pub struct Logbook {
    folder: PathBuf,
    origin: String,
}

/// From where a log is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// From where the last audit ended.
    Cursor,
    /// From the first entry, once more; the result must still agree with the cursor.
    Start,
}

impl Logbook {
    /// The book of the log called `origin`.
    pub fn open(home: &Home, origin: &str) -> Self {
        let folder = home.folder().join("logs").join(hex::encode(Sha256::digest(origin)));
        Self { folder, origin: origin.to_owned() }
    }

    /// How far the log was followed; `None` if never.
    pub fn cursor(&self) -> Result<Option<Cursor>, HomeError> {
        let path = self.folder.join("cursor.json");
        let Some(text) = files::read_text(&path)? else { return Ok(None) };
        let corrupt = |found: String| HomeError::Corrupt {
            path: path.clone(),
            expected: format!("the cursor of the log {}", self.origin),
            found,
        };
        let cursor: Cursor = serde_json::from_str(&text).map_err(|error| corrupt(error.to_string()))?;
        if cursor.origin() != self.origin {
            return Err(corrupt(format!("one of the log {}", cursor.origin())));
        }
        Ok(Some(cursor))
    }

    /// Follows the log to its newest checkpoint, verifying everything. Nothing is kept of an audit that fails, so that
    /// the next one begins at the same place and no gap is ever skipped.
    pub async fn follow(
        &self,
        source: &Arc<impl Source + 'static>,
        policy: &LogPolicy,
        from: From,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<AuditReport, FollowError> {
        files::create_private_folder(&self.folder)?;
        let _lock = files::lock(&self.folder)?;
        let policy = &self.alone(policy);
        let mut known = self.cursor()?;
        if known.as_ref().is_some_and(|cursor| self.indexed() < cursor.size()) {
            // The index was lost: it is made again, but what the cursor promised still has to hold.
            tracing::warn!(origin = self.origin, "the index of labels is shorter than what was audited; starting over");
            self.again(source, policy, known.take(), progress).await
        } else if from == From::Start {
            self.again(source, policy, known.take(), progress).await
        } else {
            let path = self.folder.join("labels");
            let report = self.run(source, policy, known, &path, progress, |_, _| {}).await?;
            self.store(&report)?;
            Ok(report)
        }
    }

    /// The policy without the other logs it may name: their checkpoints are as well signed, but are not of this log.
    fn alone(&self, policy: &LogPolicy) -> LogPolicy {
        let mut alone = policy.clone();
        alone.logs.retain(|log| log.vkey.name() == self.origin);
        alone
    }

    /// Every entry whose label may begin with one of `prefixes` (sorted), by its index.
    pub fn candidates(&self, prefixes: &[[u8; PREFIX]]) -> Result<Vec<u64>, HomeError> {
        self.search(prefixes, self.cursor()?.map_or(0, |cursor| cursor.size()))
    }

    fn search(&self, prefixes: &[[u8; PREFIX]], size: u64) -> Result<Vec<u64>, HomeError> {
        if size == 0 || prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let path = self.folder.join("labels");
        let read_error = |source| HomeError::Read { path: path.clone(), source };
        let mut reader = BufReader::with_capacity(1 << 16, File::open(&path).map_err(read_error)?);
        let mut found = Vec::new();
        let mut prefix = [0; PREFIX];
        for index in 0..size {
            reader.read_exact(&mut prefix).map_err(read_error)?;
            if prefixes.binary_search(&prefix).is_ok() {
                found.push(index);
            }
        }
        Ok(found)
    }

    /// From the first entry into a new index, which takes the old one's place only when all of it was verified.
    async fn again(
        &self,
        source: &Arc<impl Source + 'static>,
        policy: &LogPolicy,
        known: Option<Cursor>,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<AuditReport, FollowError> {
        let path = self.folder.join("labels.new");
        let mut beginning = Frontier::new();
        let expected = known.as_ref().map_or(0, Cursor::size);
        let each = |at, entry: &Entry| {
            if at < expected {
                beginning.push(leaf_hash(&entry.encode()));
            }
        };
        let report = self.run(source, policy, None, &path, progress, each).await?;
        if let Some(known) = known {
            // This very tree must be an extension of what was seen before. Asking the log once more would not do: it
            // could show an older or another tree first, and the right one then.
            holds(&known, report.size, beginning.root())?;
        }
        fs::rename(&path, self.folder.join("labels")).map_err(|source| HomeError::Write { path, source })?;
        self.store(&report)?;
        Ok(report)
    }

    async fn run(
        &self,
        source: &Arc<impl Source + 'static>,
        policy: &LogPolicy,
        cursor: Option<Cursor>,
        path: &Path,
        progress: impl FnMut(Progress) + Send,
        mut each: impl FnMut(u64, &Entry) + Send,
    ) -> Result<AuditReport, FollowError> {
        let kept = cursor.as_ref().map_or(0, Cursor::size);
        let write_error = |source| HomeError::Write { path: path.to_owned(), source };
        let mut index = BufWriter::new(open_index(path, kept).map_err(write_error)?);
        let mut failed: Option<io::Error> = None;
        let mut report = monitor::audit(Arc::clone(source), policy, cursor, progress, |at, entry| {
            each(at, entry);
            if failed.is_none() {
                failed = index.write_all(&prefix(entry)).err();
            }
        })
        .await?;
        if let Some(source) = failed {
            return Err(write_error(source).into());
        }
        let file = index.into_inner().map_err(|error| write_error(error.into_error()))?;
        file.sync_all().map_err(write_error)?;
        if kept > 0 {
            report.duplicates.extend(self.seen_before(source, policy, &report.cursor, kept).await?);
        }
        Ok(report)
    }

    /// Labels of the new entries that stand among the first `kept` too: the monitor looks within one audit only. The index
    /// on disk is compared in pieces, so that memory does not grow with what is new.
    async fn seen_before(
        &self,
        source: &Arc<impl Source + 'static>,
        policy: &LogPolicy,
        audited: &Cursor,
        kept: u64,
    ) -> Result<Vec<Duplicate>, FollowError> {
        let mut duplicates = Vec::new();
        for start in (kept..audited.size()).step_by(PIECE as usize) {
            let piece = self.piece(start..(start + PIECE).min(audited.size()))?;
            let mut prefixes = piece.clone();
            prefixes.sort_unstable();
            prefixes.dedup();
            // What is no certificate has zeros.
            prefixes.retain(|prefix| *prefix != [0; PREFIX]);
            let mut suspects = self.search(&prefixes, kept)?;
            if suspects.is_empty() {
                continue;
            }
            let of_old = self.prefixes(&suspects)?;
            suspects
                .extend((start..).zip(&piece).filter(|(_, prefix)| of_old.contains(*prefix)).map(|(index, _)| index));
            duplicates.extend(again(read_entries(source, policy, audited, &suspects).await?, kept));
        }
        Ok(duplicates)
    }

    /// The prefixes of these entries.
    fn piece(&self, range: std::ops::Range<u64>) -> Result<Vec<[u8; PREFIX]>, HomeError> {
        let path = self.folder.join("labels");
        let read_error = |source| HomeError::Read { path: path.clone(), source };
        let mut file = BufReader::with_capacity(1 << 16, File::open(&path).map_err(read_error)?);
        file.seek(SeekFrom::Start(range.start * PREFIX as u64)).map_err(read_error)?;
        let mut piece = vec![[0; PREFIX]; (range.end - range.start) as usize];
        piece.iter_mut().try_for_each(|prefix| file.read_exact(prefix)).map_err(read_error)?;
        Ok(piece)
    }

    fn prefixes(&self, indexes: &[u64]) -> Result<HashSet<[u8; PREFIX]>, HomeError> {
        let one = |index: &u64| Ok(self.piece(*index..index + 1)?[0]);
        indexes.iter().map(one).collect()
    }

    /// Fetches the objects that entries name and holds them against these: from where the last time ended, or from the
    /// first entry. `report` is that of the audit just made.
    ///
    /// # Errors
    /// Entries of earlier audits have to be read once more, and cannot be.
    pub async fn look_at_objects(
        &self,
        source: &Arc<impl Source + 'static>,
        policy: &LogPolicy,
        report: &AuditReport,
        from: From,
        budget: Budget,
    ) -> Result<Looked, FollowError> {
        let _lock = files::lock(&self.folder)?;
        let path = self.folder.join("objects.json");
        let known = match files::read_text(&path)? {
            Some(text) if from == From::Cursor => serde_json::from_str(&text).map_err(|error| HomeError::Corrupt {
                path: path.clone(),
                expected: "how far the objects of a log were looked at".to_owned(),
                found: error.to_string(),
            })?,
            _ => ObjectCursor::default(),
        };
        let audited = UnverifiedCheckpoint::parse(report.checkpoint.as_bytes()).map_err(ClientError::from);
        let audited = audited.and_then(|checkpoint| Ok(self.alone(policy).check(&checkpoint)?));
        let audited = audited.map_err(AuditError::from)?;
        let tree = VerifiedTree::open(Arc::clone(source), &audited.checkpoint).await.map_err(AuditError::from)?;
        let looked = monitor::look(&**source, &Arc::new(tree), known, &report.objects, budget).await?;
        let text = serde_json::to_string(&looked.cursor).expect("a cursor is plain numbers");
        files::write_atomic(&path, text.as_bytes())?;
        Ok(looked)
    }

    /// The newest checkpoint that was audited, as it was signed; `None` if never.
    pub fn checkpoint(&self) -> Result<Option<String>, HomeError> {
        files::read_text(&self.folder.join("checkpoint"))
    }

    /// The cursor last: it says that the rest is there.
    fn store(&self, report: &AuditReport) -> Result<(), HomeError> {
        files::write_atomic(&self.folder.join("checkpoint"), report.checkpoint.as_bytes())?;
        let text = serde_json::to_string(&report.cursor).expect("a cursor is plain numbers and text");
        files::write_atomic(&self.folder.join("cursor.json"), text.as_bytes())
    }

    /// How many entries the index holds.
    fn indexed(&self) -> u64 {
        fs::metadata(self.folder.join("labels")).map_or(0, |metadata| metadata.len() / PREFIX as u64)
    }
}

/// Reads single entries, each verified against the log's newest checkpoint; those past its end are left out.
///
/// The newest checkpoint must extend the tree that was audited. Otherwise a log could show everybody one entry, and
/// another one, or an older tree without it, to whoever looks at it more closely.
pub(crate) async fn read_entries(
    source: &Arc<impl Source + 'static>,
    policy: &LogPolicy,
    audited: &Cursor,
    indexes: &[u64],
) -> Result<BTreeMap<u64, Entry>, AuditError> {
    let mut entries = BTreeMap::new();
    if indexes.is_empty() {
        return Ok(entries);
    }
    let client = LogClient::new(Arc::clone(source), policy.clone());
    let verdict = client.checkpoint().await?;
    let (origin, size) = (verdict.checkpoint.origin.clone(), verdict.checkpoint.size);
    if origin != audited.origin() {
        return Err(AuditError::OtherLog { expected: audited.origin().to_owned(), found: origin });
    }
    let common = audited.size().min(size);
    let beginning = client.tree(&verdict).await?.frontier(common).await?;
    holds(audited, size, beginning.root())?;
    for &index in indexes.iter().filter(|index| **index < verdict.checkpoint.size) {
        let mut stream = client.entries(&verdict, index..index + 1).await?;
        if let Some(entry) = stream.next().await {
            let entry = Entry::decode(&entry?.1).map_err(|error| AuditError::Entry { index, error })?;
            entries.insert(index, entry);
        }
    }
    Ok(entries)
}

/// The entries from `kept` on whose label an earlier one has.
fn again(entries: BTreeMap<u64, Entry>, kept: u64) -> Vec<Duplicate> {
    let mut firsts: HashMap<[u8; 32], u64> = HashMap::new();
    let mut duplicates = Vec::new();
    for (index, entry) in entries {
        let Entry::Certificate { label, .. } = entry else { continue };
        let first = *firsts.entry(label).or_insert(index);
        if first < kept && kept <= index {
            duplicates.push(Duplicate { label, first, second: index });
        }
    }
    duplicates
}

/// Whether a tree of `size` entries, of which as many as `known` counts have the root `found`, extends `known`.
fn holds(known: &Cursor, size: u64, found: Hash) -> Result<(), AuditError> {
    if size < known.size() {
        return Err(AuditError::Truncated { expected: known.size(), found: size });
    }
    if found != known.root() {
        return Err(AuditError::Rewritten { size: known.size(), expected: known.root(), found });
    }
    Ok(())
}

/// What the index keeps of an entry.
fn prefix(entry: &Entry) -> [u8; PREFIX] {
    match entry {
        Entry::Certificate { label, .. } => label_prefix(label),
        _ => [0; PREFIX],
    }
}

/// What the index keeps of a label.
pub(crate) fn label_prefix(label: &[u8; 32]) -> [u8; PREFIX] {
    *label.first_chunk().expect("a label has 32 bytes")
}

/// Opens the index for appending after its first `kept` entries; what an interrupted audit left behind them is cut.
fn open_index(path: &Path, kept: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.set_len(kept * PREFIX as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
