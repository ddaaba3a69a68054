//! Enrolled devices, what there is for mail, and enrolments under way.

use std::fs;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use identity::Identifier;

use super::earlier::name_of;
use super::keys::{EARLIER, KeyPlace, corrupt, forget_account, remove_folder};
use super::{Home, HomeError, file_name};
use crate::certificates::{chain_from_pem, chain_to_pem};
use crate::device::{Device, Enrolment, Holder, Locked, LockedDevice, LockedMailbox, Mailbox};
use crate::files;
use crate::keys::{AccountKey, DeviceKey};
use crate::mail_key::MailKey;
use crate::own_key::OwnKey;

/// Where enrolments under way lie, below the folder of their kind.
const PENDING: &str = ".pending";
/// The record of an enrolment.
pub(super) const RECORD: &str = "enrolment.toml";
/// The certificate, with those above it.
pub(crate) const CHAIN: &str = "chain.pem";

/// Devices.
impl Home {
    /// Every enrolled device, in the order of the identifiers. No key is opened for it.
    pub fn devices(&self) -> Result<Vec<LockedDevice>, HomeError> {
        self.all_locked()
    }

    /// Every certificate for mail, in the order of the identifiers. No key is opened for it.
    pub fn mailboxes(&self) -> Result<Vec<LockedMailbox>, HomeError> {
        self.all_locked()
    }

    fn all_locked<K: OwnKey>(&self) -> Result<Vec<Locked<K>>, HomeError> {
        let below = self.folder.join(K::FOLDER);
        for pending in files::subfolders(&below.join(PENDING))? {
            self.promote_if_finished::<K>(&pending.file_name().unwrap_or_default().to_string_lossy())?;
        }
        let mut devices = files::subfolders(&below)?.into_iter().map(read_locked).collect::<Result<Vec<_>, _>>()?;
        devices.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Ok(devices)
    }

    /// The device enrolled for `identifier`, with its keys: a passphrase, a keyring or a token may have to open them.
    pub fn device(&self, identifier: &Identifier) -> Result<Device, HomeError> {
        self.unlock(self.locked_device(identifier)?)
    }

    /// The certificate for mail of `identifier`, with its keys.
    pub fn mailbox(&self, identifier: &Identifier) -> Result<Mailbox, HomeError> {
        self.unlock(self.locked_mailbox(identifier)?)
    }

    /// Opens the keys of a device, or for mail.
    pub fn unlock<K: OwnKey>(&self, locked: Locked<K>) -> Result<Holder<K>, HomeError> {
        let (key, account) = self.read_keys(&locked.folder)?;
        let Locked { identifier, chain, enrolment, .. } = locked;
        Ok(Holder { identifier, chain, key, account, enrolment })
    }

    /// The device enrolled for `identifier`, its keys closed.
    pub fn locked_device(&self, identifier: &Identifier) -> Result<LockedDevice, HomeError> {
        self.locked(identifier)
    }

    /// The certificate for mail of `identifier`, its keys closed.
    pub fn locked_mailbox(&self, identifier: &Identifier) -> Result<LockedMailbox, HomeError> {
        self.locked(identifier)
    }

    pub(crate) fn locked<K: OwnKey>(&self, identifier: &Identifier) -> Result<Locked<K>, HomeError> {
        self.promote_if_finished::<K>(&file_name(identifier))?;
        let folder = self.own_folder::<K>(identifier);
        if !folder.is_dir() {
            let have: Vec<_> = self.all_locked::<K>()?.iter().map(|device| device.identifier.to_string()).collect();
            let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
            let identifier = identifier.clone();
            return Err(match K::FOR_MAIL {
                true => HomeError::NoMailbox { identifier, have },
                false => HomeError::NoDevice { identifier, have },
            });
        }
        read_locked(folder)
    }

    /// Where the certificate for `identifier` lies, with those above it: PEM, leaf first.
    pub fn chain_path(&self, identifier: &Identifier) -> PathBuf {
        self.device_folder(identifier).join(CHAIN)
    }

    /// Whether a device is enrolled for `identifier`.
    pub fn has_device(&self, identifier: &Identifier) -> Result<bool, HomeError> {
        self.has::<DeviceKey>(identifier)
    }

    /// Whether there is a certificate for mail of `identifier`.
    pub fn has_mailbox(&self, identifier: &Identifier) -> Result<bool, HomeError> {
        self.has::<MailKey>(identifier)
    }

    pub(crate) fn has<K: OwnKey>(&self, identifier: &Identifier) -> Result<bool, HomeError> {
        self.promote_if_finished::<K>(&file_name(identifier))?;
        Ok(self.own_folder::<K>(identifier).is_dir())
    }

    /// Replaces the chain of an enrolled device, or the one for mail, after a renewal.
    pub(crate) fn store_renewed<K: OwnKey>(&self, device: &Holder<K>) -> Result<(), HomeError> {
        let folder = self.own_folder::<K>(&device.identifier);
        let _lock = self.lock()?;
        // Enrolled anew meanwhile, by whichever program: the newer key is not to get the older one's certificate.
        if let Ok(found) = read_locked::<K>(folder.clone())
            && found.public_key().is_some_and(|key| key != device.key.public_bits())
        {
            return Err(HomeError::EnrolledAnew { identifier: device.identifier.clone() });
        }
        files::write_atomic(&folder.join(CHAIN), chain_to_pem(&device.chain).as_bytes())?;
        write_renewing(&folder, &device.enrolment)
    }

    /// Writes the record of an enrolled device, or the one for mail.
    pub(crate) fn store_record<K: OwnKey>(&self, enrolment: &Enrolment) -> Result<(), HomeError> {
        let folder = self.own_folder::<K>(&enrolment.identifier);
        let _lock = self.lock()?;
        write_renewing(&folder, enrolment)
    }

    /// Notes that its owner has revoked what a device, or what is for mail, has: its key gets no other.
    pub(crate) fn store_revoked<K: OwnKey>(&self, device: &Holder<K>) -> Result<(), HomeError> {
        let folder = self.own_folder::<K>(&device.identifier);
        let _lock = self.lock()?;
        let found = read_locked::<K>(folder.clone())?;
        // Enrolled anew meanwhile, by whichever program: that one is not meant.
        if found.public_key().is_some_and(|key| key != device.key.public_bits()) {
            return Ok(());
        }
        write_enrolment(&folder, &Enrolment { revoked: true, ..found.enrolment })
    }

    /// An enrolment under way for `identifier`, as it was left.
    pub(crate) fn pending<K: OwnKey>(&self, identifier: &Identifier) -> Result<Option<Pending<K>>, HomeError> {
        self.promote_if_finished::<K>(&file_name(identifier))?;
        let folder = self.pending_folder::<K>(identifier);
        if !folder.join(RECORD).is_file() {
            return Ok(None);
        }
        let (key, account) = self.read_keys(&folder)?;
        Ok(Some(Pending { key, account, enrolment: read_enrolment(&folder)? }))
    }

    /// Begins an enrolment in place of any other that is under way: its keys are made and stored first, so that no order can
    /// exist whose key is lost.
    pub(crate) fn begin_pending<K: OwnKey>(
        &self,
        place: Option<&KeyPlace>,
        kind: K::Kind,
        enrolment: Enrolment,
    ) -> Result<Pending<K>, HomeError> {
        let identifier = &enrolment.identifier;
        let place = match place {
            Some(place) => place.clone(),
            None if self.has::<K>(identifier)? => self.place_like(&self.own_folder::<K>(identifier), identifier)?,
            // The first of its kind lies as the others here do.
            None => self.place_of_others()?,
        };
        self.drop_pending::<K>(identifier)?;
        let folder = self.pending_folder::<K>(identifier);
        let (key, account) = self.make_keys(&folder, &place, kind, identifier)?;
        let _lock = self.lock()?;
        write_enrolment(&folder, &enrolment)?;
        Ok(Pending { key, account, enrolment })
    }

    /// Whether the keys of an enrolment under way lie in this place.
    pub(crate) fn pending_is_kept<K: OwnKey>(&self, identifier: &Identifier, place: &KeyPlace) -> bool {
        super::keys::is_kept(&self.pending_folder::<K>(identifier), place)
    }

    /// Stores the record of an enrolment under way.
    pub(crate) fn store_pending<K: OwnKey>(&self, pending: &Pending<K>) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        write_enrolment(&self.pending_folder::<K>(&pending.enrolment.identifier), &pending.enrolment)
    }

    /// Ends an enrolment under way: its verified chain is stored and it takes the place of the device before it.
    pub(crate) fn finish_pending<K: OwnKey>(
        &self,
        pending: Pending<K>,
        chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    ) -> Result<Holder<K>, HomeError> {
        let Pending { key, account, enrolment } = pending;
        let folder = self.pending_folder::<K>(&enrolment.identifier);
        {
            let _lock = self.lock()?;
            write_enrolment(&folder, &enrolment)?;
            files::write_atomic(&folder.join(CHAIN), chain_to_pem(&chain).as_bytes())?;
        }
        self.promote_if_finished::<K>(&file_name(&enrolment.identifier))?;
        Ok(Holder { identifier: enrolment.identifier.clone(), chain, key, account, enrolment })
    }

    /// Drops an enrolment under way.
    pub(crate) fn drop_pending<K: OwnKey>(&self, identifier: &Identifier) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        remove_folder(&self.pending_folder::<K>(identifier), RECORD)
    }

    /// A pending folder with a chain is a finished enrolment whose last step, taking its place, may still be due.
    fn promote_if_finished<K: OwnKey>(&self, name: &str) -> Result<(), HomeError> {
        // Before folders move to where its list does not have them.
        self.finish_sealing()?;
        let below = self.folder.join(K::FOLDER);
        let pending = below.join(PENDING).join(name);
        if !pending.join(CHAIN).is_file() {
            return Ok(());
        }
        let _lock = self.lock()?;
        // Somebody else may have done it while the lock was waited for: then what stands there now is the new device.
        if !pending.join(CHAIN).is_file() {
            return Ok(());
        }
        let folder = below.join(name);
        if K::STAYS && folder.is_dir() {
            put_aside::<K>(&folder, &below.join(EARLIER).join(name))?;
        } else {
            remove_folder(&folder, RECORD)?;
        }
        fs::rename(&pending, &folder).map_err(|source| HomeError::Write { path: folder, source })
    }

    pub(super) fn device_folder(&self, identifier: &Identifier) -> PathBuf {
        self.own_folder::<DeviceKey>(identifier)
    }

    pub(super) fn own_folder<K: OwnKey>(&self, identifier: &Identifier) -> PathBuf {
        self.folder.join(K::FOLDER).join(file_name(identifier))
    }

    fn pending_folder<K: OwnKey>(&self, identifier: &Identifier) -> PathBuf {
        self.folder.join(K::FOLDER).join(PENDING).join(file_name(identifier))
    }
}

/// Moves keys to where those lie that are kept, under the beginning of the key's digest. The account's goes: what it
/// proved is no longer wanted.
fn put_aside<K: OwnKey>(folder: &Path, earlier: &Path) -> Result<(), HomeError> {
    files::create_private_folder(earlier)?;
    let key = read_locked::<K>(folder.to_owned()).ok().and_then(|locked| locked.public_key());
    let mut place = earlier.join(name_of(&key.unwrap_or_default()));
    // The same key once more: a token gave it.
    while place.exists() {
        place.as_mut_os_string().push("+");
    }
    // First: whoever is interrupted in between goes on with the keys that take their place.
    forget_account(folder)?;
    fs::rename(folder, &place).map_err(|source| HomeError::Write { path: place, source })
}

/// An enrolment under way: keys exist, the certificate does not yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending<K = DeviceKey> {
    pub(crate) key: K,
    pub(crate) account: AccountKey,
    pub(crate) enrolment: Enrolment,
}

fn read_locked<K>(folder: PathBuf) -> Result<Locked<K>, HomeError> {
    let enrolment = read_enrolment(&folder)?;
    let path = folder.join(CHAIN);
    let corrupt = |found| corrupt(&path, "a certificate chain in PEM", found);
    let pem = files::read(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
    let chain = chain_from_pem(&pem).map_err(corrupt)?;
    Ok(Locked { identifier: enrolment.identifier.clone(), chain, enrolment, folder, key: PhantomData })
}

fn read_enrolment(folder: &Path) -> Result<Enrolment, HomeError> {
    let path = folder.join(RECORD);
    let corrupt = |found: String| corrupt(&path, "the record of an enrolment", found);
    let text = files::read_text(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
    let enrolment: Enrolment = toml::from_str(&text).map_err(|error| corrupt(error.message().to_owned()))?;
    let named = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if file_name(&enrolment.identifier) != named {
        return Err(corrupt(format!("one for {}, in the folder {named}", enrolment.identifier)));
    }
    Ok(enrolment)
}

/// A renewal that had begun when its owner revoked does not take that back.
fn write_renewing(folder: &Path, enrolment: &Enrolment) -> Result<(), HomeError> {
    let revoked = enrolment.revoked || read_enrolment(folder)?.revoked;
    write_enrolment(folder, &Enrolment { revoked, ..enrolment.clone() })
}

fn write_enrolment(folder: &Path, enrolment: &Enrolment) -> Result<(), HomeError> {
    let text = toml::to_string(enrolment).expect("strings always serialise");
    files::write_atomic(&folder.join(RECORD), text.as_bytes())
}
