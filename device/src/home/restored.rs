//! Keys for mail that come back from a backup: into the place that they had, or, where another key is used by now, among the
//! earlier ones.

use super::devices::{CHAIN, RECORD};
use super::earlier::KeptKey;
use super::incoming::{NewFolder, NewKey};
use super::keys::{ACCOUNT, ACCOUNT_IS, DEVICE, label};
use super::{Home, HomeError};
use crate::certificates::chain_to_pem;
use crate::keys::AccountKey;
use crate::mail_key::MailKey;
use crate::own_key::OwnKey as _;

/// A key for mail as it is saved.
#[derive(Debug)]
pub struct SavedKey {
    /// The key with its certificate, and the record of its enrolment.
    pub kept: KeptKey,
    /// The key of the account that renews it, of the one that was used when it was saved.
    pub account: Option<AccountKey>,
}

/// What became of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// It is used again, and renewed.
    Used,
    /// It is among those that open old mails.
    Earlier,
    /// It was here.
    WasThere,
}

impl Home {
    /// Puts keys where they were: all that are not here, or none. A key that is here stays as it is, and so does one that is
    /// used now: then the saved one is kept to open old mails.
    ///
    /// # Errors
    /// They cannot be written: then nothing has changed.
    pub fn restore_mail_keys(&self, saved: &[SavedKey]) -> Result<Vec<Restored>, HomeError> {
        let (mut folders, mut became) = (Vec::<NewFolder>::new(), Vec::new());
        for saved in saved {
            let kept = &saved.kept;
            if self.has_mail_key(&kept.identifier, &kept.key.public_bits())? {
                became.push(Restored::WasThere);
                continue;
            }
            let used = match self.has_mailbox(&kept.identifier)? {
                true => None,
                false => self.used_folder_for(saved),
            };
            let (folder, restored) = match used.filter(|used| folders.iter().all(|one| one.place != used.place)) {
                Some(used) => (used, Restored::Used),
                None => (self.earlier_folder_for(kept), Restored::Earlier),
            };
            if folder.place.exists() || folders.iter().any(|one| one.place == folder.place) {
                became.push(Restored::WasThere);
                continue;
            }
            folders.push(folder);
            became.push(restored);
        }
        self.keep_folders(&folders)?;
        Ok(became)
    }

    /// The folder of one that is to be used again; none of one that cannot be renewed, nor of one that is revoked, which opens
    /// old letters alone.
    fn used_folder_for(&self, saved: &SavedKey) -> Option<NewFolder> {
        let KeptKey { identifier, chain, key, enrolment } = &saved.kept;
        let record = enrolment.as_ref().filter(|record| !record.revoked)?;
        let record = toml::to_string(record).expect("strings always serialise");
        let new = |stem, pem, what: &str| NewKey { stem, pem, label: label(what, identifier) };
        Some(NewFolder {
            place: self.own_folder::<MailKey>(identifier),
            files: vec![(CHAIN, chain_to_pem(chain).into_bytes()), (RECORD, record.into_bytes())],
            keys: vec![
                new(DEVICE, key.to_pem()?, MailKey::WHAT),
                new(ACCOUNT, saved.account.as_ref()?.to_pem()?, ACCOUNT_IS),
            ],
        })
    }
}
