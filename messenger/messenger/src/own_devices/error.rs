//! What can go wrong with the files.

use std::path::Path;

use device::HomeError;

use super::package::PackageError;
use crate::contacts::ContactsError;
use crate::kept::KeptError;

/// Why what another device gives is not given, taken, or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MovingError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Contacts(#[from] ContactsError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path} is damaged: {found}")]
    Damaged { path: String, found: String },
    #[error("with what is here that would be more than 1 MiB of {0}")]
    Full(&'static str),
    #[error("nothing was taken in from another device, or it was put back already")]
    NothingBefore,
    #[error("a messenger runs with this folder")]
    Running,
}

impl MovingError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}
