//! Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint).

use std::ops::Deref;

use crate::cosignature::{self, Cosigned};
use crate::decimal;
use crate::hash::{Hash, HashError};
use crate::note::{NoteError, NoteSigner, UnverifiedNote};
use crate::vkey::{KeyKind, VerifierKey};

/// What a checkpoint says: the tree of `origin` has `size` leaves and this `root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's identity, a schema-less URL such as `log.example/2026`.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a well-formed note, or a signature that is missing or does not verify.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not three lines.
    #[error("expected the three lines origin, size and root, found {found}")]
    Lines {
        /// The number of lines.
        found: usize,
    },
    /// The origin is empty.
    #[error("expected an origin line, found an empty one")]
    Origin,
    /// The origin is too long for what an ML-DSA-44 cosignature signs.
    #[error("expected an origin of 1 to 255 bytes for an ML-DSA-44 cosignature, found {found}")]
    OriginLength {
        /// Its length in bytes.
        found: usize,
    },
    /// The second line is not a size.
    #[error("expected a tree size in decimal without leading zeroes, found {found:?}")]
    Size {
        /// The offending line, cut to 64 characters.
        found: String,
    },
    /// The third line is not a root hash.
    #[error("root hash: {0}")]
    Root(#[from] HashError),
    /// The checkpoint is another log's than the key's.
    #[error("expected a checkpoint of {expected}, found one of {found:?}")]
    WrongOrigin {
        /// The name of the log's key.
        expected: String,
        /// The checkpoint's origin line.
        found: String,
    },
}

impl Checkpoint {
    /// The note text: origin, size and root, a line each.
    pub fn to_body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads a note text of exactly three lines.
    ///
    /// Extension lines are refused: no monitor could audit them, and our logs make none.
    ///
    /// # Errors
    /// When there are more or fewer lines or one of them is malformed.
    pub fn parse_body(body: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<&str> = body.strip_suffix('\n').unwrap_or_default().split('\n').collect();
        let [origin, size, root] = lines[..] else {
            return Err(CheckpointError::Lines { found: lines.len() });
        };
        if origin.is_empty() {
            return Err(CheckpointError::Origin);
        }
        let size =
            decimal::parse(size).ok_or_else(|| CheckpointError::Size { found: size.chars().take(64).collect() })?;
        Ok(Self { origin: origin.to_owned(), size, root: root.parse()? })
    }
}

/// Signs a checkpoint as the log: the text of the signed note.
pub fn sign_checkpoint(checkpoint: &Checkpoint, signer: &NoteSigner) -> String {
    let body = checkpoint.to_body();
    let signature = signer.sign(&body);
    format!("{body}\n{signature}\n")
}

/// A well-formed checkpoint whose signatures nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedCheckpoint {
    note: UnverifiedNote,
    claimed: Checkpoint,
}

impl UnverifiedCheckpoint {
    /// Reads a signed checkpoint.
    ///
    /// # Errors
    /// When it is not a note or its text is not a checkpoint.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, CheckpointError> {
        let note = UnverifiedNote::parse(text)?;
        let claimed = Checkpoint::parse_body(note.text())?;
        Ok(Self { note, claimed })
    }

    /// The note: text and signatures.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// What it says, for choosing the key to check it with and for nothing else.
    pub fn claimed(&self) -> &Checkpoint {
        &self.claimed
    }

    /// Checks that the log with this key signed it.
    ///
    /// # Errors
    /// When the origin is not the key's name, or the signature is missing or does not verify.
    pub fn verify_log(&self, key: &VerifierKey) -> Result<VerifiedCheckpoint, CheckpointError> {
        if self.claimed.origin != key.name() {
            return Err(CheckpointError::WrongOrigin {
                expected: key.name().to_owned(),
                found: self.claimed.origin.clone(),
            });
        }
        // Logs sign with Ed25519, or with ML-DSA-44 as a cosigner does (C2SP tlog-checkpoint, "Signatures").
        match key.kind() {
            KeyKind::SubtreeV1 => drop(cosignature::verify(&self.note, &self.claimed, key)?),
            KeyKind::Ed25519 | KeyKind::CosignatureV1 => self.note.verify(key)?,
        }
        Ok(VerifiedCheckpoint { checkpoint: self.claimed.clone(), text: self.note.to_string() })
    }

    /// Checks that the witness with this key cosigned it.
    ///
    /// # Errors
    /// When its cosignature is missing or does not verify, or the key is not a cosigner's.
    pub fn verify_cosignature(&self, key: &VerifierKey) -> Result<Cosigned, CheckpointError> {
        Ok(cosignature::verify(&self.note, &self.claimed, key)?)
    }
}

/// A checkpoint that its log signed. Only [`UnverifiedCheckpoint::verify_log`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

impl VerifiedCheckpoint {
    /// The signed note it was read from, with every signature line, checked or not.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl Deref for VerifiedCheckpoint {
    type Target = Checkpoint;

    fn deref(&self) -> &Checkpoint {
        &self.checkpoint
    }
}
