//! Where the keys of an enrolment lie: `key.pem` and `account.pem`, or, where they lie elsewhere, `key.uri` and
//! `account.uri`, with one line that says where.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use identity::Identifier;
use key_store::sealed::SealError;
use key_store::{KeyringItem, TokenAlgorithm, TokenKey, TokenUri};
use zeroize::Zeroizing;

use super::unlock::closed;
use super::{Home, HomeError};
use crate::files;
use crate::keys::{AccountKey, DeviceKey, KeyError};
use crate::mail_key::MailKey;
use crate::own_key::OwnKey;

/// Where a new key is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeyPlace {
    /// In a file (0600), under a passphrase if the folder's keys are ([`Home::unlocked_by`]).
    #[default]
    File,
    /// In the keyring of the person's session (Secret Service).
    Keyring,
    /// In a token (PKCS#11): the key that the URI names, or one that is made there under that label. The account's key is
    /// another one, with the same label and ` account` after it.
    Token(Box<TokenUri>),
}

impl FromStr for KeyPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "file" => Ok(Self::File),
            "keyring" => Ok(Self::Keyring),
            _ if text.starts_with("pkcs11:") => {
                let uri: TokenUri = text.parse().map_err(|error| format!("{error}"))?;
                if uri.object().is_none() {
                    return Err("expected a label for the key (object=…) in the URI, found none".to_owned());
                }
                Ok(Self::Token(Box::new(uri)))
            }
            _ => Err("expected file, keyring, or a URI that begins with pkcs11:".to_owned()),
        }
    }
}

/// Where a key lies, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// In a file, in clear.
    Clear,
    /// In a file, under a passphrase.
    Sealed,
    /// In the keyring.
    Keyring,
    /// In a token.
    Token,
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clear => "in a file",
            Self::Sealed => "in a file, under a passphrase",
            Self::Keyring => "in the keyring",
            Self::Token => "in a token",
        })
    }
}

/// Where keys lie that stay when another takes their place, below the folder of their kind.
pub(super) const EARLIER: &str = ".earlier";

/// The two keys of an enrolment, by the names of their files.
pub(super) const DEVICE: &str = "key";
pub(super) const ACCOUNT: &str = "account";

/// What the key of an account is, for whoever finds it in a keyring.
pub(super) const ACCOUNT_IS: &str = "key of the account";

/// So often all keys may be sealed anew while one more is stored.
pub(super) const RESEALED_MEANWHILE: usize = 3;

/// What a `.uri` file says.
enum Elsewhere {
    Keyring(KeyringItem),
    Token(Box<TokenUri>),
}

impl Home {
    /// Makes both keys and stores them: on disk, in the keyring or in the token when this returns.
    pub(super) fn make_keys<K: OwnKey>(
        &self,
        folder: &Path,
        place: &KeyPlace,
        kind: K::Kind,
        identifier: &Identifier,
    ) -> Result<(K, AccountKey), HomeError> {
        if let KeyPlace::Token(uri) = place {
            let device = in_token(&folder.join("key.uri"), uri, (K::token_algorithm(kind)?, K::STAYS), K::in_token)?;
            let label = format!("{} account", uri.object().unwrap_or_default());
            let path = folder.join("account.uri");
            let account =
                in_token(&path, &uri.with_object(&label), (TokenAlgorithm::EcdsaP256, false), AccountKey::in_token)?;
            return Ok((device, account));
        }
        let (key, account) = (K::generate(kind)?, AccountKey::generate()?);
        if let Some(pem) = key.to_pem() {
            self.store_key(folder, DEVICE, place, &pem, &label(K::WHAT, identifier))?;
        }
        self.store_account(folder, place, &account, identifier)?;
        Ok((key, account))
    }

    /// Stores the key of an account.
    pub(super) fn store_account(
        &self,
        folder: &Path,
        place: &KeyPlace,
        account: &AccountKey,
        identifier: &Identifier,
    ) -> Result<(), HomeError> {
        let Some(pem) = account.to_pem() else { return Ok(()) };
        self.store_key(folder, ACCOUNT, place, &pem, &label(ACCOUNT_IS, identifier))
    }

    fn store_key(
        &self,
        folder: &Path,
        stem: &str,
        place: &KeyPlace,
        pem: &Zeroizing<String>,
        label: &str,
    ) -> Result<(), HomeError> {
        if *place != KeyPlace::Keyring {
            return self.store_in_file(&folder.join(format!("{stem}.pem")), pem);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(KeyError::Random)?;
        let (item, path) = (KeyringItem::new(random), folder.join(format!("{stem}.uri")));
        // First where it will be: whatever happens in between, it is found and can be removed.
        files::write_atomic(&path, format!("{item}\n").as_bytes())?;
        item.store(label, pem).map_err(|source| HomeError::Keyring { path, source: Box::new(source) })
    }

    /// Sealed as the others are when it is written: another program may seal them anew while somebody types.
    fn store_in_file(&self, path: &Path, pem: &Zeroizing<String>) -> Result<(), HomeError> {
        for _ in 0..RESEALED_MEANWHILE {
            // Before the lock is taken: whoever types a passphrase takes her time.
            let passphrase = self.sealing_passphrase()?;
            let text = closed(path, pem, passphrase.as_ref())?;
            let _lock = self.lock()?;
            if self.seals_alike(passphrase.as_ref())? {
                return files::write_atomic(path, text.as_bytes());
            }
            self.forget_passphrase();
        }
        Err(HomeError::Sealed { path: path.to_owned(), source: Box::new(SealError::Wrong) })
    }

    pub(super) fn read_keys<K: OwnKey>(&self, folder: &Path) -> Result<(K, AccountKey), HomeError> {
        Ok((self.read_own_key(folder)?, self.read_account(folder)?))
    }

    pub(super) fn read_own_key<K: OwnKey>(&self, folder: &Path) -> Result<K, HomeError> {
        self.read_key(folder, DEVICE, K::from_pem, K::in_token)
    }

    pub(super) fn read_account(&self, folder: &Path) -> Result<AccountKey, HomeError> {
        self.read_key(folder, ACCOUNT, AccountKey::from_pem, AccountKey::in_token)
    }

    fn read_key<T>(
        &self,
        folder: &Path,
        stem: &str,
        from_pem: fn(&str) -> Result<T, KeyError>,
        from_token: fn(TokenKey) -> Result<T, KeyError>,
    ) -> Result<T, HomeError> {
        self.finish_sealing()?;
        match elsewhere(&folder.join(format!("{stem}.uri")))? {
            None => {
                let path = folder.join(format!("{stem}.pem"));
                self.open_key(&path, &secret_text(&path)?, from_pem)
            }
            Some((path, Elsewhere::Keyring(item))) => {
                let pem = item
                    .load()
                    .map_err(|source| HomeError::Keyring { path: path.clone(), source: Box::new(source) })?;
                let corrupt = |error: KeyError| corrupt(&path, "a private key in the keyring", error.to_string());
                from_pem(&pem).map_err(corrupt)
            }
            Some((path, Elsewhere::Token(uri))) => {
                let key = TokenKey::open(*uri).map_err(|source| HomeError::Token { path, source: Box::new(source) })?;
                Ok(from_token(key)?)
            }
        }
    }

    /// Where the new keys for somebody go who says nothing: where her keys lie now. (In a token a new key needs a new name.)
    pub(super) fn place_like(&self, folder: &Path, identifier: &Identifier) -> Result<KeyPlace, HomeError> {
        match elsewhere(&folder.join("key.uri"))? {
            None => Ok(KeyPlace::File),
            Some((_, Elsewhere::Keyring(_))) => Ok(KeyPlace::Keyring),
            Some((_, Elsewhere::Token(_))) => Err(HomeError::NeedsPlace { identifier: identifier.clone() }),
        }
    }

    /// Where what is new here goes if nobody says it: into the keyring, if an enrolment's keys are there.
    pub(super) fn place_of_others(&self) -> Result<KeyPlace, HomeError> {
        let mut folders = files::subfolders(&self.folder.join(DeviceKey::FOLDER))?;
        folders.extend(files::subfolders(&self.folder.join(MailKey::FOLDER))?);
        for folder in folders {
            if let Some((_, Elsewhere::Keyring(_))) = elsewhere(&folder.join("account.uri"))? {
                return Ok(KeyPlace::Keyring);
            }
        }
        Ok(KeyPlace::File)
    }

    /// Where each key lies, with its file.
    pub fn key_forms(&self) -> Result<Vec<(PathBuf, KeyForm)>, HomeError> {
        self.finish_sealing()?;
        self.key_forms_as_they_are()
    }

    pub(super) fn key_forms_as_they_are(&self) -> Result<Vec<(PathBuf, KeyForm)>, HomeError> {
        let mut forms = Vec::new();
        for folder in self.key_folders()? {
            for stem in [DEVICE, ACCOUNT] {
                let pem = folder.join(format!("{stem}.pem"));
                match elsewhere(&folder.join(format!("{stem}.uri")))? {
                    Some((path, Elsewhere::Keyring(_))) => forms.push((path, KeyForm::Keyring)),
                    Some((path, Elsewhere::Token(_))) => forms.push((path, KeyForm::Token)),
                    None if !pem.is_file() => {}
                    None => {
                        let sealed = key_store::sealed::is_sealed(&secret_text(&pem)?);
                        forms.push((pem, if sealed { KeyForm::Sealed } else { KeyForm::Clear }));
                    }
                }
            }
        }
        Ok(forms)
    }

    /// A sealed key, if there is one.
    pub(super) fn any_sealed_key(&self) -> Result<Option<(PathBuf, Zeroizing<String>)>, HomeError> {
        self.finish_sealing()?;
        self.any_sealed_key_as_it_is()
    }

    pub(super) fn any_sealed_key_as_it_is(&self) -> Result<Option<(PathBuf, Zeroizing<String>)>, HomeError> {
        let found = self.key_forms_as_they_are()?.into_iter().find(|(_, form)| *form == KeyForm::Sealed);
        found.map(|(path, _)| secret_text(&path).map(|text| (path, text))).transpose()
    }

    /// Where keys lie that lie in files.
    pub(super) fn places_of_keys(&self) -> Result<Vec<PathBuf>, HomeError> {
        let folders = self.key_folders()?.into_iter();
        Ok(folders.flat_map(|folder| [DEVICE, ACCOUNT].map(|stem| folder.join(format!("{stem}.pem")))).collect())
    }

    fn key_folders(&self) -> Result<Vec<PathBuf>, HomeError> {
        let mut folders = Vec::new();
        for below in [DeviceKey::FOLDER, MailKey::FOLDER] {
            let below = self.folder.join(below);
            folders.extend(files::subfolders(&below)?);
            folders.extend(files::subfolders(&below.join(".pending"))?);
        }
        for of_several in [self.folder.join("watching"), self.folder.join(MailKey::FOLDER).join(EARLIER)] {
            for of_one in files::subfolders(&of_several)? {
                folders.extend(files::subfolders(&of_one)?);
            }
        }
        Ok(folders)
    }
}

/// Removes what the keys of a folder have in the keyring. What lies in a token stays there: it may be used for something
/// else.
fn forget(folder: &Path) {
    forget_some(folder, &[DEVICE, ACCOUNT]);
}

/// Takes the key of an account away, and leaves the other one where it is.
pub(super) fn forget_account(folder: &Path) -> Result<(), HomeError> {
    forget_some(folder, &[ACCOUNT]);
    for end in ["pem", "uri"] {
        let path = folder.join(format!("{ACCOUNT}.{end}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(HomeError::Write { path, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn forget_some(folder: &Path, stems: &[&str]) {
    for stem in stems {
        // A file that says nothing sensible leads nowhere; a keyring that is closed now keeps one item too many.
        if let Ok(Some((_, Elsewhere::Keyring(item)))) = elsewhere(&folder.join(format!("{stem}.uri")))
            && let Err(error) = item.remove()
        {
            tracing::warn!(%error, %item, "a key that is no longer needed stays");
        }
    }
}

/// Whether the device's key lies in this place. What cannot be read lies nowhere.
pub(super) fn is_kept(folder: &Path, place: &KeyPlace) -> bool {
    match elsewhere(&folder.join("key.uri")) {
        Ok(None) => *place == KeyPlace::File,
        Ok(Some((_, Elsewhere::Keyring(_)))) => *place == KeyPlace::Keyring,
        Ok(Some((_, Elsewhere::Token(uri)))) => *place == KeyPlace::Token(uri),
        Err(_) => false,
    }
}

fn in_token<T>(
    path: &Path,
    uri: &TokenUri,
    (algorithm, opens): (TokenAlgorithm, bool),
    take: fn(TokenKey) -> Result<T, KeyError>,
) -> Result<T, HomeError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(KeyError::Random)?;
    let made = TokenKey::open_or_make(uri.clone(), algorithm, id, opens);
    let (key, _) = made.map_err(|source| HomeError::Token { path: path.to_owned(), source: Box::new(source) })?;
    files::write_atomic(path, format!("{}\n", uri.to_uri()).as_bytes())?;
    Ok(take(key)?)
}

/// What whoever finds a key in a keyring is told.
pub(super) fn label(what: &str, identifier: &Identifier) -> String {
    format!("In Person: {what} for {identifier}")
}

fn elsewhere(path: &Path) -> Result<Option<(PathBuf, Elsewhere)>, HomeError> {
    let Some(text) = files::read_text(path)? else { return Ok(None) };
    let line = text.trim();
    let token = || line.parse().map(|uri| Elsewhere::Token(Box::new(uri)));
    let found = line.parse().map(Elsewhere::Keyring).or_else(|_| token());
    let found = found.map_err(|error| corrupt(path, "where a key lies (keyring:… or pkcs11:…)", error.to_string()))?;
    Ok(Some((path.to_owned(), found)))
}

/// The text of a file with a private key.
pub(super) fn secret_text(path: &Path) -> Result<Zeroizing<String>, HomeError> {
    let bytes = files::read_secret(path)?;
    let bytes = bytes.ok_or_else(|| corrupt(path, "a private key", "no file".to_owned()))?;
    files::text(path, bytes).map(Zeroizing::new)
}

pub(super) fn corrupt(path: &Path, expected: &str, found: String) -> HomeError {
    HomeError::Corrupt { path: path.to_owned(), expected: expected.to_owned(), found }
}

/// Takes away a folder with keys, and what they have elsewhere; none is no error.
pub(super) fn remove_folder(folder: &Path, record: &str) -> Result<(), HomeError> {
    // The record first: from then on nobody looks for the keys.
    let gone = |removed: std::io::Result<()>| match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HomeError::Write { path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    };
    gone(fs::remove_file(folder.join(record)))?;
    forget(folder);
    gone(fs::remove_dir_all(folder))
}
