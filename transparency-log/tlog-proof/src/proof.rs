//! Offline-verifiable proofs that an entry was logged (C2SP tlog-proof, version 1).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, UnverifiedCheckpoint};
use crate::decimal;
use crate::hash::{Hash, HashError};
use crate::merkle::{MerkleError, verify_inclusion};
use crate::note::MAX_NOTE_BYTES;
use crate::policy::{LogPolicy, PolicyError, PolicyVerdict};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest inclusion path of any tree.
pub const MAX_PATH: usize = 64;

/// Most extra data we read, in bytes.
pub const MAX_EXTRA_BYTES: usize = 16 * 1024;

/// An entry's index, its path and the checkpoint that the path leads to, none of it verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Opaque data of the application; authenticated by nothing.
    pub extra: Option<Vec<u8>>,
    /// The zero-based index of the entry.
    pub index: u64,
    /// The inclusion path, sibling of the leaf first.
    pub path: Vec<Hash>,
    /// The signed and cosigned checkpoint, verbatim.
    pub checkpoint: String,
}

/// Why a proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The text is not a proof.
    #[error("expected {expected}, found {found:?}")]
    Syntax {
        /// What should stand there.
        expected: &'static str,
        /// What stands there, cut to 128 characters.
        found: String,
    },
    /// The text is longer than we read.
    #[error("expected a proof of at most {expected} bytes, found {found}")]
    TooLarge {
        /// The limit.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// A line of the path is not a hash.
    #[error("inclusion path: {0}")]
    Path(#[from] HashError),
    /// The checkpoint is malformed.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not satisfy the policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The path does not lead to the checkpoint's root.
    #[error("inclusion path: {0}")]
    Merkle(#[from] MerkleError),
}

impl Proof {
    /// Checks that the entry with this leaf hash stands in a log, and under a quorum, of the policy.
    ///
    /// # Errors
    /// When the checkpoint is malformed or does not satisfy the policy, or the path leads elsewhere.
    pub fn verify(&self, leaf: &Hash, policy: &LogPolicy) -> Result<PolicyVerdict, ProofError> {
        let verdict = policy.check(&UnverifiedCheckpoint::parse(&self.checkpoint)?)?;
        verify_inclusion(self.index, verdict.checkpoint.size, leaf, &self.path, &verdict.checkpoint.root)?;
        Ok(verdict)
    }

    /// Reads the text form. The checkpoint in it is taken as it stands; [`Proof::verify`] reads it.
    ///
    /// # Errors
    /// When the text is too large or malformed.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let limit = MAX_NOTE_BYTES + MAX_EXTRA_BYTES * 4 / 3 + MAX_PATH * 45 + 128;
        if text.len() > limit {
            return Err(ProofError::TooLarge { expected: limit, found: text.len() });
        }
        let mut rest = text;
        let header = next_line(&mut rest)?;
        if header != HEADER {
            return Err(syntax("the line c2sp.org/tlog-proof@v1", header));
        }
        let mut line = next_line(&mut rest)?;
        let extra = line.strip_prefix("extra ").map(parse_extra).transpose()?;
        if extra.is_some() {
            line = next_line(&mut rest)?;
        }
        let index = line.strip_prefix("index ").and_then(decimal::parse);
        let index = index.ok_or_else(|| syntax("a line \"index <number>\"", line))?;
        let path = parse_path(&mut rest)?;
        Ok(Self { extra, index, path, checkpoint: rest.to_owned() })
    }
}

fn parse_extra(base64: &str) -> Result<Vec<u8>, ProofError> {
    let extra = STANDARD.decode(base64).ok().filter(|extra| extra.len() <= MAX_EXTRA_BYTES);
    extra.ok_or_else(|| syntax("at most 16 KiB of extra data in base64", base64))
}

/// The hashes up to the empty line, which is consumed.
fn parse_path(rest: &mut &str) -> Result<Vec<Hash>, ProofError> {
    let mut path = Vec::new();
    loop {
        match next_line(rest)? {
            "" => return Ok(path),
            line if path.len() == MAX_PATH => return Err(syntax("at most 64 hashes", line)),
            line => path.push(line.parse()?),
        }
    }
}

fn next_line<'a>(rest: &mut &'a str) -> Result<&'a str, ProofError> {
    let (line, after) = rest.split_once('\n').ok_or_else(|| syntax("a line ending in a newline", rest))?;
    *rest = after;
    Ok(line)
}

fn syntax(expected: &'static str, found: &str) -> ProofError {
    ProofError::Syntax { expected, found: found.chars().take(128).collect() }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Proof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        Self::parse(text)
    }
}
