//! Which keys a folder holds, where each lies, and when what they certify with ends. No key is opened.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use zeroize::Zeroizing;

use super::transcript::{digest, time};
use super::{IN_TOKEN, IssuerName, KeysError, certificate, read};
use crate::shards::SIGNER_END;

/// The largest file that may hold a key or a certificate (bytes).
const MAX_BYTES: u64 = 64 * 1024;

/// A key, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// The name of its file without its ending: `people-2`, `vrf`, `log`.
    pub name: String,
    /// Where it lies.
    pub lies: KeyLies,
    /// SHA-256 of the public key in its certificate, in hexadecimal, if it has one.
    pub key_sha256: Option<String>,
    /// When that certificate ends.
    pub ends: Option<String>,
}

/// Where a key lies, the worst place first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyLies {
    /// In a file that whoever reads it can use.
    InClear,
    /// In a file that cannot be read, or is no key: nobody knows.
    Unclear,
    /// In a file, under a passphrase.
    Sealed,
    /// In a token (RFC 7512).
    InAToken,
    /// With a process of its own.
    WithASigner,
    /// Not in this folder: its certificate alone is here.
    Elsewhere,
}

/// The keys in a folder, by name. A file that is damaged takes no other's place in the list.
///
/// # Errors
/// The folder cannot be read.
pub fn list_keys(folder: &Path) -> Result<Vec<ListedKey>, KeysError> {
    let io = |source| KeysError::Io { path: folder.into(), source };
    let mut found = BTreeMap::new();
    for file in std::fs::read_dir(folder).map_err(io)? {
        let file = file.map_err(io)?.file_name().to_string_lossy().into_owned();
        if let Some((name, lies)) = listed(folder, &file) {
            // A file that was forgotten beside what took its place is what has to be seen, and a certificate says least.
            let known = found.entry(name).or_insert(lies);
            *known = lies.min(*known);
        }
    }
    Ok(found.into_iter().map(|(name, lies)| with_certificate(folder, name, lies)).collect())
}

fn listed(folder: &Path, file: &str) -> Option<(String, KeyLies)> {
    if let Some(name) = file.strip_suffix(IN_TOKEN).and_then(|name| name.strip_suffix('.')) {
        return Some((name.into(), KeyLies::InAToken));
    }
    if let Some(name) = file.strip_suffix(SIGNER_END) {
        return Some((name.into(), KeyLies::WithASigner));
    }
    let stem = file.strip_suffix(".pem")?;
    let name = stem.strip_suffix(".key").unwrap_or(stem);
    let Some(text) = text(&folder.join(file)) else { return Some((name.into(), KeyLies::Unclear)) };
    if key_store::sealed::is_sealed(&text) {
        return Some((name.into(), KeyLies::Sealed));
    }
    if text.contains("PRIVATE KEY-----") || text.contains("SECRET-----") {
        return Some((name.into(), KeyLies::InClear));
    }
    match name == stem {
        false => Some((name.into(), KeyLies::Unclear)),
        true => has_certificate(stem).then(|| (stem.into(), KeyLies::Elsewhere)),
    }
}

/// What stands in a file; none if it is none, is larger than any key or certificate, or cannot be read.
fn text(path: &Path) -> Option<Zeroizing<String>> {
    let found = std::fs::metadata(path).ok()?;
    (found.is_file() && found.len() <= MAX_BYTES).then(|| read(path).ok())?
}

fn has_certificate(name: &str) -> bool {
    name == "root" || IssuerName::parse(name).is_some()
}

fn with_certificate(folder: &Path, name: String, lies: KeyLies) -> ListedKey {
    let path = folder.join(&name).with_added_extension("pem");
    if !has_certificate(&name) || !path.exists() {
        return ListedKey { name, lies, key_sha256: None, ends: None };
    }
    let found = text(&path).is_some().then(|| certificate(&path).ok()).flatten();
    let Some(certificate) = found else {
        // Of a key that is there it is no fault of its own.
        let lies = if lies == KeyLies::Elsewhere { KeyLies::Unclear } else { lies };
        return ListedKey { name, lies, key_sha256: None, ends: None };
    };
    let tbs = certificate.tbs();
    let (key_sha256, ends) = (Some(digest(&tbs.spki_der())), Some(time(tbs.not_after())));
    ListedKey { name, lies, key_sha256, ends }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use identity::UnixTime;
    use key_store::Passphrase;

    use super::*;

    #[test]
    fn every_key_is_listed_by_where_it_lies_and_none_is_shown() {
        let place = tempfile::tempdir().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_790_000_000));
        crate::init(place.path(), "Example", now).unwrap();
        let lies = |name: &str| {
            let listed = list_keys(place.path()).unwrap();
            listed.into_iter().find(|key| key.name == name).map(|key| key.lies)
        };
        assert_eq!(lies("people"), Some(KeyLies::InClear));
        super::super::seal_keys(place.path(), &Passphrase::new("correct horse".to_owned().into()).unwrap(), now)
            .unwrap();
        std::fs::remove_file(place.path().join("root.key.pem")).unwrap();
        std::fs::rename(place.path().join("services.key.pem"), place.path().join("elsewhere")).unwrap();
        std::fs::write(place.path().join("services.key.uri"), "pkcs11:object=services\n").unwrap();
        assert_eq!(lies("people"), Some(KeyLies::Sealed));
        assert_eq!(lies("root"), Some(KeyLies::Elsewhere));
        assert_eq!(lies("services"), Some(KeyLies::InAToken));
        assert_eq!(lies("vrf"), Some(KeyLies::InClear));
        // In clear all the same, beside what took its place.
        std::fs::write(place.path().join("vrf.signer"), "/run/inperson-vrf/socket\n").unwrap();
        assert_eq!(lies("vrf"), Some(KeyLies::InClear));
        assert_eq!(lies("audit"), Some(KeyLies::Sealed));
        assert_eq!(lies("transcript.txt"), None);
        // What is damaged is listed as such, beside the others.
        std::fs::create_dir(place.path().join("folder.pem")).unwrap();
        std::fs::write(place.path().join("empty.key.pem"), "").unwrap();
        std::fs::write(place.path().join("people-2.pem"), "nonsense").unwrap();
        std::fs::File::create(place.path().join("huge.pem")).unwrap().set_len(5 << 30).unwrap();
        for name in ["folder", "empty", "people-2", "huge"] {
            assert_eq!(lies(name), Some(KeyLies::Unclear), "{name}");
        }
        let people = list_keys(place.path()).unwrap().into_iter().find(|key| key.name == "people").unwrap();
        assert_eq!(people.key_sha256.map(|digest| digest.len()), Some(64));
        assert!(people.ends.unwrap().starts_with("2031-"));
    }
}
