//! Who keeps whom: people fall into shards by a keyed hash, shards to nodes by rendezvous.
//!
//! Everybody who has the cluster key and the same view of who is there comes to the same answer, and when a node comes or goes
//! only its own shards move.

use aws_lc_rs::{digest, hmac};
use identity::Identifier;

/// So many shards: a power of two, and enough that even a thousand nodes have about as many each.
pub const SHARDS: usize = 16_384;

/// Names a node by its place in the sorted list of all nodes.
pub type NodeId = u16;

/// Turns identifiers into shards. Without the key nobody can say which.
pub(super) struct ShardKey(hmac::Key);

impl ShardKey {
    pub(super) fn new(cluster_key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &derive(cluster_key, b"inperson-cluster-shard-v1")))
    }

    pub(super) fn shard(&self, who: &Identifier) -> u16 {
        let tag = hmac::sign(&self.0, who.as_str().as_bytes());
        u16::from_be_bytes([tag.as_ref()[0], tag.as_ref()[1]]) % SHARDS as u16
    }
}

/// A key for one use.
pub(super) fn derive(cluster_key: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, cluster_key), purpose);
    tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// What a node is known by in the rendezvous, whatever its place in the list.
pub(super) fn seed(name: &str) -> u64 {
    let digest = digest::digest(&digest::SHA256, name.as_bytes());
    u64::from_be_bytes(digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes"))
}

/// The node that keeps each shard, among these: of all, the one whose mark for the shard is highest.
pub(super) fn owners(members: &[(NodeId, u64)]) -> Vec<NodeId> {
    let mark = |seed: u64, shard: usize| mix(seed ^ mix(shard as u64));
    let owner = |shard| {
        let best = members.iter().max_by_key(|(node, seed)| (mark(*seed, shard), *node));
        best.map_or(0, |(node, _)| *node)
    };
    (0..SHARDS).map(owner).collect()
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). It need not be
/// secret, only even: names are chosen by the operator.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A set of shards.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ShardSet(Box<[u8]>);

impl ShardSet {
    pub(super) fn none() -> Self {
        Self(vec![0; SHARDS / 8].into())
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == SHARDS / 8).then(|| Self(bytes.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The shards that this node owns.
    pub(super) fn owned(owners: &[NodeId], node: NodeId) -> Self {
        let mut set = Self::none();
        let owned = owners.iter().enumerate().filter(|(_, owner)| **owner == node);
        owned.for_each(|(shard, _)| set.0[shard / 8] |= 1 << (shard % 8));
        set
    }

    pub(super) fn contains(&self, shard: u16) -> bool {
        self.0[usize::from(shard) / 8] & (1 << (shard % 8)) != 0
    }

    /// Keeps what is in both.
    pub(super) fn intersect(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine &= theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(names: &[&str]) -> Vec<(NodeId, u64)> {
        names.iter().enumerate().map(|(node, name)| (node as NodeId, seed(name))).collect()
    }

    #[test]
    fn a_shard_needs_the_key() {
        let who = Identifier::parse("alice@example.org").unwrap();
        // HMAC-SHA-256 twice, by Python's hmac: the figures of docs/spec/cluster.md.
        assert_eq!(ShardKey::new(&[7; 32]).shard(&who), 570);
        assert_ne!(ShardKey::new(&[8; 32]).shard(&who), 570);
    }

    #[test]
    fn shards_are_spread_evenly_and_only_those_of_a_lost_node_move() {
        let all = members(&["one", "two", "three"]);
        let before = owners(&all);
        for (node, _) in &all {
            let share = before.iter().filter(|owner| *owner == node).count();
            assert!((4_900..6_100).contains(&share), "{share}");
        }
        let after = owners(&all[..2]);
        let kept = |(before, after): (&NodeId, &NodeId)| *before == 2 || before == after;
        assert!(before.iter().zip(&after).all(kept));
    }

    #[test]
    fn a_set_of_shards_is_what_it_says() {
        let owners = owners(&members(&["one", "two"]));
        let mut set = ShardSet::owned(&owners, 1);
        assert!((0..SHARDS as u16).all(|shard| set.contains(shard) == (owners[usize::from(shard)] == 1)));
        set.intersect(&ShardSet::owned(&owners, 0));
        assert!(set == ShardSet::none());
    }
}
