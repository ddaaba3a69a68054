//! Signed notes: text and the signatures under it (C2SP signed-note).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::vkey::{KeyKind, VerifierKey, VkeyError, check_name};

/// Largest note we read, in bytes: sixteen signatures of 5 kB, as the specification demands, in base64
/// with room for their names.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// Most signatures on a note we read; the specification demands at least 16, and public logs collect
/// more cosignatures than that.
pub const MAX_SIGNATURES: usize = 64;

/// What leads every signature line: em dash (U+2014) and a space.
pub(crate) const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Why a note was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Larger than we read.
    #[error("expected a note of at most {MAX_NOTE_BYTES} bytes, found {found}")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
    },
    /// Not UTF-8, or with control characters other than newline.
    #[error("expected UTF-8 text without control characters")]
    Characters,
    /// No blank line followed by signature lines, or no newline at the end.
    #[error("expected a text, a blank line and signature lines, each ending in a newline")]
    Structure,
    /// A signature line that is none.
    #[error("expected a signature line \"\u{2014} name base64\", found {found:?}")]
    SignatureLine {
        /// The offending line, cut to 128 characters.
        found: String,
    },
    /// More signatures than we read.
    #[error("expected at most {MAX_SIGNATURES} signatures, found more")]
    TooManySignatures,
    /// The key that was asked for did not sign.
    #[error("expected a signature by {expected}, found none")]
    Unsigned {
        /// Name of the key.
        expected: String,
    },
    /// A signature by a known key does not verify; the whole note is refused.
    #[error("the signature by {name} does not verify")]
    BadSignature {
        /// Name of the key.
        name: String,
    },
    /// The key is of a kind that does not sign notes in this way.
    #[error("expected a key of kind {expected:?}, found {found:?}")]
    KeyKind {
        /// The kind that signs in this way.
        expected: KeyKind,
        /// The kind of the given key.
        found: KeyKind,
    },
}

/// One signature line, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key that is said to have signed.
    pub name: String,
    /// The ID of that key.
    pub key_id: [u8; 4],
    /// The signature's bytes after the key ID; their meaning depends on the key's kind.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Reads one signature line without its newline.
    ///
    /// # Errors
    /// [`NoteError::SignatureLine`].
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        Self::parse_parts(line).ok_or_else(|| NoteError::SignatureLine { found: line.chars().take(128).collect() })
    }

    fn parse_parts(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        check_name(name).ok()?;
        let bytes = STANDARD.decode(base64).ok()?;
        let (key_id, signature) = bytes.split_first_chunk::<4>()?;
        (!signature.is_empty()).then(|| Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }

    /// Whether this line claims to be by `key`: both name and ID match.
    pub fn claims(&self, key: &VerifierKey) -> bool {
        self.name == key.name() && self.key_id == key.id()
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_slice(), &self.signature].concat();
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A well-formed note whose signatures nobody has checked yet.
///
/// Its text form is the very bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl UnverifiedNote {
    /// Reads a note of at most 128 KiB with 1 to 64 signatures.
    ///
    /// # Errors
    /// When it is too large, malformed, or not in the one canonical spelling.
    pub fn parse(note: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let note = note.as_ref();
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge { found: note.len() });
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::Characters)?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Characters);
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::Structure)?;
        let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Structure)?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = lines.split('\n').map(NoteSignature::parse_line).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signed text, including its final newline. It means nothing until a signature was verified.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks every signature that claims to be by `key`, an Ed25519 key; there must be one.
    ///
    /// # Errors
    /// When there is none, one does not verify, or the key is of another kind.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        if key.kind() != KeyKind::Ed25519 {
            return Err(NoteError::KeyKind { expected: KeyKind::Ed25519, found: key.kind() });
        }
        self.verify_each(key, |signature| key.verifies(self.text.as_bytes(), signature).then_some(()))
    }

    /// Runs `check` over every signature that claims to be by `key`; the first one's result counts, but
    /// all must verify, since a known key that fails spoils the note.
    pub(crate) fn verify_each<T>(&self, key: &VerifierKey, check: impl Fn(&[u8]) -> Option<T>) -> Result<T, NoteError> {
        let mut first = None;
        for line in self.signatures.iter().filter(|line| line.claims(key)) {
            let verified =
                check(&line.signature).ok_or_else(|| NoteError::BadSignature { name: key.name().to_owned() })?;
            first.get_or_insert(verified);
        }
        first.ok_or_else(|| NoteError::Unsigned { expected: key.name().to_owned() })
    }
}

impl fmt::Display for UnverifiedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// An Ed25519 key that signs notes, under a name. The key is zeroized when dropped.
pub struct NoteSigner {
    vkey: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer; for a log, the name is its origin.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, key: SigningKey) -> Result<Self, VkeyError> {
        let vkey = VerifierKey::new(name, KeyKind::Ed25519, key.verifying_key().as_bytes())?;
        Ok(Self { vkey, key })
    }

    /// The public half.
    pub fn vkey(&self) -> VerifierKey {
        self.vkey.clone()
    }

    /// Signs a note text, which must end in a newline: one signature line without its newline.
    pub fn sign(&self, text: &str) -> NoteSignature {
        NoteSignature {
            name: self.vkey.name().to_owned(),
            key_id: self.vkey.id(),
            signature: self.key.sign(text.as_bytes()).to_vec(),
        }
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.vkey)
    }
}
