//! The genesis trust policy: what people pin by its fingerprint. Made once, from the keys of the first start; read at
//! every other.

use ca::{AuthorityKeys, LabelKey};
use identity::IdentifierKind;
use identity::transparency::VrfPublicKey;
use identity::trust::{Authority, DirectoryEntry, TrustPolicy};
use tlog_proof::cosignature::Cosigner;
use tlog_proof::note::NoteSigner;
use tlog_proof::policy::LogPolicy;

use crate::error::StartError;
use crate::folder::Folder;
use crate::keys;
use crate::policies;
use crate::settings::Settings;

/// The name of the file in the folder.
pub const FILE: &str = "policy.json";

/// The keys that a genesis policy names.
#[derive(Debug)]
pub struct Signers {
    /// Signs the log's checkpoints; none if the log is elsewhere.
    pub log: Option<NoteSigner>,
    /// Cosigns them.
    pub witness: Cosigner,
}

impl Signers {
    /// The keys in the folder, made at the first start.
    ///
    /// # Errors
    /// See [`keys::open`].
    pub fn open(folder: &Folder, settings: &Settings) -> Result<Self, StartError> {
        let log = match &settings.log_elsewhere {
            Some(_) => None,
            None => Some(NoteSigner::new(&settings.origin(), keys::open(folder, keys::LOG)?)),
        };
        let witness = Cosigner::new(&settings.witness(), keys::open(folder, keys::WITNESS)?);
        Ok(Self {
            log: log.transpose().map_err(|error| StartError::part("log's name", &error))?,
            witness: witness.map_err(|error| StartError::part("witness's name", &error))?,
        })
    }
}

/// The label key of the first log, until it is destroyed; none, too, if it lies with a signer that is away, once a policy
/// names it: what it must be is known then, and whatever it signs is held to that.
///
/// # Errors
/// The file cannot be read, or holds something else; or there is no policy yet, and nobody says what to name in it.
pub fn labels(folder: &Folder) -> Result<Option<LabelKey>, StartError> {
    let file = folder.join("keys").join(ca::keys::LABEL_KEY);
    match LabelKey::open(&file) {
        Err(error) if error.is_away() && folder.join(FILE).exists() => Ok(None),
        Err(error) if error.is_away() => Err(StartError::Signer { reason: error.to_string() }),
        opened => opened.map_err(|error| StartError::part("label key", &error)),
    }
}

/// The policy in the folder; made from these settings and keys if there is none yet.
///
/// # Errors
/// The file cannot be read or written, is damaged, or belongs to other keys than the folder's.
pub fn open(
    folder: &Folder,
    settings: &Settings,
    authority: &AuthorityKeys,
    signers: &Signers,
    labels: Option<&VrfPublicKey>,
) -> Result<TrustPolicy, StartError> {
    let damaged = |reason: String| StartError::Damaged { what: folder.join(FILE).display().to_string(), reason };
    let Some(bytes) = folder.read(FILE)? else {
        let labels = labels.ok_or_else(|| damaged("expected the label key of a first log, found no file".into()))?;
        let policy = compose(settings, authority, signers, labels)?;
        folder.write(FILE, &policy.canonical())?;
        return Ok(policy);
    };
    let policy = TrustPolicy::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
    // A label key that is not there any more was destroyed when its log's time was over.
    let is_own = |key: &[u8]| labels.is_none_or(|own| key == own.to_bytes());
    let is_named = |named: &Authority| {
        let earlier = named.earlier_logs.iter().map(|log| &log.vrf_key);
        std::iter::once(&named.vrf_key).chain(earlier).any(|key| is_own(&key.0))
    };
    let has_root = |named: &Authority| named.root.0 == authority.root_der();
    let names_them = |version: &TrustPolicy| -> Result<bool, StartError> {
        let own = version.authorities.iter().any(|named| has_root(named) && is_named(named));
        Ok(own && names_the_log(version, settings, signers)?)
    };
    // The first log may have been struck before the version that was pinned anew.
    let mut versions = policies::kept_struck(folder.path())?;
    versions.push(policy.clone());
    let named = versions.iter().map(names_them).collect::<Result<Vec<_>, _>>()?.contains(&true);
    if !policy.authorities.iter().any(has_root) || !named {
        return Err(damaged(
            "expected a policy that names the keys in this folder, found one that names others".into(),
        ));
    }
    Ok(policy)
}

/// Whether a policy is this server's first one, or names its first log beside later ones, as one that was pinned anew
/// does.
fn names_the_log(policy: &TrustPolicy, settings: &Settings, signers: &Signers) -> Result<bool, StartError> {
    if policy.tlog_policy == log_policy(settings, signers)?.to_string() {
        return Ok(true);
    }
    let named = policy.log_policy().map_err(|error| StartError::part("trust policy", &error))?;
    let own = match &settings.log_elsewhere {
        Some(_) => log_policy(settings, signers)?.logs.into_iter().next().map(|log| log.vkey),
        None => signers.log.as_ref().map(NoteSigner::vkey),
    };
    Ok(policy.number > 1 && own.is_some_and(|own| named.logs.iter().any(|log| log.vkey == own)))
}

/// The log's part of the policy (C2SP tlog-policy): one log, one witness, and both must have signed; or what the operator
/// of a log elsewhere has said.
pub fn log_policy(settings: &Settings, signers: &Signers) -> Result<LogPolicy, StartError> {
    let elsewhere = |reason: String| StartError::Settings { path: crate::settings::FILE.into(), reason };
    if let Some(log) = &settings.log_elsewhere {
        return log.log_policy().map_err(elsewhere);
    }
    let log = signers.log.as_ref().ok_or_else(|| elsewhere("expected a log's key, found none".to_owned()))?.vkey();
    let witness = signers.witness.vkey();
    let name = settings.witness();
    let text = format!("log {log} {}/log\nwitness {name} {witness}\nquorum {name}\n", settings.base_url());
    LogPolicy::parse(&text).map_err(|error| StartError::part("log policy", &error))
}

fn compose(
    settings: &Settings,
    authority: &AuthorityKeys,
    signers: &Signers,
    labels: &VrfPublicKey,
) -> Result<TrustPolicy, StartError> {
    Ok(TrustPolicy {
        version: 1,
        number: 1,
        previous: None,
        name: settings.domain.clone(),
        authorities: vec![Authority {
            name: settings.domain.clone(),
            acme: format!("{}/acme/directory", settings.base_url()),
            root: authority.root_der().to_vec().into(),
            issuers: authority.issuers().iter().map(|der| der.to_vec().into()).collect(),
            withdrawn: Vec::new(),
            kinds: kinds(settings),
            domains: settings.permit_domains.clone(),
            phone_prefixes: settings.permit_phones.clone(),
            vrf_key: labels.to_bytes().to_vec().into(),
            log: settings.origin(),
            earlier_logs: Vec::new(),
        }],
        directories: vec![DirectoryEntry { name: settings.domain.clone(), address: settings.directory_address() }],
        tlog_policy: log_policy(settings, signers)?.to_string(),
        operator_witnesses: match &settings.log_elsewhere {
            Some(log) => log.operator_witnesses.clone(),
            None => vec![settings.witness()],
        },
        windows: Vec::new(),
        updates: Some(format!("{}/policy", settings.base_url())),
    })
}

fn kinds(settings: &Settings) -> Vec<IdentifierKind> {
    let phones = (!settings.permit_phones.is_empty()).then_some(IdentifierKind::Phone);
    std::iter::once(IdentifierKind::Email).chain(phones).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use identity::UnixTime;

    #[test]
    fn a_policy_is_made_once_and_one_of_other_keys_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| {
            let folder = Folder::open(&place.path().join(name)).unwrap();
            ca::init(&folder.join("keys"), "localhost", UnixTime::now()).unwrap();
            folder
        });
        let settings = Settings::first(&Options::default(), 2026).unwrap();
        let policy = |folder: &Folder| {
            let authority = AuthorityKeys::open(&folder.join("keys")).unwrap();
            let labels = LabelKey::open(&folder.join("keys").join(ca::keys::LABEL_KEY)).unwrap();
            let signers = Signers::open(folder, &settings).unwrap();
            open(folder, &settings, &authority, &signers, labels.as_ref().map(LabelKey::public))
        };
        let made = policy(&one).unwrap();
        assert_eq!(policy(&one).unwrap().fingerprint(), made.fingerprint());
        assert_eq!(TrustPolicy::parse(&one.read(FILE).unwrap().unwrap()).unwrap(), made);
        other.write(FILE, &made.canonical()).unwrap();
        assert!(policy(&other).unwrap_err().to_string().contains("names the keys in this folder"));
    }
}
