//! The operator's part of a shard: its keys, and the version of the trust policy that announces it.
//!
//! ```text
//! shards/<name>/log.pem           the key that signs its checkpoints
//! shards/<name>/vrf.key.pem       the key of its labels, until it is destroyed
//! ```
//!
//! Needs the root's key and nothing of the running server, like every version of the policy ([`crate::policies`]).

use std::path::Path;

use ca::LabelKey;
use identity::UnixTime;
use identity::trust::TrustPolicy;
use key_store::PassphraseSource;
use serde::Serialize;
use tlog_proof::NoteSigner;

use crate::error::StartError;
use crate::folder::Folder;
use crate::keys;
use crate::logs::SHARDS;
use crate::policies::{self, Signed};
use crate::settings::{self, Settings};

/// The name of the file with a log's key.
pub const LOG_KEY: &str = "log.pem";

/// A log of this server, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its origin.
    pub origin: String,
    /// From when on certificates go into it, in seconds since 1970.
    pub takes_from: u64,
    /// The last second in which its key counts, if that is set.
    pub closes: Option<u64>,
    /// When its label key is destroyed, in seconds since 1970.
    pub retires: Option<u64>,
    /// Whether its label key is there.
    pub label_key: bool,
}

/// Makes the keys of a further log, and signs the version of the trust policy by which certificates go into it from
/// `begins` on. What an interrupted attempt has made is taken up.
///
/// # Errors
/// The name cannot be one, the time is not ahead, or the next version cannot be made or signed.
pub fn prepare(
    folder: &Path,
    name: &str,
    begins: UnixTime,
    now: UnixTime,
    root_key: Option<&Path>,
    passphrase: Option<PassphraseSource>,
) -> Result<Signed, StartError> {
    let wrong = |reason: String| StartError::Shard { reason };
    if !settings::is_shard_name(name) {
        return Err(wrong(format!(
            "expected a name of small letters, digits and hyphens such as 2027, found {name:?}"
        )));
    }
    if begins <= now {
        return Err(wrong("expected a time ahead, found one that has passed".into()));
    }
    let current = policies::newest(folder)?;
    let place = Folder::beside(folder)?;
    let settings = read_settings(&place)?;
    if settings.log_elsewhere.is_some() {
        return Err(wrong(
            "expected a log in this server, found one elsewhere: such a server stays with the log that it was introduced to".into(),
        ));
    }
    let origin = settings.shard_origin(name);
    if current.log_policy().is_ok_and(|policy| policy.logs.iter().any(|log| log.vkey.name() == origin)) {
        return Err(wrong(format!("expected the name of no log so far, found {origin} in the trust policy")));
    }
    let key = keys::open(&place, &format!("{SHARDS}/{name}/{LOG_KEY}"))?;
    let signer = NoteSigner::new(&origin, key).map_err(|error| StartError::part("log's name", &error))?;
    let labels = LabelKey::open_or_make(&place.join(SHARDS).join(name).join(ca::keys::LABEL_KEY))
        .map_err(|error| StartError::part("label key", &error))?;
    let url = format!("{}/log/{name}", settings.base_url());
    let next = current.with_next_log(&signer.vkey(), &url, labels.public(), begins);
    let next = next.map_err(|error| wrong(error.to_string()))?;
    policies::sign_as_next(folder, &current, &next, root_key, passphrase)
}

/// The logs of this server by its newest trust policy, the oldest first.
///
/// # Errors
/// The folder holds no server yet, or a damaged one.
pub fn list(folder: &Path) -> Result<Vec<Listed>, StartError> {
    let policy = policies::newest(folder)?;
    let place = Folder::beside(folder)?;
    let settings = read_settings(&place)?;
    let shards = own(&policy)?;
    let listed = |shard: identity::trust::Shard| {
        let file = match settings.shard_name(&shard.origin) {
            Some(name) if settings.log_elsewhere.is_some() || shard.origin != settings.origin() => {
                place.join(SHARDS).join(name)
            }
            _ => place.join("keys"),
        };
        Listed {
            takes_from: shard.window.takes_from().as_secs(),
            closes: shard.window.closes,
            retires: shard.window.retires().map(|at| at.as_secs()),
            label_key: LabelKey::is_at(&file.join(ca::keys::LABEL_KEY)),
            origin: shard.origin,
        }
    };
    Ok(shards.into_iter().map(listed).collect())
}

fn own(policy: &TrustPolicy) -> Result<Vec<identity::trust::Shard>, StartError> {
    let Some(authority) = policy.authorities.first() else { return Ok(Vec::new()) };
    policy.shards(authority).map_err(|error| StartError::part("trust policy", &error))
}

fn read_settings(place: &Folder) -> Result<Settings, StartError> {
    let path = place.join(settings::FILE);
    let bytes = place.read(settings::FILE)?;
    let bytes = bytes.ok_or_else(|| StartError::folder(&path, std::io::ErrorKind::NotFound.into()))?;
    Settings::parse(&bytes).map_err(|reason| StartError::Settings { path, reason })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::genesis::{self, Signers};
    use crate::options::Options;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    const NOW: u64 = 1_795_435_200;
    const DAY: u64 = 86_400;

    /// A folder after a first start.
    fn place() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        ca::init(&folder.join("keys"), "localhost", at(NOW)).unwrap();
        let settings = Settings::first(&Options::default(), 2026).unwrap();
        folder.write(settings::FILE, settings.to_toml().as_bytes()).unwrap();
        let keys = ca::AuthorityKeys::open(&folder.join("keys")).unwrap();
        let labels = LabelKey::open(&folder.join("keys").join(ca::keys::LABEL_KEY)).unwrap().unwrap();
        let signers = Signers::open(&folder, &settings).unwrap();
        genesis::open(&folder, &settings, &keys, &signers, Some(labels.public())).unwrap();
        place
    }

    #[test]
    fn a_shard_is_announced_by_a_signed_version_and_listed() {
        let place = place();
        let signed = prepare(place.path(), "2027", at(NOW + 30 * DAY), at(NOW), None, None).unwrap();
        assert_eq!(signed.number, 2);
        let listed = list(place.path()).unwrap();
        let [old, new] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((old.origin.as_str(), new.origin.as_str()), ("localhost:8443/log/2026", "localhost:8443/log/2027"));
        assert_eq!((new.takes_from, new.closes, new.label_key), (NOW + 30 * DAY, None, true));
        assert_eq!((old.closes, old.label_key), (Some(NOW + 30 * DAY + 90_000), true));
        let mode = |file: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            place.path().join("shards/2027").join(file).metadata().unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("log.pem"), mode("vrf.key.pem"), mode("")), (0o600, 0o600, 0o700));
        // The one after it is announced in the same way, and can begin later only.
        let early = prepare(place.path(), "2028", at(NOW + 20 * DAY), at(NOW), None, None).unwrap_err().to_string();
        assert!(early.contains("a time after"), "{early}");
        assert_eq!(prepare(place.path(), "2028", at(NOW + 400 * DAY), at(NOW), None, None).unwrap().number, 3);
        assert_eq!(list(place.path()).unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_a_shard_is_refused_before_anything_is_signed() {
        let place = place();
        for name in ["", "tile", "a/b", "..", "Ä", &"x".repeat(33)] {
            assert!(prepare(place.path(), name, at(NOW + DAY), at(NOW), None, None).is_err(), "{name}");
        }
        let refused = |name: &str, begins: u64| {
            prepare(place.path(), name, at(begins), at(NOW), None, None).unwrap_err().to_string()
        };
        assert!(refused("2027", NOW).contains("a time ahead"));
        assert!(refused("2026", NOW + DAY).contains("the name of no log so far"));
        assert_eq!(list(place.path()).unwrap().len(), 1);
        assert!(matches!(list(&place.path().join("nowhere")), Err(StartError::Folder { .. })));
    }
}
