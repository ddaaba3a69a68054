//! Keys for mail that others have taken the place of, and those that come from elsewhere. They are kept, as they open what
//! was written to them.

use std::path::{Path, PathBuf};

use identity::Identifier;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::devices::{CHAIN, RECORD};
use super::incoming::{NewFolder, NewKey};
use super::keys::{DEVICE, EARLIER, corrupt, label};
use super::{Home, HomeError, file_name};
use crate::certificates::{chain_from_pem, chain_to_pem};
use crate::device::{Enrolment, public_key_in};
use crate::files;
use crate::mail_key::MailKey;
use crate::own_key::OwnKey as _;

/// What stands beside a key from elsewhere instead of the record of an enrolment: whose it is.
const IMPORTED: &str = "imported.toml";

/// Such a key, closed, with the last certificate that it had, which may have ended long ago.
/// [`Home::earlier_mail_key`] opens it.
#[derive(Debug, Clone)]
pub struct EarlierMailbox {
    /// Whom the certificate names.
    pub identifier: Identifier,
    /// Leaf first, then those above it. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether it comes from elsewhere: no enrolment here made it.
    pub imported: bool,
    folder: PathBuf,
}

/// A key for mail that is to be kept, open.
#[derive(Debug)]
pub struct KeptKey {
    /// Whose it is.
    pub identifier: Identifier,
    /// Its last certificate, then those above it. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key itself.
    pub key: MailKey,
    /// The record of its enrolment; none of one that comes from elsewhere.
    pub enrolment: Option<Enrolment>,
}

/// What is read of any record.
#[derive(Serialize, Deserialize)]
struct Whose {
    identifier: Identifier,
}

impl EarlierMailbox {
    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The public key in its certificate; none if that does not parse.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        public_key_in(&self.chain)
    }

    /// The record of its enrolment, if it has one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn enrolment(&self) -> Result<Option<Enrolment>, HomeError> {
        record(&self.folder.join(RECORD), "the record of an enrolment")
    }
}

/// Keys from before.
impl Home {
    /// The keys for mail of `identifier` that are kept though another is used, with their certificates. No key is opened
    /// for it.
    ///
    /// # Errors
    /// The folder cannot be read, or a certificate in it is damaged.
    pub fn earlier_mailboxes(&self, identifier: &Identifier) -> Result<Vec<EarlierMailbox>, HomeError> {
        let mut found = Vec::new();
        for folder in files::subfolders(&self.earlier_folder(identifier))? {
            found.extend(read(folder, identifier)?);
        }
        Ok(found)
    }

    /// The same of everybody.
    ///
    /// # Errors
    /// As [`Self::earlier_mailboxes`].
    pub fn all_earlier_mailboxes(&self) -> Result<Vec<EarlierMailbox>, HomeError> {
        let mut found = Vec::new();
        for of_one in files::subfolders(&self.folder.join(MailKey::FOLDER).join(EARLIER))? {
            for folder in files::subfolders(&of_one)? {
                let Some(identifier) = whose(&folder)? else { continue };
                found.extend(read(folder, &identifier)?);
            }
        }
        Ok(found)
    }

    /// Opens one of them: a passphrase or a keyring may have to.
    ///
    /// # Errors
    /// It does not open.
    pub fn earlier_mail_key(&self, earlier: &EarlierMailbox) -> Result<MailKey, HomeError> {
        self.read_own_key(&earlier.folder)
    }

    /// The public keys of them: they are this person's, too.
    ///
    /// # Errors
    /// As [`Self::earlier_mailboxes`].
    pub fn earlier_mail_keys(&self, identifier: &Identifier) -> Result<Vec<Vec<u8>>, HomeError> {
        let kept = self.earlier_mailboxes(identifier)?;
        Ok(kept.iter().filter_map(EarlierMailbox::public_key).collect())
    }

    /// Whether this key is here for mail of `identifier`: the one that is used, or an earlier one.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_mail_key(&self, identifier: &Identifier, public: &[u8]) -> Result<bool, HomeError> {
        let current = match self.has_mailbox(identifier)? {
            true => self.locked_mailbox(identifier)?.public_key(),
            false => None,
        };
        Ok(current.as_deref() == Some(public) || self.earlier_mail_keys(identifier)?.iter().any(|key| key == public))
    }

    /// Keeps keys as earlier ones, all of them or none; those that are here are passed over. Tells of each whether it is
    /// new.
    ///
    /// # Errors
    /// They cannot be written: then nothing has changed.
    pub fn keep_mail_keys(&self, keys: &[KeptKey]) -> Result<Vec<bool>, HomeError> {
        let mut folders: Vec<NewFolder> = Vec::new();
        let mut are_new = Vec::new();
        for kept in keys {
            let folder = self.earlier_folder_for(kept);
            let is_new = !self.has_mail_key(&kept.identifier, &kept.key.public_bits())?
                && !folder.place.exists()
                && folders.iter().all(|other| other.place != folder.place);
            are_new.push(is_new);
            if is_new {
                folders.push(folder);
            }
        }
        self.keep_folders(&folders)?;
        Ok(are_new)
    }

    /// The folder of a key that is kept as an earlier one.
    pub(super) fn earlier_folder_for(&self, kept: &KeptKey) -> NewFolder {
        let place = self.earlier_folder(&kept.identifier).join(name_of(&kept.key.public_bits()));
        let (name, record) = match &kept.enrolment {
            Some(enrolment) => (RECORD, toml::to_string(enrolment)),
            None => (IMPORTED, toml::to_string(&Whose { identifier: kept.identifier.clone() })),
        };
        let record = record.expect("strings always serialise").into_bytes();
        let label = label(MailKey::WHAT, &kept.identifier);
        NewFolder {
            place,
            keys: kept.key.to_pem().map(|pem| NewKey { stem: DEVICE, pem, label }).into_iter().collect(),
            files: vec![(CHAIN, chain_to_pem(&kept.chain).into_bytes()), (name, record)],
        }
    }

    fn earlier_folder(&self, identifier: &Identifier) -> PathBuf {
        self.folder.join(MailKey::FOLDER).join(EARLIER).join(file_name(identifier))
    }
}

/// What the folder of an earlier key is called: the beginning of the key's digest.
pub(super) fn name_of(public: &[u8]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

/// What lies in one folder; nothing if it has no certificate.
fn read(folder: PathBuf, identifier: &Identifier) -> Result<Option<EarlierMailbox>, HomeError> {
    let path = folder.join(CHAIN);
    let Some(pem) = files::read(&path)? else { return Ok(None) };
    let chain = chain_from_pem(&pem).map_err(|found| corrupt(&path, "a certificate chain in PEM", found))?;
    let imported = folder.join(IMPORTED).is_file();
    Ok(Some(EarlierMailbox { identifier: identifier.clone(), chain, imported, folder }))
}

fn whose(folder: &Path) -> Result<Option<Identifier>, HomeError> {
    for (name, what) in [(RECORD, "the record of an enrolment"), (IMPORTED, "whose key it is")] {
        if let Some(Whose { identifier }) = record(&folder.join(name), what)? {
            return Ok(Some(identifier));
        }
    }
    Ok(None)
}

fn record<T: for<'a> Deserialize<'a>>(path: &Path, what: &str) -> Result<Option<T>, HomeError> {
    let Some(text) = files::read_text(path)? else { return Ok(None) };
    toml::from_str(&text).map(Some).map_err(|error| corrupt(path, what, error.message().to_owned()))
}
