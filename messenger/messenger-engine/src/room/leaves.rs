//! Which leaf is which device, in one epoch. It is asked for each frame and each member, and shared by whoever keeps it.

use std::sync::Arc;

use room_order::Leaf;

use super::credential::DeviceKey;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaves(Arc<Both>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Both {
    /// Ascending.
    by_leaf: Vec<(Leaf, DeviceKey)>,
    /// Ascending.
    by_device: Vec<(DeviceKey, Leaf)>,
}

impl Leaves {
    /// Of these, in any order.
    #[must_use]
    pub fn new(mut by_leaf: Vec<(Leaf, DeviceKey)>) -> Self {
        let mut by_device: Vec<(DeviceKey, Leaf)> = by_leaf.iter().map(|(leaf, device)| (*device, *leaf)).collect();
        by_leaf.sort_unstable();
        by_device.sort_unstable();
        Self(Arc::new(Both { by_leaf, by_device }))
    }

    /// Whose leaf this is.
    #[must_use]
    pub fn device(&self, leaf: Leaf) -> Option<DeviceKey> {
        let by_leaf = &self.0.by_leaf;
        by_leaf.binary_search_by_key(&leaf, |(at, _)| *at).ok().map(|at| by_leaf[at].1)
    }

    /// Which leaf is hers.
    #[must_use]
    pub fn leaf(&self, device: DeviceKey) -> Option<Leaf> {
        let by_device = &self.0.by_device;
        by_device.binary_search_by_key(&device, |(known, _)| *known).ok().map(|at| by_device[at].1)
    }

    /// All of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Leaf, DeviceKey)> + '_ {
        self.0.by_leaf.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_and_a_device_are_found_by_each_other() {
        let device = |number: u8| DeviceKey([number; 32]);
        let all = [(Leaf(7), device(1)), (Leaf(0), device(9)), (Leaf(3), device(4))];
        let leaves = Leaves::new(all.to_vec());
        for (leaf, device) in all {
            assert_eq!((leaves.device(leaf), leaves.leaf(device)), (Some(device), Some(leaf)));
        }
        assert_eq!((leaves.device(Leaf(1)), leaves.leaf(device(2))), (None, None));
        assert_eq!(leaves.iter().map(|(leaf, _)| leaf.0).collect::<Vec<_>>(), [0, 3, 7]);
    }
}
