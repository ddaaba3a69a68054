//! The last entries by their leaf hash, so that a retried submission gets its old index.

use std::collections::{HashMap, VecDeque};

use tlog_proof::Hash;

/// How many of the last entries are remembered.
pub(super) const WINDOW: usize = 65_536;

/// Leaf hashes of the last entries and their indexes.
#[derive(Debug, Default)]
pub(super) struct Window {
    indexes: HashMap<Hash, u64>,
    order: VecDeque<Hash>,
}

impl Window {
    /// The index of an entry with this leaf hash, if it is among the last.
    pub(super) fn index(&self, leaf: &Hash) -> Option<u64> {
        self.indexes.get(leaf).copied()
    }

    /// Remembers the newest entry and forgets the oldest beyond the window.
    pub(super) fn push(&mut self, leaf: Hash, index: u64) {
        self.indexes.insert(leaf, index);
        self.order.push_back(leaf);
        if self.order.len() > WINDOW
            && let Some(oldest) = self.order.pop_front()
            && self.indexes.get(&oldest).is_some_and(|known| index - known >= WINDOW as u64)
        {
            self.indexes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tlog_proof::leaf_hash;

    #[test]
    fn remembers_the_last_entries_only() {
        let mut window = Window::default();
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        for n in 0..WINDOW as u64 + 10 {
            window.push(leaf(n), n);
        }
        assert_eq!(window.index(&leaf(9)), None);
        assert_eq!(window.index(&leaf(10)), Some(10));
        assert_eq!(window.index(&leaf(WINDOW as u64 + 9)), Some(WINDOW as u64 + 9));
        assert_eq!(window.order.len(), WINDOW);
        assert_eq!(window.indexes.len(), WINDOW);
    }
}
