//! Trying whether a store's conditional writes are atomic.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutResult, UpdateVersion};

/// Writers that race in each round.
const WRITERS: usize = 16;

/// Rounds of racing updates.
const ROUNDS: usize = 8;

/// Why a store was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It could not be asked.
    #[error("the object store failed: {0}; look at its address, bucket and credentials")]
    Store(#[source] Error),
    /// The certificates of its authorities.
    #[error("roots: {}: {reason}", path.display())]
    Roots {
        /// Their file.
        path: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// Random bytes for the name of the probe could not be drawn.
    #[error("drawing random bytes: {0}")]
    Random(io::Error),
    /// It refuses conditional writes, or ignores what they are conditional on.
    #[error("the object store has no conditional writes ({account}): a log on it could fork, so it is refused")]
    Unconditional {
        /// What it did.
        account: String,
    },
    /// It let several writers win.
    #[error(
        "the object store's conditional writes are not atomic: of {WRITERS} writers that raced for one {what}, {won} won; a log on it could fork, so it is refused"
    )]
    NotAtomic {
        /// What they raced for.
        what: &'static str,
        /// How many writes it acknowledged.
        won: usize,
    },
}

/// Races writers against each other; gives whether ETags are to be sent without their quotes.
pub(super) async fn probe(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Result<bool, ProbeError> {
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| ProbeError::Random(io::Error::other(error)))?;
    let path: Path = prefix.parts().chain(Path::from(format!("probe/{}", hex::encode(name))).parts()).collect();
    let outcome = race(store, &path).await;
    // What was tried is of no use to anybody; should it stay, it takes a few bytes.
    if let Err(error) = store.delete(&path).await {
        tracing::debug!(%error, "a probe was not removed");
    }
    outcome
}

async fn race(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<bool, ProbeError> {
    let mut version = one_winner(store, path, &PutMode::Create, "new object", 0).await?;
    let bare = !accepts(store, path, &mut version, false).await?;
    if bare && !accepts(store, path, &mut version, true).await? {
        let account = "an update that names the current ETag is refused".to_owned();
        return Err(ProbeError::Unconditional { account });
    }
    for round in 1..=ROUNDS {
        let stale = spelled(&version, bare);
        version = one_winner(store, path, &PutMode::Update(stale.clone()), "update", round).await?;
        if won(store.put_opts(path, b"stale".to_vec().into(), PutMode::Update(stale).into()).await)?.is_some() {
            let account = "an update that names an old ETag is taken".to_owned();
            return Err(ProbeError::Unconditional { account });
        }
    }
    Ok(bare)
}

/// Lets many writers try the same conditional write at once: exactly one may win, and what it wrote must
/// be there.
async fn one_winner(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    mode: &PutMode,
    what: &'static str,
    round: usize,
) -> Result<UpdateVersion, ProbeError> {
    let tries = (0..WRITERS).map(|writer| {
        // Never the same twice: an ETag may be a digest of the contents.
        let bytes = format!("{what} {round} by writer {writer} of {path}").into_bytes();
        let (store, path, mode) = (Arc::clone(store), path.clone(), mode.clone());
        async move { (store.put_opts(&path, bytes.clone().into(), mode.into()).await, bytes) }
    });
    let mut winners = Vec::new();
    for (answer, bytes) in join_all(tries).await {
        winners.extend(won(answer)?.map(|version| (version, bytes)));
    }
    let stored = async { store.get(path).await?.bytes().await }.await.map_err(ProbeError::Store)?;
    match winners.pop() {
        Some((version, bytes)) if winners.is_empty() && stored == bytes => Ok(version),
        last => Err(ProbeError::NotAtomic { what, won: winners.len() + usize::from(last.is_some()) }),
    }
}

/// Whether an update that names the current version in this spelling is taken.
async fn accepts(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    version: &mut UpdateVersion,
    bare: bool,
) -> Result<bool, ProbeError> {
    let mode = PutMode::Update(spelled(version, bare));
    let answer = store.put_opts(path, format!("spelled {bare}").into_bytes().into(), mode.into()).await;
    let taken = won(answer)?;
    let is_taken = taken.is_some();
    if let Some(taken) = taken {
        *version = taken;
    }
    Ok(is_taken)
}

/// The version that a conditional write made, or `None` where it lost.
fn won(answer: object_store::Result<PutResult>) -> Result<Option<UpdateVersion>, ProbeError> {
    match answer {
        Ok(written) => Ok(Some(written.into())),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => Ok(None),
        Err(error @ (Error::NotImplemented { .. } | Error::NotSupported { .. })) => {
            Err(ProbeError::Unconditional { account: error.to_string() })
        }
        Err(error) => Err(ProbeError::Store(error)),
    }
}

/// A version as the store wants it named.
pub(super) fn spelled(version: &UpdateVersion, bare: bool) -> UpdateVersion {
    let strip = |etag: &String| etag.trim_matches('"').to_owned();
    let e_tag = version.e_tag.as_ref().map(|etag| if bare { strip(etag) } else { etag.clone() });
    UpdateVersion { e_tag, version: version.version.clone() }
}
