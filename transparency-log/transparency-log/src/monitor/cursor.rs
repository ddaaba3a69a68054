//! How far a log was followed, to be kept on disk between audits.

use serde::{Deserialize, Serialize};
use tlog_proof::{Frontier, Hash, HashError};

/// The tree up to which a log was audited: its size, its root, and the right edge that proves the root.
///
/// Serialises as `{"origin", "size", "frontier": [base64…]}`; the root follows from the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Cursor {
    origin: String,
    frontier: Frontier,
}

/// Why a stored cursor was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// A hash that is none.
    #[error("cursor: {0}")]
    Hash(#[from] HashError),
    /// The edge is not that of a tree of this size.
    #[error("cursor of size {size}: expected {} hashes, found {found}", size.count_ones())]
    Shape {
        /// The stored size.
        size: u64,
        /// The stored number of hashes.
        found: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    origin: String,
    size: u64,
    frontier: Vec<String>,
}

impl Cursor {
    pub(super) fn new(origin: String, frontier: Frontier) -> Self {
        Self { origin, frontier }
    }

    /// The log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries were looked at.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}

impl From<Cursor> for Stored {
    fn from(cursor: Cursor) -> Self {
        let frontier = cursor.frontier.subtrees().iter().map(Hash::to_string).collect();
        Self { size: cursor.size(), origin: cursor.origin, frontier }
    }
}

impl TryFrom<Stored> for Cursor {
    type Error = CursorError;

    fn try_from(stored: Stored) -> Result<Self, CursorError> {
        let (size, found) = (stored.size, stored.frontier.len());
        let subtrees = stored.frontier.iter().map(|hash| hash.parse()).collect::<Result<_, _>>()?;
        let frontier = Frontier::from_parts(size, subtrees).ok_or(CursorError::Shape { size, found })?;
        Ok(Self { origin: stored.origin, frontier })
    }
}
