//! Starting again: verify the edge of the stored tree, and find the batch that a crash interrupted.

use std::io;
use std::sync::Arc;

use tlog_proof::tile::complete_at;
use tlog_proof::{
    BundlePath, Checkpoint, Frontier, Hash, HashReader as _, NoteSigner, TILE_WIDTH, TilePath, UnverifiedCheckpoint,
    decode_bundle, leaf_hash,
};

use super::OpenError;
use super::batch::Batch;
use super::commit::CHECKPOINT;
use super::stage::{self, Stage, Writer};
use super::window::{WINDOW, Window};
use crate::edge::Edge;
use crate::prover::Prover;
use crate::storage::Storage;

/// What a start found.
pub(super) struct Recovered {
    /// The published checkpoint with its cosignatures; `None` for a new log.
    pub(super) published: Option<String>,
    /// The edge of the published tree.
    pub(super) edge: Edge,
    /// The last entries.
    pub(super) window: Window,
    /// A batch that was staged and not published.
    pub(super) pending: Option<Batch>,
    /// The sizes before and after the last published batch, whose clean-up may have been cut short.
    pub(super) last: Option<(u64, u64)>,
}

/// Reads and verifies what is stored. Changes nothing.
pub(super) async fn recover(
    storage: &Arc<dyn Storage>,
    prover: &Arc<Prover>,
    origin: &str,
    signer: &NoteSigner,
    writer: Writer,
) -> Result<Recovered, OpenError> {
    let stored = Stored {
        storage: Arc::clone(storage),
        prover: Arc::clone(prover),
        key: signer.vkey(),
        origin: origin.to_owned(),
        writer,
    };
    let recovered = tokio::task::spawn_blocking(move || stored.recover()).await;
    recovered.unwrap_or_else(|failed| Err(reading(io::Error::other(failed))))
}

struct Stored {
    storage: Arc<dyn Storage>,
    prover: Arc<Prover>,
    key: tlog_proof::VerifierKey,
    origin: String,
    writer: Writer,
}

/// What the stage holds.
enum Staged {
    /// A batch that was published.
    Published { base: u64, size: u64 },
    /// One that was not.
    Pending(Box<Batch>),
}

impl Stored {
    fn recover(&self) -> Result<Recovered, OpenError> {
        // The stage first: whoever else writes this log after this moment is found out by our first write,
        // or finds itself superseded by it.
        let staged = self.storage.claim(stage::PATH).map_err(reading)?;
        let Some(text) = self.storage.claim(CHECKPOINT).map_err(reading)? else {
            return self.fresh(staged.is_some());
        };
        let published = self.checkpoint(&text, "the published checkpoint")?;
        let edge = self.edge(&published)?;
        let window = self.window(published.size)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut recovered = Recovered { published: Some(text), edge, window, pending: None, last: None };
        match staged.map(|bytes| self.staged(&bytes, &recovered.edge)).transpose()? {
            Some(Staged::Pending(batch)) => recovered.pending = Some(*batch),
            Some(Staged::Published { base, size }) => recovered.last = Some((base, size)),
            None => {}
        }
        Ok(recovered)
    }

    /// A folder without a checkpoint is a new log, unless something else is there: its first act is to
    /// publish the checkpoint of the empty tree.
    fn fresh(&self, staged: bool) -> Result<Recovered, OpenError> {
        let mut widths = 1..=TILE_WIDTH as u16;
        let tiles = widths.try_fold(false, |found, width| {
            let path = BundlePath { index: 0, width }.to_string();
            Ok(found || self.storage.get(&path)?.is_some())
        });
        if staged || tiles.map_err(reading)? {
            return Err(inconsistent("there are entries but no checkpoint"));
        }
        Ok(Recovered { published: None, edge: Edge::default(), window: Window::default(), pending: None, last: None })
    }

    fn checkpoint(&self, text: &[u8], what: &str) -> Result<Checkpoint, OpenError> {
        let verified = UnverifiedCheckpoint::parse(text).and_then(|checkpoint| checkpoint.verify_log(&self.key));
        let verified = verified.map_err(|error| inconsistent(format!("{what} of {}: {error}", self.origin)))?;
        Ok(Checkpoint::clone(&verified))
    }

    /// Recomputes the root from the tiles at the edge, and checks each level against the one below.
    fn edge(&self, published: &Checkpoint) -> Result<Edge, OpenError> {
        let size = published.size;
        let frontier = self.frontier(size)?;
        if frontier.root() != published.root {
            let (expected, found) = (published.root, frontier.root());
            return Err(inconsistent(format!(
                "the checkpoint of size {size} has the root {expected}, the tiles have {found}"
            )));
        }
        let mut levels = Vec::new();
        for level in (0..8).take_while(|level| complete_at(*level, size) > 0) {
            self.check_last_full(level, size)?;
            levels.push(self.partial(level, size)?);
        }
        Ok(Edge::from_parts(frontier, self.partial_bundle(size)?, levels))
    }

    /// The complete subtrees that the tree consists of, largest first.
    fn frontier(&self, size: u64) -> Result<Frontier, OpenError> {
        let mut reader = self.prover.at(size);
        let bits = (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1);
        let subtrees = bits.map(|bit| reader.read(bit as u8, (size >> bit) - 1)).collect::<Result<_, _>>();
        let subtrees = subtrees.map_err(|error| self.unreadable(error))?;
        Frontier::from_parts(size, subtrees).ok_or_else(|| inconsistent("the edge has not one subtree for each bit"))
    }

    fn partial(&self, level: u8, size: u64) -> Result<Vec<Hash>, OpenError> {
        let Some(path) = TilePath::partials(size).find(|path| path.level == level) else {
            return Ok(Vec::new());
        };
        let tile = self.prover.tile(path).map_err(|error| self.unreadable(error))?;
        Ok((0..u64::from(path.width)).filter_map(|position| tile.get(0, position)).collect())
    }

    /// The last full tile of a level hashes to its place in the level above; at level 0, so does its bundle.
    fn check_last_full(&self, level: u8, size: u64) -> Result<(), OpenError> {
        let Some(index) = (complete_at(level, size) / TILE_WIDTH).checked_sub(1) else { return Ok(()) };
        let path = TilePath { level, index, width: TILE_WIDTH as u16 };
        let tile = self.prover.tile(path).map_err(|error| self.unreadable(error))?;
        let above = self.prover.at(size).read((level + 1) * 8, index).map_err(|error| self.unreadable(error))?;
        if tile.parent() != Some(above) {
            return Err(inconsistent(format!("{path} does not hash to its place in the tile above")));
        }
        if level == 0 { self.bundle(BundlePath { index, width: path.width }, size).map(drop) } else { Ok(()) }
    }

    fn partial_bundle(&self, size: u64) -> Result<Vec<Vec<u8>>, OpenError> {
        let width = (size % TILE_WIDTH) as u16;
        if width == 0 { Ok(Vec::new()) } else { self.bundle(BundlePath { index: size / TILE_WIDTH, width }, size) }
    }

    /// A bundle whose entries hash to their leaves.
    fn bundle(&self, path: BundlePath, size: u64) -> Result<Vec<Vec<u8>>, OpenError> {
        let bytes = self.storage.get(&path.to_string()).map_err(reading)?;
        let bytes = bytes.ok_or_else(|| inconsistent(format!("{path} is missing")))?;
        let entries = decode_bundle(&bytes, path.width).map_err(|error| inconsistent(format!("{path}: {error}")))?;
        let mut reader = self.prover.at(size);
        for (index, entry) in (path.index * TILE_WIDTH..).zip(&entries) {
            let leaf = reader.read(0, index).map_err(|error| self.unreadable(error))?;
            if leaf != leaf_hash(entry) {
                return Err(inconsistent(format!("entry {index} in {path} does not hash to its leaf")));
            }
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    fn window(&self, size: u64) -> Result<Window, OpenError> {
        let mut window = Window::default();
        let mut reader = self.prover.at(size);
        for index in size.saturating_sub(WINDOW as u64)..size {
            window.push(reader.read(0, index).map_err(|error| self.unreadable(error))?, index);
        }
        Ok(window)
    }

    /// The staged batch: it stays where it is when it is published, until the next one replaces it.
    fn staged(&self, bytes: &[u8], edge: &Edge) -> Result<Staged, OpenError> {
        let mut stage = Stage::decode(bytes).ok_or_else(|| inconsistent("the staged batch is damaged"))?;
        let checkpoint = self.checkpoint(stage.signed.as_bytes(), "the staged checkpoint")?;
        let published =
            checkpoint.size < edge.size() || (checkpoint.size == edge.size() && checkpoint.root == edge.root());
        if published {
            return Ok(Staged::Published { base: stage.base, size: checkpoint.size });
        }
        if stage.base != edge.size() {
            let (base, size) = (stage.base, edge.size());
            return Err(inconsistent(format!("the staged batch extends size {base}, published is {size}")));
        }
        stage.writer = self.writer;
        let batch = Batch::resume(edge, stage, checkpoint).map_err(|error| inconsistent(error.to_string()))?;
        let (expected, found) = (batch.checkpoint.root, batch.edge.root());
        if batch.checkpoint.size != batch.edge.size() || expected != found {
            return Err(inconsistent(format!("the staged checkpoint has the root {expected}, its entries {found}")));
        }
        Ok(Staged::Pending(Box::new(batch)))
    }

    fn unreadable(&self, error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData => inconsistent(error.to_string()),
            _ => reading(error),
        }
    }
}

fn reading(source: io::Error) -> OpenError {
    OpenError::Storage { doing: "reading the stored log", source }
}

fn inconsistent(account: impl Into<String>) -> OpenError {
    OpenError::Inconsistent { account: account.into() }
}
