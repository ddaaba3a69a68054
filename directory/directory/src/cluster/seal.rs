//! What leaves a node is sealed: whoever carries it learns its size and time, and which nodes it is between.
//!
//! AES-256-GCM under a key of the sender's start alone (HMAC of the cluster key over the sender and 16 random bytes drawn at
//! its start), so that a counter is a nonce that never comes twice (NIST SP 800-38D section 8.2.1). Padded to a multiple of
//! 256 bytes: the length of one identifier does not show.

use super::shards::{NodeId, derive};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::collections::HashMap;

const SALT_BYTES: usize = 16;
/// Sender, salt and counter: in clear, and authenticated.
const HEAD_BYTES: usize = 2 + SALT_BYTES + 8;
const TAG_BYTES: usize = 16;
const PADDED_TO: usize = 256;

/// A packet is at most so long; NATS takes a megabyte.
pub(super) const MAX_SEALED_BYTES: usize = 1_000_000;

/// Starts of one node whose keys are kept. There is one at a time, and perhaps what is left of the one before.
const STARTS_KEPT: usize = 4;

/// Seals what one start of a node sends, and opens what others send.
pub(super) struct Seal {
    cluster_key: zeroize::Zeroizing<[u8; 32]>,
    me: NodeId,
    salt: [u8; SALT_BYTES],
    own: LessSafeKey,
    counter: u64,
    theirs: HashMap<(NodeId, [u8; SALT_BYTES]), LessSafeKey>,
}

fn key(cluster_key: &[u8; 32], from: NodeId, salt: &[u8; SALT_BYTES]) -> LessSafeKey {
    let purpose = [b"inperson-cluster-seal-v1".as_slice(), &from.to_be_bytes(), salt].concat();
    let key = UnboundKey::new(&AES_256_GCM, &derive(cluster_key, &purpose)).expect("the key has 32 bytes");
    LessSafeKey::new(key)
}

/// What is authenticated beside the content: brought to another node than this one, a packet says nothing.
fn bound(head: &[u8], to: NodeId) -> Vec<u8> {
    [head, &to.to_be_bytes()].concat()
}

fn nonce(counter: [u8; 8]) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - counter.len()..].copy_from_slice(&counter);
    Nonce::assume_unique_for_key(nonce)
}

fn open_with(key: &LessSafeKey, counter: [u8; 8], head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let mut body = body.to_vec();
    let plain = key.open_in_place(nonce(counter), Aad::from(head), &mut body).ok()?;
    let (length, rest) = plain.split_first_chunk::<4>()?;
    rest.get(..u32::from_be_bytes(*length) as usize).map(<[u8]>::to_vec)
}

impl Seal {
    /// `salt` is drawn at random at every start.
    pub(super) fn new(cluster_key: [u8; 32], me: NodeId, salt: [u8; SALT_BYTES]) -> Self {
        let own = key(&cluster_key, me, &salt);
        Self { cluster_key: cluster_key.into(), me, salt, own, counter: 0, theirs: HashMap::new() }
    }

    pub(super) fn seal(&mut self, to: NodeId, plain: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let counter = self.counter.to_be_bytes();
        let head = [&self.me.to_be_bytes()[..], &self.salt, &counter].concat();
        let mut body = (plain.len() as u32).to_be_bytes().to_vec();
        body.extend(plain);
        body.resize(body.len().next_multiple_of(PADDED_TO), 0);
        self.own
            .seal_in_place_append_tag(nonce(counter), Aad::from(&bound(&head, to)), &mut body)
            .expect("packets are far shorter than what one nonce may seal");
        [head, body].concat()
    }

    /// Who sent it and what it says; nothing if it is not of this cluster.
    pub(super) fn open(&mut self, sealed: &[u8]) -> Option<(NodeId, Vec<u8>)> {
        if sealed.len() < HEAD_BYTES + TAG_BYTES || sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let (head, body) = sealed.split_at(HEAD_BYTES);
        let from = NodeId::from_be_bytes(head[..2].try_into().ok()?);
        let salt: [u8; SALT_BYTES] = head[2..2 + SALT_BYTES].try_into().ok()?;
        let counter: [u8; 8] = head[2 + SALT_BYTES..].try_into().ok()?;
        if let Some(known) = self.theirs.get(&(from, salt)) {
            return open_with(known, counter, &bound(head, self.me), body).map(|said| (from, said));
        }
        let opener = key(&self.cluster_key, from, &salt);
        let said = open_with(&opener, counter, &bound(head, self.me), body)?;
        // Only what opened is kept: whoever lacks the cluster key cannot fill this.
        if self.theirs.keys().filter(|(node, _)| *node == from).count() >= STARTS_KEPT {
            self.theirs.retain(|(node, _), _| *node != from);
        }
        self.theirs.insert((from, salt), opener);
        Some((from, said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_cluster_opens_it_and_only_unchanged() {
        let (mut one, mut two) = (Seal::new([1; 32], 0, [1; 16]), Seal::new([1; 32], 1, [2; 16]));
        let sealed = one.seal(1, b"alice@example.org");
        assert_eq!(two.open(&sealed), Some((0, b"alice@example.org".to_vec())));
        assert_eq!(sealed.len(), HEAD_BYTES + PADDED_TO + TAG_BYTES);
        assert_ne!(one.seal(1, b"alice@example.org"), sealed);
        assert_eq!(two.open(&one.seal(2, b"alice@example.org")), None, "it is for another node");
        assert_eq!(Seal::new([2; 32], 1, [2; 16]).open(&sealed), None);
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert_eq!(two.open(&changed), None, "byte {byte}");
            assert_eq!(two.open(&sealed[..byte]), None);
        }
    }
}
