//! What the root has signed is put beside its key, once it is certain that it is what was asked for.

use std::path::Path;
use std::time::Duration;

use identity::UnixTime;
use identity::certificate::Certificate;
use key_store::Passphrase;
use zeroize::Zeroizing;

use super::super::issuing::{Issuing, generations};
use super::super::signing_key::{SigningKey, Unlocking};
use super::super::transcript::digest;
use super::super::{CERTIFICATE, IN_TOKEN, IssuerName, KeysError, LABEL_KEY, SECRET, certificate, check_dates, read};
use super::request::{IssuingRequest, requested};
use super::{CeremonyError, MAX_BYTES, content, organization, plan, record, seal, verifies, write};
use crate::store::Authority;
use crate::{pem, random};

/// A certificate that was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Which.
    pub name: IssuerName,
    /// SHA-256 of the root that signed it, in hexadecimal.
    pub root: String,
    /// What it says, for people.
    pub facts: Vec<(&'static str, String)>,
}

/// Puts a certificate that came back beside its key. The authority that runs, or the next one that starts, issues with it.
///
/// In a folder without a root, the one that came along is taken: compare its digest with what the root's machine showed.
/// `passphrase` seals what is made then, but for the label key: its file is destroyed when its log is over, and opened
/// by whoever looks after logs.
///
/// # Errors
/// It is not what was requested here, not by this authority's root, or not valid now.
pub fn install_issuing(
    folder: &Path,
    chain: &str,
    passphrase: Option<&Passphrase>,
    now: UnixTime,
) -> Result<Installed, CeremonyError> {
    let (issuing, root) = read_chain(chain)?;
    let root_path = folder.join("root.pem");
    if root_path.exists() && certificate(&root_path)?.der() != root.der() {
        return Err(content("a certificate by the root of this authority", digest(root.der())));
    }
    let name = pending(folder, &issuing.tbs().spki_der())?;
    check_issuing(&issuing, name, &root)?;
    check_dates(&issuing, now)?;
    // What its next start would need: one passphrase that opens all, and the key of the certificate.
    let mut unlocking = Unlocking::known(passphrase.cloned());
    for known in generations(folder, name.authority)? {
        Issuing::open(folder, known, &mut unlocking)?;
    }
    // An attempt that was broken off may have brought the key to its place already.
    let lies = |stem: &Path| ["key.pem", IN_TOKEN].iter().any(|ending| stem.with_added_extension(ending).exists());
    let stem = Some(requested(folder, name)).filter(|stem| lies(stem)).unwrap_or_else(|| name.stem(folder));
    let key = SigningKey::open(&stem, &mut unlocking)?;
    if *key.spki_der() != *issuing.tbs().spki_der() {
        return Err(content("the key of this certificate", digest(key.spki_der())));
    }
    drop(key);
    // An authority that has begun has its secrets, and a label key that it has destroyed is never made again.
    if !root_path.exists() {
        make_secrets(folder, passphrase)?;
    }
    for ending in ["key.pem", IN_TOKEN] {
        let (from, to) =
            (requested(folder, name).with_added_extension(ending), name.stem(folder).with_added_extension(ending));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(|source| KeysError::Io { path: to, source })?;
        }
    }
    if !root_path.exists() {
        write(&root_path, &pem::encode(CERTIFICATE, root.der()))?;
    }
    write(&name.stem(folder).with_added_extension("pem"), &pem::encode(CERTIFICATE, issuing.der()))?;
    // Its purpose is fulfilled; if it stays, the next request says that it is there.
    let _ = std::fs::remove_file(requested(folder, name).with_added_extension("csr.pem"));
    let facts = record(folder, now, "issuing certificate installed", &issuing)?.facts;
    Ok(Installed { name, root: digest(root.der()), facts })
}

fn read_chain(text: &str) -> Result<(Certificate, Certificate), CeremonyError> {
    let wrong = || content("an issuing certificate and its root in PEM, by `ca issuing sign`", "another file");
    if text.len() > MAX_BYTES {
        return Err(wrong());
    }
    let blocks: Vec<_> = text.split_inclusive("-----END CERTIFICATE-----\n").collect();
    let [issuing, root] = blocks.as_slice() else { return Err(wrong()) };
    let parse = |pem: &str| -> Result<Certificate, CeremonyError> {
        Ok(Certificate::parse(&pem::decode(CERTIFICATE, pem).ok_or_else(wrong)?)?)
    };
    Ok((parse(issuing)?, parse(root)?))
}

/// Whose key was requested here.
fn pending(folder: &Path, spki_der: &[u8]) -> Result<IssuerName, CeremonyError> {
    for authority in [Authority::People, Authority::Services] {
        let newest = generations(folder, authority)?.last().map_or(0, |name| name.generation);
        let name = IssuerName { authority, generation: newest + 1 };
        let path = requested(folder, name).with_added_extension("csr.pem");
        if path.exists() && IssuingRequest::read(&read(&path)?)?.spki_der() == spki_der {
            return Ok(name);
        }
    }
    Err(content("a certificate for a key that was requested here", digest(spki_der)))
}

/// It is to the byte what the root should have signed, and the root signed it.
fn check_issuing(issuing: &Certificate, name: IssuerName, root: &Certificate) -> Result<(), CeremonyError> {
    let tbs = issuing.tbs();
    let (begin, end) = (tbs.not_before(), tbs.not_after());
    let lifetime = Duration::from_secs((end.as_secs() + 1).saturating_sub(begin.as_secs()));
    let serial = tbs.serial().try_into().map_err(|_| content("a serial number of 16 octets", tbs.serial_hex()))?;
    let organization = organization(root)?;
    if plan(name, &organization, &tbs.spki_der(), serial, begin, lifetime, root).tbs()? != *tbs {
        return Err(content(format!("the certificate of {name}, as `ca issuing sign` makes it"), "another"));
    }
    if !root_has_signed(root, issuing) {
        return Err(content("the root's signature", "another"));
    }
    Ok(())
}

pub(crate) fn root_has_signed(root: &Certificate, issuing: &Certificate) -> bool {
    let root_key = root.tbs().spki().subject_public_key.raw_bytes();
    let algorithm = issuing.tbs().signature_algorithm();
    algorithm.is_some_and(|algorithm| verifies(algorithm, root_key, issuing.tbs_der(), issuing.signature()))
}

/// The label key and the key of pseudonyms, which no root signs; made once. What an interrupted attempt has made stays.
fn make_secrets(folder: &Path, passphrase: Option<&Passphrase>) -> Result<(), CeremonyError> {
    for (file, passphrase) in [(LABEL_KEY, None), ("audit.key.pem", passphrase)] {
        let path = folder.join(file);
        if path.exists() {
            continue;
        }
        let secret = Zeroizing::new(random::bytes::<32>());
        let text = match passphrase {
            Some(passphrase) => seal(SECRET, &*secret, passphrase)?,
            None => pem::encode(SECRET, &*secret),
        };
        write(&path, &Zeroizing::new(text))?;
    }
    Ok(())
}
