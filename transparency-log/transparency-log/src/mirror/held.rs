//! The copy of one log: which entries are held, which checkpoints they may lead to, which one is published.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tlog_proof::tile::encode_tile;
use tlog_proof::{
    BundlePath, Hash, HashReader as _, MirrorInfo, Package, PackageRange, TILE_WIDTH, TilePath, UnverifiedCheckpoint,
    VerifiedCheckpoint, decode_bundle, encode_bundle, root,
};

use super::MirrorError;
use crate::edge::{self, Edge};
use crate::prover::Prover;
use crate::storage::{File, Storage};

/// Pending checkpoints that an upload may lead to: the last ones, since a restart.
const PENDING: usize = 16;

/// How far below the next entry an upload may begin: as far as one request reaches.
const MAX_OVERLAP: u64 = 32 * TILE_WIDTH;

/// A part of a storage.
pub(super) struct Below {
    storage: Arc<dyn Storage>,
    folder: String,
}

impl Below {
    pub(super) fn new(storage: Arc<dyn Storage>, folder: &str) -> Self {
        Self { storage, folder: folder.to_owned() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.folder)
    }
}

impl Storage for Below {
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.storage.get(&self.at(path))
    }

    fn put_all(&self, files: &[File]) -> io::Result<()> {
        let below = files.iter().map(|file| File { path: self.at(&file.path), bytes: file.bytes.clone() });
        self.storage.put_all(&below.collect::<Vec<_>>())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.storage.remove(&self.at(path))
    }
}

/// The copy of one log.
pub(super) struct Held {
    storage: Arc<dyn Storage>,
    prover: Prover,
    /// The tree of all entries that are held.
    edge: Edge,
    /// Oldest first; each consistent with all others.
    pending: VecDeque<VerifiedCheckpoint>,
    /// The size of the published checkpoint.
    published: u64,
}

impl Held {
    /// Takes up what is stored below `folder`.
    pub(super) fn open(
        storage: Arc<dyn Storage>,
        folder: &str,
        pending: Option<VerifiedCheckpoint>,
    ) -> io::Result<Self> {
        let storage: Arc<dyn Storage> = Arc::new(Below::new(storage, folder));
        let prover = Prover::new(Arc::clone(&storage));
        let edge = match storage.get("held")? {
            None => Edge::default(),
            Some(bytes) => {
                let (size, root) = read_held(&bytes).ok_or_else(|| damaged("held: expected size and root"))?;
                let edge = Edge::load(&prover, &*storage, size)?;
                if edge.root() != root {
                    let (found, expected) = (edge.root(), root);
                    return Err(damaged(&format!("{size} entries have the root {found}, expected {expected}")));
                }
                edge
            }
        };
        let published = match storage.get("checkpoint")? {
            None => 0,
            Some(text) => {
                let read =
                    UnverifiedCheckpoint::parse(text).map_err(|error| damaged(&format!("checkpoint: {error}")))?;
                read.claimed().size
            }
        };
        if published > edge.size() {
            return Err(damaged(&format!("{published} entries are cosigned, {} are held", edge.size())));
        }
        Ok(Self { storage, prover, edge, pending: pending.into_iter().collect(), published })
    }

    /// Entries may come that lead to this checkpoint, which extends all others.
    pub(super) fn expect(&mut self, checkpoint: VerifiedCheckpoint) {
        if self.pending.back().is_none_or(|last| last.size < checkpoint.size) {
            self.pending.push_back(checkpoint);
        }
        while self.pending.len() > PENDING {
            self.pending.pop_front();
        }
    }

    /// The pending checkpoint of this size, unless a larger one is published.
    pub(super) fn pending(&self, size: u64) -> Option<VerifiedCheckpoint> {
        self.pending.iter().find(|pending| pending.size == size && size >= self.published).cloned()
    }

    pub(super) fn may_start_at(&self, start: u64) -> bool {
        let next = self.edge.size();
        start <= next && next - start <= MAX_OVERLAP
    }

    /// What an uploader is told: `wanted`, if it can be led to, else the newest pending checkpoint.
    pub(super) fn info(&self, wanted: Option<u64>) -> MirrorInfo {
        let newest = self.pending.back().map_or(0, |pending| pending.size);
        let size = wanted.filter(|size| self.pending(*size).is_some()).unwrap_or(newest);
        MirrorInfo { size, next: self.edge.size(), ticket: Vec::new() }
    }

    /// Verifies each package, and holds the entries that are new. What was verified before one that is not, is held.
    pub(super) fn save(
        &mut self,
        checkpoint: &VerifiedCheckpoint,
        packages: Vec<(PackageRange, Package)>,
    ) -> Result<(), MirrorError> {
        let mut entries = Vec::new();
        let mut wrong = None;
        for (range, package) in packages {
            // What came before in this upload ends where a bundle does, so that it is never part of the proof.
            let preceding = self.leaves(range.start / TILE_WIDTH * TILE_WIDTH, range.start)?;
            match package.verify(range, &preceding, checkpoint.size, &checkpoint.root) {
                Ok(verified) => {
                    let next = self.edge.size() + entries.len() as u64;
                    let held = next.saturating_sub(range.start).min(verified.entries().len() as u64) as usize;
                    entries.extend_from_slice(&verified.entries()[held..]);
                }
                Err(error) => {
                    wrong = Some(MirrorError::Package { start: range.start, end: range.end, error });
                    break;
                }
            }
        }
        self.append(&entries)?;
        wrong.map_or(Ok(()), Err)
    }

    fn append(&mut self, entries: &[Vec<u8>]) -> io::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut after = self.edge.clone();
        let made = after.append(entries).map_err(io::Error::other)?;
        // Entries and tiles before their number: a crash in between leaves files that are written again.
        self.storage.put_all(&made.files)?;
        self.storage.put("held", format!("{}\n{}\n", after.size(), after.root()).into_bytes())?;
        self.prover.remember(made.tiles);
        let before = std::mem::replace(&mut self.edge, after).size();
        for folder in edge::replaced(before, self.edge.size()) {
            if let Err(error) = self.storage.remove(&folder) {
                tracing::warn!(%error, folder, "leaving behind partial tiles");
            }
        }
        Ok(())
    }

    /// Leaf hashes of entries that are held; fewer where not all are.
    fn leaves(&self, start: u64, end: u64) -> io::Result<Vec<Hash>> {
        let mut reader = self.prover.at(self.edge.size());
        (start..end.min(self.edge.size())).map(|index| reader.read(0, index)).collect()
    }

    /// Makes a checkpoint with our cosignature the published one.
    pub(super) fn publish(&mut self, checkpoint: &VerifiedCheckpoint, lines: &str) -> Result<(), MirrorError> {
        let size = checkpoint.size;
        if size < self.published || size > self.edge.size() {
            return Err(MirrorError::Conflict(self.info(None)));
        }
        if size < self.edge.size() {
            self.write_partials(size)?;
        }
        // The proofs of all packages led here already: this is about our own disk and code.
        let found = root(&mut self.prover.at(size), size)?;
        if found != checkpoint.root {
            return Err(damaged(&format!("{size} entries have the root {found}, expected {}", checkpoint.root)).into());
        }
        self.storage.put("checkpoint", format!("{}{lines}", checkpoint.text()).into_bytes())?;
        self.published = size;
        Ok(())
    }

    /// The partial tiles and the bundle of a tree that is smaller than what is held: readers of its checkpoint look for
    /// them.
    fn write_partials(&self, size: u64) -> io::Result<()> {
        let mut files = Vec::new();
        let mut reader = self.prover.at(self.edge.size());
        for path in TilePath::partials(size) {
            let first = path.index * TILE_WIDTH;
            let hashes = (first..first + u64::from(path.width)).map(|position| reader.read(path.level * 8, position));
            let bytes = encode_tile(&hashes.collect::<io::Result<Vec<_>>>()?);
            files.push(File { path: path.to_string(), bytes });
        }
        let width = (size % TILE_WIDTH) as u16;
        if let Some(larger) = BundlePath::holding(size, self.edge.size()).filter(|_| width > 0) {
            let bytes =
                self.storage.get(&larger.to_string())?.ok_or_else(|| damaged(&format!("{larger} is missing")))?;
            let entries = decode_bundle(&bytes, larger.width).map_err(io::Error::other)?;
            let path = BundlePath { index: larger.index, width }.to_string();
            let bytes = encode_bundle(&entries[..usize::from(width)]).map_err(io::Error::other)?;
            files.push(File { path, bytes });
        }
        self.storage.put_all(&files)
    }
}

pub(crate) fn read_held(bytes: &[u8]) -> Option<(u64, Hash)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (size, root) = text.strip_suffix('\n')?.split_once('\n')?;
    Some((size.parse().ok()?, root.parse().ok()?))
}

fn damaged(account: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, account)
}
