//! Authorities that one watches without a certificate of theirs: an account that has proven control, and nothing else.

use std::path::PathBuf;

use identity::Identifier;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::keys::{corrupt, remove_folder};
use super::{Home, HomeError, file_name};
use crate::files;
use crate::keys::AccountKey;

/// An identifier that is watched at an authority for the watch alone.
#[derive(Debug, Clone)]
pub struct Watching {
    /// Whose certificates are looked for.
    pub identifier: Identifier,
    /// Name of the authority in a pinned policy.
    pub authority: String,
    /// URL of its ACME directory object.
    pub acme: String,
    /// The key of the ACME account that proves control.
    pub account: AccountKey,
    /// The order by which control is being proven; none once it is.
    pub pending_order: Option<String>,
}

/// The file `watching.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    identifier: Identifier,
    authority: String,
    acme: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending_order: Option<String>,
}

const RECORD: &str = "watching.toml";

impl Home {
    /// Everything that is watched without a certificate, ordered by identifier and authority.
    pub fn watching(&self) -> Result<Vec<Watching>, HomeError> {
        let mut all = Vec::new();
        for of_one in files::subfolders(&self.folder.join("watching"))? {
            for folder in files::subfolders(&of_one)? {
                all.extend(read(self, folder)?);
            }
        }
        all.sort_by(|a, b| (&a.identifier, &a.authority).cmp(&(&b.identifier, &b.authority)));
        Ok(all)
    }

    /// What is kept to watch this identifier at the authority with this ACME directory.
    pub fn watching_at(&self, identifier: &Identifier, acme: &str) -> Result<Option<Watching>, HomeError> {
        read(self, self.watching_folder(identifier, acme))
    }

    /// Keeps it, the key before the record that says that it is there.
    pub fn store_watching(&self, watching: &Watching) -> Result<(), HomeError> {
        let folder = self.watching_folder(&watching.identifier, &watching.acme);
        let record = Record {
            identifier: watching.identifier.clone(),
            authority: watching.authority.clone(),
            acme: watching.acme.clone(),
            pending_order: watching.pending_order.clone(),
        };
        // Without a record, what lies there is of an attempt that failed.
        if !folder.join(RECORD).exists() {
            let lock = self.lock()?;
            remove_folder(&folder, RECORD)?;
            drop(lock);
            self.store_account(&folder, &self.place_of_others()?, &watching.account, &watching.identifier)?;
        }
        let _lock = self.lock()?;
        let text = toml::to_string(&record).expect("strings always serialise");
        files::write_atomic(&folder.join(RECORD), text.as_bytes())
    }

    /// Forgets it; whether it was there.
    pub fn drop_watching(&self, identifier: &Identifier, acme: &str) -> Result<bool, HomeError> {
        let folder = self.watching_folder(identifier, acme);
        let _lock = self.lock()?;
        let found = folder.is_dir();
        remove_folder(&folder, RECORD)?;
        Ok(found)
    }

    /// A URL is no file name, so its digest names the folder.
    fn watching_folder(&self, identifier: &Identifier, acme: &str) -> PathBuf {
        let digest = hex::encode(&Sha256::digest(acme)[..8]);
        self.folder.join("watching").join(file_name(identifier)).join(digest)
    }
}

fn read(home: &Home, folder: PathBuf) -> Result<Option<Watching>, HomeError> {
    let path = folder.join(RECORD);
    let Some(text) = files::read_text(&path)? else { return Ok(None) };
    let record: Record = toml::from_str(&text)
        .map_err(|error| corrupt(&path, "the record of a watch without a certificate", error.message().to_owned()))?;
    let account = home.read_account(&folder)?;
    let Record { identifier, authority, acme, pending_order } = record;
    Ok(Some(Watching { identifier, authority, acme, account, pending_order }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_kept_and_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path()).unwrap();
        let alice = Identifier::parse("alice@example.org").unwrap();
        let watching = |authority: &str| Watching {
            identifier: alice.clone(),
            authority: authority.to_owned(),
            acme: format!("https://{authority}"),
            account: AccountKey::generate().unwrap(),
            pending_order: Some("https://example.org/order/1".to_owned()),
        };
        for authority in ["../Two", "One"] {
            home.store_watching(&watching(authority)).unwrap();
        }
        let names: Vec<_> = home.watching().unwrap().into_iter().map(|one| one.authority).collect();
        assert_eq!(names, ["../Two", "One"]);
        let one = home.watching_at(&alice, "https://One").unwrap().unwrap();
        assert_eq!(one.pending_order.as_deref(), Some("https://example.org/order/1"));
        assert!(home.drop_watching(&alice, "https://One").unwrap());
        assert!(!home.drop_watching(&alice, "https://One").unwrap());
        assert!(home.watching_at(&alice, "https://One").unwrap().is_none());
        assert!(home.devices().unwrap().is_empty(), "it is no device");
    }
}
