//! Reading a part of a log whole, for auditors: every bundle, and the tile of leaf hashes beside it.

use std::ops::Range;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use tlog_proof::{BundlePath, Hash, MerkleError, TilePath, TilePyramid, empty_root};

use super::source::Source;
use super::tree::{VerifiedTree, fetch_bundle, fetch_tile};
use super::{AHEAD, Bundle, ClientError, covering};

/// A verified bundle whose leaf tile says the same.
pub(crate) struct Scanned {
    pub(crate) bundle: Bundle,
    /// The root over a full bundle, computed from its entries.
    pub(crate) root: Option<Hash>,
}

impl<S: Source + ?Sized + 'static> VerifiedTree<S> {
    /// The bundles that cover a range, in order, with their leaf tiles. A few are fetched and hashed at the
    /// same time, each by a task of its own; the stream ends at the first error.
    pub(crate) fn scan(
        self: &Arc<Self>,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = Result<Scanned, ClientError>> + Send + use<S>, MerkleError> {
        let paths = covering(range, self.checkpoint())?;
        let tree = Arc::clone(self);
        let scanned = stream::iter(paths).map(move |path| {
            let tree = Arc::clone(&tree);
            let one = tokio::spawn(async move { tree.scan_one(path).await });
            async move { one.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic())) }
        });
        // One error ends it: what follows a fault is not to be looked at.
        Ok(scanned.buffered(AHEAD).scan(false, |failed, item| {
            let ended = std::mem::replace(failed, item.is_err());
            futures_util::future::ready((!ended).then_some(item))
        }))
    }

    async fn scan_one(&self, path: BundlePath) -> Result<Scanned, ClientError> {
        let tile = TilePath { level: 0, index: path.index, width: path.width };
        let (bytes, leaves) = tokio::join!(fetch_bundle(self.source(), path), fetch_tile(self.source(), tile));
        let (bundle, root) = self.bundle(path, &bytes?).await?;
        let leaves = leaves?;
        if leaves == bundle.leaves {
            return Ok(Scanned { bundle, root });
        }
        let (expected, found) = match root {
            Some(root) => (root, TilePyramid::new(leaves).parent().unwrap_or_else(empty_root)),
            None => bundle
                .leaves
                .iter()
                .zip(&leaves)
                .find(|(expected, found)| expected != found)
                .map_or_else(|| (empty_root(), empty_root()), |(expected, found)| (*expected, *found)),
        };
        Err(ClientError::Mismatch { path: tile.to_string(), expected, found })
    }
}
