//! The logs of neighbours that came after the one that was added.
//!
//! A neighbour closes its log from time to time, and announces the next one in a version of its trust policy that its root
//! has signed, and that is logged. Each version is verified by the one before it, beginning with the fingerprint that its
//! operator read out; so this server's witness cosigns the next log without anybody's doing.
//!
//! A neighbour speaks for its own logs alone: those whose origins differ from that of the first one in the last part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use identity::trust::TrustPolicy;
use reqwest::Client;
use tlog_proof::vkey::VerifierKey;
use tokio_util::sync::CancellationToken;
use transparency_log::Witness;
use transparency_log::client::self_proving_http;

use super::{Neighbour, Neighbours, fetch};
use crate::error::StartError;
use crate::folder::Folder;
use crate::settings::Settings;

/// The name of the file in the folder: by the name of each neighbour's witness, the keys of its further logs.
const FILE: &str = "neighbour-logs.json";

/// Pause between looks: a neighbour whose quorum demands this witness tries as often to open its next log.
const LOOK: Duration = Duration::from_secs(300);

/// How long all answers of one may take together.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is remembered, so that a start does not depend on the neighbours being there.
type Remembered = BTreeMap<String, Vec<String>>;

/// The further logs of these neighbours, as they were learnt before. What is damaged is learnt again.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn remembered(folder: &Folder, neighbours: &Neighbours) -> Result<Vec<VerifierKey>, StartError> {
    let remembered = read(folder)?;
    let of = |neighbour: &Neighbour| {
        let texts = remembered.get(neighbour.name()).cloned().unwrap_or_default();
        let keys = texts.iter().filter_map(|text| VerifierKey::parse(text).ok());
        keys.filter(|key| neighbour.may_name(key.name())).collect::<Vec<_>>()
    };
    Ok(neighbours.all().iter().flat_map(of).collect())
}

fn read(folder: &Folder) -> Result<Remembered, StartError> {
    Ok(folder.read(FILE)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

impl Neighbour {
    /// Whether a log of this origin can be this neighbour's: everything but the last part is that of its first log.
    fn may_name(&self, origin: &str) -> bool {
        let first = self.log.as_deref().and_then(|key| VerifierKey::parse(key).ok());
        let place = |origin: &str| origin.rsplit_once('/').map(|(place, _)| place.to_owned());
        first.is_some_and(|first| place(first.name()).is_some_and(|own| place(origin) == Some(own)))
    }
}

/// Follows the policies of the neighbours whose fingerprints are known.
pub(crate) struct Follower {
    folder: Arc<Folder>,
    neighbours: Neighbours,
    settings: Settings,
    witness: Witness,
    http: Client,
    /// The newest verified version of each, by the name of its witness.
    newest: BTreeMap<String, TrustPolicy>,
}

impl Follower {
    /// Adds to the logs that this witness cosigns.
    pub(crate) fn new(folder: Arc<Folder>, neighbours: Neighbours, settings: Settings, witness: Witness) -> Self {
        Self { folder, neighbours, settings, witness, http: self_proving_http(), newest: BTreeMap::new() }
    }

    /// Until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Looks at all of them once. One that is away costs nothing: what it was seen to announce is remembered.
    pub(crate) async fn look(&mut self) {
        for neighbour in self.neighbours.all().to_vec() {
            // One whose log is cosigned no more, as after a restored backup, is not followed.
            let (Some((base, fingerprint)), Some(_)) = (neighbour.policy(), &neighbour.log) else { continue };
            let name = neighbour.name().to_owned();
            let known = self.newest.get(&name).cloned();
            let newest = async {
                let known = match known {
                    Some(known) => known,
                    None => fetch::genesis(&self.http, base, fingerprint).await?,
                };
                fetch::follow(&self.http, base, known).await
            };
            // One that answers slowly does not keep the others waiting.
            let found = tokio::time::timeout(PATIENCE, newest).await;
            let found = found.unwrap_or_else(|_| Err(format!("it did not answer in {} s", PATIENCE.as_secs())));
            match found.and_then(|newest| Ok((logs(&newest)?, newest))) {
                Ok((logs, newest)) => {
                    self.newest.insert(name, newest);
                    self.learn(&neighbour, logs);
                }
                Err(reason) => {
                    tracing::debug!(neighbour = name, reason, "its trust policy cannot be followed just now");
                }
            }
        }
    }

    fn learn(&self, neighbour: &Neighbour, logs: Vec<VerifierKey>) {
        let first = neighbour.log.as_deref();
        let (own, others): (Vec<_>, Vec<_>) = logs
            .into_iter()
            .filter(|key| first != Some(key.to_string().as_str()))
            .partition(|key| neighbour.may_name(key.name()) && !self.settings.is_own_log(key.name()));
        let warn = |log: &str| {
            let neighbour = neighbour.name();
            tracing::warn!(neighbour, log, "a neighbour names a log that is not its own; it is not cosigned");
        };
        others.iter().for_each(|other| warn(other.name()));
        let texts: Vec<String> = own.iter().map(ToString::to_string).collect();
        let mut remembered = match read(&self.folder) {
            Ok(remembered) => remembered,
            Err(error) => return tracing::warn!(%error, "what neighbours announce cannot be remembered"),
        };
        if !own.is_empty() && remembered.get(neighbour.name()) != Some(&texts) {
            remembered.insert(neighbour.name().to_owned(), texts);
            let json = serde_json::to_vec_pretty(&remembered).expect("texts can be written as JSON");
            if let Err(error) = self.folder.write(FILE, &json) {
                tracing::warn!(%error, "what neighbours announce cannot be remembered");
            }
            for log in &own {
                let (neighbour, log) = (neighbour.name(), log.name());
                tracing::info!(neighbour, log, "the witness cosigns a further log of a neighbour");
            }
        }
        for key in own {
            if !self.witness.add_foreign_log(key.clone()) {
                warn(key.name());
            }
        }
    }
}

/// The keys of all logs of a neighbour's authority.
fn logs(policy: &TrustPolicy) -> Result<Vec<VerifierKey>, String> {
    let Some(authority) = policy.authorities.first() else { return Ok(Vec::new()) };
    let shards = policy.shards(authority).map_err(|error| error.to_string())?;
    let known = policy.log_policy().map_err(|error| error.to_string())?.logs.into_iter();
    Ok(known.map(|log| log.vkey).filter(|key| shards.iter().any(|shard| shard.origin == key.name())).collect())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use tlog_proof::{Cosigner, NoteSigner};

    use super::*;
    use crate::Options;

    fn key(origin: &str) -> VerifierKey {
        NoteSigner::new(origin, SigningKey::from_bytes(&[8; 32])).unwrap().vkey()
    }

    fn neighbour() -> Neighbour {
        let witness = Cosigner::new("b.example/witness", SigningKey::from_bytes(&[7; 32])).unwrap().vkey();
        let mut neighbour = Neighbour::witness_only("https://b.example:8443/witness", &witness.to_string()).unwrap();
        neighbour.log = Some(key("b.example:8443/log/2026").to_string());
        neighbour
    }

    #[test]
    fn a_neighbour_speaks_for_its_own_logs_alone() {
        let neighbour = neighbour();
        assert!(neighbour.may_name("b.example:8443/log/2027"));
        for origin in ["a.example:8443/log/2027", "b.example:8443/log/2027/x", "b.example:8443", "", "2027"] {
            assert!(!neighbour.may_name(origin), "{origin}");
        }
    }

    /// A server at `a.example`.
    fn here() -> Settings {
        let options = Options { domain: Some("a.example".to_owned()), ..Options::default() };
        Settings::first(&options, 2026).unwrap()
    }

    #[test]
    fn nobody_speaks_for_a_log_of_this_server_or_of_another_neighbour() {
        let place = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(place.path()).unwrap());
        let ours = here().origin();
        let at = |origin: &str, seed: u8| NoteSigner::new(origin, SigningKey::from_bytes(&[seed; 32])).unwrap().vkey();
        let next = here().shard_origin("2027");
        // One that says its first log lies where ours are, and so might name ours later.
        let mut liar = neighbour();
        liar.log = Some(at(&here().shard_origin("x"), 8).to_string());
        let mut neighbours = Neighbours::default();
        neighbours.add(liar.clone()).unwrap();
        assert!(neighbours.logs(vec![at(&next, 8), at(&ours, 8)], &here()).is_empty());
        let cosigner = Cosigner::new("a.example/witness", SigningKey::from_bytes(&[6; 32])).unwrap();
        let storage = Arc::new(transparency_log::storage::MemoryStorage::new());
        let witness = Witness::open_on(storage, cosigner, vec![at("c.example:8443/log/2026", 5)], Arc::new(|| 0));
        let follower = Follower::new(folder, neighbours, here(), witness.clone());
        follower.learn(&liar, vec![at(&ours, 8), at(&next, 8)]);
        // One below another's host cannot take its place either.
        let mut beside = neighbour();
        beside.log = Some(at("c.example:8443/log/mine", 8).to_string());
        follower.learn(&beside, vec![at("c.example:8443/log/2026", 8)]);
        let known: Vec<String> = witness.status().unwrap().into_iter().map(|log| log.origin).collect();
        assert_eq!(known, ["c.example:8443/log/2026"]);
        assert!(!witness.add_foreign_log(at("c.example:8443/log/2026", 8)), "its first key alone counts");
        let both = [at("c.example:8443/log/2026", 5), at("c.example:8443/log/2026", 8)];
        assert_eq!(Neighbours::default().logs(both.to_vec(), &here()), both[..1]);
    }

    #[test]
    fn what_was_learnt_is_remembered_and_what_is_not_its_own_is_not_learnt() {
        let place = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(place.path()).unwrap());
        let mut neighbours = Neighbours::default();
        neighbours.add(neighbour()).unwrap();
        assert!(remembered(&folder, &neighbours).unwrap().is_empty());
        let cosigner = Cosigner::new("a.example/witness", SigningKey::from_bytes(&[6; 32])).unwrap();
        let storage = Arc::new(transparency_log::storage::MemoryStorage::new());
        let witness = Witness::open_on(storage, cosigner, Vec::new(), Arc::new(|| 0));
        let follower = Follower::new(Arc::clone(&folder), neighbours.clone(), here(), witness.clone());
        let named = ["b.example:8443/log/2026", "b.example:8443/log/2027", "a.example:8443/log/2026"];
        follower.learn(&neighbour(), named.map(key).to_vec());
        let known: Vec<String> = witness.status().unwrap().into_iter().map(|log| log.origin).collect();
        assert_eq!(known, ["b.example:8443/log/2027"]);
        assert_eq!(remembered(&folder, &neighbours).unwrap(), [key("b.example:8443/log/2027")]);
        // Whoever is no neighbour any more has no logs.
        assert!(remembered(&folder, &Neighbours::default()).unwrap().is_empty());
        folder.write(FILE, b"garbage").unwrap();
        assert!(remembered(&folder, &neighbours).unwrap().is_empty());
    }
}
