//! An object store as storage: S3 and what speaks its protocol, by the crate `object_store`.
//!
//! There is no lock. What keeps a second writer away are conditional writes: a claimed file is replaced
//! only if its ETag is still the one that was last seen. A store that lets two of them win would let a log
//! fork, so that [`ObjectStorage::open`] makes it prove that it does not.

mod probe;
mod s3;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::{File, Storage, Superseded};

pub use probe::ProbeError;
pub use s3::{S3_KEYS_FILE, S3Keys, S3KeysError, S3Place};

/// Requests under way at the same time when many files are written.
const AT_ONCE: usize = 16;

/// Writes whose outcome is unknown that are remembered for one file.
const MAX_DOUBTFUL: usize = 32;

/// Objects below a prefix.
pub struct ObjectStorage {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The store's requests run here; the calls of [`Storage`] wait for them.
    runtime: Handle,
    /// Radosgw compares ETags without the quotes that it sends them with.
    bare_etags: bool,
    /// Nobody has tried what its conditional writes are worth: nothing is written.
    to_read: bool,
    claimed: Mutex<HashMap<String, Claim>>,
}

/// What this writer knows of a file that it alone may replace.
#[derive(Debug, Clone, Default)]
struct Claim {
    /// `None` where there was no such file.
    version: Option<UpdateVersion>,
    /// SHA-256 of what may have been written: the request failed, and yet the store may have done it.
    doubtful: Vec<[u8; 32]>,
}

impl Claim {
    /// Remembers that this may have been written.
    fn doubt(&mut self, digest: [u8; 32]) {
        self.doubtful.truncate(MAX_DOUBTFUL - 1);
        self.doubtful.insert(0, digest);
    }
}

impl ObjectStorage {
    /// Takes a store whose conditional writes are atomic, after trying whether they are.
    ///
    /// Must be called within a multi-thread tokio runtime, which then serves all calls.
    ///
    /// # Errors
    /// When the store cannot be reached, knows no conditional writes, or lets several writers win.
    pub async fn open(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, ProbeError> {
        let prefix = Path::parse(prefix).map_err(|error| ProbeError::Store(error.into()))?;
        let bare_etags = probe::probe(&store, &prefix).await?;
        Ok(Self { store, prefix, runtime: Handle::current(), bare_etags, to_read: false, claimed: Mutex::default() })
    }

    /// The same for reading alone: nothing is tried, and nothing is asked yet. Every write fails.
    ///
    /// # Errors
    /// The prefix cannot stand in names of objects.
    pub fn open_to_read(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, ProbeError> {
        let prefix = Path::parse(prefix).map_err(|error| ProbeError::Store(error.into()))?;
        let (runtime, claimed) = (Handle::current(), Mutex::default());
        Ok(Self { store, prefix, runtime, bare_etags: false, to_read: true, claimed })
    }

    /// The same store below a further part of the prefix: a place of its own, for another log. Nothing is tried again.
    ///
    /// # Errors
    /// The name cannot stand in names of objects.
    pub fn below(&self, name: &str) -> io::Result<Self> {
        Ok(Self {
            store: Arc::clone(&self.store),
            prefix: self.resolve(name)?,
            runtime: self.runtime.clone(),
            bare_etags: self.bare_etags,
            to_read: self.to_read,
            claimed: Mutex::default(),
        })
    }

    fn resolve(&self, path: &str) -> io::Result<Path> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("not a path in the store: {path:?}"));
        let below = Path::parse(path).map_err(|_| invalid())?;
        if path.is_empty() || below.as_ref() != path || path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid());
        }
        Ok(self.prefix.parts().chain(below.parts()).collect())
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.to_read {
            let reason = "the object store was opened for reading alone";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        }
        Ok(())
    }

    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
        self.runtime.block_on(work).map_err(io::Error::other)
    }

    async fn read(&self, path: &Path) -> object_store::Result<Option<(Vec<u8>, UpdateVersion)>> {
        let found = match self.store.get(path).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        Ok(Some((found.bytes().await?.into(), version)))
    }

    async fn put_if(
        &self,
        path: &Path,
        bytes: &[u8],
        version: Option<&UpdateVersion>,
    ) -> object_store::Result<PutResult> {
        let mode = match version {
            None => PutMode::Create,
            Some(version) => PutMode::Update(probe::spelled(version, self.bare_etags)),
        };
        self.store.put_opts(path, bytes.to_vec().into(), mode.into()).await
    }

    /// Replaces a claimed file; gives what is then known of it, and whether it was replaced.
    async fn replace_claimed(&self, path: &Path, bytes: &[u8], mut claim: Claim) -> (Claim, Result<(), Failure>) {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        // A second turn where the first finds that an earlier write of ours was done after all.
        for _ in 0..2 {
            match self.put_if(path, bytes, claim.version.as_ref()).await {
                Ok(written) => return (Claim { version: Some(written.into()), doubtful: Vec::new() }, Ok(())),
                // The store's client sends a request again whose answer was lost: what stands in the way of this very
                // write may be itself.
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => {
                    claim.doubt(digest);
                    return (claim, Err(Failure::Store(error)));
                }
            }
            let (found, version) = match self.read(path).await {
                Ok(Some(found)) => found,
                Ok(None) => return (claim, Err(Failure::Superseded)),
                Err(error) => {
                    claim.doubt(digest);
                    return (claim, Err(Failure::Store(error)));
                }
            };
            let found: [u8; 32] = Sha256::digest(found).into();
            if found == digest {
                return (Claim { version: Some(version), doubtful: Vec::new() }, Ok(()));
            }
            if !claim.doubtful.contains(&found) {
                return (claim, Err(Failure::Superseded));
            }
            claim = Claim { version: Some(version), doubtful: Vec::new() };
        }
        (claim, Err(Failure::Superseded))
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<String, Claim>> {
        // Whoever panicked while holding it left whole entries.
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a claimed file was not replaced.
enum Failure {
    Superseded,
    Store(Error),
}

impl Storage for ObjectStorage {
    fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.resolve(path)?;
        Ok(self.wait(self.read(&path))?.map(|(bytes, _)| bytes))
    }

    fn put_all(&self, files: &[File]) -> io::Result<()> {
        self.check_writable()?;
        let files: Vec<(Path, &[u8])> = files
            .iter()
            .map(|file| Ok((self.resolve(&file.path)?, file.bytes.as_slice())))
            .collect::<io::Result<_>>()?;
        let writes = stream::iter(files)
            .map(|(path, bytes)| async move { self.store.put(&path, bytes.to_vec().into()).await.map(drop) });
        self.wait(writes.buffer_unordered(AT_ONCE).try_collect::<()>())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.check_writable()?;
        let path = self.resolve(path)?;
        self.wait(async {
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            let below = self.store.list(Some(&path)).map_ok(|found| found.location).boxed();
            self.store.delete_stream(below).try_for_each(|_removed| async { Ok(()) }).await
        })
    }

    fn claim(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.check_writable()?;
        let place = self.resolve(path)?;
        let found = self.wait(self.read(&place))?;
        let (bytes, version) = found.map_or((None, None), |(bytes, version)| (Some(bytes), Some(version)));
        self.claims().insert(path.to_owned(), Claim { version, doubtful: Vec::new() });
        Ok(bytes)
    }

    fn replace(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        let place = self.resolve(path)?;
        let unclaimed = || io::Error::new(io::ErrorKind::InvalidInput, format!("{path} was not claimed"));
        let claim = self.claims().get(path).cloned().ok_or_else(unclaimed)?;
        let (claim, done) = self.runtime.block_on(self.replace_claimed(&place, &bytes, claim));
        self.claims().insert(path.to_owned(), claim);
        done.map_err(|failure| match failure {
            Failure::Superseded => Superseded { path: path.to_owned() }.into(),
            Failure::Store(error) => io::Error::other(error),
        })
    }
}

impl fmt::Debug for ObjectStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStorage").field("store", &self.store.to_string()).field("prefix", &self.prefix).finish()
    }
}
