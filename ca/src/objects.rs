//! What else the authority stands for and has logged: its issuing certificates, once.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::ObjectKind;
use transparency_log::SubmitError;

use crate::files;
use crate::log::Log;

/// Where it is noted in the authority's folder.
pub(crate) const FOLDER: &str = "objects";

/// Why an object was not logged.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The log did not take it.
    #[error("the log: {0}")]
    Log(#[from] SubmitError),
    /// That it was logged cannot be noted.
    #[error("{path}: {source}")]
    Io {
        /// The note.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Logs an object unless a note in `folder` says that it is logged. After a crash in between it is logged again under
/// its old index.
pub(crate) async fn log_once(log: &dyn Log, folder: &Path, kind: ObjectKind, bytes: &[u8]) -> Result<(), ObjectError> {
    let note = folder.join(hex::encode(Sha256::digest(bytes)));
    if note.exists() {
        return Ok(());
    }
    let logged = log.put_object(kind, bytes.to_vec()).await?;
    let written =
        files::private_folder(folder).and_then(|()| files::write(&note, format!("{}\n", logged.index).as_bytes()));
    written.map_err(|source| ObjectError::Io { path: note, source })
}
