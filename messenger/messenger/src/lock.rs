//! What opens a locked screen: the passphrase of the person's keys if they have one, and one of its own if she chose one, in
//! `messenger/lock.pem` of her folder (0600).
//!
//! The file holds a word that is sealed as keys are (PBES2 with scrypt), so that guessing costs as much. The lock keeps eyes
//! and hands from a screen that was left open. It is no protection of the disk, on which nothing of conversations lies, and
//! none against whoever can read this program's memory.

use device::{Home, HomeError};
use key_store::Passphrase;
use key_store::sealed::{self, SealError};

const FILE: &str = "messenger/lock.pem";
const LABEL: &str = "MESSENGER LOCK";
/// What is sealed. CBC alone lets one wrong passphrase of 256 through.
const WORD: &[u8] = b"inperson-messenger-lock-v1";

/// Why it is not known whether a passphrase opens the lock, or why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{FILE}: {0}")]
    Seal(#[from] SealError),
}

/// Whether anything opens the screen once it is locked.
pub(crate) fn possible(home: &Home) -> Result<bool, LockError> {
    let sealed = home.key_forms()?.iter().any(|(_, form)| *form == device::KeyForm::Sealed);
    Ok(sealed || home.read_text(FILE)?.is_some())
}

/// Chooses a passphrase for the lock alone; on disk when this returns.
pub(crate) fn choose(home: &Home, passphrase: &Passphrase) -> Result<(), LockError> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).expect("the system gives random bytes");
    let pem = sealed::seal(LABEL, WORD, passphrase, random)?;
    home.messenger_folder()?;
    Ok(home.write_text(FILE, &pem)?)
}

/// Whether this passphrase opens the screen.
pub(crate) fn opens(home: &Home, passphrase: &Passphrase) -> Result<bool, LockError> {
    let by_keys = home.opens(passphrase);
    if matches!(by_keys, Ok(Some(true))) {
        return Ok(true);
    }
    // A key that cannot be read takes nothing from the lock's own passphrase.
    let Some(pem) = home.read_text(FILE)? else { return by_keys.map(|_| false).map_err(Into::into) };
    match sealed::open(LABEL, &pem, &mut || Ok(Some(passphrase.clone()))) {
        // In clear anybody could have written it.
        Ok(word) => Ok(sealed::is_sealed(&pem) && *word == WORD),
        Err(SealError::Wrong) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned().into()).unwrap()
    }

    #[test]
    fn the_chosen_passphrase_opens_it_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        assert!(!possible(&home).unwrap());
        assert!(!opens(&home, &passphrase("any")).unwrap(), "where nothing was chosen nothing opens");
        choose(&home, &passphrase("open sesame")).unwrap();
        assert!(possible(&home).unwrap());
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(opens(&home, &passphrase("open sesame")).unwrap());
        assert!(!opens(&home, &passphrase("open sesam")).unwrap());
        choose(&home, &passphrase("another")).unwrap();
        assert!(!opens(&home, &passphrase("open sesame")).unwrap());
    }

    #[test]
    fn a_word_in_clear_and_a_damaged_file_open_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.messenger_folder().unwrap();
        home.write_text(FILE, &sealed::in_clear(LABEL, WORD).unwrap()).unwrap();
        assert!(!opens(&home, &passphrase("any")).unwrap());
        home.write_text(FILE, "nothing").unwrap();
        assert!(opens(&home, &passphrase("any")).is_err());
    }
}
