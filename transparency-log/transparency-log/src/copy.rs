//! A copy of a log: made for a backup, and brought up to date before a log that was restored from one signs anything.
//!
//! Every entry is verified on its way against a checkpoint that the log has signed, and the copy's tree is recomputed from
//! its entries: so what is copied is the log, whoever it came from. Nothing is ever signed here; a witness is asked about
//! a checkpoint that the log signed before.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use tlog_proof::{
    Checkpoint, CheckpointError, Entry, Hash, LogPolicy, NoteSignature, ObjectKind, UnverifiedCheckpoint, VerifierKey,
    empty_root,
};

use crate::client::{ClientError, LogClient, Source, SourceError, StorageSource};
use crate::edge::{self, Edge};
use crate::prover::Prover;
use crate::sequencer::{ask, blocking};
use crate::storage::{File, FolderStorage, LockError, Storage};
use crate::witness::{WitnessError, Witnessing};

const CHECKPOINT: &str = "checkpoint";

/// Entries that are written together: some two hundred kilobytes.
const CHUNK: usize = 4096;

/// How far a cosignature's time may be from now, in seconds. An older one may be a repetition of what everybody can read.
const FRESH_SECONDS: u64 = 300;

/// Why a copy cannot be opened or extended. It is not ahead of where it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The folder is in use, or cannot be written.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The copy cannot be read or written.
    #[error("the copy: {0}")]
    Io(#[from] io::Error),
    /// The copy's own checkpoint is not the log's.
    #[error("the copy's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The source cannot be read, or shows what the log has not signed.
    #[error(transparent)]
    Source(#[from] ClientError),
    /// The source's tree does not begin with the copy's: the log has two histories.
    #[error(
        "the first {size} entries: expected a tree that leads to the root {expected}, found one that leads to {found}"
    )]
    Forked {
        /// How many the copy has.
        size: u64,
        /// The root that the log has signed elsewhere.
        expected: Hash,
        /// The root with the copy's entries.
        found: Hash,
    },
}

/// What a witness knows of the log, compared with a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Nothing beyond the copy.
    Here,
    /// More than the copy has.
    Ahead {
        /// How many entries.
        size: u64,
    },
    /// Another tree.
    Forked(String),
    /// Nothing that could be understood.
    Nothing(String),
}

/// What a source has added to a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extended {
    /// How many entries.
    pub entries: u64,
    /// Objects that these entries name and the source does not hold, as mirrors do not.
    pub missing: Vec<(ObjectKind, [u8; 32])>,
}

/// A copy of one log in a folder.
pub struct LogCopy {
    storage: Arc<dyn Storage>,
    prover: Arc<Prover>,
    key: VerifierKey,
    edge: Edge,
    /// The newest checkpoint, as the log signed it.
    text: Option<String>,
    /// Objects of entries before this one are not wanted.
    objects_from: u64,
}

impl LogCopy {
    /// Opens the copy in a folder, as its only writer; an empty one if there is none. The right edge is held against the
    /// checkpoint. May block.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn open(folder: &Path, key: &VerifierKey) -> Result<Self, CopyError> {
        Self::open_on(Arc::new(FolderStorage::open_exclusive(folder)?), key)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As there.
    pub fn open_on(storage: Arc<dyn Storage>, key: &VerifierKey) -> Result<Self, CopyError> {
        let prover = Arc::new(Prover::new(Arc::clone(&storage)));
        let (edge, text, objects_from) = (Edge::default(), None, 0);
        let mut copy = Self { storage, prover, key: key.clone(), edge, text, objects_from };
        let Some(text) = copy.storage.get(CHECKPOINT)? else { return Ok(copy) };
        let verified = UnverifiedCheckpoint::parse(&text)?.verify_log(key)?;
        copy.edge = Edge::load(&copy.prover, &*copy.storage, verified.size)?;
        let (expected, found) = (verified.root, copy.edge.root());
        if expected != found {
            return Err(CopyError::Forked { size: verified.size, expected, found });
        }
        copy.text = Some(verified.text().to_owned());
        Ok(copy)
    }

    /// The log's key.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The same without the objects that entries before `index` name: for whoever knows those.
    #[must_use]
    pub fn with_objects_from(self, index: u64) -> Self {
        Self { objects_from: index, ..self }
    }

    /// How many entries it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of its tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        if self.size() == 0 { empty_root() } else { self.edge.root() }
    }

    /// Takes what the source has beyond it: entries, the objects they name, and the checkpoint at last. A source that has
    /// less is left alone.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub async fn extend<S: Source + 'static>(&mut self, source: S) -> Result<Extended, CopyError> {
        // Whether witnesses have cosigned it is another question: what the log has signed is its history in any case.
        let client = LogClient::new(source, signed_alone(&self.key)?);
        let verdict = client.checkpoint().await?;
        let (size, before) = (verdict.checkpoint.size, self.size());
        let mut extended = Extended::default();
        if size < before || (size == before && self.text.is_some()) {
            return self.is_prefix(&verdict.checkpoint, extended);
        }
        let mut after = self.edge.clone();
        if size > before {
            let mut entries = client.entries(&verdict, before..size).await?.ready_chunks(CHUNK);
            while let Some(chunk) = entries.next().await {
                let chunk: Vec<_> =
                    chunk.into_iter().map(|entry| entry.map(|(_, entry)| entry)).collect::<Result<_, _>>()?;
                let known = self.objects_from.saturating_sub(after.size()).min(chunk.len() as u64);
                let unknown = chunk.get(usize::try_from(known).unwrap_or(chunk.len())..).unwrap_or_default();
                self.take_objects(&client, unknown, &mut extended).await?;
                let made = after.append(&chunk).map_err(io::Error::other)?;
                self.write(made.files).await?;
                extended.entries += chunk.len() as u64;
            }
        }
        self.adopt(after, &verdict.checkpoint, verdict.checkpoint.text(), extended).await
    }

    /// A source that shows less, or as much, must show the same.
    fn is_prefix(&self, seen: &Checkpoint, extended: Extended) -> Result<Extended, CopyError> {
        if seen.size != self.size() || seen.root == self.root() {
            return Ok(extended);
        }
        Err(CopyError::Forked { size: seen.size, expected: seen.root, found: self.root() })
    }

    async fn take_objects<S: Source + 'static>(
        &self,
        client: &LogClient<S>,
        entries: &[Vec<u8>],
        extended: &mut Extended,
    ) -> Result<(), CopyError> {
        for entry in entries {
            let Ok(Entry::Object { kind, hash }) = Entry::decode(entry) else { continue };
            let path = format!("object/{}", hex::encode(hash));
            match client.object(&hash).await {
                Ok(bytes) => self.write(vec![File { path, bytes }]).await?,
                Err(ClientError::Source(SourceError::NotFound { .. })) => extended.missing.push((kind, hash)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn write(&self, files: Vec<File>) -> io::Result<()> {
        let storage = Arc::clone(&self.storage);
        blocking(move || storage.put_all(&files)).await
    }

    /// The tree of all entries, if it is the one that the log has signed.
    async fn adopt(
        &mut self,
        after: Edge,
        seen: &Checkpoint,
        text: &str,
        extended: Extended,
    ) -> Result<Extended, CopyError> {
        let found = if after.size() == 0 { empty_root() } else { after.root() };
        if found != seen.root {
            return Err(CopyError::Forked { size: self.size(), expected: seen.root, found });
        }
        self.write(vec![File { path: CHECKPOINT.into(), bytes: text.as_bytes().to_vec() }]).await?;
        let before = std::mem::replace(&mut self.edge, after).size();
        self.text = Some(text.to_owned());
        for folder in edge::replaced(before, self.size()) {
            // Left behind they only take room.
            let _ = self.storage.remove(&folder);
        }
        self.prover = Arc::new(Prover::new(Arc::clone(&self.storage)));
        Ok(extended)
    }

    /// Asks a witness whether it knows more than the copy. It cosigns what the log signed before, if it knows less. `key`
    /// is the witness's, and `now` in seconds since the epoch: whoever sits at its address can say anything, but only the
    /// witness can cosign at this time.
    pub async fn compare(&self, key: &VerifierKey, witness: &dyn Witnessing, now: u64) -> Said {
        let Some(text) = &self.text else { return Said::Nothing("the copy is empty".into()) };
        let size = self.size();
        match ask(witness, size, &self.prover, &Arc::from(text.as_str()), size).await {
            Ok(answer) if is_fresh(text, &answer, key, now) => Said::Here,
            Ok(_) => Said::Nothing("answered without a fresh cosignature of its own".into()),
            Err(WitnessError::Conflict { size: other }) if other > size => Said::Ahead { size: other },
            Err(error @ (WitnessError::Forked { .. } | WitnessError::Proof(_))) => Said::Forked(error.to_string()),
            Err(error) => Said::Nothing(error.to_string()),
        }
    }

    /// The copy's own entries from `first` on, with their indexes.
    ///
    /// # Errors
    /// The copy is damaged.
    pub async fn entries(&self, first: u64) -> Result<Vec<(u64, Entry)>, CopyError> {
        let client = self.client()?;
        if first >= self.size() {
            return Ok(Vec::new());
        }
        let verdict = client.checkpoint().await?;
        let mut found = Vec::new();
        let mut entries = client.entries(&verdict, first..self.size()).await?;
        while let Some(entry) = entries.next().await {
            let (index, bytes) = entry?;
            let entry = Entry::decode(&bytes).map_err(|error| io::Error::other(format!("entry {index}: {error}")))?;
            found.push((index, entry));
        }
        Ok(found)
    }

    /// The root that its first `size` entries lead to: what it was when it was so large.
    ///
    /// # Errors
    /// It has fewer, or is damaged.
    pub async fn root_at(&self, size: u64) -> Result<Hash, CopyError> {
        if size == 0 {
            return Ok(empty_root());
        }
        let client = self.client()?;
        let verdict = client.checkpoint().await?;
        Ok(client.tree(&verdict).await?.frontier(size).await?.root())
    }

    /// An object that an entry names, if the copy has it.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn object(&self, hash: &[u8; 32]) -> io::Result<Option<Vec<u8>>> {
        let (storage, path) = (Arc::clone(&self.storage), format!("object/{}", hex::encode(hash)));
        blocking(move || storage.get(&path)).await
    }

    /// Reads the copy itself.
    fn client(&self) -> Result<LogClient<StorageSource<dyn Storage>>, CopyError> {
        Ok(LogClient::new(StorageSource::new(Arc::clone(&self.storage)), signed_alone(&self.key)?))
    }
}

impl std::fmt::Debug for LogCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogCopy").field("key", &self.key).field("size", &self.size()).finish_non_exhaustive()
    }
}

/// The policy that asks for the log's signature and nothing else.
fn signed_alone(key: &VerifierKey) -> io::Result<LogPolicy> {
    LogPolicy::parse(&format!("log {key}\nquorum none\n")).map_err(|error| io::Error::other(error.to_string()))
}

/// Whether one of the answer's lines is a cosignature by `key`, made now, on what the checkpoint `text` says. Each line is
/// held against the bare statement: the text may carry an older line of the same witness.
fn is_fresh(text: &str, answer: &str, key: &VerifierKey, now: u64) -> bool {
    let Ok(checkpoint) = UnverifiedCheckpoint::parse(text) else { return false };
    let lines = answer.lines().filter_map(|line| NoteSignature::parse_line(line).ok());
    lines.filter(|line| line.claims(key)).any(|line| {
        let alone = UnverifiedCheckpoint::parse(format!("{}\n{line}\n", checkpoint.note().text()));
        let cosigned = alone.and_then(|alone| alone.verify_cosignature(key));
        cosigned.is_ok_and(|cosigned| cosigned.time.abs_diff(now) <= FRESH_SECONDS)
    })
}

/// Whether it is certain that nobody has been shown more of the log than what these witnesses know: all others together
/// could not have made the quorum without them. A quorum that asks for nobody makes nothing certain.
#[must_use]
pub fn is_certain(policy: &LogPolicy, here: &[VerifierKey]) -> bool {
    let others: Vec<_> =
        policy.witnesses.iter().map(|witness| &witness.vkey).filter(|key| !here.contains(key)).collect();
    !policy.quorum_met(&others)
}
