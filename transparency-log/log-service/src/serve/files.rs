//! Where the log lies: in its folder, or in an object store that the settings name. Keys and the witness's state are in the
//! folder in either case: they must not be lost with the log.

use std::sync::Arc;

use transparency_log::storage::{FolderStorage, ObjectStorage, ProbeError, S3_KEYS_FILE, S3Keys, S3Place, Storage};

use super::{LOG, unopened};
use crate::error::Failure;
use crate::keys;
use crate::settings::{Read, ServeSettings};

/// The log's storage, for its one writer and for everybody who reads.
pub(super) struct Files {
    pub(super) writer: Arc<dyn Storage>,
    pub(super) reader: Arc<dyn Storage>,
}

impl Files {
    /// Opens it.
    ///
    /// # Errors
    /// Another process writes in the folder; or the store cannot be reached, or would let a log fork.
    pub(super) async fn open(read: &Read<ServeSettings>) -> Result<Self, Failure> {
        let folder = read.resolve(&read.settings.folder);
        if let Some(place) = &read.settings.log_store {
            // Not while the file is read: what is wrong there is shown with its line, which may hold a secret by mistake.
            let wrong = |reason| Failure::usage(format!("[log_store]: {reason}"), "see the sample that --help names");
            place.check().map_err(wrong)?;
            let keys = keys_of_store(read)?;
            let objects =
                ObjectStorage::on_s3(place, &keys, read.base()).await.map_err(|error| refused(place, &error))?;
            let objects: Arc<dyn Storage> = Arc::new(objects);
            return Ok(Self { writer: Arc::clone(&objects), reader: objects });
        }
        let path = folder.join(LOG);
        let writer = FolderStorage::open_exclusive(&path).map_err(|error| unopened(&error.into()))?;
        Ok(Self { writer: Arc::new(writer), reader: Arc::new(FolderStorage::open(&path)) })
    }
}

fn keys_of_store(read: &Read<ServeSettings>) -> Result<S3Keys, Failure> {
    let path = read.resolve(&read.settings.folder).join(S3_KEYS_FILE);
    let text = keys::secret(&path)?.ok_or_else(|| {
        let what = format!("{}: expected the access key of [log_store], found no file", path.display());
        Failure::new(what, "write access_key_id = … and secret_access_key = … into it, with mode 0600")
    })?;
    S3Keys::parse(&text).map_err(|error| {
        Failure::new(format!("{}: {error}", path.display()), "write it as the sample that --help names says")
    })
}

fn refused(place: &S3Place, error: &ProbeError) -> Failure {
    let remedy = match error {
        ProbeError::Store(_) => "look at [log_store], at log-store-keys, and at the store's own log",
        ProbeError::Roots { .. } => "name a PEM file of certificates, of those who certified the store",
        ProbeError::Random(_) => "look at the kernel's messages",
        ProbeError::Unconditional { .. } | ProbeError::NotAtomic { .. } => {
            "take another store, or leave [log_store] away before the first start"
        }
    };
    Failure::new(format!("the log cannot lie in {place}: {error}"), remedy)
}
