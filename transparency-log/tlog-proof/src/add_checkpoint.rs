//! What is said to a witness and what it answers (C2SP tlog-witness, "add-checkpoint"); without HTTP.
//!
//! The checkpoint travels as text, verbatim; whoever takes the request reads it with
//! [`UnverifiedCheckpoint`](crate::UnverifiedCheckpoint).

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::{Hash, HashError};
use crate::note::{MAX_NOTE_BYTES, MAX_SIGNATURES, NoteError, NoteSignature};

/// Most hashes in a consistency proof or subtree proof that the protocols take.
pub const MAX_PROOF_HASHES: usize = 63;

/// Largest request we read, in bytes.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + MAX_PROOF_HASHES * 45 + 64;

/// The content type of a size in a `409 Conflict`.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// A request for cosignatures: a signed checkpoint, and the proof that it extends what was cosigned last.
///
/// Its text form is the body of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the tree that the proof starts from.
    pub old: u64,
    /// The consistency proof, at most 63 hashes.
    pub proof: Vec<Hash>,
    /// The signed checkpoint, verbatim and unread.
    pub checkpoint: String,
}

/// Why a request or an answer of a witness or mirror was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Larger than we read.
    #[error("expected a message of at most {expected} bytes, found {found}")]
    TooLarge {
        /// The limit in bytes.
        expected: usize,
        /// Its length in bytes.
        found: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8 text")]
    Characters,
    /// A line that does not belong there.
    #[error("expected {expected}, found {found:?}")]
    Syntax {
        /// What should stand there.
        expected: &'static str,
        /// What stands there, cut to 128 characters.
        found: String,
    },
    /// A line of a proof is not a hash.
    #[error("proof: {0}")]
    Hash(#[from] HashError),
    /// A line is not a signature line.
    #[error(transparent)]
    Signature(#[from] NoteError),
}

impl AddCheckpoint {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is too large, not UTF-8, or malformed before the checkpoint.
    pub fn parse(body: impl AsRef<[u8]>) -> Result<Self, MessageError> {
        let mut rest = bounded_text(body.as_ref(), MAX_REQUEST_BYTES)?;
        let line = next_line(&mut rest)?;
        let old = line.strip_prefix("old ").and_then(decimal::parse);
        let old = old.ok_or_else(|| syntax("a line \"old <size>\"", line))?;
        let proof = parse_proof(&mut rest)?;
        Ok(Self { old, proof, checkpoint: rest.to_owned() })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AddCheckpoint {
    type Err = MessageError;

    fn from_str(body: &str) -> Result<Self, MessageError> {
        Self::parse(body)
    }
}

/// Reads the body of a `200`: one or more signature lines, each with its newline.
///
/// They count only once they verify together with the checkpoint that was sent.
///
/// # Errors
/// When the body is too large, not UTF-8, empty, or has more than 64 lines or one that is no signature line.
pub fn parse_cosignatures(body: impl AsRef<[u8]>) -> Result<Vec<NoteSignature>, MessageError> {
    let text = bounded_text(body.as_ref(), MAX_NOTE_BYTES)?;
    let lines = text.strip_suffix('\n').ok_or_else(|| syntax("signature lines, each with its newline", text))?;
    if lines.split('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::TooManySignatures.into());
    }
    Ok(lines.split('\n').map(NoteSignature::parse_line).collect::<Result<_, _>>()?)
}

/// Reads the body of a `409` of type [`SIZE_CONTENT_TYPE`]: the size that was cosigned last.
///
/// # Errors
/// When it is anything but one decimal number and a newline.
pub fn parse_size(body: impl AsRef<[u8]>) -> Result<u64, MessageError> {
    let text = bounded_text(body.as_ref(), 21)?;
    let size = text.strip_suffix('\n').and_then(decimal::parse);
    size.ok_or_else(|| syntax("a tree size in decimal and a newline", text))
}

/// The body of a `409` that tells the size cosigned last.
pub fn format_size(size: u64) -> String {
    format!("{size}\n")
}

/// The hashes up to the empty line, which is consumed.
pub(crate) fn parse_proof(rest: &mut &str) -> Result<Vec<Hash>, MessageError> {
    let mut proof = Vec::new();
    loop {
        match next_line(rest)? {
            "" => return Ok(proof),
            line if proof.len() == MAX_PROOF_HASHES => return Err(syntax("at most 63 hashes", line)),
            line => proof.push(line.parse()?),
        }
    }
}

pub(crate) fn bounded_text(body: &[u8], expected: usize) -> Result<&str, MessageError> {
    if body.len() > expected {
        return Err(MessageError::TooLarge { expected, found: body.len() });
    }
    std::str::from_utf8(body).map_err(|_| MessageError::Characters)
}

pub(crate) fn next_line<'a>(rest: &mut &'a str) -> Result<&'a str, MessageError> {
    let (line, after) = rest.split_once('\n').ok_or_else(|| syntax("a line ending in a newline", rest))?;
    *rest = after;
    Ok(line)
}

pub(crate) fn syntax(expected: &'static str, found: &str) -> MessageError {
    MessageError::Syntax { expected, found: found.chars().take(128).collect() }
}
