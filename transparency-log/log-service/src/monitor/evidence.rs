//! Files that prove a log's fault to somebody who was not there.
//!
//! With a trust policy in the settings they are those of `docs/spec/evidence.md`, which `certtool verify --evidence`
//! judges. Without one they carry the C2SP tlog-policy they are to be judged by, and [`judge`] judges them.

use std::path::{Path, PathBuf};

use identity::UnixTime;
use identity::evidence::{Claim, Evidence};
use serde::{Deserialize, Serialize};
use tlog_proof::LogPolicy;
use transparency_log::monitor::SplitView;

use crate::error::Failure;

/// Largest file that is judged, in bytes.
const MAX_BYTES: u64 = 1 << 20;

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

/// Writes the proof of a split view into `folder`, after judging it: what proves nothing is not written.
pub(super) fn keep(
    folder: &Path,
    split: &SplitView,
    policy: &LogPolicy,
    trust: Option<&str>,
    made: u64,
) -> Result<PathBuf, String> {
    split.verify(policy).map_err(|error| error.to_string())?;
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
    let path = folder.join(format!("{made}-split-view-{}.json", &super::round::digest(&split.older)[..8]));
    write(folder, &path, &bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
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
    let plain: Plain = serde_json::from_slice(&bytes).map_err(|error| nothing(error.to_string()))?;
    if plain.version != 1 {
        return Err(nothing(format!("expected version 1, found {}", plain.version)));
    }
    let policy = LogPolicy::parse(&plain.policy).map_err(|error| nothing(error.to_string()))?;
    let (log, size) = plain.split_view.verify(&policy).map_err(|error| nothing(error.to_string()))?;
    let keys =
        policy.logs.iter().filter(|known| known.vkey.name() == log).map(|known| known.vkey.to_string()).collect();
    Ok(Judged { log, keys, size })
}
