//! Which certificate is of which key, and which are above it.

use std::path::Path;

use device::MailKey;
use identity::certificate::{Certificate, SubjectName};
use identity::{CertificateDer, Identifier, IdentifierKind, MAX_CHAIN};

use super::read::Material;
use crate::failure::Failure;
use crate::text;

/// A key with its certificate and those above it, without the root.
pub(super) struct Pair {
    pub(super) key: MailKey,
    pub(super) chain: Vec<CertificateDer>,
    names: Vec<SubjectName>,
}

impl Pair {
    /// The mail addresses that the certificate names, as they are written here.
    pub(super) fn addresses(&self) -> Vec<Identifier> {
        let texts = self.names.iter().filter_map(|name| match name {
            SubjectName::Email(text) | SubjectName::InternationalEmail(text) => Some(text),
            _ => None,
        });
        let mut addresses: Vec<_> = texts
            .filter_map(|text| Identifier::parse(text).ok())
            .filter(|identifier| identifier.kind() == IdentifierKind::Email)
            .collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }
}

/// Every key with its certificate; and what is left over, in words.
///
/// # Errors
/// No key, no certificate, or none that is of a key.
pub(super) fn pairs(material: Material, path: &Path) -> Result<(Vec<Pair>, Vec<String>), Failure> {
    let path = path.display();
    let Material { keys, certificates } = material;
    let (read, unread): (Vec<_>, Vec<_>) =
        certificates.iter().map(|der| Certificate::parse(der)).partition(Result::is_ok);
    let read: Vec<Certificate> = read.into_iter().flatten().collect();
    if keys.is_empty() {
        return Err(Failure::failed(
            format!("there is no private key in {path}"),
            "Give the file with the key, too: --key FILE. Or export it once more, with its private key, from the program that has it.",
        ));
    }
    if certificates.is_empty() {
        return Err(Failure::failed(
            format!("there is no certificate in {path}"),
            "Give the certificate, and the key by --key FILE: certtool import CERTIFICATE --key FILE.",
        ));
    }
    let mut notes: Vec<String> = unread
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("a certificate is passed over: {error}"))
        .collect();
    let (mut pairs, mut alone) = (Vec::new(), 0);
    for key in keys {
        match leaf_of(&key, &read) {
            Some(leaf) => pairs.push(Pair { key, chain: chain(leaf, &read), names: leaf.tbs().subject_names() }),
            None => alone += 1,
        }
    }
    if pairs.is_empty() {
        let of = read.iter().map(|one| one.tbs().subject().to_string()).collect::<Vec<_>>().join("; ");
        let passed = notes.iter().map(|note| format!(" ({note})")).collect::<String>();
        return Err(Failure::failed(
            format!("key and certificate do not match: no certificate in {path} is of the key. Found: {of}{passed}"),
            "Give the certificate that the key was made for: certtool inspect FILE says whose a certificate is.",
        ));
    }
    if alone > 0 {
        notes.push(format!("{} without a certificate passed over", text::count(alone, "key", "keys")));
    }
    Ok((pairs, notes))
}

/// The certificate of a key; of several the one that ends last.
fn leaf_of<'a>(key: &MailKey, certificates: &'a [Certificate]) -> Option<&'a Certificate> {
    let public = key.public_bits();
    let of_key = certificates.iter().filter(|one| one.tbs().spki().subject_public_key.raw_bytes() == public);
    of_key.max_by_key(|one| one.tbs().not_after().as_secs())
}

/// From the leaf up, by names, as far as there is anything; a root is left out. Nothing is proven by it.
fn chain(leaf: &Certificate, certificates: &[Certificate]) -> Vec<CertificateDer> {
    let mut chain = vec![leaf];
    while let Some(last) = chain.last()
        && chain.len() < MAX_CHAIN
    {
        let above = certificates.iter().find(|one| {
            let tbs = one.tbs();
            tbs.subject() == last.tbs().issuer() && tbs.subject() != tbs.issuer()
        });
        match above {
            Some(above) if chain.iter().all(|one| one.der() != above.der()) => chain.push(above),
            _ => break,
        }
    }
    chain.into_iter().map(|one| CertificateDer::from(one.der().to_vec())).collect()
}
