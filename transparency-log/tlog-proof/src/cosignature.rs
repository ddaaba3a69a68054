//! Timestamped Ed25519 cosignatures, `cosignature/v1` (C2SP tlog-cosignature).

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::note::{NoteError, NoteSignature, UnverifiedNote};
use crate::vkey::{KeyKind, VerifierKey, VkeyError};

/// A witness's statement, verified: at `time`, this was the largest consistent tree it had seen.
///
/// Only verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cosigned {
    /// The name of the witness's key.
    pub name: String,
    /// The ID of the witness's key.
    pub key_id: [u8; 4],
    /// When it cosigned, in seconds since the epoch, at most `2^63 − 1`.
    pub time: u64,
}

/// A witness's signing key, under a name. The key is zeroized when dropped.
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

/// Checks the cosignature by `key` on a checkpoint's note.
pub(crate) fn verify(note: &UnverifiedNote, key: &VerifierKey) -> Result<Cosigned, NoteError> {
    if key.kind() != KeyKind::CosignatureV1 {
        return Err(NoteError::KeyKind { expected: KeyKind::CosignatureV1, found: key.kind() });
    }
    note.verify_each(key, |signature| {
        let (time, signature) = signature.split_first_chunk::<8>()?;
        let time = u64::from_be_bytes(*time);
        let valid =
            i64::try_from(time).is_ok() && key.verifies(&message(note.text(), time), signature.try_into().ok()?);
        valid.then(|| Cosigned { name: key.name().to_owned(), key_id: key.id(), time })
    })
}

fn message(body: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{body}").into_bytes()
}
