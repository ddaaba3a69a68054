//! The audit trail: a record of every decision, each chained to the one before by its hash.
//!
//! It names accounts, orders and serial numbers, and addresses by their pseudonyms alone, so that it can be shipped to
//! others. Nobody can change a record without changing all that follow; and since the hash of the newest stands in the
//! transparency log every hour, nobody can change those either.
//!
//! Several front ends of an authority have a trail each, with their heads in one log. A trail is told from others by the hash
//! of its first record, in which there is a random number.
//!
//! One line of JSON for each record. What must not happen unrecorded (a signature) waits until its record is on disk;
//! everything else is recorded in order, at most a crash before.

mod verify;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::config::Clock;
use crate::random;
pub use verify::{VerifiedTrail, verify};
use writer::Writer;

/// The trail's name in the authority's folder.
pub const FILE: &str = "audit.jsonl";
/// What the first record of a trail says.
const BEGUN: &str = "trail-begun";
/// A record is at most this long.
const MAX_RECORD_BYTES: usize = 8 * 1024;

/// One line of the trail. The order of the members is that of the line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditRecord {
    /// Counted from 1.
    n: u64,
    /// Seconds since the epoch.
    at: u64,
    what: String,
    of: Value,
    /// SHA-256 of the line before, hexadecimal; zeros in the first.
    prev: String,
}

/// Where the chain ends: how many records there are, and the hash of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// How many records.
    pub count: u64,
    /// SHA-256 of the last line without its end; zeros if there is none.
    pub hash: [u8; 32],
    /// The same of the first line: which trail it is.
    pub trail: [u8; 32],
}

impl Head {
    /// After one more line.
    fn then(self, line: &[u8]) -> Self {
        let hash = Sha256::digest(line).into();
        Self { count: self.count + 1, hash, trail: if self.count == 0 { hash } else { self.trail } }
    }

    /// As it stands in the transparency log.
    pub(crate) fn object(&self, origin: &str) -> Vec<u8> {
        let Self { count, hash, trail } = self;
        let (hash, trail) = (hex::encode(hash), hex::encode(trail));
        format!("inperson-audit-head-v2\n{origin}\n{trail}\n{count}\n{hash}\n").into_bytes()
    }

    /// How many records this trail had when the head in an object of the log was put there. `None` if that is the head of
    /// another trail; version 1 did not say of which.
    pub(crate) fn count_in(&self, object: &[u8]) -> Option<u64> {
        let mut lines = std::str::from_utf8(object).ok()?.lines();
        let version = lines.next()?;
        let _origin = lines.next()?;
        match version {
            "inperson-audit-head-v1" => lines.next()?.parse().ok(),
            "inperson-audit-head-v2" if lines.next()? == hex::encode(self.trail) => lines.next()?.parse().ok(),
            _ => None,
        }
    }
}

/// Why the trail does not open, is not what it should be, or cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrailError {
    /// The file.
    #[error("{path}: {reason}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A record is not what the chain wants.
    #[error("record {line}: expected {expected}, found {found}")]
    Broken {
        /// Counted from 1.
        line: u64,
        /// What should stand there.
        expected: String,
        /// What does.
        found: String,
    },
}

impl TrailError {
    fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.into(), reason: error.to_string() }
    }
}

/// A record on its way to the disk.
struct Pending {
    what: &'static str,
    of: Value,
    written: Option<oneshot::Sender<Result<(), TrailError>>>,
}

/// The open trail.
pub(crate) struct Trail {
    send: Option<mpsc::Sender<Pending>>,
    head: Arc<Mutex<Head>>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    failing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl Trail {
    /// Opens the trail at `path`, or begins one. Only its end is looked at: [`verify`] looks at all of it. A last line that
    /// a crash has torn is cut off, and that is recorded.
    pub(crate) fn open(path: &Path, clock: Clock) -> Result<Self, TrailError> {
        let (writer, torn) = Writer::open(path, random::bytes())?;
        let head = Arc::new(Mutex::new(writer.head()));
        let (send, receive) = mpsc::channel();
        let (shared, failing) = (Arc::clone(&head), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&failing);
        let thread = std::thread::Builder::new()
            .name("ca-audit".into())
            .spawn(move || writer.run(&receive, &shared, &told, &clock))
            .map_err(|error| TrailError::io(path, &error))?;
        let counts = Mutex::default();
        let trail = Self { send: Some(send), head, counts, failing, thread: Some(thread), path: path.into() };
        if torn > 0 {
            trail.note("torn-record-cut-off", serde_json::json!({"bytes": torn}));
        }
        Ok(trail)
    }

    /// Where the chain ends on disk.
    pub(crate) fn head(&self) -> Head {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often what was recorded since the start.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the last thing that was to be recorded could not be.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Records something that has happened.
    pub(crate) fn note(&self, what: &'static str, of: Value) {
        self.send(Pending { what, of, written: None });
    }

    /// Records something that is about to happen, and waits until it is on disk.
    pub(crate) async fn record(&self, what: &'static str, of: Value) -> Result<(), TrailError> {
        let (written, done) = oneshot::channel();
        self.send(Pending { what, of, written: Some(written) });
        done.await
            .unwrap_or_else(|_| Err(TrailError::Io { path: self.path.clone(), reason: "its thread ended".into() }))
    }

    fn send(&self, pending: Pending) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(pending.what).or_default() += 1;
        if self.send.as_ref().is_none_or(|send| send.send(pending).is_err()) {
            tracing::error!(trail = %self.path.display(), "a decision could not be recorded");
        }
    }
}

impl Drop for Trail {
    /// Lets what was recorded reach the disk.
    fn drop(&mut self) {
        self.send = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
