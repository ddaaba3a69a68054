//! The operator's part: a draft of the next version, and the root's signature on it.

use std::path::Path;

use identity::UnixTime;
use identity::certificate::Certificate;
use identity::trust::{Change, PolicyUpdate, TrustPolicy};

use key_store::PassphraseSource;
use sha2::{Digest as _, Sha256};

use super::struck::{history, stays_struck};
use super::{damaged, logged, read, signed, write};
use crate::error::StartError;
use crate::genesis;

/// A version that was signed.
#[derive(Debug, Clone)]
pub struct Signed {
    /// Its number.
    pub number: u64,
    /// Its fingerprint.
    pub fingerprint: String,
    /// What it changes.
    pub changes: Vec<Change>,
}

/// What a draft leaves out because its key is known to others.
#[derive(Debug, Clone, Default)]
pub struct Strike {
    /// Earlier logs, by origin.
    pub logs: Vec<String>,
    /// Issuing certificates, by the names of their files in `keys/`: `people`, `services-2`.
    pub issuers: Vec<String>,
}

/// The next version in JSON to be edited: the newest one, published or only signed, with number and `previous` of the
/// version to come.
///
/// # Errors
/// The folder has no policy yet, or a damaged one; or what is to be struck does not stand in it.
pub fn draft(folder: &Path, strike: &Strike) -> Result<String, StartError> {
    let mut next = following(&newest(folder)?);
    list_new_issuers(folder, &mut next)?;
    strike.issuers.iter().try_for_each(|name| strike_issuer(folder, &mut next, name))?;
    strike.logs.iter().try_for_each(|origin| strike_log(&mut next, origin))?;
    Ok(serde_json::to_string_pretty(&next).expect("a policy is JSON"))
}

fn strike_issuer(folder: &Path, next: &mut TrustPolicy, name: &str) -> Result<(), StartError> {
    let der = ca::issuing_certificate(&folder.join("keys"), name)
        .map_err(|error| StartError::part("issuing certificate", &error))?;
    let issuers = &mut next.authorities[0].issuers;
    let before = issuers.len();
    issuers.retain(|listed| listed.0 != der);
    let struck = issuers.len() < before;
    struck.then_some(()).ok_or_else(|| StartError::Strike { what: format!("the issuing certificate {name}") })
}

fn strike_log(next: &mut TrustPolicy, origin: &str) -> Result<(), StartError> {
    let wrong = |error: &dyn std::error::Error| StartError::part("trust policy", error);
    let earlier = &mut next.authorities[0].earlier_logs;
    let before = earlier.len();
    earlier.retain(|log| log.log != origin);
    if earlier.len() == before {
        return Err(StartError::Strike { what: format!("the log {origin}, among the earlier ones,") });
    }
    let mut policy = next.log_policy().map_err(|error| wrong(&error))?;
    let is_struck = |log: &tlog_proof::LogKey| log.vkey.name() == origin;
    let keys: Vec<_> = policy.logs.iter().filter(|log| is_struck(log)).map(|log| log.vkey.to_string()).collect();
    next.windows.retain(|window| !keys.contains(&window.key));
    policy.logs.retain(|log| !is_struck(log));
    next.tlog_policy = policy.to_string();
    Ok(())
}

/// Signs the policy in the file `new` as the next version. The running server, or the next one that starts, logs it and
/// serves it.
///
/// Any spelling of the JSON will do: what is signed is its canonical form. Number and `previous` are set here, and issuing
/// keys that are no longer listed are withdrawn.
///
/// # Errors
/// The file is no policy in order, the version would lock its own people out or undo a strike, or the root's key is not there.
pub fn sign(
    folder: &Path,
    new: &Path,
    root_key: Option<&Path>,
    passphrase: Option<PassphraseSource>,
    now: UnixTime,
) -> Result<Signed, StartError> {
    let history = history(folder)?;
    let current = history.last().expect("the genesis version is one").clone();
    let bytes = read(new)?.ok_or_else(|| StartError::folder(new, std::io::ErrorKind::NotFound.into()))?;
    let wrong = |reason: String| StartError::Policy { path: new.to_path_buf(), reason };
    let edited: TrustPolicy = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let expected = following(&current);
    let mut policy = TrustPolicy { number: expected.number, previous: expected.previous, ..edited };
    current.withdraw_what_is_gone(&mut policy);
    stays_struck(&history, &policy).map_err(wrong)?;
    TrustPolicy::parse(&policy.canonical()).map_err(|error| wrong(error.to_string()))?;
    keeps_this_server(&current, &policy).and_then(|()| keeps_the_present_log(&current, &policy, now)).map_err(wrong)?;
    sign_as_next(folder, &current, &policy, root_key, passphrase)
}

/// Signs a policy that is in order, and puts it where the running server finds it.
pub(crate) fn sign_as_next(
    folder: &Path,
    current: &TrustPolicy,
    policy: &TrustPolicy,
    root_key: Option<&Path>,
    passphrase: Option<PassphraseSource>,
) -> Result<Signed, StartError> {
    let canonical = policy.canonical();
    let keys = folder.join("keys");
    let key = root_key.map_or_else(|| keys.join("root.key.pem"), Path::to_path_buf);
    let signature =
        ca::sign_policy(&keys, &key, passphrase, &canonical).map_err(|error| StartError::part("root's key", &error))?;
    let text = String::from_utf8(canonical).expect("JSON is UTF-8");
    let update = PolicyUpdate { policy: text, proof: String::new(), signature: signature.into() };
    write(&signed(folder, policy.number), &update.to_bytes())?;
    Ok(Signed {
        number: policy.number,
        fingerprint: policy.fingerprint().to_string(),
        changes: current.changes_to(policy),
    })
}

/// Issuing certificates that were installed since the last version belong into the next one.
fn list_new_issuers(folder: &Path, next: &mut TrustPolicy) -> Result<(), StartError> {
    let installed = ca::issuing_certificates(&folder.join("keys"));
    let own = &mut next.authorities[0];
    for der in installed.map_err(|error| StartError::part("issuing certificates", &error))? {
        let withdrawn = Certificate::parse(&der)
            .is_ok_and(|parsed| own.withdrawn.iter().any(|key| key.to_string() == digest(&parsed.tbs().spki_der())));
        if !withdrawn && own.issuers.iter().all(|listed| listed.0 != der) {
            own.issuers.push(der.into());
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn following(current: &TrustPolicy) -> TrustPolicy {
    TrustPolicy { number: current.number + 1, previous: Some(current.fingerprint()), ..current.clone() }
}

/// The newest version in the folder, published or only signed.
pub(crate) fn newest(folder: &Path) -> Result<TrustPolicy, StartError> {
    Ok(versions(folder)?.pop().expect("the genesis version is one"))
}

/// All versions in the folder, published or only signed, the genesis one first.
pub(crate) fn versions(folder: &Path) -> Result<Vec<TrustPolicy>, StartError> {
    let path = folder.join(genesis::FILE);
    let bytes = read(&path)?.ok_or_else(|| StartError::folder(&path, std::io::ErrorKind::NotFound.into()))?;
    let mut policy = TrustPolicy::parse(&bytes).map_err(|error| damaged(&path, error))?;
    let mut found = vec![policy.clone()];
    loop {
        let paths = [logged(folder, policy.number + 1), signed(folder, policy.number + 1)];
        let next = paths.iter().find_map(|path| read(path).transpose().map(|read| (path, read)));
        let Some((path, bytes)) = next else { return Ok(found) };
        let update = PolicyUpdate::parse(&bytes?).map_err(|error| damaged(path, error))?;
        let next = TrustPolicy::parse(update.policy.as_bytes()).map_err(|error| damaged(path, error))?;
        if next.number != policy.number + 1 || next.previous != Some(policy.fingerprint()) {
            let expected = format!("expected version {} of the trust policy, found another", policy.number + 1);
            return Err(damaged(path, expected));
        }
        policy = next;
        found.push(policy.clone());
    }
}

/// This server signs with one root, one label key and one log: a version without them would have people refuse every
/// certificate it makes.
fn keeps_this_server(current: &TrustPolicy, next: &TrustPolicy) -> Result<(), String> {
    let (own, kept) = (&current.authorities[0], next.authorities.first());
    let same = kept.is_some_and(|kept| kept.root == own.root && kept.vrf_key == own.vrf_key && kept.log == own.log);
    if same {
        return Ok(());
    }
    Err(format!(
        "expected {} first among the authorities, with the same root, label key and log; another log: homeserver shard prepare",
        own.name
    ))
}

/// A log is struck once its successor has begun: before, nothing would be certified until that begins.
fn keeps_the_present_log(current: &TrustPolicy, next: &TrustPolicy, now: UnixTime) -> Result<(), String> {
    let logs = |policy: &TrustPolicy| policy.shards(&policy.authorities[0]).map_err(|error| error.to_string());
    let (before, after) = (logs(current)?, logs(next)?);
    let present = before.iter().rposition(|log| log.window.takes_from() <= now).unwrap_or_default();
    let Some(log) = before.get(present) else { return Ok(()) };
    if after.iter().any(|kept| kept.origin == log.origin) {
        return Ok(());
    }
    let begins = before.get(present + 1).map_or(0, |next| next.window.takes_from().as_secs());
    let begins = jiff::Timestamp::from_second(i64::try_from(begins).unwrap_or(i64::MAX)).unwrap_or_default();
    Err(format!(
        "expected the log {}, which takes certificates until the next one begins, found it struck: sign this after {begins}",
        log.origin
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::folder::Folder;
    use crate::genesis::Signers;
    use crate::options::Options;
    use crate::settings::Settings;

    /// A folder after a first start, and its genesis policy.
    fn place() -> (tempfile::TempDir, TrustPolicy) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        ca::init(&folder.join("keys"), "localhost", UnixTime::now()).unwrap();
        let settings = Settings::first(&Options::default(), 2026).unwrap();
        let keys = ca::AuthorityKeys::open(&folder.join("keys")).unwrap();
        let labels = ca::LabelKey::open(&folder.join("keys").join(ca::keys::LABEL_KEY)).unwrap().unwrap();
        let signers = Signers::open(&folder, &settings).unwrap();
        let policy = genesis::open(&folder, &settings, &keys, &signers, Some(labels.public())).unwrap();
        (place, policy)
    }

    #[test]
    fn a_draft_becomes_a_signed_version_and_the_next_draft_follows_it() {
        let (place, genesis) = place();
        let draft_one = draft(place.path(), &Strike::default()).unwrap();
        let file = place.path().join("new.json");
        std::fs::write(&file, draft_one.replacen("\"name\": \"localhost\"", "\"name\": \"Home\"", 1)).unwrap();
        let signed = sign(place.path(), &file, None, None, UnixTime::now()).unwrap();
        assert_eq!(signed.number, 2);
        assert!(!signed.changes.is_empty());
        let second = newest(place.path()).unwrap();
        assert_eq!((second.previous, second.name.as_str()), (Some(genesis.fingerprint()), "Home"));
        let third: TrustPolicy = serde_json::from_str(&draft(place.path(), &Strike::default()).unwrap()).unwrap();
        assert_eq!((third.number, third.previous), (3, Some(second.fingerprint())));
    }

    #[test]
    fn an_older_draft_undoes_no_strike() {
        let (place, genesis) = place();
        let folder = Folder::open(place.path()).unwrap();
        let settings = Settings::first(&Options::default(), 2026).unwrap();
        folder.write(crate::settings::FILE, settings.to_toml().as_bytes()).unwrap();
        let at = |later: u64| UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + later));
        crate::shards::prepare(place.path(), "next", at(60), UnixTime::now(), None, None).unwrap();
        let sign_draft = |name: &str, strike: Option<&Strike>| {
            let file = place.path().join(name);
            if let Some(strike) = strike {
                std::fs::write(&file, draft(place.path(), strike).unwrap()).unwrap();
            }
            sign(place.path(), &file, None, None, at(120)).map(|signed| signed.number)
        };
        std::fs::write(place.path().join("first"), draft(place.path(), &Strike::default()).unwrap()).unwrap();
        let log = Strike { logs: vec![settings.origin()], ..Strike::default() };
        assert_eq!(sign_draft("log", Some(&log)).unwrap(), 3);
        std::fs::write(place.path().join("second"), draft(place.path(), &Strike::default()).unwrap()).unwrap();
        let issuer = Strike { issuers: vec!["people".to_owned()], ..Strike::default() };
        assert_eq!(sign_draft("issuer", Some(&issuer)).unwrap(), 4);
        let people = Certificate::parse(&genesis.authorities[0].issuers[0].0).unwrap();
        let people = digest(&people.tbs().spki_der());
        for (old, names, struck) in [("first", settings.origin(), 3), ("second", people, 4)] {
            let refused = sign_draft(old, None).unwrap_err();
            let said = refused.to_string();
            assert!(said.contains(&names) && said.contains(&format!("version {struck} has struck")), "{said}");
            assert!(refused.remedy().contains("homeserver policy draft"));
        }
        assert_eq!(newest(place.path()).unwrap().number, 4, "nothing was signed");
        assert_eq!(sign_draft("new", Some(&Strike::default())).unwrap(), 5);
    }

    #[test]
    fn what_would_lock_people_out_is_not_signed() {
        let (place, genesis) = place();
        let file = place.path().join("new.json");
        let mut without = genesis.clone();
        without.authorities[0].vrf_key =
            identity::testing::Authority::new(1, UnixTime::now()).policy().authorities[0].vrf_key.clone();
        std::fs::write(&file, serde_json::to_string(&without).unwrap()).unwrap();
        let error = sign(place.path(), &file, None, None, UnixTime::now()).unwrap_err().to_string();
        assert!(error.contains("same root, label key and log"), "{error}");
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(sign(place.path(), &file, None, None, UnixTime::now()), Err(StartError::Policy { .. })));
        std::fs::write(&file, draft(place.path(), &Strike::default()).unwrap()).unwrap();
        let error = sign(place.path(), &file, Some(&place.path().join("elsewhere.pem")), None, UnixTime::now())
            .unwrap_err()
            .to_string();
        assert!(error.contains("elsewhere.pem"), "{error}");
        assert_eq!(newest(place.path()).unwrap(), genesis);
    }
}
