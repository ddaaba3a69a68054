//! Asking a witness or mirror to sign a subtree (C2SP tlog-witness, "sign-subtree"); without HTTP.

use std::fmt;
use std::str::FromStr;

use crate::add_checkpoint::{MAX_PROOF_HASHES, MAX_REQUEST_BYTES, MessageError, bounded_text, next_line, syntax};
use crate::decimal;
use crate::hash::Hash;
use crate::note::{NoteSignature, SIGNATURE_PREFIX};
use crate::subtree::Subtree;

/// Most cosignatures of the subtree, and most signatures on the checkpoint, that a request carries.
pub const MAX_REQUEST_SIGNATURES: usize = 8;

/// A request for a cosignature of a subtree. Its text form is the body of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignSubtree {
    /// Which leaves.
    pub subtree: Subtree,
    /// The subtree's hash.
    pub hash: Hash,
    /// Cosignatures of the subtree by others, at most 8: a witness may sign only what they have signed.
    pub cosignatures: Vec<NoteSignature>,
    /// The proof that the checkpoint's tree contains the subtree, at most 63 hashes.
    pub proof: Vec<Hash>,
    /// The checkpoint, verbatim and unread: signed, or three lines alone for a witness that knows them.
    pub checkpoint: String,
}

impl SignSubtree {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is too large, not UTF-8, or malformed before the checkpoint.
    pub fn parse(body: impl AsRef<[u8]>) -> Result<Self, MessageError> {
        let mut rest = bounded_text(body.as_ref(), MAX_REQUEST_BYTES)?;
        let line = next_line(&mut rest)?;
        let subtree = parse_range(line).ok_or_else(|| syntax("a line \"subtree <start> <end>\"", line))?;
        let hash = next_line(&mut rest)?.parse()?;
        let (mut cosignatures, mut proof) = (Vec::new(), Vec::new());
        loop {
            match next_line(&mut rest)? {
                "" => break,
                line if line.starts_with(SIGNATURE_PREFIX) => {
                    // All signatures come before all hashes.
                    if cosignatures.len() == MAX_REQUEST_SIGNATURES || !proof.is_empty() {
                        return Err(syntax("at most 8 signature lines, before the proof", line));
                    }
                    cosignatures.push(NoteSignature::parse_line(line)?);
                }
                line if proof.len() == MAX_PROOF_HASHES => return Err(syntax("at most 63 hashes", line)),
                line => proof.push(line.parse()?),
            }
        }
        Ok(Self { subtree, hash, cosignatures, proof, checkpoint: rest.to_owned() })
    }
}

fn parse_range(line: &str) -> Option<Subtree> {
    let (start, end) = line.strip_prefix("subtree ")?.split_once(' ')?;
    Subtree::new(decimal::parse(start)?, decimal::parse(end)?)
}

impl fmt::Display for SignSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subtree {} {}\n{}", self.subtree.start(), self.subtree.end(), self.hash)?;
        self.cosignatures.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for SignSubtree {
    type Err = MessageError;

    fn from_str(body: &str) -> Result<Self, MessageError> {
        Self::parse(body)
    }
}
