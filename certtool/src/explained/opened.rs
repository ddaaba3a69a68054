//! What is in PKCS#12, once its passphrase is known: certificates, and of keys what kind they are.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use p12_keystore::error::Error;
use p12_keystore::{CertificateBag, Pkcs12Archive, PrivateKeyBag};
use zeroize::Zeroizing;

use super::kind::Part;
use super::{Explained, key};
use crate::failure::Failure;

/// Why it stays closed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The passphrase is another one.
    Wrong,
    /// It is damaged, or protected in a way that is not known here.
    Unreadable(String),
    /// It asks for more work than any honest file.
    TooMuch,
}

impl Closed {
    /// The same for people.
    pub(crate) fn told(self, path: &Path) -> Failure {
        match self {
            Self::Wrong => Failure::failed(
                format!("the passphrase is not the one of {}, or the file is damaged", path.display()),
                "Try the passphrase again: --file-passphrase ask.",
            ),
            Self::Unreadable(found) => Failure::failed(
                format!("{} does not open: {found}", path.display()),
                "Is it whole? openssl pkcs12 -in FILE -nokeys -info may know more of it.",
            ),
            Self::TooMuch => Failure::failed(
                format!("{} takes longer to open than any honest file", path.display()),
                "Do not trust it: ask whoever made it for another one.",
            ),
        }
    }
}

/// Each part may stretch the passphrase anew, those inside of others as well: no honest file takes so long.
const LONGEST: Duration = Duration::from_secs(60);

/// Everything that is in it, certificates first: each that a key is of, with those above it; where no key is of any, each by
/// itself.
///
/// # Errors
/// It does not open.
pub(crate) fn opened(der: &[u8], passphrase: &str) -> Result<Vec<Part>, Closed> {
    let archive = archive(der, passphrase)?;
    let is_of_a_key = |certificate: &CertificateBag| archive.keys.iter().any(|key| is_of(certificate, key));
    let (own, above): (Vec<_>, Vec<_>) = archive.certs.iter().partition(|certificate| is_of_a_key(certificate));
    let der = |bag: &&CertificateBag| bag.cert.as_der().to_vec().into();
    let mut parts: Vec<Part> =
        own.iter().map(|leaf| Part::Chain([leaf].into_iter().chain(&above).map(der).collect())).collect();
    if own.is_empty() {
        parts.extend(above.iter().map(|bag| Part::Chain(vec![der(bag)])));
    }
    for key in &archive.keys {
        let of = archive.certs.iter().find(|certificate| is_of(certificate, key));
        parts.push(explained(key, of)?.into());
    }
    for secret in &archive.secrets {
        let mut explained = Explained::new("secret key", "RFC 7292, 4.2.5");
        name(&mut explained, secret.friendly_name.as_deref());
        explained.next(key::NOT_SHOWN);
        parts.push(explained.into());
    }
    Ok(parts)
}

/// The same as it is, with its keys.
///
/// # Errors
/// It does not open.
pub(crate) fn archive(der: &[u8], passphrase: &str) -> Result<Pkcs12Archive, Closed> {
    let (done, answer) = mpsc::channel();
    let (der, passphrase) = (Zeroizing::new(der.to_vec()), Zeroizing::new(passphrase.to_owned()));
    // Past its time it is not waited for: the program ends soon.
    thread::spawn(move || done.send(Pkcs12Archive::from_pkcs12(&der, &passphrase)));
    let read = answer.recv_timeout(LONGEST).map_err(|_| Closed::TooMuch)?;
    read.map_err(|error| match error {
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => Closed::Wrong,
        error => Closed::Unreadable(error.to_string()),
    })
}

fn explained(bag: &PrivateKeyBag, of: Option<&CertificateBag>) -> Result<Explained, Closed> {
    let unreadable = || Closed::Unreadable("a private key in it is none".to_owned());
    let mut explained = key::private(bag.key.as_der()).ok_or_else(unreadable)?;
    name(&mut explained, bag.friendly_name.as_deref());
    // Said of a key in a file of its own.
    explained.fields.retain(|field| field.name != "passphrase");
    explained.next.truncate(1);
    let of = of.map_or("none of those in this file", |certificate| certificate.cert.subject());
    explained.field(
        "certificate",
        of,
        "Which certificate it is of, as the file says",
        "RFC 7292, 4.2; RFC 2985, 5.5.2",
    );
    Ok(explained)
}

fn name(explained: &mut Explained, name: Option<&str>) {
    if let Some(name) = name {
        explained.field("name", name, "What programs call it", "RFC 2985, 5.5.1");
    }
}

/// By the identifier that both carry.
fn is_of(certificate: &CertificateBag, key: &PrivateKeyBag) -> bool {
    let id = key.local_key_id.as_ref().map(AsRef::as_ref);
    id.is_some() && certificate.local_key_id.as_deref() == id
}
