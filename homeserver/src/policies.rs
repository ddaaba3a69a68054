//! The versions of the trust policy that follow the genesis one.
//!
//! ```text
//! policies/<n>.signed.json   signed by the root, not yet in the log; made by `homeserver policy sign`
//! policies/<n>.json          with its proof: what is served at /policy/<n>
//! policies-struck/<n>.json   without one: of a time before the present genesis version, when it named a log that was struck
//! ```
//!
//! Signing needs the root's key and nothing of the running server; publishing needs the log and no key of the root. So
//! the two meet in this folder: whoever signs puts a file there, the server finds it, logs it, checks it as every person
//! will, and serves it.

mod sign;
mod struck;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use identity::trust::{MAX_UPDATE_BYTES, PolicyUpdate, Shard, TrustPolicy};
use tlog_proof::ObjectKind;
use tokio_util::sync::CancellationToken;

use crate::error::StartError;

pub use sign::{Signed, Strike, draft, sign};
pub(crate) use sign::{newest, sign_as_next, versions};
pub(crate) use struck::{FOLDER as STRUCK, history, keep as keep_struck, kept as kept_struck};

const FOLDER: &str = "policies";

/// How often the server looks for a version that was signed meanwhile.
const LOOK: Duration = Duration::from_secs(1);

/// The versions that are served. Cheap to clone: all see the same.
#[derive(Debug, Clone)]
pub struct Published(Arc<RwLock<Versions>>);

#[derive(Debug)]
struct Versions {
    /// The number of the genesis version.
    first: u64,
    /// In order, the one after the genesis version first; as they are served.
    updates: Vec<Vec<u8>>,
    newest: TrustPolicy,
    struck: Vec<Struck>,
}

/// A log of this server that the newest version names no longer: its key may be known to others.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    pub(crate) log: Shard,
    /// The last version that named it.
    pub(crate) policy: TrustPolicy,
}

impl Published {
    /// What was published before, each version checked against the one before it.
    ///
    /// # Errors
    /// A file cannot be read, or is not what was published.
    pub fn open(folder: &Path, genesis: &TrustPolicy) -> Result<Self, StartError> {
        let updates = Vec::new();
        let struck = struck::before(folder, genesis)?;
        let mut versions = Versions { first: genesis.number, updates, newest: genesis.clone(), struck };
        while let Some(bytes) = read(&logged(folder, versions.newest.number + 1))? {
            let path = logged(folder, versions.newest.number + 1);
            versions.take(bytes).map_err(|reason| damaged(&path, reason))?;
        }
        Ok(Self(Arc::new(RwLock::new(versions))))
    }

    /// The newest version.
    pub fn newest(&self) -> TrustPolicy {
        self.0.read().unwrap_or_else(PoisonError::into_inner).newest.clone()
    }

    /// The logs that earlier versions named and the newest does not.
    pub(crate) fn struck(&self) -> Vec<Struck> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).struck.clone()
    }

    /// The canonical bytes of the newest version.
    pub fn latest(&self) -> Vec<u8> {
        self.newest().canonical()
    }

    /// The update that leads to version `number`, if there is one.
    pub fn update(&self, number: u64) -> Option<Vec<u8>> {
        let versions = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let position = number.checked_sub(versions.first + 1)?;
        versions.updates.get(usize::try_from(position).ok()?).cloned()
    }
}

impl Versions {
    fn take(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let update = PolicyUpdate::parse(&bytes).map_err(|error| error.to_string())?;
        let verified = update.verify(&self.newest).map_err(|error| error.to_string())?;
        let newest = verified.take_confirmed();
        let (before, named) = (own_shards(&self.newest)?, own_shards(&newest)?);
        let is_named = |log: &Shard| named.iter().any(|one| one.origin == log.origin);
        self.struck.retain(|struck| !is_named(&struck.log));
        let gone = before.into_iter().filter(|log| !is_named(log));
        self.struck.extend(gone.map(|log| Struck { log, policy: self.newest.clone() }));
        self.newest = newest;
        self.updates.push(bytes);
        Ok(())
    }
}

fn own_shards(policy: &TrustPolicy) -> Result<Vec<Shard>, String> {
    let Some(own) = policy.authorities.first() else { return Ok(Vec::new()) };
    policy.shards(own).map_err(|error| error.to_string())
}

/// Logs and publishes every version that was signed, until told to stop. One that cannot be published is told once, and
/// stays where it is.
pub async fn publish(folder: PathBuf, published: Published, log: Arc<dyn ca::Log>, stop: CancellationToken) {
    let mut told = None;
    loop {
        let number = published.newest().number + 1;
        match publish_next(&folder, number, &published, log.as_ref()).await {
            Ok(true) => {
                tracing::info!(number, "a new version of the trust policy is published");
                continue;
            }
            Ok(false) => told = None,
            Err(reason) if told.as_ref() != Some(&reason) => {
                tracing::warn!(number, %reason, "a signed version of the trust policy cannot be published");
                told = Some(reason);
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// After a crash at any point this is done once more: the log gives the same entry its old index.
async fn publish_next(folder: &Path, number: u64, published: &Published, log: &dyn ca::Log) -> Result<bool, String> {
    let Some(bytes) = read(&signed(folder, number)).map_err(|error| error.to_string())? else { return Ok(false) };
    let mut update = PolicyUpdate::parse(&bytes).map_err(|error| error.to_string())?;
    let logged_as = log.put_object(ObjectKind::TrustPolicy, update.policy.clone().into_bytes()).await;
    update.proof = logged_as.map_err(|error| error.to_string())?.proof.to_string();
    let bytes = update.to_bytes();
    // As everybody will: what people would refuse must not be served to them.
    update.verify(&published.newest()).map_err(|error| error.to_string())?;
    write(&logged(folder, number), &bytes).map_err(|error| error.to_string())?;
    published.0.write().unwrap_or_else(PoisonError::into_inner).take(bytes)?;
    Ok(true)
}

/// Keeps a version that was published, whose proof its taker has verified.
pub(crate) fn keep(folder: &Path, number: u64, update: &PolicyUpdate) -> Result<(), StartError> {
    write(&logged(folder, number), &update.to_bytes())
}

/// The fingerprints of all versions in the folder, published or only signed.
pub(crate) fn fingerprints(folder: &Path) -> Result<Vec<[u8; 32]>, StartError> {
    let path = folder.join(crate::genesis::FILE);
    let bytes = read(&path)?.ok_or_else(|| StartError::folder(&path, std::io::ErrorKind::NotFound.into()))?;
    let genesis = TrustPolicy::parse(&bytes).map_err(|error| damaged(&path, error))?;
    let mut found = vec![genesis.fingerprint().0];
    for number in genesis.number + 1..=newest(folder)?.number {
        for path in [logged(folder, number), signed(folder, number)] {
            let Some(bytes) = read(&path)? else { continue };
            let update = PolicyUpdate::parse(&bytes).map_err(|error| damaged(&path, error))?;
            let version = TrustPolicy::parse(update.policy.as_bytes()).map_err(|error| damaged(&path, error))?;
            found.push(version.fingerprint().0);
        }
    }
    Ok(found)
}

fn signed(folder: &Path, number: u64) -> PathBuf {
    folder.join(FOLDER).join(format!("{number}.signed.json"))
}

fn logged(folder: &Path, number: u64) -> PathBuf {
    folder.join(FOLDER).join(format!("{number}.json"))
}

fn damaged(path: &Path, reason: impl ToString) -> StartError {
    StartError::Damaged { what: path.display().to_string(), reason: reason.to_string() }
}

/// The bytes of a file; none if there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StartError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| StartError::folder(path, source))?,
    };
    let mut bytes = Vec::new();
    let limit = MAX_UPDATE_BYTES as u64;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| StartError::folder(path, source))?;
    if bytes.len() as u64 > limit {
        return Err(StartError::folder(path, std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(bytes))
}

/// Writes a file (mode 0600) that is whole or absent.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let parent = path.parent().unwrap_or(path);
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(parent)?;
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
        new.write_all(bytes)?;
        new.as_file().sync_all()?;
        new.persist(path).map_err(|error| error.error)?;
        File::open(parent)?.sync_all()
    };
    written().map_err(|source| StartError::folder(path, source))
}
