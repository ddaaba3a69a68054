//! Files that prove a log's fault to somebody who was not there.
//!
//! With a trust policy in the settings they are those of `docs/spec/evidence.md`, which `certtool verify --evidence`
//! judges. Without one they carry the C2SP tlog-policy they are to be judged by, and [`judge`] judges them.
//!
//! A fork is there in every round from now on: it is written once, and a few for each source are enough.

use std::path::{Path, PathBuf};

use identity::UnixTime;
use identity::evidence::{Claim, Evidence};
use serde::{Deserialize, Serialize};
use tlog_proof::{LogPolicy, UnverifiedCheckpoint};
use transparency_log::monitor::SplitView;

use crate::error::Failure;

/// Largest file that is judged, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Most files for one log and source: a fork that grows is another one in every round, and one proof convinces.
const MAX_FILES: usize = 16;

/// What is written without a trust policy.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    version: u8,
    made: u64,
    policy: String,
    split_view: SplitView,
}

/// What a file proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The log that has shown two histories.
    pub log: String,
    /// The key it signed both with; compare it with the one you know.
    pub keys: Vec<String>,
    /// The size of which two trees were signed.
    pub size: u64,
}

/// Writes the proof of a split view into `folder`, after judging it: what proves nothing is not written, and what is
/// there is not written again. `source` is who showed the other history; `None` is the log itself, at another time.
pub(super) fn keep(
    folder: &Path,
    split: &SplitView,
    source: Option<&str>,
    policy: &LogPolicy,
    trust: Option<&str>,
    made: u64,
) -> Result<PathBuf, String> {
    let (log, _size) = split.verify(policy).map_err(|error| error.to_string())?;
    let by = format!("split-view-{}-{}-", short(&log), source.map_or("own".to_owned(), short));
    let path = folder.join(format!("{by}{}.json", fork(split, trust.is_some())?));
    if let Some(there) = there(folder, &path, &by) {
        return Ok(there);
    }
    let bytes = match trust {
        Some(document) => {
            let claim = Claim::SplitView {
                older: split.older.clone(),
                newer: split.newer.clone(),
                beginning: split.beginning.clone(),
                proof: split.proof.clone(),
            };
            let made = UnixTime::since_unix_epoch(std::time::Duration::from_secs(made));
            let evidence = Evidence::new(vec![document.to_owned()], claim, made);
            evidence.judge().map_err(|error| error.to_string())?;
            evidence.to_bytes()
        }
        None => {
            let plain = Plain { version: 1, made, policy: policy.to_string(), split_view: split.clone() };
            serde_json::to_vec_pretty(&plain).map_err(|error| error.to_string())?
        }
    };
    write(folder, &path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn short(text: &str) -> String {
    super::round::digest(text)[..8].to_owned()
}

/// Names a fork by the smaller of its trees and what the larger one has in its place, not by the checkpoints' texts:
/// those are cosigned anew all the time. A file that certtool judges is another one than a file that [`judge`] does.
fn fork(split: &SplitView, trust: bool) -> Result<String, String> {
    let older = UnverifiedCheckpoint::parse(&split.older).map_err(|error| error.to_string())?;
    let (size, root) = (older.claimed().size, older.claimed().root);
    Ok(super::round::digest(&format!("{size} {root} {} {trust}", split.beginning))[..16].to_owned())
}

/// The file that makes another one needless: itself, or, where there are enough of its kind, the first of them.
fn there(folder: &Path, path: &Path, by: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path.to_owned());
    }
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
    let mut alike: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(by)).collect();
    alike.sort();
    (alike.len() >= MAX_FILES).then(|| folder.join(&alike[0]))
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Judges a file, offline.
///
/// # Errors
/// It cannot be read, or proves nothing.
pub fn judge(path: &Path) -> Result<Judged, Failure> {
    let length = std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?.len();
    let nothing = |reason: String| {
        Failure::new(format!("{} proves nothing: {reason}", path.display()), "ask for the file again, whole")
    };
    if length > MAX_BYTES {
        return Err(nothing(format!("expected at most {MAX_BYTES} bytes, found {length}")));
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    judge_bytes(&bytes).map_err(nothing)
}

/// The same for the content of a file.
///
/// # Errors
/// Why it proves nothing.
pub fn judge_bytes(bytes: &[u8]) -> Result<Judged, String> {
    let plain: Plain = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if plain.version != 1 {
        return Err(format!("expected version 1, found {}", plain.version));
    }
    let policy = LogPolicy::parse(&plain.policy).map_err(|error| error.to_string())?;
    let (log, size) = plain.split_view.verify(&policy).map_err(|error| error.to_string())?;
    let keys =
        policy.logs.iter().filter(|known| known.vkey.name() == log).map(|known| known.vkey.to_string()).collect();
    Ok(Judged { log, keys, size })
}
