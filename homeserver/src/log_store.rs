//! Where the logs lie: in the server's folder, or in an object store that its settings name.
//!
//! A log stays where it began. So a server that has run already can be given a store: its logs so far go on in the folder,
//! and those to come lie in the store, each below the prefix by its name.

use std::path::Path;
use std::sync::Arc;

use transparency_log::storage::{FolderStorage, ObjectStorage, ProbeError, S3_KEYS_FILE, S3Keys, S3Place, Storage};

use crate::error::StartError;
use crate::folder::Folder;
use crate::settings::Settings;

/// The name of a log's newest checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The places of all logs of a server.
#[derive(Debug)]
pub(crate) struct LogStore {
    objects: Option<ObjectStorage>,
    /// What the store is called in messages.
    place: String,
}

impl LogStore {
    /// Tries the store that the settings name, if they name one.
    ///
    /// # Errors
    /// The store cannot be reached, or its conditional writes are not atomic: two writers could fork a log on it.
    pub(crate) async fn open(folder: &Folder, settings: &Settings) -> Result<Self, StartError> {
        let Some(place) = &settings.log_store else { return Ok(Self { objects: None, place: String::new() }) };
        let objects = ObjectStorage::on_s3(place, &keys(folder)?, folder.path()).await;
        let objects = objects.map_err(|error| refused(place, &error))?;
        Ok(Self { objects: Some(objects), place: place.to_string() })
    }

    /// For who reads alone: the store is not tried, nor asked yet.
    ///
    /// # Errors
    /// Its key or its certificates cannot be used.
    pub(crate) fn open_to_read(folder: &Folder, settings: &Settings) -> Result<Self, StartError> {
        let Some(place) = &settings.log_store else { return Ok(Self { objects: None, place: String::new() }) };
        let objects = ObjectStorage::on_s3_to_read(place, &keys(folder)?, folder.path());
        let objects = objects.map_err(|error| refused(place, &error))?;
        Ok(Self { objects: Some(objects), place: place.to_string() })
    }

    /// For a log's one writer. On an object store a second one is found out by its writes.
    ///
    /// # Errors
    /// Another process writes in the folder.
    pub(crate) fn writer(&self, folder: &Path, name: &str) -> Result<Arc<dyn Storage>, StartError> {
        if let Some(objects) = self.objects_of(folder, name)? {
            return Ok(Arc::new(objects));
        }
        let writer = FolderStorage::open_exclusive(folder).map_err(|error| StartError::part("log", &error))?;
        Ok(Arc::new(writer))
    }

    /// For everybody who reads a log.
    ///
    /// # Errors
    /// The name cannot stand in names of objects.
    pub(crate) fn reader(&self, folder: &Path, name: &str) -> Result<Arc<dyn Storage>, StartError> {
        Ok(match self.objects_of(folder, name)? {
            Some(objects) => Arc::new(objects),
            None => Arc::new(FolderStorage::open(folder)),
        })
    }

    /// The newest checkpoint of a log, if it lies in an object store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn checkpoint_elsewhere(&self, folder: &Path, name: &str) -> Result<Option<Vec<u8>>, StartError> {
        let Some(objects) = self.objects_of(folder, name)? else { return Ok(None) };
        read(Arc::new(objects), CHECKPOINT).await.map_err(|error| StartError::part("log", &error))
    }

    /// A log in the store, whatever lies in the folder; none if it never began there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn held(&self, name: &str) -> Result<Option<Arc<dyn Storage>>, StartError> {
        let wrong = |error: std::io::Error| StartError::LogStore {
            place: self.place.clone(),
            reason: crate::error::in_full(&error),
        };
        let Some(objects) = self.objects.as_ref().map(|objects| objects.below(name)).transpose().map_err(wrong)? else {
            return Ok(None);
        };
        let objects: Arc<dyn Storage> = Arc::new(objects);
        let begun = read(Arc::clone(&objects), CHECKPOINT).await.map_err(wrong)?.is_some();
        Ok(begun.then_some(objects))
    }

    /// A log that has begun in the folder stays there.
    fn objects_of(&self, folder: &Path, name: &str) -> Result<Option<ObjectStorage>, StartError> {
        let objects = self.objects.as_ref().filter(|_| !folder.join(CHECKPOINT).exists());
        objects.map(|objects| objects.below(name)).transpose().map_err(|error| StartError::part("log", &error))
    }
}

/// A file of a log, wherever that lies.
///
/// # Errors
/// It cannot be read.
pub(crate) async fn read(storage: Arc<dyn Storage>, path: &'static str) -> std::io::Result<Option<Vec<u8>>> {
    let read = tokio::task::spawn_blocking(move || storage.get(path)).await;
    read.unwrap_or_else(|failed| Err(std::io::Error::other(failed)))
}

/// What the server is known by at the store.
///
/// # Errors
/// The file is missing, others can read it, or it holds something else.
pub(crate) fn keys(folder: &Folder) -> Result<S3Keys, StartError> {
    let wrong = |reason: String| StartError::Settings { path: folder.join(S3_KEYS_FILE), reason };
    let bytes = folder.read_secret(S3_KEYS_FILE)?;
    let bytes = bytes.ok_or_else(|| wrong("expected the access key of [log_store], found no file".into()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("expected UTF-8 text".into()))?;
    S3Keys::parse(text).map_err(|error| wrong(error.to_string()))
}

fn refused(place: &S3Place, error: &ProbeError) -> StartError {
    StartError::LogStore { place: place.to_string(), reason: crate::error::in_full(error) }
}
