//! Other home servers' people in this directory: whose policies count here, for which mail domains, and which of their
//! certificates were revoked.
//!
//! ```text
//! [[foreign]] policy, fingerprint, domains ──► read at the start, limited to the domains
//!                     its updates ──► followed, each signed by the one before it
//!                     its lists ──► fetched for certificates that were shown here, from its own server alone
//! ```

mod kept;
mod lists;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use identity::UnixTime;
use identity::trust::{Fingerprint, MAX_POLICY_BYTES, Trust, TrustPolicy};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use transparency_log::client::self_proving_http;

use crate::neighbours::fetch;
pub(crate) use kept::FOLDER;
use kept::Kept;
use lists::{Wanted, server};

/// How often their updates are looked for.
const FOLLOW: Duration = Duration::from_secs(60 * 60);
/// How many revocation lists are kept.
const MAX_LISTS: usize = 256;

/// A policy of others, as `homeserver.toml` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// The file that holds it, as its server serves it; relative to the folder.
    pub policy: PathBuf,
    /// Its fingerprint, which was compared.
    pub fingerprint: String,
    /// The mail domains for which it counts.
    pub domains: Vec<String>,
}

impl Foreign {
    /// The policy as it is in the file.
    fn read(&self, folder: &Path) -> Result<TrustPolicy, String> {
        let path = folder.join(&self.policy);
        let wrong = |reason: String| format!("{}: {reason}", path.display());
        let expected: Fingerprint = self.fingerprint.parse().map_err(|error| wrong(format!("fingerprint: {error}")))?;
        let length = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?.len();
        if length > MAX_POLICY_BYTES as u64 {
            return Err(wrong(format!("expected at most {MAX_POLICY_BYTES} bytes, found {length}")));
        }
        let bytes = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        let policy = TrustPolicy::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
        let found = policy.fingerprint();
        if found != expected {
            return Err(wrong(format!("expected the fingerprint {expected}, found {found}")));
        }
        policy.limited_to(&self.domains).map_err(|error| wrong(error.to_string()))?;
        Ok(policy)
    }
}

/// All of them, shared by who follows them and who trusts by them.
#[derive(Clone, Default)]
pub(crate) struct Foreigners(Arc<Mutex<State>>);

/// One of them, as it stands now.
#[derive(Clone)]
struct Known {
    policy: TrustPolicy,
    domains: Vec<String>,
    kept: Kept,
}

#[derive(Default)]
struct State {
    each: Vec<Known>,
    /// Grows with every change.
    revision: u64,
    /// Their newest lists, by the address.
    lists: BTreeMap<String, Vec<u8>>,
    wanted: Wanted,
}

impl Foreigners {
    /// Reads the files that the settings name.
    pub(crate) fn read(folder: &Path, foreign: &[Foreign]) -> Result<Self, String> {
        let read = |foreign: &Foreign| {
            let (pinned, kept) = (foreign.read(folder)?, Kept::of(folder, &foreign.fingerprint));
            let policy = kept.newest(pinned)?;
            policy.limited_to(&foreign.domains).map_err(|error| format!("{}: {error}", foreign.policy.display()))?;
            Ok(Known { policy, domains: foreign.domains.clone(), kept })
        };
        let each = foreign.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        Ok(Self(Arc::new(Mutex::new(State { each, ..State::default() }))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is an assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows with every change.
    pub(crate) fn revision(&self) -> u64 {
        self.state().revision
    }

    /// Trust in `own` and, for their domains, in them; with the lists that are known of theirs.
    pub(crate) fn trust(&self, own: TrustPolicy) -> Result<Trust, identity::trust::PolicyError> {
        let state = self.state();
        let limited = state.each.iter().map(|known| known.policy.limited_to(&known.domains));
        let policies = std::iter::once(Ok(own)).chain(limited).collect::<Result<Vec<_>, _>>()?;
        let trust = Trust::new(policies)?;
        for (url, list) in &state.lists {
            install(&trust, url, list);
        }
        Ok(trust)
    }

    /// Whether a list lies at the server of one of them: no certificate makes this one ask anybody else.
    fn is_theirs(&self, url: &str) -> bool {
        let state = self.state();
        let mut authorities = state.each.iter().flat_map(|known| &known.policy.authorities);
        authorities.any(|authority| server(url).is_some_and(|asked| Some(asked) == server(&authority.acme)))
    }

    /// Fetches the lists that would say more about who was seen, and calls `changed` after each that is news.
    pub(crate) async fn refresh_lists(&self, trust: &Trust, changed: impl Fn()) {
        let wanted: Vec<String> = trust.take_wanted_lists().into_iter().filter(|url| self.is_theirs(url)).collect();
        let turn = {
            let mut state = self.state();
            state.wanted.add(wanted);
            state.wanted.take(Instant::now())
        };
        if turn.is_empty() {
            return;
        }
        let take = |url: &str, list: Vec<u8>| {
            if install(trust, url, &list) {
                self.keep(url, list);
                changed();
            }
        };
        let left = lists::fetch(turn, take).await;
        self.state().wanted.add(left);
    }

    fn keep(&self, url: &str, list: Vec<u8>) {
        let mut state = self.state();
        if state.lists.len() < MAX_LISTS || state.lists.contains_key(url) {
            state.lists.insert(url.to_owned(), list);
        }
    }

    /// Follows their updates until it is told to stop.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        loop {
            let each = self.state().each.clone();
            let all = join_all(each.iter().enumerate().map(|(number, known)| self.update(number, known)));
            tokio::select! {
                () = stop.cancelled() => return,
                _ = all => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FOLLOW) => {}
            }
        }
    }

    /// Takes the newest version of one of them, once it is kept: after a restart none before it counts.
    async fn update(&self, number: usize, known: &Known) {
        let newest = newest(&known.policy).await.and_then(|newest| {
            newest.limited_to(&known.domains).map_err(|error| error.to_string())?;
            Ok(newest)
        });
        let newest = match newest {
            Ok(newest) if newest.number > known.policy.number => newest,
            Ok(_) => return,
            Err(reason) => return tracing::warn!("a foreign trust policy stays as it is: {reason}"),
        };
        if let Err(reason) = known.kept.keep(&newest) {
            return tracing::warn!("a foreign trust policy stays as it is: {reason}");
        }
        tracing::info!(name = newest.name, number = newest.number, "a foreign trust policy was updated");
        let mut state = self.state();
        state.each[number].policy = newest;
        state.revision += 1;
    }
}

async fn newest(policy: &TrustPolicy) -> Result<TrustPolicy, String> {
    let Some(base) = policy.updates.as_deref().and_then(|updates| updates.strip_suffix("/policy")) else {
        return Ok(policy.clone());
    };
    fetch::follow(&self_proving_http(), base, policy.clone()).await
}

fn install(trust: &Trust, url: &str, list: &[u8]) -> bool {
    let installed = trust.install_crl_of(url, list, UnixTime::now());
    if let Err(error) = &installed {
        tracing::warn!(%error, "a revocation list of another home server cannot be used");
    }
    installed.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::testing::{Authority, NOON};
    use identity::verify::verify_person;

    #[test]
    fn a_foreign_policy_counts_for_its_domains_and_its_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let [own, theirs] = [1, 2].map(|seed| Authority::new(seed, NOON));
        let policy = theirs.policy();
        std::fs::write(folder.path().join("beta.json"), policy.canonical()).unwrap();
        let named = |fingerprint: String, domains: &[&str]| Foreign {
            policy: "beta.json".into(),
            fingerprint,
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
        };
        let right = named(policy.fingerprint().to_string(), &["example.net"]);
        let foreigners = Foreigners::read(folder.path(), &[right]).unwrap();
        let trust = foreigners.trust(own.policy()).unwrap();
        let bob = |domain: &str| format!("bob@{domain}").parse().unwrap();
        let person = |by: &Authority, domain: &str| verify_person(&by.issue_person(&bob(domain), NOON).0, &trust, NOON);
        person(&theirs, "example.net").unwrap();
        person(&own, "example.org").unwrap();
        assert_eq!(person(&theirs, "example.org").unwrap_err().rule.id(), "TRUST-02");

        for (wrong, says) in [
            (named("00".repeat(32), &["example.net"]), "expected the fingerprint 0000"),
            (named("x".to_owned(), &["example.net"]), "fingerprint:"),
            (named(policy.fingerprint().to_string(), &["*"]), "one by one"),
            (named(policy.fingerprint().to_string(), &[]), "domains"),
        ] {
            let error = Foreigners::read(folder.path(), &[wrong]).err().unwrap();
            assert!(error.contains("beta.json") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn lists_are_fetched_from_their_own_server_alone() {
        let policy = Authority::new(2, NOON).policy();
        let acme = policy.authorities[0].acme.clone();
        let each = vec![Known { policy, domains: Vec::new(), kept: Kept::of(Path::new(""), "") }];
        let foreigners = Foreigners(Arc::new(Mutex::new(State { each, ..State::default() })));
        let host = server(&acme).unwrap();
        assert!(foreigners.is_theirs(&format!("https://{host}/crl/people")));
        for other in
            ["https://127.0.0.1/", "http://ca.example.org/", "https://x@ca.example.org/crl", "file:///etc/passwd", ""]
        {
            assert!(!foreigners.is_theirs(other), "{other}");
        }
    }
}
