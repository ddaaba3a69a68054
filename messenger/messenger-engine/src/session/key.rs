//! What makes a session the property of two devices: a secret of its first connection, and proofs made with it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Exported;

const NAME: &[u8] = b"inperson-session-name-v1\0";
const PROOF: &[u8] = b"inperson-session-proof-v1\0";

/// The key of a session, as one of its two devices holds it.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionKey {
    secret: [u8; 32],
    name: [u8; 16],
    /// SHA-256 of the SubjectPublicKeyInfo of this device's key, and of the other's.
    own: [u8; 32],
    other: [u8; 32],
}

impl SessionKey {
    /// The key of the session that begins on a connection between these two devices, named by the SHA-256 of their
    /// SubjectPublicKeyInfo.
    pub fn new(first: &Exported, own: [u8; 32], other: [u8; 32]) -> Self {
        let secret = first.session;
        let digest = mac(&secret, &[NAME]).finalize().into_bytes();
        let mut name = [0; 16];
        name.copy_from_slice(&digest[..16]);
        Self { secret, name, own, other }
    }

    /// The session's name: both sides derive the same.
    pub fn name(&self) -> [u8; 16] {
        self.name
    }

    /// The device at the other end.
    pub fn other(&self) -> [u8; 32] {
        self.other
    }

    /// What proves to the other side, on this connection and no other, that the session is this device's.
    pub fn prove(&self, connection: &Exported) -> [u8; 32] {
        self.proof(&self.own, &self.other, connection).finalize().into_bytes().into()
    }

    /// Whether the other side has proven it. Takes the same time for every wrong proof.
    pub fn is_proven(&self, proof: &[u8; 32], connection: &Exported) -> bool {
        self.proof(&self.other, &self.own, connection).verify_slice(proof).is_ok()
    }

    /// Whoever proves stands first: her own proof, sent back to her, is none.
    fn proof(&self, by: &[u8; 32], to: &[u8; 32], connection: &Exported) -> Hmac<Sha256> {
        mac(&self.secret, &[PROOF, &self.name, by, to, &connection.resumption])
    }
}

/// Without the secret.
impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionKey").field("name", &hex::encode(self.name)).finish_non_exhaustive()
    }
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}
