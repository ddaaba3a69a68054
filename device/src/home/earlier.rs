//! Keys for mail that others have taken the place of. They are kept, as they open what was written to them.

use std::path::PathBuf;

use identity::Identifier;
use rustls_pki_types::CertificateDer;

use super::devices::CHAIN;
use super::keys::{EARLIER, corrupt};
use super::{Home, HomeError, file_name};
use crate::certificates::chain_from_pem;
use crate::device::public_key_in;
use crate::files;
use crate::mail_key::MailKey;
use crate::own_key::OwnKey as _;

/// Such a key, closed, with the last certificate that it had, which may have ended long ago.
/// [`Home::earlier_mail_key`] opens it.
#[derive(Debug, Clone)]
pub struct EarlierMailbox {
    /// Whom the certificate names.
    pub identifier: Identifier,
    /// Leaf first, then the issuing certificate. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    folder: PathBuf,
}

/// Keys from before.
impl Home {
    /// The keys for mail of `identifier` that were kept when others took their place, with their certificates. No key is
    /// opened for it.
    ///
    /// # Errors
    /// The folder cannot be read, or a certificate in it is damaged.
    pub fn earlier_mailboxes(&self, identifier: &Identifier) -> Result<Vec<EarlierMailbox>, HomeError> {
        let below = self.folder.join(MailKey::FOLDER).join(EARLIER).join(file_name(identifier));
        let mut found = Vec::new();
        for folder in files::subfolders(&below)? {
            let path = folder.join(CHAIN);
            let Some(pem) = files::read(&path)? else { continue };
            let chain = chain_from_pem(&pem).map_err(|found| corrupt(&path, "a certificate chain in PEM", found))?;
            found.push(EarlierMailbox { identifier: identifier.clone(), chain, folder });
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
        Ok(kept.iter().filter_map(|earlier| public_key_in(&earlier.chain)).collect())
    }
}
