//! The right edge of a growing tree: enough to go on computing roots, in logarithmic space.

use crate::hash::{Hash, empty_root, node_hash};

/// The roots of the complete subtrees that a tree of some size consists of, largest first.
///
/// Pushing is amortised constant time; the whole takes at most 64 hashes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up the edge of a tree of `size` leaves; `None` unless there is one hash for each set bit of `size`.
    pub fn from_parts(size: u64, subtrees: Vec<Hash>) -> Option<Self> {
        (subtrees.len() == size.count_ones() as usize).then_some(Self { size, subtrees })
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            // As many complete subtrees stand at the edge as `size` has set bits, so this never runs dry.
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// Appends a complete subtree of `2^height` leaves by its root; gives whether it could be, which is when
    /// the tree so far consists of such subtrees.
    #[must_use = "what could not be appended is to be appended otherwise"]
    pub fn push_subtree(&mut self, height: u8, root: Hash) -> bool {
        let Some(width) = 1u64.checked_shl(height.into()) else { return false };
        let Some(size) = self.size.checked_add(width).filter(|_| self.size.is_multiple_of(width)) else { return false };
        let mut hash = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.subtrees.push(hash);
        self.size = size;
        true
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let folded = self.subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }

    /// The roots of the complete subtrees, largest first.
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn subtrees_are_appended_as_their_leaves_would_be() {
        let leaf = |n: u64| leaf_hash(&n.to_be_bytes());
        let of = |range: std::ops::Range<u64>| {
            let mut tree = Frontier::new();
            range.for_each(|n| tree.push(leaf(n)));
            tree
        };
        let mut tree = Frontier::new();
        for subtree in 0..40 {
            assert!(tree.push_subtree(2, of(subtree * 4..subtree * 4 + 4).root()));
            assert_eq!(tree, of(0..subtree * 4 + 4));
        }
        assert!(tree.push_subtree(5, of(160..192).root()));
        assert_eq!(tree, of(0..192));
        tree.push(leaf(192));
        assert!(!tree.push_subtree(2, leaf(0)), "193 leaves are not made of fours");
        assert!(!tree.push_subtree(64, leaf(0)));
        assert_eq!(tree, of(0..193));
    }
}
