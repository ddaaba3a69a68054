//! What is in a file of others: private keys for mail, and certificates. What is none of these is refused with the reason.

use std::cell::RefCell;
use std::io::{IsTerminal as _, stdin};
use std::path::Path;

use device::{MAX_FILE_BYTES, MailKey};
use identity::CertificateDer;
use identity::certificate::Certificate;
use identity::oid;
use key_store::pem::{Block, BlockError, blocks};
use key_store::sealed::{self, SealError};
use key_store::{Passphrase, PassphraseError, PassphraseSource};
use p12_keystore::PrivateKey;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::explained::{self, Closed, foreign};
use crate::failure::Failure;
use crate::subject;

/// Most keys and certificates that are looked at.
const MAX_PARTS: usize = 64;
/// Most keys of one file that are each under a passphrase: opening one is meant to take long.
const MAX_SEALED: usize = 8;
/// What writes a key anew in a form that is read here.
const ANEW: &str = "openssl pkcs8 -topk8 -in KEY -out NEW writes it in a form that is known here: then --key NEW. Remove both afterwards.";
/// What to try when there is no passphrase.
const PASSPHRASE: &str =
    "Say where it comes from: --file-passphrase ask, file:PATH, fd:NUMBER or credential:NAME (systemd).";

/// What was found.
#[derive(Default)]
pub(super) struct Material {
    pub(super) keys: Vec<MailKey>,
    pub(super) certificates: Vec<CertificateDer>,
}

/// Reads files, and gets their passphrases.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context,
    pub(super) source: Option<&'a PassphraseSource>,
    /// What it gave: a pipe does that once.
    pub(super) given: RefCell<Option<Passphrase>>,
}

impl Reader<'_> {
    pub(super) fn read(&self, path: &Path, into: &mut Material) -> Result<(), Failure> {
        let bytes = Zeroizing::new(subject::read_up_to(path, MAX_FILE_BYTES, "key with its certificate")?);
        if let Some(foreign) = foreign::of(&bytes) {
            return Err(Failure::failed(
                format!("{} is {}, and no key for mail (S/MIME)", path.display(), foreign.what),
                foreign.why,
            ));
        }
        if explained::is_pkcs12(&bytes) {
            self.pkcs12(path, &bytes, into)?;
        } else if bytes.first() == Some(&0x30) {
            of_der(path, &bytes, into)?;
        } else {
            let text = std::str::from_utf8(&bytes).map_err(|_| unknown(path))?;
            let found = blocks(text).map_err(|error| damaged(path, &error))?;
            if found.is_empty() {
                return Err(unknown(path));
            }
            // Each of them stretches a passphrase.
            if found.iter().filter(|block| block.label == "ENCRYPTED PRIVATE KEY").count() > MAX_SEALED {
                return Err(Failure::failed(
                    format!("{} holds more than {MAX_SEALED} keys under passphrases", path.display()),
                    "Bring them in several files.",
                ));
            }
            for block in found {
                self.block(path, &block, into)?;
            }
        }
        if into.keys.len() > MAX_PARTS || into.certificates.len() > MAX_PARTS {
            return Err(Failure::failed(
                format!("{} holds more than {MAX_PARTS} keys or certificates", path.display()),
                "Bring them in several files.",
            ));
        }
        Ok(())
    }

    fn pkcs12(&self, path: &Path, bytes: &[u8], into: &mut Material) -> Result<(), Failure> {
        // Some have none, which is an empty one.
        let archive = match explained::archive(bytes, "") {
            Ok(archive) => archive,
            Err(closed @ Closed::TooMuch) => return Err(closed.told(path)),
            Err(_) => {
                let passphrase = self.passphrase(path).map_err(|error| no_passphrase(path, &error.into()))?;
                let passphrase = passphrase.ok_or_else(|| no_passphrase(path, &SealError::NoPassphrase))?;
                explained::archive(bytes, passphrase.as_str()).map_err(|closed| closed.told(path))?
            }
        };
        for bag in archive.keys.iter().take(MAX_PARTS + 1) {
            into.keys.push(mail_key(path, bag.key.as_der())?);
        }
        let certificates = archive.certs.iter().take(MAX_PARTS + 1);
        into.certificates.extend(certificates.map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())));
        Ok(())
    }

    fn block(&self, path: &Path, block: &Block<'_>, into: &mut Material) -> Result<(), Failure> {
        let whole = || block.file().map_err(|error| damaged(path, &error));
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => {
                let der = block.decode().map_err(|error| damaged(path, &error))?;
                into.certificates.push(CertificateDer::from(der.to_vec()));
            }
            "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                let opened = sealed::open(sealed::PRIVATE_KEY, &whole()?, &mut || self.passphrase(path));
                into.keys.push(mail_key(path, &opened.map_err(|error| no_passphrase(path, &error))?)?);
            }
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" if block.text.contains("Proc-Type: 4,ENCRYPTED") => {
                return Err(Failure::failed(
                    format!(
                        "the key in {} is under a passphrase in OpenSSL's old form, which hardly protects it",
                        path.display()
                    ),
                    ANEW,
                ));
            }
            "RSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                let der = block.decode().map_err(|error| damaged(path, &error))?;
                let key = MailKey::from_traditional(&der).map_err(|error| other_key(path, &error.to_string()))?;
                into.keys.push(key);
            }
            // Of what OpenSSL writes beside a key.
            "EC PARAMETERS" | "PUBLIC KEY" => {}
            _ => {
                let whole = whole()?;
                let foreign = foreign::of(whole.as_bytes());
                let what = foreign.map_or_else(|| format!("a {}", block.label), |foreign| foreign.what.to_owned());
                let why =
                    foreign.map_or("Take it out of the file: a certificate and its key are wanted.", |one| one.why);
                return Err(Failure::failed(format!("{} holds {what}", path.display()), why));
            }
        }
        Ok(())
    }

    /// The passphrase of a file; none where nobody gives one.
    fn passphrase(&self, path: &Path) -> Result<Option<Passphrase>, PassphraseError> {
        let what = path.display().to_string();
        match self.source {
            Some(PassphraseSource::Ask) => PassphraseSource::Ask.read(&what).map(Some),
            Some(source) => {
                let mut given = self.given.borrow_mut();
                if given.is_none() {
                    *given = Some(source.read(&what)?);
                }
                Ok(given.clone())
            }
            None if self.context.output.json() || !stdin().is_terminal() => Ok(None),
            None => PassphraseSource::Ask.read(&what).map(Some),
        }
    }
}

/// A key or a certificate by itself.
fn of_der(path: &Path, der: &[u8], into: &mut Material) -> Result<(), Failure> {
    if let Ok(key) = MailKey::from_pkcs8(der).or_else(|_| MailKey::from_traditional(der)) {
        into.keys.push(key);
    } else if Certificate::parse(der).is_ok() {
        into.certificates.push(CertificateDer::from(der.to_vec()));
    } else if PrivateKey::from_der(der).is_ok() {
        into.keys.push(mail_key(path, der)?);
    } else {
        return Err(unknown(path));
    }
    Ok(())
}

/// The key in PKCS#8.
fn mail_key(path: &Path, der: &[u8]) -> Result<MailKey, Failure> {
    MailKey::from_pkcs8(der).map_err(|error| {
        let kind = PrivateKey::from_der(der).ok().map(|key| key.oid());
        match kind {
            Some(oid::ED25519) => Failure::failed(
                format!("{} holds an Ed25519 key, as devices have, and mail programs do not take", path.display()),
                "A device's key stays on its device, for two devices with one key would be taken for each other: certtool enroll makes a key of its own here, and certtool endorse on the other device says that it is yours.",
            ),
            Some(oid::EC_PUBLIC_KEY | oid::RSA_ENCRYPTION) | None => other_key(path, &error.to_string()),
            Some(other) => other_key(path, &format!("one of {}", explained::object(&other))),
        }
    })
}

fn other_key(path: &Path, found: &str) -> Failure {
    Failure::failed(
        format!("the key in {} is none that is kept here: {found}", path.display()),
        "Keys of P-256 and of RSA from 2048 bits on are. Others stay in the program that they are in.",
    )
}

fn damaged(path: &Path, error: &BlockError) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()), "Is the file whole? Have it copied or exported once more.")
}

fn no_passphrase(path: &Path, error: &SealError) -> Failure {
    let remedy = match error {
        SealError::NoPassphrase | SealError::Passphrase(_) => PASSPHRASE,
        SealError::Wrong => "Try the passphrase again: --file-passphrase ask.",
        SealError::Form { .. } | SealError::Scheme(_) => ANEW,
    };
    Failure::failed(format!("{}: {error}", path.display()), remedy)
}

fn unknown(path: &Path) -> Failure {
    Failure::failed(
        format!("{} is neither PKCS#12 nor PEM with a certificate and a key", path.display()),
        "certtool inspect FILE says what it is. Programs export an S/MIME key with its certificate as .p12 or .pfx.",
    )
}
