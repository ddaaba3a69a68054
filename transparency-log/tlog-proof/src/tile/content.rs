//! What tiles and bundles hold.

use super::{TILE_HEIGHT, TileError};
use crate::hash::{Hash, node_hash};

/// One tile with all the subtree hashes in it: row 0 holds the tile's own hashes, row `r` those of its
/// complete subtrees of height `r`.
#[derive(Debug, Clone)]
pub struct TilePyramid {
    rows: Vec<Vec<Hash>>,
}

impl TilePyramid {
    /// Builds the rows over a tile's hashes, up to row 7 (row 8 is the tile's parent).
    pub fn new(hashes: Vec<Hash>) -> Self {
        let mut rows = vec![hashes];
        for row in 1..usize::from(TILE_HEIGHT) {
            let above = rows[row - 1].chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            rows.push(above);
        }
        Self { rows }
    }

    /// Reads a tile as it is stored and served.
    ///
    /// # Errors
    /// [`TileError::Length`] unless there are exactly `width` hashes.
    pub fn from_bytes(bytes: &[u8], width: u16) -> Result<Self, TileError> {
        decode_tile(bytes, width).map(Self::new)
    }

    /// The hash at `position` of row `row`; `None` where the tile has no such complete subtree.
    pub fn get(&self, row: u8, position: u64) -> Option<Hash> {
        self.rows.get(usize::from(row))?.get(usize::try_from(position).ok()?).copied()
    }

    /// The root of a full tile, which is a hash of the tile above; `None` for a partial tile.
    pub fn parent(&self) -> Option<Hash> {
        match self.rows.last().map(Vec::as_slice) {
            Some([left, right]) => Some(node_hash(left, right)),
            _ => None,
        }
    }
}

/// Where the subtree `(level, index)` of the Merkle tree lies: tile level, tile index, and row and
/// position in that tile's [`TilePyramid`].
pub fn locate(level: u8, index: u64) -> (u8, u64, u8, u64) {
    let (tile_level, row) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
    let across = TILE_HEIGHT - row;
    (tile_level, index >> across, row, index & ((1 << across) - 1))
}

/// The bytes of a tile: its hashes one after another.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile of `width` hashes.
///
/// # Errors
/// [`TileError::Length`] for any other length.
pub fn decode_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileError> {
    let expected = usize::from(width) * 32;
    let (hashes, rest) = bytes.as_chunks::<32>();
    if bytes.len() != expected || !rest.is_empty() {
        return Err(TileError::Length { expected, found: bytes.len() });
    }
    Ok(hashes.iter().map(|bytes| Hash(*bytes)).collect())
}

/// The bytes of an entry bundle: each entry led by its length as a big-endian `u16`.
///
/// # Errors
/// [`TileError::EntryTooLarge`] for an entry of more than 65,535 bytes.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, TileError> {
    let mut bundle = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for (position, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let length =
            u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLarge { entry: position, found: entry.len() })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle of `width` entries.
///
/// # Errors
/// When the bundle ends within an entry or holds another number of entries.
pub fn decode_bundle(mut bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::with_capacity(usize::from(width));
    while !bundle.is_empty() {
        if entries.len() == usize::from(width) {
            return Err(TileError::Count { expected: width.into(), found: entries.len() + 1 });
        }
        let truncated = TileError::Truncated { entry: entries.len() };
        let Some((length, rest)) = bundle.split_first_chunk::<2>() else { return Err(truncated) };
        let Some((entry, rest)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            return Err(truncated);
        };
        entries.push(entry);
        bundle = rest;
    }
    if entries.len() < usize::from(width) {
        return Err(TileError::Count { expected: width.into(), found: entries.len() });
    }
    Ok(entries)
}
