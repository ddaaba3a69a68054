//! Names for texts of a conversation with one person.

use serde::{Deserialize, Serialize};

/// A text of either side. As JSON: `{"by":"them","id":7}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextRef {
    /// Who wrote it.
    pub by: Side,
    /// Its number, as in the events about it.
    pub id: u64,
}

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The person of this device.
    Me,
    /// The other person.
    Them,
}
