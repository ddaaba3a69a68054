//! The authority's database: a file in its folder, or the one that its front ends share. Neither is made in the place of
//! one that was lost, and a shared one belongs to the authority that it was made for.
//!
//! Two sets of books behind one log would draw slots without knowing of each other: one label would stand in it twice.

use std::path::Path;
use std::sync::Arc;

use ca::config::{CaConfig, Clock};
use ca::store::{PostgresStore, StoreError};
use ca::{AuthorityKeys, Ca, Shards};
use identity::trust::TrustPolicy;

use crate::error::StartError;
use crate::folder::Folder;
use crate::genesis;
use crate::settings::{self, Settings};

/// The name of the file.
pub(crate) const FILE: &str = "ca.sqlite";
const SERVICES: &str = "services";

/// An empty database beside certificates that were made from one would deny its owners their certificates: their watch
/// would find entries in the log that nobody opens.
pub(crate) fn check(folder: &Folder, settings: &Settings) -> Result<(), StartError> {
    let file = folder.join(FILE);
    match &settings.database {
        Some(_) if file.exists() => Err(StartError::Settings {
            path: folder.join(settings::FILE),
            reason: format!("database: expected an authority that never had one of its own, found {}", file.display()),
        }),
        None if has_certified(folder) && !file.exists() => Err(lost(file.display().to_string())),
        _ => Ok(()),
    }
}

/// The authority on its database. `policy` is the one in the folder, which all its front ends have.
pub(crate) async fn open(
    folder: &Folder,
    (settings, policy): (&Settings, &TrustPolicy),
    config: CaConfig,
    authority: AuthorityKeys,
    shards: Shards,
    clock: Clock,
) -> Result<Ca, StartError> {
    let opened = match &settings.database {
        None => Ca::open(config, authority, shards, clock).await,
        Some(url) => {
            let store = PostgresStore::open(url, &policy.fingerprint().to_string()).await;
            let store = store.map_err(|error| unusable(folder, &error))?;
            Ca::open_on(Arc::new(store), config, authority, shards, clock).await
        }
    };
    opened.map_err(|error| unopened(settings, &error))
}

/// Makes the tables of the database that the front ends of the authority in `folder` are to share, as this authority's. It
/// may be so already.
///
/// # Errors
/// The settings name no such database, it is another authority's or away, there is no trust policy yet, or this front end
/// has lost a database.
pub async fn found(folder: &Path) -> Result<(), StartError> {
    let folder = Folder::beside(folder)?;
    let wrong = |reason: &str| StartError::Settings { path: folder.join(settings::FILE), reason: reason.to_owned() };
    let url = settings::shared_database(folder.path())?;
    let url = url.ok_or_else(|| wrong("database: expected one that front ends share, postgres://…, found none"))?;
    let damaged =
        |reason: String| StartError::Damaged { what: folder.join(genesis::FILE).display().to_string(), reason };
    let policy = folder.read(genesis::FILE)?.ok_or_else(|| {
        damaged("expected the authority's trust policy, which homeserver introduce makes, found no file".to_owned())
    })?;
    let authority = TrustPolicy::parse(&policy).map_err(|error| damaged(error.to_string()))?.fingerprint().to_string();
    let made = if has_certified(&folder) {
        PostgresStore::open(&url, &authority).await
    } else {
        PostgresStore::found(&url, &authority).await
    };
    made.map(drop).map_err(|error| unusable(&folder, &error))
}

/// The first certificate is the server's own, and is kept here.
fn has_certified(folder: &Folder) -> bool {
    folder.join(SERVICES).exists()
}

fn lost(what: String) -> StartError {
    let reason = "expected the authority's database, from which certificates were made already, found none".into();
    StartError::Damaged { what, reason }
}

fn unusable(folder: &Folder, error: &StoreError) -> StartError {
    match error {
        StoreError::Unfounded if has_certified(folder) => lost("the database in the settings".into()),
        StoreError::Unfounded | StoreError::Foreign { .. } => {
            StartError::Settings { path: folder.join(settings::FILE), reason: format!("database: {error}") }
        }
        error => StartError::part("database", error),
    }
}

/// Why the authority did not open; where it is the log elsewhere that does not know it, so.
fn unopened(settings: &Settings, error: &ca::OpenError) -> StartError {
    match (&settings.log_elsewhere, error) {
        (Some(log), ca::OpenError::Component(reason)) => {
            StartError::LogElsewhere { submission: log.submission.clone(), reason: reason.to_string() }
        }
        (_, ca::OpenError::Store(StoreError::Broken { path, reason })) => {
            StartError::Damaged { what: path.display().to_string(), reason: reason.clone() }
        }
        _ => StartError::part("authority", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Homeserver, Options};

    #[tokio::test]
    async fn a_lost_database_is_not_replaced_by_an_empty_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().to_path_buf();
        let options = Options { folder, https_port: Some(0), directory_port: Some(0), ..Options::default() };
        Homeserver::start(&options).await.unwrap().stop().await;
        Homeserver::start(&options).await.unwrap().stop().await;
        std::fs::remove_file(place.path().join(FILE)).unwrap();
        let error = Homeserver::start(&options).await.map(|_| ()).unwrap_err();
        assert!(matches!(&error, StartError::Damaged { what, .. } if what.ends_with(FILE)), "{error}");
        assert!(!place.path().join(FILE).exists());
    }
}
