//! Why a directory does not serve, and what to try; and how its files are read, which is where most of it comes from.

use directory::BindError;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// More than any of these files has: a list of a hundred thousand revoked certificates takes four megabytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why a directory does not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{path} cannot be read: {reason}")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path} has {found} bytes, and at most {MAX_FILE_BYTES} are read")]
    TooLong { path: PathBuf, found: u64 },
    #[error("{path} is not what it should be: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error("operator: expected a loopback address, such as 127.0.0.1:4480, found {found}")]
    NotHere { found: SocketAddr },
    #[error("the operator's port {address} cannot be had: {reason}")]
    Operator { address: SocketAddr, reason: std::io::Error },
    #[error("in [cluster], {setting}: expected {expected}")]
    Cluster { setting: &'static str, expected: &'static str },
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("core dumps cannot be switched off: {0}")]
    Protection(std::io::Error),
    #[error("the system does not let it run: {0}")]
    Runtime(std::io::Error),
    #[error("it ended by itself: {0}")]
    Ended(String),
}

impl Failure {
    /// What to try.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => {
                "check the path (in the settings it counts from their own folder) and who may read the file"
            }
            Self::TooLong { .. } | Self::Damaged { .. } => "directory serve --help shows what belongs into each file",
            Self::NotHere { .. } => {
                "figures are for this machine alone: let a proxy here pass them on to whoever may read them"
            }
            Self::Operator { .. } => "another port for `operator`, or end the program that uses it",
            Self::Cluster { .. } => "directory serve --help shows the settings of several nodes",
            Self::Bind(BindError::Cluster(_)) => "compare `name` and `nodes` with the settings of the other nodes",
            Self::Bind(_) => {
                "another address or port for `listen` or `observation_port`, or end the program that uses it"
            }
            Self::Protection(_) | Self::Runtime(_) => "look at the limits of this account (ulimit -a)",
            Self::Ended(_) => "start it again; RUST_LOG=info says more",
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |reason| Failure::Unreadable { path: path.to_owned(), reason };
    let found = std::fs::metadata(path).map_err(unreadable)?;
    // Of a device or a pipe nobody knows where it ends, or when it begins.
    if !found.is_file() {
        return Err(damaged(path, "expected a file"));
    }
    if found.len() > MAX_FILE_BYTES {
        return Err(Failure::TooLong { path: path.to_owned(), found: found.len() });
    }
    std::fs::read(path).map(Zeroizing::new).map_err(unreadable)
}

pub(super) fn damaged(path: &Path, reason: impl ToString) -> Failure {
    Failure::Damaged { path: path.to_owned(), reason: reason.to_string() }
}
