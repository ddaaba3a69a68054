//! Tiles and entry bundles (C2SP tlog-tiles): paths, contents, and reading subtree hashes from tiles.

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::{Hash, node_hash};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// Levels of the Merkle tree that one tile spans.
pub const TILE_HEIGHT: u8 = 8;

/// Why a tile path, a tile or a bundle was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not the path of a tile or bundle.
    #[error("expected tile/<level>/<index>[.p/<width>] or tile/entries/<index>[.p/<width>], found {found:?}")]
    Path {
        /// The offending path, cut to 128 characters.
        found: String,
    },
    /// A tile whose length does not fit its width.
    #[error("expected a tile of {expected} bytes, found {found}")]
    Length {
        /// 32 bytes for each hash.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A bundle that ends within an entry.
    #[error("the entry bundle ends within entry {entry}")]
    Truncated {
        /// Position of that entry in the bundle.
        entry: usize,
    },
    /// A bundle with more or fewer entries than its path says.
    #[error("expected a bundle of {expected} entries, found {found}")]
    Count {
        /// The width in the path.
        expected: usize,
        /// The entries found, at most one more than expected.
        found: usize,
    },
    /// An entry too large for the format.
    #[error("entry {entry} has {found} bytes, expected at most 65535")]
    EntryTooLarge {
        /// Position of that entry in the bundle.
        entry: usize,
        /// Its length in bytes.
        found: usize,
    },
}

/// Which tile of subtree hashes: `tile/<level>/<index>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    /// Tile level, 0 (leaf hashes) to 63.
    pub level: u8,
    /// Position of the tile within its level.
    pub index: u64,
    /// Hashes in the tile: 1 to 255 for a partial tile, 256 for a full one.
    pub width: u16,
}

/// Which bundle of entries: `tile/entries/<index>[.p/<width>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BundlePath {
    /// Position of the bundle: its first entry is `index · 256`.
    pub index: u64,
    /// Entries in the bundle: 1 to 255 for a partial bundle, 256 for a full one.
    pub width: u16,
}

impl TilePath {
    /// The tile that holds, in a tree of `size` leaves, the `position`-th hash of tile level `level`;
    /// `None` where the tree has no such complete subtree.
    pub fn holding(level: u8, position: u64, size: u64) -> Option<Self> {
        let (index, width) = holding(position, complete_at(level, size))?;
        Some(Self { level, index, width })
    }

    /// Every partial tile of a tree of `size` leaves, lowest level first.
    pub fn partials(size: u64) -> impl Iterator<Item = Self> {
        (0..TILE_HEIGHT).filter_map(move |level| {
            let complete = complete_at(level, size);
            let width = (complete % TILE_WIDTH) as u16;
            (width > 0).then_some(Self { level, index: complete / TILE_WIDTH, width })
        })
    }

    /// Whether this is a full tile, which never changes.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The full tile at the same place.
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH as u16, ..*self }
    }
}

impl BundlePath {
    /// The bundle that holds entry `index` of a tree of `size` leaves; `None` where there is no such entry.
    pub fn holding(index: u64, size: u64) -> Option<Self> {
        let (index, width) = holding(index, size)?;
        Some(Self { index, width })
    }

    /// Whether this is a full bundle, which never changes.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The full bundle at the same place.
    pub fn full(&self) -> Self {
        Self { width: TILE_WIDTH as u16, ..*self }
    }
}

/// The hashes that a tree of `size` leaves has at tile level `level`: `floor(size / 256^level)`.
pub fn complete_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0)
}

fn holding(position: u64, complete: u64) -> Option<(u64, u16)> {
    let index = position / TILE_WIDTH;
    (position < complete).then(|| (index, (complete - index * TILE_WIDTH).min(TILE_WIDTH) as u16))
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        write_place(f, self.index, self.width)
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        write_place(f, self.index, self.width)
    }
}

/// Index in groups of three digits, all but the last led by `x`, and the width of a partial tile.
fn write_place(f: &mut fmt::Formatter<'_>, index: u64, width: u16) -> fmt::Result {
    // Seven groups hold every u64; 1000^6 is the highest power that fits.
    let mut groups = 1;
    while groups < 7 && index / 1000u64.pow(groups) > 0 {
        groups += 1;
    }
    for group in (1..groups).rev() {
        write!(f, "x{:03}/", index / 1000u64.pow(group) % 1000)?;
    }
    write!(f, "{:03}", index % 1000)?;
    if u64::from(width) < TILE_WIDTH { write!(f, ".p/{width}") } else { Ok(()) }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let parsed = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).and_then(|(level, place)| {
            let level = decimal::parse(level).filter(|level| *level <= 63)? as u8;
            let (index, width) = parse_place(place)?;
            Some(Self { level, index, width })
        });
        parsed.ok_or_else(|| refused(path))
    }
}

impl FromStr for BundlePath {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let parsed = path.strip_prefix("tile/entries/").and_then(parse_place);
        parsed.map(|(index, width)| Self { index, width }).ok_or_else(|| refused(path))
    }
}

fn refused(path: &str) -> TileError {
    TileError::Path { found: path.chars().take(128).collect() }
}

/// The reverse of [`write_place`]; every place has exactly one spelling.
fn parse_place(place: &str) -> Option<(u64, u16)> {
    let (digits, width) = match place.split_once(".p/") {
        Some((digits, width)) => (digits, decimal::parse(width).filter(|w| (1..TILE_WIDTH).contains(w))? as u16),
        None => (place, TILE_WIDTH as u16),
    };
    let (leading, last) = digits.rsplit_once('/').map_or((None, digits), |(leading, last)| (Some(leading), last));
    let mut index = 0u64;
    for (position, group) in leading.into_iter().flat_map(|groups| groups.split('/')).enumerate() {
        let value = three_digits(group.strip_prefix('x')?)?;
        if position == 0 && value == 0 {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(value)?;
    }
    let index = index.checked_mul(1000)?.checked_add(three_digits(last)?)?;
    Some((index, width))
}

fn three_digits(group: &str) -> Option<u64> {
    (group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit())).then(|| group.parse().ok()).flatten()
}

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
