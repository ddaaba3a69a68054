//! The paths of tiles and bundles; every place has exactly one spelling.

use std::fmt;
use std::str::FromStr;

use super::{TILE_HEIGHT, TILE_WIDTH, TileError};
use crate::decimal;

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
