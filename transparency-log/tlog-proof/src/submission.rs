//! What an authority submits to a log of ours elsewhere, and what that answers; without HTTP. Integers are big-endian.

use crate::entry::MAX_ENTRY_BYTES;
use crate::hash::Hash;
use crate::note::MAX_NOTE_BYTES;
use crate::proof::{MAX_PATH, Proof};

/// Most entries in one request: as many as a bundle has.
pub const MAX_BATCH: usize = 256;

/// Largest request, in bytes.
pub const MAX_BATCH_BYTES: usize = MAX_BATCH * (2 + MAX_ENTRY_BYTES);

/// Most checkpoints in one answer: the entries of one request come into few batches of the log.
const MAX_CHECKPOINTS: usize = 8;

/// Largest answer, in bytes.
pub const MAX_ANSWER_BYTES: usize =
    2 + MAX_CHECKPOINTS * (4 + MAX_NOTE_BYTES) + 2 + MAX_BATCH * (2 + 8 + 1 + MAX_PATH * 32);

/// The content type of both.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// Why bytes are no request or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct SubmissionError {
    /// What should stand there.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

fn wrong(expected: &'static str, found: impl ToString) -> SubmissionError {
    SubmissionError { expected, found: found.to_string() }
}

/// A request: 1 to 256 entries, each led by its length (u16). Whether they are entries is not looked at here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch(pub Vec<Vec<u8>>);

impl Batch {
    /// The bytes of the request.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * (2 + MAX_ENTRY_BYTES));
        for entry in &self.0 {
            // Entries are far below 64 KiB; what is not would be refused at the other end.
            bytes.extend_from_slice(&(entry.len() as u16).to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        bytes
    }

    /// Reads a request.
    ///
    /// # Errors
    /// It has no entry, more than 256, one of more than 128 bytes, or breaks off.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, SubmissionError> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            if entries.len() == MAX_BATCH {
                return Err(wrong("at most 256 entries", "more"));
            }
            let length = u16(&mut bytes)?;
            if length > MAX_ENTRY_BYTES {
                return Err(wrong("an entry of at most 128 bytes", length));
            }
            entries.push(take(&mut bytes, length)?.to_vec());
        }
        if entries.is_empty() { Err(wrong("at least one entry", "none")) } else { Ok(Self(entries)) }
    }
}

/// An answer: for each entry of the request, in its order, where it stands and the proof of it. Nothing in it has been
/// verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(pub Vec<Proof>);

impl Answer {
    /// The bytes of the answer: each checkpoint once, then the entries.
    pub fn encode(&self) -> Vec<u8> {
        let mut checkpoints: Vec<&str> = Vec::new();
        let mut entries = (self.0.len() as u16).to_be_bytes().to_vec();
        for proof in &self.0 {
            let text = proof.checkpoint.as_str();
            // The last ones are the likeliest.
            let known = checkpoints.iter().rposition(|known| *known == text);
            let number = known.unwrap_or_else(|| {
                checkpoints.push(text);
                checkpoints.len() - 1
            });
            entries.extend_from_slice(&(number as u16).to_be_bytes());
            entries.extend_from_slice(&proof.index.to_be_bytes());
            entries.push(proof.path.len() as u8);
            proof.path.iter().for_each(|hash| entries.extend_from_slice(hash.as_bytes()));
        }
        let mut bytes = (checkpoints.len() as u16).to_be_bytes().to_vec();
        for text in checkpoints {
            bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&entries);
        bytes
    }

    /// Reads the answer to a request of `expected` entries.
    ///
    /// # Errors
    /// It is about another number of entries, is malformed, or larger than such an answer can be.
    pub fn decode(mut bytes: &[u8], expected: usize) -> Result<Self, SubmissionError> {
        let bytes = &mut bytes;
        let checkpoints = checkpoints(bytes)?;
        let count = u16(bytes)?;
        if count != expected {
            return Err(wrong("as many answers as there were entries", count));
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let number = u16(bytes)?;
            let checkpoint = checkpoints.get(number).ok_or_else(|| wrong("the number of a checkpoint", number))?;
            let index = u64::from_be_bytes(array(bytes)?);
            let hashes = usize::from(array::<1>(bytes)?[0]);
            if hashes > MAX_PATH {
                return Err(wrong("at most 64 hashes", hashes));
            }
            let path = take(bytes, hashes * 32)?.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect();
            entries.push(Proof { extra: None, index, path, checkpoint: (*checkpoint).to_owned() });
        }
        if bytes.is_empty() { Ok(Self(entries)) } else { Err(wrong("nothing more", bytes.len())) }
    }
}

fn checkpoints<'a>(bytes: &mut &'a [u8]) -> Result<Vec<&'a str>, SubmissionError> {
    let count = u16(bytes)?;
    if count > MAX_CHECKPOINTS {
        return Err(wrong("at most 8 checkpoints", count));
    }
    let mut found = Vec::new();
    for _ in 0..count {
        let length = u32::from_be_bytes(array(bytes)?) as usize;
        if length > MAX_NOTE_BYTES {
            return Err(wrong("a checkpoint of at most 128 KiB", length));
        }
        let text = std::str::from_utf8(take(bytes, length)?);
        found.push(text.map_err(|_| wrong("a checkpoint in UTF-8", "other bytes"))?);
    }
    Ok(found)
}

fn u16(bytes: &mut &[u8]) -> Result<usize, SubmissionError> {
    Ok(usize::from(u16::from_be_bytes(array(bytes)?)))
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], SubmissionError> {
    let (first, rest) = bytes.split_first_chunk().ok_or_else(|| wrong("more bytes", bytes.len()))?;
    *bytes = rest;
    Ok(*first)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], SubmissionError> {
    bytes.split_off(..length).ok_or_else(|| wrong("more bytes", bytes.len()))
}
