//! Tiles and entry bundles (C2SP tlog-tiles): paths, contents, and reading subtree hashes from tiles.

mod content;
mod path;

pub use content::{TilePyramid, decode_bundle, decode_tile, encode_bundle, encode_tile, locate};
pub use path::{BundlePath, TilePath, complete_at};

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
