//! Where a client reads a log from.

use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tlog_proof::note::MAX_NOTE_BYTES;
use tlog_proof::{MAX_ENTRY_BYTES, TILE_WIDTH};

use crate::sequencer::MAX_OBJECT_BYTES;
use crate::storage::{FolderStorage, Storage};

/// Why a resource could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SourceError {
    /// There is no such resource.
    #[error("{path} is missing")]
    NotFound {
        /// Its path below the log's prefix.
        path: String,
    },
    /// Larger than any such resource of our logs.
    #[error("{path}: expected at most {expected} bytes, found more")]
    TooLarge {
        /// Its path below the log's prefix.
        path: String,
        /// The limit for this kind of resource.
        expected: usize,
    },
    /// The source could not be asked, or failed.
    #[error("{path}: {reason}")]
    Unreachable {
        /// The address or path that was asked for.
        path: String,
        /// What happened.
        reason: String,
    },
}

/// A place that serves the resources of a log by their paths: a server, a mirror, a folder.
///
/// **Trust.** None. A source can withhold and it can lie; the client finds out.
pub trait Source: Send + Sync {
    /// The resource at a path such as `checkpoint` or `tile/0/x001/234`, of at most [`size_limit`] bytes.
    ///
    /// # Errors
    /// When there is none, it is too large, or the source failed.
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>>;
}

impl<S: Source + ?Sized> Source for &S {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        (**self).get(path)
    }
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        (**self).get(path)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        (**self).get(path)
    }
}

/// The largest resource of this path that our logs make, in bytes.
pub fn size_limit(path: &str) -> usize {
    if path.starts_with("tile/entries/") {
        TILE_WIDTH as usize * (2 + MAX_ENTRY_BYTES)
    } else if path.starts_with("tile/") {
        TILE_WIDTH as usize * 32
    } else if path.starts_with("object/") {
        MAX_OBJECT_BYTES
    } else {
        MAX_NOTE_BYTES
    }
}

/// A log in storage at hand: its own folder, a copy of it, or a memory.
#[derive(Debug, Clone)]
pub struct StorageSource<T: ?Sized>(Arc<T>);

impl<T: Storage + ?Sized> StorageSource<T> {
    /// Reads from this storage.
    pub fn new(storage: Arc<T>) -> Self {
        Self(storage)
    }
}

/// Reads a log from a folder on this machine.
pub fn folder_source(folder: &Path) -> StorageSource<FolderStorage> {
    StorageSource::new(Arc::new(FolderStorage::open(folder)))
}

impl<T: Storage + ?Sized> Source for StorageSource<T> {
    fn get(&self, path: &str) -> BoxFuture<'_, Result<Vec<u8>, SourceError>> {
        let (storage, path) = (Arc::clone(&self.0), path.to_owned());
        async move {
            let wanted = path.clone();
            let read = tokio::task::spawn_blocking(move || storage.get(&wanted)).await;
            let unreachable = |reason: String| SourceError::Unreachable { path: path.clone(), reason };
            let bytes = read.map_err(|failed| unreachable(failed.to_string()))?;
            let bytes = bytes.map_err(|error| unreachable(error.to_string()))?;
            let bytes = bytes.ok_or_else(|| SourceError::NotFound { path: path.clone() })?;
            let expected = size_limit(&path);
            if bytes.len() > expected { Err(SourceError::TooLarge { path, expected }) } else { Ok(bytes) }
        }
        .boxed()
    }
}
