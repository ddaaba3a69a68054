//! What members sign about the order of commits: names of commits, and a context of its own for each kind of statement.

use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use minicbor::Encode;
use openmls_traits::signatures::Signer as _;
use room_order::CommitId;
use sha2::{Digest, Sha256};

use super::credential::DeviceKey;
use super::error::GroupError;
use super::leaf::MyLeaf;
use crate::api::RoomId;
use crate::wire::{Acknowledged, Circular, Claimed, Granted, Head, Invited, Letter, Signature, Whereabouts};

/// A statement that is signed with the leaf's key.
pub trait Statement: Encode<()> {
    /// What the signature is for: no statement passes for another kind of one.
    const CONTEXT: &'static str;
}

impl Statement for Head {
    const CONTEXT: &'static str = "inperson-room-offer-v1";
}

impl Statement for Acknowledged {
    const CONTEXT: &'static str = "inperson-room-ack-v1";
}

impl Statement for Claimed {
    const CONTEXT: &'static str = "inperson-room-claim-v1";
}

impl Statement for Granted {
    const CONTEXT: &'static str = "inperson-room-grant-v1";
}

impl Statement for Whereabouts {
    const CONTEXT: &'static str = "inperson-room-epoch-v1";
}

impl Statement for Invited {
    const CONTEXT: &'static str = "inperson-room-invitation-v1";
}

impl Statement for Letter {
    const CONTEXT: &'static str = "inperson-room-letter-v1";
}

impl Statement for Circular {
    const CONTEXT: &'static str = "inperson-room-circular-v1";
}

fn signed_bytes<T: Statement>(statement: &T) -> Vec<u8> {
    let mut bytes = [T::CONTEXT.as_bytes(), &[0]].concat();
    minicbor::encode(statement, &mut bytes).expect("writing to a vector cannot fail");
    bytes
}

/// Signs a statement with one's own leaf.
///
/// # Errors
/// [`GroupError`]: the key cannot be used now.
pub fn sign<T: Statement>(statement: &T, leaf: &MyLeaf) -> Result<Signature, GroupError> {
    let signature = leaf.sign(&signed_bytes(statement)).map_err(GroupError::mls)?;
    signature.try_into().map_err(|_| GroupError::rule("a signature of 64 bytes", "another length"))
}

/// Whether a device signed this statement.
pub fn is_signed<T: Statement>(statement: &T, signature: &Signature, by: DeviceKey) -> bool {
    VerifyingKey::from_bytes(&by.0)
        .and_then(|key| key.verify_strict(&signed_bytes(statement), &Ed25519::from_bytes(signature)))
        .is_ok()
}

/// The name of a commit, and of the epoch that it begins: SHA-256 over `"inperson-room-commit-v1" ‖ 0 ‖ MLSMessage`.
pub fn commit_name(message: &[u8]) -> CommitId {
    name(b"inperson-room-commit-v1\0", message)
}

/// The name of a room's first epoch, which no commit began.
pub fn first_epoch(room: RoomId) -> CommitId {
    name(b"inperson-room-begin-v1\0", &room.0)
}

fn name(context: &[u8], bytes: &[u8]) -> CommitId {
    CommitId(Sha256::new_with_prefix(context).chain_update(bytes).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_counts_as_what_it_was_signed_as_and_from_whom() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let leaf = MyLeaf::new(Vec::new(), key);
        let head = Head { room: [1; 16], parent: [2; 32], term: 3, leaf: 4, commit: [5; 32] };
        let signature = sign(&head, &leaf).unwrap();
        assert!(is_signed(&head, &signature, leaf.device()));
        assert!(!is_signed(&Head { term: 4, ..head.clone() }, &signature, leaf.device()));
        assert!(!is_signed(&Acknowledged { head: head.clone(), from: 4 }, &signature, leaf.device()));
        let other = MyLeaf::new(Vec::new(), ed25519_dalek::SigningKey::from_bytes(&[6; 32]));
        assert!(!is_signed(&head, &signature, other.device()));
    }

    #[test]
    fn names_tell_commits_and_beginnings_apart() {
        assert_ne!(commit_name(&[7; 16]), first_epoch(RoomId([7; 16])));
        assert_ne!(commit_name(b"one"), commit_name(b"another"));
    }
}
