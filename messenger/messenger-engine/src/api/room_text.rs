//! Names for texts of a room, and where they stand in the order that all its members agree on.

use identity::Identifier;
use serde::{Deserialize, Serialize};

/// A text of a room. As JSON: `{"from":"bob@example.org","id":7}`, or `{"id":7}` for one that was sent at this device.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomTextRef {
    /// Who wrote it; absent for what was sent at this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Identifier>,
    /// Its number, as in the events about it.
    pub id: u64,
}

/// Where a text stands among those of its room: the same for every member, whatever the order in which texts come (rule R-25 of
/// docs/spec/rooms.md). As JSON an array of four numbers, compared one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64)", into = "(u64, u64, u32, u64)")]
pub struct RoomOrder {
    /// The epoch for which it was sealed.
    pub epoch: u64,
    /// Its count: one more than the greatest of that epoch that its author knew.
    pub count: u64,
    /// Its author's leaf, for those who wrote at once.
    pub leaf: u32,
    /// Its author's id for it, for an author who breaks the rules and counts twice to the same.
    pub id: u64,
}

impl From<(u64, u64, u32, u64)> for RoomOrder {
    fn from((epoch, count, leaf, id): (u64, u64, u32, u64)) -> Self {
        Self { epoch, count, leaf, id }
    }
}

impl From<RoomOrder> for (u64, u64, u32, u64) {
    fn from(order: RoomOrder) -> Self {
        (order.epoch, order.count, order.leaf, order.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_come_first_then_counts_then_leaves() {
        let order = |epoch, count, leaf, id| RoomOrder { epoch, count, leaf, id };
        let mut mixed = [order(2, 1, 0, 1), order(1, 9, 0, 5), order(1, 3, 4, 9), order(1, 3, 2, 9), order(1, 3, 2, 8)];
        mixed.sort();
        let sorted = [order(1, 3, 2, 8), order(1, 3, 2, 9), order(1, 3, 4, 9), order(1, 9, 0, 5), order(2, 1, 0, 1)];
        assert_eq!(mixed, sorted);
    }
}
