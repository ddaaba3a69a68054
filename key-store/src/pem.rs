//! The blocks of a PEM file (RFC 7468), whatever they hold and whatever stands between them.

use der::pem::decode_vec;
use thiserror::Error;
use zeroize::Zeroizing;

/// Most blocks of one file that are looked at.
const MAX_BLOCKS: usize = 64;
const BEGIN: &str = "-----BEGIN ";

/// One block. It may hold a secret: its `Debug` shows the label alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Between `BEGIN` and the dashes.
    pub label: &'a str,
    /// From the first dash to the last; where the end is missing, up to the next block.
    pub text: &'a str,
    /// Whether its end is there.
    pub is_whole: bool,
}

/// Why a block cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BlockError {
    /// Dashes, and no label after them.
    #[error("PEM without a label")]
    NoLabel,
    /// Its end is missing.
    #[error("PEM that is cut short: a {0} without its end")]
    CutShort(String),
    /// What is between is no base64, or has other lines than it should.
    #[error("PEM that does not decode: a {label} ({reason})")]
    Undecodable {
        /// Of what.
        label: String,
        /// Why.
        reason: String,
    },
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({})", self.label)
    }
}

/// The blocks of a text, at most 64, in their order.
///
/// # Errors
/// [`BlockError::NoLabel`].
pub fn blocks(text: &str) -> Result<Vec<Block<'_>>, BlockError> {
    let begins: Vec<usize> = text.match_indices(BEGIN).map(|(at, _)| at).take(MAX_BLOCKS + 1).collect();
    let ends = begins.iter().skip(1).copied().chain([text.len()]);
    begins.iter().zip(ends).take(MAX_BLOCKS).map(|(&begin, end)| block(&text[begin..end])).collect()
}

fn block(text: &str) -> Result<Block<'_>, BlockError> {
    let after = text.strip_prefix(BEGIN).ok_or(BlockError::NoLabel)?;
    let (label, _) = after.split_once("-----").filter(|(label, _)| !label.contains('\n')).ok_or(BlockError::NoLabel)?;
    let end = format!("-----END {label}-----");
    Ok(match text.find(&end) {
        Some(at) => Block { label, text: &text[..at + end.len()], is_whole: true },
        None => Block { label, text, is_whole: false },
    })
}

impl Block<'_> {
    /// The block by itself, as a file.
    ///
    /// # Errors
    /// [`BlockError::CutShort`].
    pub fn file(&self) -> Result<Zeroizing<String>, BlockError> {
        match self.is_whole {
            true => Ok(Zeroizing::new(format!("{}\n", self.text))),
            false => Err(BlockError::CutShort(self.label.to_owned())),
        }
    }

    /// What it holds.
    ///
    /// # Errors
    /// It is cut short, or does not decode.
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, BlockError> {
        let (_, der) = decode_vec(self.file()?.as_bytes())
            .map_err(|error| BlockError::Undecodable { label: self.label.to_owned(), reason: error.to_string() })?;
        Ok(Zeroizing::new(der))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text = "Bag Attributes\n  friendlyName: x\n-----BEGIN A-----\nAQID\n-----END A-----\nsubject=\n-----BEGIN B C-----\nBAUG\n-----END B C-----";
        let found = blocks(text).unwrap();
        assert_eq!(found.iter().map(|block| block.label).collect::<Vec<_>>(), ["A", "B C"]);
        let decoded: Vec<_> = found.iter().map(|block| block.decode().unwrap().to_vec()).collect();
        assert_eq!(decoded, [vec![1, 2, 3], vec![4, 5, 6]]);
        assert_eq!(format!("{found:?}"), "[Block(A), Block(B C)]");
    }

    #[test]
    fn what_is_damaged_is_told() {
        assert_eq!(blocks("none at all").unwrap(), []);
        assert_eq!(blocks("-----BEGIN A\nAQID\n-----END A-----\n"), Err(BlockError::NoLabel));
        let cut = "-----BEGIN A-----\nAQID\n-----BEGIN B-----\n*\n-----END B-----\n";
        let [a, b] = blocks(cut).unwrap()[..] else { panic!("two") };
        assert_eq!(a.decode().unwrap_err(), BlockError::CutShort("A".to_owned()));
        assert!(matches!(b.decode().unwrap_err(), BlockError::Undecodable { .. }));
        assert_eq!(blocks(&"-----BEGIN A-----".repeat(200)).unwrap().len(), MAX_BLOCKS);
    }
}
