//! The person's folder.
//!
//! ```text
//! trust/<fingerprint>/genesis.json, current.json     pinned trust policies
//! devices/<identifier>/key.pem, account.pem, chain.pem, enrolment.toml
//! devices/.pending/<identifier>/…                    an enrolment under way
//! watch/<identifier>.json                            labels, confirmed device keys
//! logs/<SHA-256 of the origin>/…                     how far a log was followed
//! crl/<SHA-256 of the issuer>.der                    newest revocation lists
//! messenger/contacts.toml                            the messenger's own
//! ```

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use identity::trust::{Fingerprint, Trust, TrustPolicy};
use identity::{Identifier, UnixTime};
use sha2::{Digest, Sha256};

use crate::certificates::{chain_from_pem, chain_to_pem};
use crate::device::{Device, Enrolment};
use crate::files::{self, FolderLock};
use crate::keys::{AccountKey, DeviceKey};

/// Largest file that is read: 1 MiB. (The label index of a log, which grows, is read in pieces.)
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Why the folder could not be read or written. Messages name the path and what was expected and found.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No environment variable says where the folder is.
    #[error("no folder for keys and certificates: none of INPERSON_HOME, XDG_DATA_HOME and HOME is set")]
    NoFolder,
    /// The folder or file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed for another reason, for instance a full disk. The old file is still there.
    #[error("writing {} failed: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading failed.
    #[error("reading {} failed: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any file of its kind.
    #[error("{} is larger than 1 MiB, which no file of this kind is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("{} is damaged: expected {expected}, found {found}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// A file with a secret can be read by other people.
    #[error("{} holds a secret but others may read it: expected mode 600, found {found:o}", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// There is no enrolled device for this person.
    #[error("no certificate for {identifier} here; there is one for: {have}")]
    NoDevice {
        /// Who was asked for.
        identifier: Identifier,
        /// Who is there, or "nobody".
        have: String,
    },
    /// The policy is not the one whose fingerprint was given.
    #[error("the policy is not the expected one: expected fingerprint {expected}, found {found}")]
    Fingerprint {
        /// The fingerprint that was given.
        expected: Fingerprint,
        /// The fingerprint of the bytes.
        found: Fingerprint,
    },
    /// The bytes are no trust policy.
    #[error("this is no trust policy: {0}")]
    Policy(String),
}

/// A person's folder on disk. Cheap to clone; holds no open file.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// Opens `$INPERSON_HOME`, else `$XDG_DATA_HOME/inperson`, else `~/.local/share/inperson`; makes it if missing.
    pub fn open() -> Result<Self, HomeError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("INPERSON_HOME")
            // The XDG base directory specification: a relative path is to be ignored.
            .or_else(|| set("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("inperson")))
            .or_else(|| set("HOME").map(|path| path.join(".local/share/inperson")))
            .ok_or(HomeError::NoFolder)?;
        Self::at(folder)
    }

    /// Opens the folder given; makes it (0700) if missing.
    pub fn at(folder: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let folder = folder.into();
        if !folder.is_dir() {
            files::create_private_folder(&folder)?;
        }
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The messenger's own folder (0700), made if missing.
    pub fn messenger_folder(&self) -> Result<PathBuf, HomeError> {
        let folder = self.folder.join("messenger");
        files::create_private_folder(&folder)?;
        Ok(folder)
    }

    /// Reads a text file below the folder (at most 1 MiB); `None` if there is none.
    pub fn read_text(&self, relative: impl AsRef<Path>) -> Result<Option<String>, HomeError> {
        files::read_text(&self.folder.join(relative))
    }

    /// Replaces a text file below the folder atomically (0600), holding the folder's lock.
    pub fn write_text(&self, relative: impl AsRef<Path>, text: &str) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        files::write_atomic(&self.folder.join(relative), text.as_bytes())
    }

    /// Takes the folder's lock, waiting while another process writes.
    pub(crate) fn lock(&self) -> Result<FolderLock, HomeError> {
        files::lock(&self.folder)
    }
}

/// Trust policies.
impl Home {
    /// Every pinned policy in its current version, in the order of the fingerprints.
    ///
    /// The genesis version is checked against the fingerprint that names its folder each time.
    pub fn trust_policies(&self) -> Result<Vec<TrustPolicy>, HomeError> {
        files::subfolders(&self.folder.join("trust"))?.iter().map(|folder| read_policy(folder)).collect()
    }

    /// Pins the policy `bytes` if its fingerprint is `expected`; says so and changes nothing otherwise.
    /// Pinning one that is already there changes nothing.
    pub fn add_trust(&self, bytes: &[u8], expected: &Fingerprint) -> Result<TrustPolicy, HomeError> {
        let policy = TrustPolicy::parse(bytes).map_err(|error| HomeError::Policy(error.to_string()))?;
        let found = policy.fingerprint();
        if found != *expected {
            return Err(HomeError::Fingerprint { expected: expected.to_owned(), found });
        }
        let folder = self.folder.join("trust").join(found.to_string());
        let _lock = self.lock()?;
        files::write_atomic(&folder.join("genesis.json"), bytes)?;
        files::write_atomic(&folder.join("current.json"), bytes)?;
        Ok(policy)
    }

    /// Everything verification needs: the pinned policies and the newest revocation lists, as of now.
    pub fn trust(&self) -> Result<Trust, HomeError> {
        self.trust_at(UnixTime::now())
    }

    /// As [`Home::trust`], judging the freshness of revocation lists at `now`.
    pub fn trust_at(&self, now: UnixTime) -> Result<Trust, HomeError> {
        let trust = Trust::new(self.trust_policies()?).map_err(|error| HomeError::Policy(error.to_string()))?;
        crate::revocation::install_stored(self, &trust, now)?;
        Ok(trust)
    }
}

/// Devices.
impl Home {
    /// Every enrolled device, in the order of the identifiers.
    pub fn devices(&self) -> Result<Vec<Device>, HomeError> {
        for pending in files::subfolders(&self.folder.join("devices/.pending"))? {
            self.promote_if_finished(&pending.file_name().unwrap_or_default().to_string_lossy())?;
        }
        let mut devices = files::subfolders(&self.folder.join("devices"))?
            .iter()
            .map(|folder| read_device(folder))
            .collect::<Result<Vec<_>, _>>()?;
        devices.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Ok(devices)
    }

    /// The device enrolled for `identifier`.
    pub fn device(&self, identifier: &Identifier) -> Result<Device, HomeError> {
        self.promote_if_finished(&file_name(identifier))?;
        let folder = self.device_folder(identifier);
        if !folder.is_dir() {
            let have: Vec<_> = self.devices()?.iter().map(|device| device.identifier.to_string()).collect();
            let have = if have.is_empty() { "nobody".to_owned() } else { have.join(", ") };
            return Err(HomeError::NoDevice { identifier: identifier.clone(), have });
        }
        read_device(&folder)
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
        files::write_atomic(&folder.join("chain.pem"), chain_to_pem(&device.chain).as_bytes())?;
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
        if !folder.join("enrolment.toml").is_file() {
            return Ok(None);
        }
        let (key, account) = read_keys(&folder)?;
        Ok(Some(Pending { key, account, enrolment: read_enrolment(&folder)? }))
    }

    /// Stores an enrolment under way: keys first, so that no order can exist whose key is lost.
    pub(crate) fn store_pending(&self, pending: &Pending) -> Result<(), HomeError> {
        let folder = self.pending_folder(&pending.enrolment.identifier);
        let _lock = self.lock()?;
        files::write_atomic(&folder.join("key.pem"), pending.key.to_pem().as_bytes())?;
        files::write_atomic(&folder.join("account.pem"), pending.account.to_pem().as_bytes())?;
        write_enrolment(&folder, &pending.enrolment)
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
            files::write_atomic(&folder.join("chain.pem"), chain_to_pem(&chain).as_bytes())?;
        }
        self.promote_if_finished(&file_name(&enrolment.identifier))?;
        Ok(Device { identifier: enrolment.identifier.clone(), chain, key, account, enrolment })
    }

    /// Drops an enrolment under way.
    pub(crate) fn drop_pending(&self, identifier: &Identifier) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        remove_folder(&self.pending_folder(identifier))
    }

    /// A pending folder with a chain is a finished enrolment whose last step, taking its place, may still be due.
    fn promote_if_finished(&self, name: &str) -> Result<(), HomeError> {
        let pending = self.folder.join("devices/.pending").join(name);
        if !pending.join("chain.pem").is_file() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let folder = self.folder.join("devices").join(name);
        remove_folder(&folder)?;
        fs::rename(&pending, &folder).map_err(|source| HomeError::Write { path: folder, source })
    }

    fn device_folder(&self, identifier: &Identifier) -> PathBuf {
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

/// A file name for an identifier: itself where it is short and harmless, else escaped and ended by a hash.
pub(crate) fn file_name(identifier: &Identifier) -> String {
    let mut name = String::new();
    let mut escaped = false;
    for (position, c) in identifier.as_str().chars().enumerate() {
        let harmless = c.is_alphanumeric() || "@+-_".contains(c) || (c == '.' && position > 0);
        name.push(if harmless { c } else { '~' });
        escaped |= !harmless;
    }
    if escaped || name.len() > 200 {
        let hash = hex::encode(Sha256::digest(identifier.as_str()));
        let cut = (0..=150.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        name.truncate(cut);
        name.push('~');
        name.push_str(&hash[..32]);
    }
    name
}

fn read_policy(folder: &Path) -> Result<TrustPolicy, HomeError> {
    let named = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let read = |file: &str| {
        let path = folder.join(file);
        let corrupt = |found: String| HomeError::Corrupt {
            path: path.clone(),
            expected: format!("the trust policy with fingerprint {named}"),
            found,
        };
        let bytes = files::read(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
        let policy = TrustPolicy::parse(&bytes).map_err(|error| corrupt(error.to_string()))?;
        let found = policy.fingerprint().to_string();
        // Nothing but the pinned version is ever written as the current one; anything else was put there by somebody.
        if found != named { Err(corrupt(format!("fingerprint {found}"))) } else { Ok(policy) }
    };
    read("genesis.json")?;
    read("current.json")
}

fn read_device(folder: &Path) -> Result<Device, HomeError> {
    let enrolment = read_enrolment(folder)?;
    let path = folder.join("chain.pem");
    let corrupt = |found: String| HomeError::Corrupt {
        path: path.clone(),
        expected: "a certificate chain in PEM".to_owned(),
        found,
    };
    let pem = files::read(&path)?.ok_or_else(|| corrupt("no file".to_owned()))?;
    let chain = chain_from_pem(&pem).map_err(corrupt)?;
    let (key, account) = read_keys(folder)?;
    Ok(Device { identifier: enrolment.identifier.clone(), chain, key, account, enrolment })
}

fn read_keys(folder: &Path) -> Result<(DeviceKey, AccountKey), HomeError> {
    let secret = |file: &str| {
        let path = folder.join(file);
        let bytes = files::read_secret(&path)?.ok_or_else(|| HomeError::Corrupt {
            path: path.clone(),
            expected: "a private key".to_owned(),
            found: "no file".to_owned(),
        })?;
        Ok::<_, HomeError>((zeroize::Zeroizing::new(files::text(&path, bytes)?), path))
    };
    let corrupt = |path: PathBuf, error: crate::KeyError| HomeError::Corrupt {
        path,
        expected: "a private key".to_owned(),
        found: error.to_string(),
    };
    let (pem, path) = secret("key.pem")?;
    let key = DeviceKey::from_pem(&pem).map_err(|error| corrupt(path, error))?;
    let (pem, path) = secret("account.pem")?;
    let account = AccountKey::from_pem(&pem).map_err(|error| corrupt(path, error))?;
    Ok((key, account))
}

fn read_enrolment(folder: &Path) -> Result<Enrolment, HomeError> {
    let path = folder.join("enrolment.toml");
    let corrupt = |found: String| HomeError::Corrupt {
        path: path.clone(),
        expected: "the record of an enrolment".to_owned(),
        found,
    };
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
    files::write_atomic(&folder.join("enrolment.toml"), text.as_bytes())
}

fn remove_folder(folder: &Path) -> Result<(), HomeError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HomeError::Write { path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
