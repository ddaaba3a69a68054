//! Proofs from stored tiles, with a bounded cache of the tiles last used.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use tlog_proof::tile::{TILE_HEIGHT, complete_at, decode_tile, locate};
use tlog_proof::{Hash, HashReader, TILE_WIDTH, TilePath, TilePyramid, prove_consistency, prove_inclusion};

use crate::storage::Storage;

/// At most 16 KiB each.
const CACHED_TILES: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");

/// Makes proofs for any tree size that is stored. Calls block on storage.
pub(crate) struct Prover {
    storage: Arc<dyn Storage>,
    cache: Mutex<LruCache<TilePath, Arc<TilePyramid>>>,
}

impl Prover {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, cache: Mutex::new(LruCache::new(CACHED_TILES)) }
    }

    /// Takes tiles that were just made, so that they need not be read back.
    pub(crate) fn remember(&self, tiles: impl IntoIterator<Item = (TilePath, Arc<TilePyramid>)>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, tile) in tiles {
            cache.put(path, tile);
        }
    }

    pub(crate) fn inclusion(&self, index: u64, size: u64) -> io::Result<Vec<Hash>> {
        prove_inclusion(&mut self.at(size), index, size)
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> io::Result<Vec<Hash>> {
        prove_consistency(&mut self.at(new), old, new)
    }

    /// The hashes of a tree of `size` leaves.
    pub(crate) fn at(&self, size: u64) -> Reader<'_> {
        Reader { prover: self, size }
    }

    /// One tile of the stored tree. A partial tile that was cleaned away is the beginning of the full one.
    pub(crate) fn tile(&self, path: TilePath) -> io::Result<Arc<TilePyramid>> {
        if let Some(tile) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&path) {
            return Ok(Arc::clone(tile));
        }
        let bytes = match self.storage.get(&path.to_string())? {
            Some(bytes) => bytes,
            None => self.beginning_of_full(path)?,
        };
        let hashes = decode_tile(&bytes, path.width).map_err(|error| invalid(format!("{path}: {error}")))?;
        let tile = Arc::new(TilePyramid::new(hashes));
        self.remember([(path, Arc::clone(&tile))]);
        Ok(tile)
    }

    fn beginning_of_full(&self, path: TilePath) -> io::Result<Vec<u8>> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{path} is missing"));
        let mut bytes = self.storage.get(&path.full().to_string())?.ok_or_else(missing)?;
        bytes.truncate(usize::from(path.width) * 32);
        Ok(bytes)
    }
}

/// The hashes of the stored tree at one size.
pub(crate) struct Reader<'a> {
    prover: &'a Prover,
    size: u64,
}

impl HashReader for Reader<'_> {
    type Error = io::Error;

    fn read(&mut self, level: u8, index: u64) -> io::Result<Hash> {
        let (tile_level, tile, row, position) = locate(level, index);
        debug_assert!(row < TILE_HEIGHT);
        let width = complete_at(tile_level, self.size).saturating_sub(tile * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let path = TilePath { level: tile_level, index: tile, width };
        let found = self.prover.tile(path)?.get(row, position);
        found.ok_or_else(|| invalid(format!("{path} has no subtree {position} of height {row}")))
    }
}

fn invalid(account: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, account)
}
