//! What several sources show of one log: do they show the same history?
//!
//! A log that shows two people two histories signs both. Whoever holds both checkpoints, and a proof of what the
//! newer tree says about the beginning, can show it to anybody: that is a [`SplitView`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tlog_proof::{
    CheckpointError, Hash, HashError, LogPolicy, MerkleError, PolicyError, UnverifiedCheckpoint, VerifiedCheckpoint,
    verify_consistency,
};

use crate::client::{ClientError, Source, VerifiedTree};

/// No consistency proof has more hashes.
const MAX_PROOF: usize = 128;

/// Two signed checkpoints of one log that cannot both be true, and the proof of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitView {
    /// The checkpoint of the smaller tree, as it was signed.
    pub older: String,
    /// The checkpoint of the larger tree, as it was signed.
    pub newer: String,
    /// The root over the first entries of the larger tree, as many as the smaller one has; base64.
    pub beginning: String,
    /// The consistency proof from there to the larger tree; base64.
    pub proof: Vec<String>,
}

/// Why something is no proof of a split view.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitViewError {
    /// A checkpoint is malformed.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint is not signed by a log of the policy.
    #[error("checkpoint: {0}")]
    Policy(#[from] PolicyError),
    /// The checkpoints are of two logs.
    #[error("expected two checkpoints of {expected:?}, found one of {found:?}")]
    OtherLog {
        /// The older one's origin.
        expected: String,
        /// The newer one's.
        found: String,
    },
    /// A hash that is none.
    #[error("hash: {0}")]
    Hash(#[from] HashError),
    /// The proof is too long.
    #[error("expected at most {MAX_PROOF} hashes, found {found}")]
    Length {
        /// How many it has.
        found: usize,
    },
    /// The proof does not hold.
    #[error("consistency proof: {0}")]
    Proof(#[from] MerkleError),
    /// Nothing is wrong with the log.
    #[error("both checkpoints are of one tree: nothing is wrong")]
    Same,
}

impl SplitView {
    /// Two checkpoints of the same size with different roots contradict each other without further proof; `None`
    /// where they do not.
    pub fn of_one_size(one: &VerifiedCheckpoint, other: &VerifiedCheckpoint) -> Option<Self> {
        let contradict = one.origin == other.origin && one.size == other.size && one.root != other.root;
        contradict.then(|| Self {
            older: one.text().to_owned(),
            newer: other.text().to_owned(),
            beginning: other.root.to_string(),
            proof: Vec::new(),
        })
    }

    /// Judges it offline: which log, and of which size it has shown two trees.
    ///
    /// # Errors
    /// When it does not prove what it claims.
    pub fn verify(&self, policy: &LogPolicy) -> Result<(String, u64), SplitViewError> {
        let older = policy.check_log(&UnverifiedCheckpoint::parse(&self.older)?)?;
        let newer = policy.check_log(&UnverifiedCheckpoint::parse(&self.newer)?)?;
        if older.origin != newer.origin {
            return Err(SplitViewError::OtherLog { expected: older.origin.clone(), found: newer.origin.clone() });
        }
        if self.proof.len() > MAX_PROOF {
            return Err(SplitViewError::Length { found: self.proof.len() });
        }
        let beginning: Hash = self.beginning.parse()?;
        let proof = self.proof.iter().map(|hash| hash.parse()).collect::<Result<Vec<Hash>, _>>()?;
        verify_consistency(older.size, &beginning, newer.size, &newer.root, &proof)?;
        if beginning == older.root { Err(SplitViewError::Same) } else { Ok((older.origin.clone(), older.size)) }
    }
}

/// How a source's checkpoint stands to a tree that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// The same history, up to this size.
    Agrees {
        /// The checkpoint's size.
        size: u64,
    },
    /// It is of a larger tree: the tree at hand may be an old one.
    Ahead {
        /// The checkpoint's size.
        size: u64,
    },
    /// Another history, with the proof.
    Split(Box<SplitView>),
}

/// Holds a checkpoint against the tree of another one, from which tiles can be had.
///
/// # Errors
/// When the tree cannot be read any more, or the checkpoint is of another log.
pub async fn compare<S: Source + ?Sized + 'static>(
    tree: &VerifiedTree<S>,
    newer: &VerifiedCheckpoint,
    other: &VerifiedCheckpoint,
) -> Result<View, ClientError> {
    if other.size > newer.size {
        return Ok(View::Ahead { size: other.size });
    }
    let beginning = tree.frontier(other.size).await?.root();
    if beginning == other.root {
        return Ok(View::Agrees { size: other.size });
    }
    let proof = tree.prove_consistency(other.size).await?;
    Ok(View::Split(Box::new(SplitView {
        older: other.text().to_owned(),
        newer: newer.text().to_owned(),
        beginning: beginning.to_string(),
        proof: proof.iter().map(Hash::to_string).collect(),
    })))
}

/// Fetches the newest checkpoint that a source shows of the log `origin`, and checks the log's signature alone: a view
/// that lacks cosignatures is a view all the same.
///
/// # Errors
/// When it cannot be fetched, is malformed, or is not signed by the log.
pub async fn shown<S: Source + ?Sized>(
    source: &S,
    policy: &LogPolicy,
    origin: &str,
) -> Result<VerifiedCheckpoint, ClientError> {
    let shown = policy.check_log(&UnverifiedCheckpoint::parse(source.get("checkpoint").await?)?)?;
    if shown.origin == origin {
        return Ok(shown);
    }
    let (expected, found) = (origin.to_owned(), shown.origin.clone());
    Err(ClientError::Checkpoint(CheckpointError::WrongOrigin { expected, found }))
}

/// Compares what two sources show, both of which serve tiles: each may be ahead of the other.
///
/// # Errors
/// When the larger tree cannot be read.
pub async fn compare_sources<S: Source + ?Sized + 'static, T: Source + ?Sized + 'static>(
    one: (&Arc<S>, &VerifiedCheckpoint),
    other: (&Arc<T>, &VerifiedCheckpoint),
) -> Result<View, ClientError> {
    if other.1.size > one.1.size {
        let tree = VerifiedTree::open(Arc::clone(other.0), other.1).await?;
        return match compare(&tree, other.1, one.1).await? {
            View::Agrees { .. } => Ok(View::Ahead { size: other.1.size }),
            split => Ok(split),
        };
    }
    let tree = VerifiedTree::open(Arc::clone(one.0), one.1).await?;
    compare(&tree, one.1, other.1).await
}
