//! Reading a log without trusting it: everything that comes out was verified against a checkpoint that
//! satisfies the policy.

mod http;
mod prove;
mod scan;
mod source;
mod tls;
mod tree;

use std::ops::Range;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use tlog_proof::{
    BundlePath, Checkpoint, CheckpointError, Hash, LogPolicy, MerkleError, PolicyError, PolicyVerdict, TILE_WIDTH,
    TileError, UnverifiedCheckpoint,
};

pub use http::HttpSource;
pub(crate) use scan::Scanned;
pub use source::{Source, SourceError, StorageSource, folder_source, size_limit};
pub use tls::{AnyCertificate, self_proving_http, self_proving_http_as};
pub use tree::VerifiedTree;

/// Bundles that are fetched ahead of the one being verified.
const AHEAD: usize = 8;

/// Why something read from a log was refused, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The source did not answer, or has not what a log of this size must have.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint is malformed.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not satisfy the policy.
    #[error("checkpoint: {0}")]
    Policy(#[from] PolicyError),
    /// A tile or bundle is malformed.
    #[error("{path}: {error}")]
    Tile {
        /// The path of the tile or bundle.
        path: String,
        /// What is wrong with it.
        error: TileError,
    },
    /// A tile or bundle does not hash to its place in the tree.
    #[error("{path}: expected the hash {expected}, found {found}")]
    Mismatch {
        /// The path of the tile or bundle, or `checkpoint` for the root.
        path: String,
        /// The hash that the verified tree has at its place.
        expected: Hash,
        /// The hash of what was served.
        found: Hash,
    },
    /// Entries beyond the tree were asked for.
    #[error(transparent)]
    Range(#[from] MerkleError),
    /// An object does not have the hash that names it.
    #[error("object {expected}: found an object with the SHA-256 {found}")]
    Object {
        /// The hash asked for, in hex.
        expected: String,
        /// The hash of what was served, in hex.
        found: String,
    },
}

/// A log read through a [`Source`], under a policy.
#[derive(Debug)]
pub struct LogClient<S> {
    source: Arc<S>,
    policy: LogPolicy,
}

impl<S: Source + 'static> LogClient<S> {
    /// A client that believes what satisfies `policy`.
    pub fn new(source: S, policy: LogPolicy) -> Self {
        Self { source: Arc::new(source), policy }
    }

    /// Where it reads from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The newest checkpoint, signed by its log and cosigned by the quorum.
    ///
    /// # Errors
    /// When it cannot be fetched or does not satisfy the policy.
    pub async fn checkpoint(&self) -> Result<PolicyVerdict, ClientError> {
        fetch_checkpoint(&*self.source, &self.policy).await
    }

    /// The tree of a verified checkpoint, its right edge fetched and verified.
    ///
    /// # Errors
    /// When the edge cannot be fetched or does not hash to the checkpoint's root.
    pub async fn tree(&self, verdict: &PolicyVerdict) -> Result<VerifiedTree<S>, ClientError> {
        VerifiedTree::open(Arc::clone(&self.source), &verdict.checkpoint).await
    }

    /// The entries of a range with their indexes, in order, each verified against the checkpoint.
    ///
    /// The stream ends at the first error.
    ///
    /// # Errors
    /// When the range reaches beyond the checkpoint or the edge of its tree cannot be verified.
    pub async fn entries(
        &self,
        verdict: &PolicyVerdict,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<(u64, Vec<u8>), ClientError>> + Send + Unpin + use<S>, ClientError> {
        let tree = self.tree(verdict).await?;
        let bundles = tree.bundles(range.clone())?;
        let entries = bundles.map_ok(move |bundle| {
            let entries = (bundle.first..).zip(bundle.entries);
            let range = range.clone();
            stream::iter(entries.filter(move |(index, _)| range.contains(index)).map(Ok))
        });
        Ok(entries.try_flatten().boxed())
    }

    /// The object with this SHA-256.
    ///
    /// # Errors
    /// When it cannot be fetched or is another one.
    pub async fn object(&self, hash: &[u8; 32]) -> Result<Vec<u8>, ClientError> {
        let bytes = self.source.get(&format!("object/{}", hex::encode(hash))).await?;
        let found: [u8; 32] = Sha256::digest(&bytes).into();
        if found == *hash {
            return Ok(bytes);
        }
        Err(ClientError::Object { expected: hex::encode(hash), found: hex::encode(found) })
    }
}

/// The newest checkpoint of a source, if it satisfies the policy.
pub(crate) async fn fetch_checkpoint<S: Source + ?Sized>(
    source: &S,
    policy: &LogPolicy,
) -> Result<PolicyVerdict, ClientError> {
    let text = source.get("checkpoint").await?;
    Ok(policy.check(&UnverifiedCheckpoint::parse(text)?)?)
}

/// A verified bundle, whole: entries before or after a range of interest included.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Which bundle it is.
    pub path: BundlePath,
    /// The index of its first entry.
    pub first: u64,
    /// Its entries.
    pub entries: Vec<Vec<u8>>,
    /// Their leaf hashes.
    pub leaves: Vec<Hash>,
}

/// The bundles that cover a range of a tree.
pub(crate) fn covering(
    range: Range<u64>,
    checkpoint: &Checkpoint,
) -> Result<impl Iterator<Item = BundlePath> + Send + use<>, MerkleError> {
    let size = checkpoint.size;
    if range.end > size {
        return Err(MerkleError::IndexOutOfRange { index: range.end, size });
    }
    let bundles = if range.is_empty() { 0..0 } else { range.start / TILE_WIDTH..range.end.div_ceil(TILE_WIDTH) };
    Ok(bundles.filter_map(move |bundle| BundlePath::holding(bundle * TILE_WIDTH, size)))
}
