//! Enrolled devices, and enrolments under way.

use std::fs;
use std::path::{Path, PathBuf};

use identity::Identifier;

use super::keys::{KeyPlace, corrupt, remove_folder};
use super::{Home, HomeError, file_name};
use crate::certificates::{chain_from_pem, chain_to_pem};
use crate::device::{Device, Enrolment, LockedDevice};
use crate::files;
use crate::keys::{AccountKey, DeviceKey};

/// The record of an enrolment.
const RECORD: &str = "enrolment.toml";
/// The certificate, with those above it.
const CHAIN: &str = "chain.pem";

/// Devices.
impl Home {
    /// Every enrolled device, in the order of the identifiers. No key is opened for it.
    pub fn devices(&self) -> Result<Vec<LockedDevice>, HomeError> {
        for pending in files::subfolders(&self.folder.join("devices/.pending"))? {
            self.promote_if_finished(&pending.file_name().unwrap_or_default().to_string_lossy())?;
        }
        let mut devices = files::subfolders(&self.folder.join("devices"))?
            .into_iter()
            .map(read_locked)
            .collect::<Result<Vec<_>, _>>()?;
        devices.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Ok(devices)
    }

    /// The device enrolled for `identifier`, with its keys: a passphrase, a keyring or a token may have to open them.
    pub fn device(&self, identifier: &Identifier) -> Result<Device, HomeError> {
        self.unlock(self.locked_device(identifier)?)
    }

    /// Opens the keys of a device.
    pub fn unlock(&self, device: LockedDevice) -> Result<Device, HomeError> {
        let (key, account) = self.read_keys(&device.folder)?;
        let LockedDevice { identifier, chain, enrolment, .. } = device;
        Ok(Device { identifier, chain, key, account, enrolment })
    }

    /// The device enrolled for `identifier`, its keys closed.
    pub fn locked_device(&self, identifier: &Identifier) -> Result<LockedDevice, HomeError> {
        self.promote_if_finished(&file_name(identifier))?;
        let folder = self.device_folder(identifier);
        if !folder.is_dir() {
            let have: Vec<_> = self.devices()?.iter().map(|device| device.identifier.to_string()).collect();
            let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
            return Err(HomeError::NoDevice { identifier: identifier.clone(), have });
        }
        read_locked(folder)
    }

    /// Where the certificate for `identifier` lies, with those above it: PEM, leaf first.
    pub fn chain_path(&self, identifier: &Identifier) -> PathBuf {
        self.device_folder(identifier).join(CHAIN)
    }

    /// Whether a device is enrolled for `identifier`.
    pub fn has_device(&self, identifier: &Identifier) -> Result<bool, HomeError> {
        self.promote_if_finished(&file_name(identifier))?;
        Ok(self.device_folder(identifier).is_dir())
    }

    /// Replaces the chain of an enrolled device after a renewal.
    pub(crate) fn store_renewed(&self, device: &Device) -> Result<(), HomeError> {
        let folder = self.device_folder(&device.identifier);
        let _lock = self.lock()?;
        // Enrolled anew meanwhile, by whichever program: the newer key is not to get the older one's certificate.
        if let Ok(found) = read_locked(folder.clone())
            && found.public_key().is_some_and(|key| key != device.key.public_key())
        {
            return Err(HomeError::EnrolledAnew { identifier: device.identifier.clone() });
        }
        files::write_atomic(&folder.join(CHAIN), chain_to_pem(&device.chain).as_bytes())?;
        write_enrolment(&folder, &device.enrolment)
    }

    /// Writes the record of an enrolled device.
    pub(crate) fn store_record(&self, enrolment: &Enrolment) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        write_enrolment(&self.device_folder(&enrolment.identifier), enrolment)
    }

    /// An enrolment under way for `identifier`, as it was left.
    pub(crate) fn pending(&self, identifier: &Identifier) -> Result<Option<Pending>, HomeError> {
        self.promote_if_finished(&file_name(identifier))?;
        let folder = self.pending_folder(identifier);
        if !folder.join(RECORD).is_file() {
            return Ok(None);
        }
        let (key, account) = self.read_keys(&folder)?;
        Ok(Some(Pending { key, account, enrolment: read_enrolment(&folder)? }))
    }

    /// Begins an enrolment in place of any other that is under way: its keys are made and stored first, so that no order can
    /// exist whose key is lost.
    pub(crate) fn begin_pending(&self, place: Option<&KeyPlace>, enrolment: Enrolment) -> Result<Pending, HomeError> {
        let identifier = &enrolment.identifier;
        let place = match place {
            Some(place) => place.clone(),
            None => self.place_like(&self.device_folder(identifier), identifier)?,
        };
        self.drop_pending(identifier)?;
        let folder = self.pending_folder(identifier);
        let (key, account) = self.make_keys(&folder, &place, identifier)?;
        let _lock = self.lock()?;
        write_enrolment(&folder, &enrolment)?;
        Ok(Pending { key, account, enrolment })
    }

    /// Whether the keys of an enrolment under way lie in this place.
    pub(crate) fn pending_is_kept(&self, identifier: &Identifier, place: &KeyPlace) -> bool {
        super::keys::is_kept(&self.pending_folder(identifier), place)
    }

    /// Stores the record of an enrolment under way.
    pub(crate) fn store_pending(&self, pending: &Pending) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        write_enrolment(&self.pending_folder(&pending.enrolment.identifier), &pending.enrolment)
    }

    /// Ends an enrolment under way: its verified chain is stored and it takes the place of the device before it.
    pub(crate) fn finish_pending(
        &self,
        pending: Pending,
        chain: Vec<rustls_pki_types::CertificateDer<'static>>,
    ) -> Result<Device, HomeError> {
        let Pending { key, account, enrolment } = pending;
        let folder = self.pending_folder(&enrolment.identifier);
        {
            let _lock = self.lock()?;
            write_enrolment(&folder, &enrolment)?;
            files::write_atomic(&folder.join(CHAIN), chain_to_pem(&chain).as_bytes())?;
        }
        self.promote_if_finished(&file_name(&enrolment.identifier))?;
        Ok(Device { identifier: enrolment.identifier.clone(), chain, key, account, enrolment })
    }

    /// Drops an enrolment under way.
    pub(crate) fn drop_pending(&self, identifier: &Identifier) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        remove_folder(&self.pending_folder(identifier), RECORD)
    }

    /// A pending folder with a chain is a finished enrolment whose last step, taking its place, may still be due.
    fn promote_if_finished(&self, name: &str) -> Result<(), HomeError> {
        // Before folders move to where its list does not have them.
        self.finish_sealing()?;
        let pending = self.folder.join("devices/.pending").join(name);
        if !pending.join(CHAIN).is_file() {
            return Ok(());
        }
        let _lock = self.lock()?;
        // Somebody else may have done it while the lock was waited for: then what stands there now is the new device.
        if !pending.join(CHAIN).is_file() {
            return Ok(());
        }
        let folder = self.folder.join("devices").join(name);
        remove_folder(&folder, RECORD)?;
        fs::rename(&pending, &folder).map_err(|source| HomeError::Write { path: folder, source })
    }

    pub(super) fn device_folder(&self, identifier: &Identifier) -> PathBuf {
        self.folder.join("devices").join(file_name(identifier))
    }

    fn pending_folder(&self, identifier: &Identifier) -> PathBuf {
        self.folder.join("devices/.pending").join(file_name(identifier))
    }
}

/// An enrolment under way: keys exist, the certificate does not yet.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) key: DeviceKey,
    pub(crate) account: AccountKey,
    pub(crate) enrolment: Enrolment,
}

fn read_locked(folder: PathBuf) -> Result<LockedDevice, HomeError> {
    let enrolment = read_enrolment(&folder)?;
    let path = folder.join(CHAIN);
    let corrupt = |found| corrupt(&path, "a certificate chain in PEM", found);
    let pem = files::read(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
    let chain = chain_from_pem(&pem).map_err(corrupt)?;
    Ok(LockedDevice { identifier: enrolment.identifier.clone(), chain, enrolment, folder })
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

fn write_enrolment(folder: &Path, enrolment: &Enrolment) -> Result<(), HomeError> {
    let text = toml::to_string(enrolment).expect("strings always serialise");
    files::write_atomic(&folder.join(RECORD), text.as_bytes())
}
