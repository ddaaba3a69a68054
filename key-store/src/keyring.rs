//! Secrets in the keyring of the person's session: the Secret Service of freedesktop.org, as GNOME Keyring, KWallet and
//! KeePassXC offer it over D-Bus.
//!
//! The keyring opens when she logs in, and asks her if it is locked. Between the two programs the secret is encrypted
//! (the protocol's Diffie-Hellman session); whoever speaks for her on her session bus can ask for it as well.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use secret_service::EncryptionType;
use secret_service::blocking::{Collection, Item, SecretService};
use thiserror::Error;
use zeroize::Zeroizing;

/// The largest secret that is kept (bytes).
const MAX_SECRET_BYTES: usize = 64 * 1024;
/// How long the keyring may take: a person may have to be asked for its password.
const PATIENCE: Duration = Duration::from_secs(180);
/// What stands before an item's name where it is written down.
const SCHEME: &str = "keyring:";
const APPLICATION: &str = "inperson";

/// Why the keyring does not keep or give a secret.
#[derive(Debug, Error)]
pub enum KeyringError {
    /// There is none, or it refuses.
    #[error("the keyring: {0}")]
    Service(#[from] secret_service::Error),
    /// It says nothing.
    #[error("the keyring has not answered within {} s", PATIENCE.as_secs())]
    Slow,
    /// No such item, or several.
    #[error("the keyring: expected one item with the id {id}, found {found}")]
    Found {
        /// Which.
        id: String,
        /// How many there are.
        found: usize,
    },
    /// The secret is not what a keyring of ours would hold.
    #[error("the keyring: expected a secret of at most {MAX_SECRET_BYTES} bytes of text, found {0}")]
    Content(&'static str),
    /// What was stored does not come back.
    #[error("the keyring: expected to read what was stored, found something else")]
    Kept,
}

/// An item in the keyring, by its random name: `keyring:` and 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyringItem {
    id: String,
}

impl fmt::Debug for KeyringItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyringItem({})", self.id)
    }
}

impl fmt::Display for KeyringItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.id)
    }
}

impl FromStr for KeyringItem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = text.strip_prefix(SCHEME).filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        let id = id.ok_or_else(|| format!("expected {SCHEME} and 32 hexadecimal digits, found something else"))?;
        Ok(Self { id: id.to_ascii_lowercase() })
    }
}

impl KeyringItem {
    /// A new name; nothing is stored yet.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self { id: random.iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Stores a secret in the default keyring, and reads it back. `label` is what the person sees in her keyring's program.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub fn store(&self, label: &str, secret: &Zeroizing<String>) -> Result<(), KeyringError> {
        if secret.len() > MAX_SECRET_BYTES {
            return Err(KeyringError::Content("more"));
        }
        let (this, label, secret) = (self.clone(), label.to_owned(), secret.clone());
        in_time(move |service| {
            // The default one: others may be gone when the session ends.
            let collection = service.get_default_collection()?;
            unlock(&collection)?;
            let attributes = this.attributes();
            collection.create_item(&label, attributes, secret.as_bytes(), true, "text/plain")?;
            if this.read(service)? == secret { Ok(()) } else { Err(KeyringError::Kept) }
        })
    }

    /// The secret.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub fn load(&self) -> Result<Zeroizing<String>, KeyringError> {
        let this = self.clone();
        in_time(move |service| this.read(service))
    }

    /// Removes the secret; one that is not there is no error.
    ///
    /// # Errors
    /// See [`KeyringError`].
    pub fn remove(&self) -> Result<(), KeyringError> {
        let this = self.clone();
        in_time(move |service| {
            for item in this.items(service)? {
                if item.is_locked()? {
                    item.unlock()?;
                }
                item.delete()?;
            }
            Ok(())
        })
    }

    fn attributes(&self) -> HashMap<&str, &str> {
        HashMap::from([("application", APPLICATION), ("id", &self.id)])
    }

    fn items<'a>(&self, service: &'a SecretService<'_>) -> Result<Vec<Item<'a>>, KeyringError> {
        let found = service.search_items(self.attributes())?;
        Ok(found.unlocked.into_iter().chain(found.locked).collect())
    }

    fn read(&self, service: &SecretService<'_>) -> Result<Zeroizing<String>, KeyringError> {
        let items = self.items(service)?;
        let [item] = items.as_slice() else {
            return Err(KeyringError::Found { id: self.id.clone(), found: items.len() });
        };
        if item.is_locked()? {
            item.unlock()?;
        }
        let secret = Zeroizing::new(item.get_secret()?);
        if secret.len() > MAX_SECRET_BYTES {
            return Err(KeyringError::Content("more"));
        }
        let text = std::str::from_utf8(&secret).map_err(|_| KeyringError::Content("other bytes"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

fn unlock(collection: &Collection<'_>) -> Result<(), KeyringError> {
    if collection.is_locked()? { Ok(collection.unlock()?) } else { Ok(()) }
}

/// Speaks to the keyring on a thread of its own: the library blocks, and may not do so inside an asynchronous program.
fn in_time<T: Send + 'static>(
    work: impl FnOnce(&SecretService<'_>) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || {
        let connected = SecretService::connect(EncryptionType::Dh).map_err(KeyringError::from);
        // Nobody waits any more if it took too long.
        let _ = done.send(connected.and_then(|service| work(&service)));
    });
    result.recv_timeout(PATIENCE).unwrap_or(Err(KeyringError::Slow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_read() {
        let item = KeyringItem::new([0xab; 16]);
        assert_eq!(item.to_string(), format!("keyring:{}", "ab".repeat(16)));
        assert_eq!(item.to_string().parse::<KeyringItem>().unwrap(), item);
        for text in ["keyring:", "keyring:ab", "pkcs11:object=x", &format!("keyring:{}", "x".repeat(32))] {
            assert!(text.parse::<KeyringItem>().is_err(), "{text}");
        }
    }
}
