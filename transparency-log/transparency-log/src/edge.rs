//! The right edge of the stored tree: what appending needs, and the files that appending makes.

use std::io;
use std::sync::Arc;

use tlog_proof::tile::{complete_at, encode_tile};
use tlog_proof::{
    BundlePath, Frontier, Hash, HashReader as _, TILE_WIDTH, TileError, TilePath, TilePyramid, decode_bundle,
    encode_bundle, leaf_hash,
};

use crate::prover::Prover;
use crate::storage::{File, Storage};

/// The partial bundle and the partial tile of each level, and the root over everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    frontier: Frontier,
    bundle: Vec<Vec<u8>>,
    /// Hashes of the partial tile of each level, lowest first; fewer than 256 each.
    levels: Vec<Vec<Hash>>,
}

/// What appending a batch made.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// Tiles and bundles to store.
    pub(crate) files: Vec<File>,
    /// The same tiles, ready for proofs.
    pub(crate) tiles: Vec<(TilePath, Arc<TilePyramid>)>,
}

impl Edge {
    /// Takes up the edge of a stored tree whose consistency the caller has checked.
    pub(crate) fn from_parts(frontier: Frontier, bundle: Vec<Vec<u8>>, levels: Vec<Vec<Hash>>) -> Self {
        Self { frontier, bundle, levels }
    }

    /// Takes up the edge of a stored tree of this size. The caller compares its root with one that is known.
    pub(crate) fn load(prover: &Prover, storage: &dyn Storage, size: u64) -> io::Result<Self> {
        let damaged = |account: String| io::Error::new(io::ErrorKind::InvalidData, account);
        let mut reader = prover.at(size);
        let bits = (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1);
        let subtrees = bits.map(|bit| reader.read(bit as u8, (size >> bit) - 1)).collect::<Result<_, _>>()?;
        let frontier = Frontier::from_parts(size, subtrees).ok_or_else(|| damaged("the edge is incomplete".into()))?;
        let mut levels = Vec::new();
        for level in (0..8).take_while(|level| complete_at(*level, size) > 0) {
            let partial = TilePath::partials(size).find(|path| path.level == level);
            let tile = partial.map(|path| prover.tile(path).map(|tile| (path.width, tile))).transpose()?;
            let hashes = tile.map(|(width, tile)| (0..u64::from(width)).filter_map(|at| tile.get(0, at)).collect());
            levels.push(hashes.unwrap_or_default());
        }
        let Some(path) = BundlePath::holding(size, size + 1).filter(|_| !size.is_multiple_of(TILE_WIDTH)) else {
            return Ok(Self { frontier, bundle: Vec::new(), levels });
        };
        let path = BundlePath { index: path.index, width: (size % TILE_WIDTH) as u16 };
        let bytes = storage.get(&path.to_string())?.ok_or_else(|| damaged(format!("{path} is missing")))?;
        let bundle = decode_bundle(&bytes, path.width).map_err(|error| damaged(format!("{path}: {error}")))?;
        Ok(Self { frontier, bundle: bundle.into_iter().map(<[u8]>::to_vec).collect(), levels })
    }

    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends the entries; nothing is stored yet.
    pub(crate) fn append(&mut self, entries: &[Vec<u8>]) -> Result<Appended, TileError> {
        let mut made = Appended::default();
        let mut highest = None;
        for entry in entries {
            let leaf = leaf_hash(entry);
            self.bundle.push(entry.clone());
            if self.bundle.len() as u64 == TILE_WIDTH {
                let path = BundlePath { index: self.size() / TILE_WIDTH, width: TILE_WIDTH as u16 };
                made.bundle(path, &std::mem::take(&mut self.bundle))?;
            }
            self.frontier.push(leaf);
            highest = highest.max(Some(self.push(0, leaf, &mut made)));
        }
        if let Some(highest) = highest {
            self.emit_partials(highest, &mut made)?;
        }
        Ok(made)
    }

    /// Adds a hash to a level, and the root of every tile that becomes full to the level above.
    /// Gives the highest level that changed.
    fn push(&mut self, level: usize, hash: Hash, made: &mut Appended) -> usize {
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(hash);
        if (self.levels[level].len() as u64) < TILE_WIDTH {
            return level;
        }
        let hashes = std::mem::take(&mut self.levels[level]);
        let index = (self.size() - 1) >> (8 * (level + 1));
        let path = TilePath { level: level as u8, index, width: TILE_WIDTH as u16 };
        let pyramid = made.tile(path, hashes);
        match pyramid.parent() {
            Some(parent) => self.push(level + 1, parent, made),
            None => level,
        }
    }

    fn emit_partials(&self, highest: usize, made: &mut Appended) -> Result<(), TileError> {
        let size = self.size();
        if !self.bundle.is_empty() {
            let path = BundlePath { index: size / TILE_WIDTH, width: self.bundle.len() as u16 };
            made.bundle(path, &self.bundle)?;
        }
        for path in TilePath::partials(size).filter(|path| usize::from(path.level) <= highest) {
            made.tile(path, self.levels[usize::from(path.level)].clone());
        }
        Ok(())
    }
}

/// Folders of partial tiles and bundles of the tree of `old` leaves that the tree of `new` leaves has full.
pub(crate) fn replaced(old: u64, new: u64) -> Vec<String> {
    let tiles = TilePath::partials(old).filter(|path| path.index < complete_at(path.level, new) / TILE_WIDTH);
    let bundle = BundlePath::holding(old, old + 1)
        .filter(|path| !old.is_multiple_of(TILE_WIDTH) && path.index < new / TILE_WIDTH);
    let bundle = bundle.map(|path| format!("{}.p", path.full()));
    tiles.map(|path| format!("{}.p", path.full())).chain(bundle).collect()
}

impl Appended {
    fn bundle(&mut self, path: BundlePath, entries: &[Vec<u8>]) -> Result<(), TileError> {
        self.files.push(File { path: path.to_string(), bytes: encode_bundle(entries)? });
        Ok(())
    }

    fn tile(&mut self, path: TilePath, hashes: Vec<Hash>) -> Arc<TilePyramid> {
        self.files.push(File { path: path.to_string(), bytes: encode_tile(&hashes) });
        let pyramid = Arc::new(TilePyramid::new(hashes));
        self.tiles.push((path, Arc::clone(&pyramid)));
        pyramid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_tiles_go_when_the_full_one_is_there() {
        assert_eq!(replaced(0, 300), [""; 0], "there was none");
        assert_eq!(replaced(255, 255), [""; 0]);
        assert_eq!(replaced(200, 255), [""; 0], "still partial");
        assert_eq!(replaced(200, 256), ["tile/0/000.p", "tile/entries/000.p"]);
        assert_eq!(replaced(256, 600), [""; 0], "only the one above is partial");
        let all = ["tile/0/255.p", "tile/1/000.p", "tile/entries/255.p"];
        assert_eq!(replaced(65_535, 65_536), all);
    }
}
