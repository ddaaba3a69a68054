//! The staged batch: what a restart needs to finish it with the identical bytes, and the mark of the one
//! writer. It is only ever replaced, never removed: on storage without a lock, whoever replaced it last is
//! the writer.
//!
//! ```text
//! "inperson-stage-v2\n"
//! 16    drawn at random by each process that opens the log: no two of them write the same stage
//! u64   size of the tree that the batch extends
//! u32   length of the signed checkpoint, and the checkpoint
//! u32   number of entries, and each entry with its length as u16
//! 32    SHA-256 of everything before
//! ```
//! Numbers are big-endian. Version 1, which logs wrote before there were storages without a lock, has no such 16 bytes;
//! it is still read, so that a log can be upgraded whatever state it was left in.

use sha2::{Digest as _, Sha256};

const MAGIC: &[u8] = b"inperson-stage-v2\n";
const MAGIC_V1: &[u8] = b"inperson-stage-v1\n";

/// Where the staged batch is stored.
pub(super) const PATH: &str = "stage";

/// Tells one opening of a log from every other.
pub(super) type Writer = [u8; 16];

/// Stands for the writer in a stage of version 1, which names none.
const UNNAMED: Writer = [0; 16];

/// A batch with the checkpoint that the log has signed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stage {
    /// Whose stage it is.
    pub(super) writer: Writer,
    /// Size of the tree before the batch.
    pub(super) base: u64,
    /// The checkpoint after the batch, signed by the log alone.
    pub(super) signed: String,
    /// The entries, in their order.
    pub(super) entries: Vec<Vec<u8>>,
}

impl Stage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let entries: usize = self.entries.iter().map(|entry| 2 + entry.len()).sum();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 64 + self.signed.len() + entries);
        bytes.extend(MAGIC);
        bytes.extend(self.writer);
        bytes.extend(self.base.to_be_bytes());
        bytes.extend((self.signed.len() as u32).to_be_bytes());
        bytes.extend(self.signed.as_bytes());
        bytes.extend((self.entries.len() as u32).to_be_bytes());
        for entry in &self.entries {
            bytes.extend((entry.len() as u16).to_be_bytes());
            bytes.extend(entry);
        }
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }

    /// `None` unless these are the bytes of a stage, unaltered.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, digest) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let (writer, rest) = match body.strip_prefix(MAGIC_V1) {
            Some(rest) => (&UNNAMED, rest),
            None => body.strip_prefix(MAGIC)?.split_first_chunk::<16>()?,
        };
        let (base, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (signed, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut entries = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
            entries.push(entry.to_vec());
            rest = after;
        }
        let signed = String::from_utf8(signed.to_vec()).ok()?;
        rest.is_empty().then_some(Self { writer: *writer, base: u64::from_be_bytes(*base), signed, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_whole_or_not_at_all() {
        let stage = Stage {
            writer: [9; 16],
            base: 7,
            signed: "checkpoint\n".into(),
            entries: vec![vec![1, 2], vec![], vec![3]],
        };
        let bytes = stage.encode();
        assert_eq!(Stage::decode(&bytes).unwrap(), stage);
        for length in 0..bytes.len() {
            assert_eq!(Stage::decode(&bytes[..length]), None, "cut to {length}");
        }
        for position in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            assert_eq!(Stage::decode(&altered), None, "byte {position} altered");
        }
    }

    #[test]
    fn the_first_version_is_read() {
        let body = b"inperson-stage-v1\n\0\0\0\0\0\0\0\x07\0\0\0\x0bcheckpoint\n\0\0\0\x02\0\x02\x01\x02\0\0";
        let bytes = [body.as_slice(), &Sha256::digest(body)].concat();
        let (signed, entries) = ("checkpoint\n".to_owned(), vec![vec![1, 2], vec![]]);
        assert_eq!(Stage::decode(&bytes).unwrap(), Stage { writer: UNNAMED, base: 7, signed, entries });
        for length in 0..bytes.len() {
            assert_eq!(Stage::decode(&bytes[..length]), None, "cut to {length}");
        }
    }
}
