//! The tree of a verified checkpoint, read from tiles that are verified as they come.
//!
//! The partial tiles at the right edge together determine the root, so that they are verified first.
//! A full tile hashes to one entry of the tile above it; so does a full bundle. Everything is thus
//! verified from the root downwards, each tile once.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use lru::LruCache;
use tlog_proof::tile::{complete_at, decode_tile, locate};
use tlog_proof::{
    BundlePath, Checkpoint, Frontier, Hash, MerkleError, TILE_WIDTH, TileError, TilePath, TilePyramid,
    VerifiedCheckpoint, decode_bundle, leaf_hash,
};

use super::source::{Source, SourceError};
use super::{AHEAD, Bundle, ClientError, covering};

/// At most 16 KiB each.
const CACHED_TILES: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// A tree whose root a verified checkpoint states.
pub struct VerifiedTree<S: ?Sized> {
    source: Arc<S>,
    checkpoint: Checkpoint,
    /// The partial tile of each level that has one.
    edge: HashMap<u8, Arc<TilePyramid>>,
    /// Full tiles, verified.
    cache: Mutex<LruCache<TilePath, Arc<TilePyramid>>>,
}

impl<S: Source + ?Sized + 'static> VerifiedTree<S> {
    /// Fetches and verifies the right edge.
    ///
    /// # Errors
    /// When it cannot be fetched or does not hash to the checkpoint's root.
    pub async fn open(source: Arc<S>, checkpoint: &VerifiedCheckpoint) -> Result<Self, ClientError> {
        let checkpoint = Checkpoint::clone(checkpoint);
        let mut edge = HashMap::new();
        for path in TilePath::partials(checkpoint.size) {
            edge.insert(path.level, Arc::new(TilePyramid::new(fetch_tile(&*source, path).await?)));
        }
        let tree = Self { source, checkpoint, edge, cache: Mutex::new(LruCache::new(CACHED_TILES)) };
        tree.verify_edge()?;
        Ok(tree)
    }

    /// Where it is read from.
    pub(super) fn source(&self) -> &S {
        &self.source
    }

    /// The checkpoint whose tree this is.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn verify_edge(&self) -> Result<(), ClientError> {
        let size = self.checkpoint.size;
        let bits = (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1);
        // Each complete subtree at the edge lies in the partial tile of its level.
        let subtrees = bits.filter_map(|bit| {
            let (level, _, row, position) = locate(bit as u8, (size >> bit) - 1);
            self.edge.get(&level)?.get(row, position)
        });
        let found = Frontier::from_parts(size, subtrees.collect()).map(|frontier| frontier.root());
        match found {
            Some(found) if found == self.checkpoint.root => Ok(()),
            found => Err(ClientError::Mismatch {
                path: "checkpoint".to_owned(),
                expected: self.checkpoint.root,
                found: found.unwrap_or_else(tlog_proof::empty_root),
            }),
        }
    }

    /// The hash of a complete subtree, as [`tlog_proof::HashReader::read`].
    ///
    /// # Errors
    /// When the tree has no such subtree, or a tile cannot be fetched or verified.
    pub async fn subtree(&self, level: u8, index: u64) -> Result<Hash, ClientError> {
        let (tile_level, tile, row, position) = locate(level, index);
        let found = self.tile(tile_level, tile).await?.get(row, position);
        found.ok_or_else(|| MerkleError::IndexOutOfRange { index, size: self.checkpoint.size >> level.min(63) }.into())
    }

    /// The right edge that the tree had when it held `size` leaves.
    ///
    /// # Errors
    /// When it holds fewer, or tiles cannot be fetched or verified.
    pub async fn frontier(&self, size: u64) -> Result<Frontier, ClientError> {
        let beyond = || MerkleError::IndexOutOfRange { index: size, size: self.checkpoint.size };
        if size > self.checkpoint.size {
            return Err(beyond().into());
        }
        let mut subtrees = Vec::new();
        for bit in (0..u64::BITS).rev().filter(|bit| size >> bit & 1 == 1) {
            subtrees.push(self.subtree(bit as u8, (size >> bit) - 1).await?);
        }
        Frontier::from_parts(size, subtrees).ok_or_else(|| beyond().into())
    }

    /// A tile, verified.
    pub(crate) fn tile(&self, level: u8, index: u64) -> BoxFuture<'_, Result<Arc<TilePyramid>, ClientError>> {
        async move {
            let full = complete_at(level, self.checkpoint.size) / TILE_WIDTH;
            if index >= full {
                let partial = self.edge.get(&level).filter(|_| index == full);
                let size = complete_at(level, self.checkpoint.size);
                return partial.cloned().ok_or_else(|| {
                    MerkleError::IndexOutOfRange { index: index.saturating_mul(TILE_WIDTH), size }.into()
                });
            }
            let path = TilePath { level, index, width: TILE_WIDTH as u16 };
            if let Some(tile) = self.cached(path) {
                return Ok(tile);
            }
            let tile = TilePyramid::new(fetch_tile(&*self.source, path).await?);
            self.verify_full(&tile, level, index, &path.to_string()).await?;
            let tile = Arc::new(tile);
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).put(path, Arc::clone(&tile));
            Ok(tile)
        }
        .boxed()
    }

    fn cached(&self, path: TilePath) -> Option<Arc<TilePyramid>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned()
    }

    /// Checks a full tile, or the leaves of a full bundle, against the tile above.
    async fn verify_full(&self, tile: &TilePyramid, level: u8, index: u64, path: &str) -> Result<(), ClientError> {
        let above = self.tile(level + 1, index / TILE_WIDTH).await?;
        let (expected, found) = (above.get(0, index % TILE_WIDTH), tile.parent());
        match (expected, found) {
            (Some(expected), Some(found)) if expected == found => Ok(()),
            (expected, found) => Err(ClientError::Mismatch {
                path: path.to_owned(),
                expected: expected.unwrap_or_else(tlog_proof::empty_root),
                found: found.unwrap_or_else(tlog_proof::empty_root),
            }),
        }
    }

    /// Verifies what was served as a bundle; gives the root over a full one besides.
    pub(super) async fn bundle(&self, path: BundlePath, bytes: &[u8]) -> Result<(Bundle, Option<Hash>), ClientError> {
        let entries = decode_bundle(bytes, path.width).map_err(|error| malformed(path.to_string(), error))?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let root = if path.is_full() {
            let tile = TilePyramid::new(leaves.clone());
            self.verify_full(&tile, 0, path.index, &path.to_string()).await?;
            tile.parent()
        } else {
            self.verify_partial(path, &leaves).await?;
            None
        };
        let entries = entries.into_iter().map(<[u8]>::to_vec).collect();
        Ok((Bundle { path, first: path.index * TILE_WIDTH, entries, leaves }, root))
    }

    /// Checks the leaves of the partial bundle against the partial tile, one by one.
    async fn verify_partial(&self, path: BundlePath, leaves: &[Hash]) -> Result<(), ClientError> {
        let tile = self.tile(0, path.index).await?;
        for (position, found) in (0..).zip(leaves) {
            let expected = tile.get(0, position).unwrap_or_else(tlog_proof::empty_root);
            if expected != *found {
                return Err(ClientError::Mismatch { path: path.to_string(), expected, found: *found });
            }
        }
        Ok(())
    }

    /// One entry, verified.
    ///
    /// # Errors
    /// When the tree has no such entry, or its bundle cannot be fetched or verified.
    pub async fn entry(&self, index: u64) -> Result<Vec<u8>, ClientError> {
        let size = self.checkpoint.size;
        let beyond = || MerkleError::IndexOutOfRange { index, size };
        let path = BundlePath::holding(index, size).ok_or_else(beyond)?;
        let (mut bundle, _) = self.bundle(path, &fetch_bundle(&*self.source, path).await?).await?;
        let position = (index - bundle.first) as usize;
        if position < bundle.entries.len() { Ok(bundle.entries.swap_remove(position)) } else { Err(beyond().into()) }
    }

    /// The bundles that cover a range, in order, each verified; a few are fetched ahead.
    ///
    /// # Errors
    /// At once when the range reaches beyond the tree; in the stream when a bundle cannot be fetched or
    /// verified, after which the stream ends.
    pub fn bundles(
        self,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Bundle, ClientError>> + Send, MerkleError> {
        let tree = Arc::new(self);
        let paths = covering(range, &tree.checkpoint)?;
        Ok(bundles_of(tree, paths))
    }
}

fn bundles_of<S: Source + ?Sized + 'static>(
    tree: Arc<VerifiedTree<S>>,
    paths: impl Iterator<Item = BundlePath> + Send,
) -> impl Stream<Item = Result<Bundle, ClientError>> + Send {
    let source = Arc::clone(&tree.source);
    let fetched = stream::iter(paths).map(move |path| {
        let source = Arc::clone(&source);
        async move { (path, fetch_bundle(&*source, path).await) }
    });
    let verified = fetched.buffered(AHEAD).then(move |(path, bytes)| {
        let tree = Arc::clone(&tree);
        async move { tree.bundle(path, &bytes?).await.map(|(bundle, _)| bundle) }
    });
    // One error ends it: what follows a fault is not to be looked at.
    verified.scan(false, |failed, item| {
        let ended = std::mem::replace(failed, item.is_err());
        futures_util::future::ready((!ended).then_some(item))
    })
}

/// A tile as served; where a partial one was cleaned away, the beginning of the full one.
pub(crate) async fn fetch_tile<S: Source + ?Sized>(source: &S, path: TilePath) -> Result<Vec<Hash>, ClientError> {
    let bytes = match source.get(&path.to_string()).await {
        Err(SourceError::NotFound { .. }) if !path.is_full() => {
            let mut bytes = source.get(&path.full().to_string()).await.map_err(|error| not_found(error, path))?;
            bytes.truncate(usize::from(path.width) * 32);
            bytes
        }
        answered => answered?,
    };
    decode_tile(&bytes, path.width).map_err(|error| malformed(path.to_string(), error))
}

/// A bundle as served; where a partial one was cleaned away, the beginning of the full one.
pub(super) async fn fetch_bundle<S: Source + ?Sized>(source: &S, path: BundlePath) -> Result<Vec<u8>, ClientError> {
    match source.get(&path.to_string()).await {
        Err(SourceError::NotFound { .. }) if !path.is_full() => {
            let full = path.full();
            let bytes = source.get(&full.to_string()).await.map_err(|error| not_found(error, path))?;
            let entries = decode_bundle(&bytes, full.width).map_err(|error| malformed(full.to_string(), error))?;
            let length = entries.iter().take(path.width.into()).map(|entry| 2 + entry.len()).sum();
            Ok(bytes[..length].to_vec())
        }
        answered => Ok(answered?),
    }
}

/// What is missing is the partial one that was asked for first.
fn not_found(error: SourceError, path: impl std::fmt::Display) -> SourceError {
    match error {
        SourceError::NotFound { .. } => SourceError::NotFound { path: path.to_string() },
        other => other,
    }
}

fn malformed(path: String, error: TileError) -> ClientError {
    ClientError::Tile { path, error }
}
