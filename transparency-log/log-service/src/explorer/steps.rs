//! An inclusion proof in steps that can be recomputed by hand (RFC 9162 section 2.1.3.2).

use tlog_proof::{Hash, leaf_hash, node_hash};

/// From the entry to the root: what is done, and what comes out.
pub(super) fn steps(index: u64, size: u64, entry: &[u8], path: &[Hash]) -> Vec<(String, String)> {
    let mut hash = leaf_hash(entry);
    let bytes = hex::encode(entry);
    let mut steps =
        vec![(format!("Hash the entry: SHA-256 of the byte 00 and the {} bytes {bytes}", entry.len()), shown(&hash))];
    let (mut node, mut last) = (index, size.saturating_sub(1));
    for sibling in path {
        let text = shown(sibling);
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            steps.push((
                format!("Its neighbour stands on the left: SHA-256 of 01, {text}, and the hash before"),
                shown(&hash),
            ));
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
            steps.push((
                format!("Its neighbour stands on the right: SHA-256 of 01, the hash before, and {text}"),
                shown(&hash),
            ));
        }
        node >>= 1;
        last >>= 1;
    }
    steps
}

/// A hash in hex, as `sha256sum` writes it.
pub(super) fn shown(hash: &Hash) -> String {
    hex::encode(hash.as_bytes())
}
