//! A mirror elsewhere: it is brought every entry, and then asked for its cosignature.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, StatusCode, header};
use tlog_proof::add_entries::{ENTRIES_CONTENT_TYPE, PACKAGES_PER_REQUEST};
use tlog_proof::{
    AddEntries, BundlePath, Hash, MirrorInfo, Package, PackageRange, TILE_WIDTH, UnverifiedCheckpoint, VerifierKey,
    decode_bundle, packages, prove_subtree,
};

use crate::prover::Prover;
use crate::storage::Storage;
use crate::witness::{RemoteWitness, WitnessError, Witnessing, read_answer};

/// How long one request with its answer may take.
const REQUEST: Duration = Duration::from_secs(60);

/// How long a mirror may take to get what it lacks, before it is asked anew with a later checkpoint.
const PATIENCE: Duration = Duration::from_secs(600);

/// The client of one foreign mirror, for a log whose files are on this storage.
///
/// **Trust.** As with a witness: its answer is verified by the log, and it can only refuse.
pub struct RemoteMirror {
    witness: RemoteWitness,
    url: String,
    http: Client,
    files: Arc<Files>,
    /// What it said last: from where on it lacks entries, and its ticket.
    told: Mutex<(u64, Vec<u8>)>,
}

/// The log's own files.
struct Files {
    storage: Arc<dyn Storage>,
    prover: Prover,
}

impl RemoteMirror {
    /// The mirror with this key at its submission prefix.
    pub fn new(http: Client, vkey: VerifierKey, prefix: &str, storage: Arc<dyn Storage>) -> Self {
        let url = format!("{}/add-entries", prefix.trim_end_matches('/'));
        let witness = RemoteWitness::new(http.clone(), vkey, prefix);
        let prover = Prover::new(Arc::clone(&storage));
        Self { witness, url, http, files: Arc::new(Files { storage, prover }), told: Mutex::default() }
    }

    async fn bring(&self, origin: &str, end: u64) -> Result<String, WitnessError> {
        let mut before = None;
        loop {
            let (next, ticket) = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let start = next.min(end);
            let header = AddEntries { origin: origin.to_owned(), start, end, ticket };
            let files = Arc::clone(&self.files);
            let made = tokio::task::spawn_blocking(move || files.body(&header)).await;
            let body = made.unwrap_or_else(|failed| Err(io::Error::other(failed)))?;
            let request = self.http.post(&self.url).header(header::CONTENT_TYPE, ENTRIES_CONTENT_TYPE);
            let response = request.timeout(REQUEST).body(body).send().await;
            let (status, text) = read_answer(&self.url, response).await?;
            if status == StatusCode::OK {
                self.told.lock().unwrap_or_else(PoisonError::into_inner).0 = end;
                return Ok(text);
            }
            if !matches!(status, StatusCode::ACCEPTED | StatusCode::CONFLICT) {
                let reason = text.trim().chars().filter(|c| !c.is_control()).take(200).collect();
                return Err(WitnessError::Refused { status: status.as_u16(), reason });
            }
            let info = MirrorInfo::parse(&text)
                .map_err(|error| WitnessError::Unreachable(format!("{}: {error}", self.url)))?;
            // It wants another checkpoint, or has said the same twice: a later round may do better.
            if info.size != end || before.replace(info.next) == Some(info.next) {
                let account =
                    format!("{}: expected to lead to {end}, wants {} from {}", self.url, info.size, info.next);
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = (info.next, info.ticket);
                return Err(WitnessError::Unreachable(account));
            }
            *self.told.lock().unwrap_or_else(PoisonError::into_inner) = (info.next, info.ticket);
        }
    }
}

impl Files {
    fn body(&self, header: &AddEntries) -> io::Result<Vec<u8>> {
        let too_long = || io::Error::other("an origin or entry of more than 65,535 bytes");
        let mut body = header.encode().ok_or_else(too_long)?;
        for range in packages(header.start, header.end).take(PACKAGES_PER_REQUEST as usize) {
            let package = self.package(range, header.end)?;
            body.extend_from_slice(&package.encode().ok_or_else(too_long)?);
        }
        Ok(body)
    }

    fn package(&self, range: PackageRange, size: u64) -> io::Result<Package> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what} at {}", range.start));
        let subtree = range.subtree().ok_or_else(|| invalid("no package"))?;
        let proof = prove_subtree(&mut self.prover.at(size), subtree, size)?;
        let path = BundlePath::holding(range.start, size).ok_or_else(|| invalid("no bundle"))?;
        let (bytes, width) = match self.storage.get(&path.to_string())? {
            Some(bytes) => (bytes, path.width),
            // A partial bundle that was cleaned away is the beginning of the full one.
            None => {
                let full = self.storage.get(&path.full().to_string())?;
                (
                    full.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{path} is missing")))?,
                    TILE_WIDTH as u16,
                )
            }
        };
        let entries = decode_bundle(&bytes, width).map_err(|error| invalid(&error.to_string()))?;
        let first = subtree.start();
        let place = (range.start - first) as usize..(range.end - first) as usize;
        let entries = entries.get(place).ok_or_else(|| invalid("too few entries"))?;
        Ok(Package { entries: entries.iter().map(|entry| entry.to_vec()).collect(), proof })
    }
}

impl Witnessing for RemoteMirror {
    fn name(&self) -> &str {
        self.witness.name()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>> {
        async move {
            let claimed = UnverifiedCheckpoint::parse(&checkpoint)
                .map_err(|error| WitnessError::Malformed(error.to_string()))?
                .claimed()
                .clone();
            // What a witness at the same address adds is asked of that under its own key.
            self.witness.add_checkpoint(old, proof, checkpoint).await?;
            self.bring(&claimed.origin, claimed.size).await
        }
        .boxed()
    }

    fn newest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        self.witness.newest(origin)
    }
}
