//! `cosignature/v1`: Ed25519 over a time and the checkpoint's text.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::note::NoteSignature;
use crate::vkey::{KeyKind, VerifierKey, VkeyError};

/// A witness's Ed25519 signing key, under a name. The key is zeroized when dropped.
pub struct Cosigner {
    vkey: VerifierKey,
    key: SigningKey,
}

impl Cosigner {
    /// A cosigner. Its key must sign for this one name alone: the signed message does not carry the name.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, VkeyError> {
        let vkey = VerifierKey::new(name, KeyKind::CosignatureV1, key.verifying_key().as_bytes())?;
        Ok(Self { vkey, key })
    }

    /// The public half.
    pub fn vkey(&self) -> VerifierKey {
        self.vkey.clone()
    }

    /// Cosigns a checkpoint's note text (three lines, each with its newline) at `time`, in seconds
    /// since the epoch: the signature line with its newline.
    pub fn cosign(&self, body: &str, time: u64) -> String {
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.key.sign(&message(body, time)).to_bytes());
        let line = NoteSignature { name: self.vkey.name().to_owned(), key_id: self.vkey.id(), signature };
        format!("{line}\n")
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.vkey)
    }
}

pub(super) fn message(body: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{body}").into_bytes()
}
