//! The passphrase of a person's keys: asked for when the first sealed key is met, and once.
//!
//! One passphrase holds for the whole folder. A new key is sealed if she said so, or if another one is: none lies in clear
//! beside sealed ones.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use key_store::sealed::{self, SealError};
use key_store::{Passphrase, PassphraseError, PassphraseSource};
use zeroize::Zeroizing;

use super::{Home, HomeError};
use crate::keys::{AccountKey, DeviceKey, KeyError};
use crate::mail_key::MailKey;

/// How often somebody at a terminal may type it.
const TRIES: usize = 3;

/// What opens the keys in a folder, and whether new ones are sealed whatever the others are. Copies share what was typed.
#[derive(Debug, Clone, Default)]
pub(super) struct Unlock {
    source: Option<PassphraseSource>,
    seals: bool,
    known: Arc<Mutex<Option<Passphrase>>>,
}

impl Home {
    /// The same folder, whose sealed keys open with the passphrase from `source`. New keys are sealed with it if `seals`,
    /// or if others are.
    #[must_use]
    pub fn unlocked_by(self, source: PassphraseSource, seals: bool) -> Self {
        Self { unlock: Unlock { source: Some(source), seals, known: Arc::default() }, ..self }
    }

    /// The key in the text of a file. `read` makes it of PEM in clear; what it refuses after opening was opened with a wrong
    /// passphrase (PBES2 with CBC does not tell).
    pub(super) fn open_key<T>(
        &self,
        path: &Path,
        pem: &str,
        read: impl Fn(&str) -> Result<T, KeyError>,
    ) -> Result<T, HomeError> {
        if !sealed::is_sealed(pem) {
            return read(pem).map_err(|error| HomeError::Corrupt {
                path: path.to_owned(),
                expected: "a private key".to_owned(),
                found: error.to_string(),
            });
        }
        let mut tries = if matches!(self.unlock.source, Some(PassphraseSource::Ask)) { TRIES } else { 1 };
        let mut what = "your keys";
        loop {
            // Not known before: somebody is asked now, and may mistype.
            let asked = self.unlock.known().is_none();
            let der = sealed::open(sealed::PRIVATE_KEY, pem, &mut || self.unlock.passphrase(what));
            let key = der.and_then(|der| {
                let clear = sealed::in_clear(sealed::PRIVATE_KEY, &der)?;
                read(&clear).map_err(|_| SealError::Wrong)
            });
            tries -= 1;
            match key {
                Err(SealError::Wrong) if asked && tries > 0 => {
                    self.unlock.forget();
                    what = "your keys (that was not it)";
                }
                Err(source) => {
                    if asked {
                        self.unlock.forget();
                    }
                    return Err(HomeError::Sealed { path: path.to_owned(), source: Box::new(source) });
                }
                Ok(key) => return Ok(key),
            }
        }
    }

    /// The passphrase with which new keys are sealed, if they are to be.
    pub(super) fn sealing_passphrase(&self) -> Result<Option<Passphrase>, HomeError> {
        let sealed = self.any_sealed_key()?;
        if !self.unlock.seals && sealed.is_none() {
            return Ok(None);
        }
        let folder = || self.folder.clone();
        let wrong = |error: PassphraseError| HomeError::Sealed { path: folder(), source: Box::new(error.into()) };
        match sealed {
            // It is the one of the others, or none.
            Some((path, pem)) => self.open_key(&path, &pem, any_key)?,
            None => _ = self.unlock.new_passphrase().map_err(wrong)?,
        }
        let none = || HomeError::Sealed { path: folder(), source: Box::new(SealError::NoPassphrase) };
        self.unlock.known().map(Some).ok_or_else(none)
    }

    /// Whether a key that is sealed with this passphrase, or in clear without one, lies as the others do now. The lock must
    /// be held.
    pub(super) fn seals_alike(&self, passphrase: Option<&Passphrase>) -> Result<bool, HomeError> {
        self.finish_sealing_locked()?;
        let Some((_, pem)) = self.any_sealed_key_as_it_is()? else {
            return Ok(passphrase.is_none() || self.unlock.seals);
        };
        Ok(passphrase.is_some_and(|passphrase| opens(&pem, passphrase)))
    }

    /// Whether this passphrase opens the keys in the folder; nothing if none is sealed.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub fn opens(&self, passphrase: &Passphrase) -> Result<Option<bool>, HomeError> {
        let Some((_, pem)) = self.any_sealed_key()? else { return Ok(None) };
        Ok(Some(opens(&pem, passphrase)))
    }

    /// Asks anew for the next key.
    pub(super) fn forget_passphrase(&self) {
        self.unlock.forget();
    }

    /// The passphrase that is known from now on.
    pub(super) fn now_sealed_with(&self, passphrase: Option<Passphrase>) {
        *self.unlock.known.lock().unwrap_or_else(PoisonError::into_inner) = passphrase;
    }
}

/// Whether a sealed key opens with this passphrase. That CBC lets something out is not enough: it has to be a key.
fn opens(pem: &str, passphrase: &Passphrase) -> bool {
    let opened = sealed::open(sealed::PRIVATE_KEY, pem, &mut || Ok(Some(passphrase.clone())));
    let clear = opened.and_then(|der| sealed::in_clear(sealed::PRIVATE_KEY, &der));
    clear.is_ok_and(|clear| any_key(&clear).is_ok())
}

/// That it is a key of any kind that we keep.
pub(super) fn any_key(pem: &str) -> Result<(), KeyError> {
    let account = |_| AccountKey::from_pem(pem).map(drop);
    DeviceKey::from_pem(pem).map(drop).or_else(account).or_else(|_| MailKey::from_pem(pem).map(drop))
}

/// A key in clear as it is written: sealed, if there is a passphrase.
pub(super) fn closed(
    path: &Path,
    pem: &Zeroizing<String>,
    passphrase: Option<&Passphrase>,
) -> Result<Zeroizing<String>, HomeError> {
    let Some(passphrase) = passphrase else { return Ok(pem.clone()) };
    let wrong = |source| HomeError::Sealed { path: path.to_owned(), source: Box::new(source) };
    let der = sealed::open(sealed::PRIVATE_KEY, pem, &mut || Ok(None)).map_err(wrong)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| HomeError::Key(KeyError::Random(error)))?;
    sealed::seal(sealed::PRIVATE_KEY, &der, passphrase, random).map(Zeroizing::new).map_err(wrong)
}

impl Unlock {
    fn known(&self) -> Option<Passphrase> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn passphrase(&self, what: &str) -> Result<Option<Passphrase>, PassphraseError> {
        self.get(|source| source.read(what))
    }

    fn new_passphrase(&self) -> Result<Option<Passphrase>, PassphraseError> {
        self.get(|source| source.read_new("your keys"))
    }

    fn get(
        &self,
        read: impl Fn(&PassphraseSource) -> Result<Passphrase, PassphraseError>,
    ) -> Result<Option<Passphrase>, PassphraseError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none()
            && let Some(source) = &self.source
        {
            *known = Some(read(source)?);
        }
        Ok(known.clone())
    }
}
