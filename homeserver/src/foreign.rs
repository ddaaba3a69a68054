//! Other home servers' people in this directory: whose policies count here, for which mail domains, and which of their
//! certificates were revoked.
//!
//! ```text
//! [[foreign]] policy, fingerprint, domains ──► read at the start, limited to the domains
//!                     its updates ──► followed, each signed by the one before it
//!                     its lists ──► fetched for its people's certificates that were shown here, from its own server alone
//! ```

mod kept;
mod lists;

use std::collections::{BTreeMap, BTreeSet};
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
use lists::{KeptLists, Wanted, server};

/// How often their updates are looked for.
const FOLLOW: Duration = Duration::from_secs(60 * 60);

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
    /// The newest lists of each: by its place among them all.
    lists: BTreeMap<usize, KeptLists>,
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
        // A panic between two steps loses a list at most, which is fetched again.
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
        for list in state.lists.values().flat_map(KeptLists::iter) {
            // However old it is by now: who was revoked must not become merely unknown because a server is away.
            if let Err(error) = trust.install_kept_crl(list, UnixTime::now()) {
                tracing::warn!(%error, "a kept revocation list of another home server cannot be used");
            }
        }
        Ok(trust)
    }

    /// The lists among these that lie at the server of the very authority whose certificates name them, by its policy's place:
    /// nobody's certificates make this one ask anybody else, or use up what another is asked.
    fn theirs(&self, wanted: BTreeMap<Fingerprint, BTreeSet<String>>) -> Vec<(usize, String)> {
        let state = self.state();
        let mut theirs = Vec::new();
        for (root, urls) in wanted {
            for (number, known) in state.each.iter().enumerate() {
                let same = known.policy.authorities.iter().filter(|authority| authority.root_digest() == Some(root));
                let servers: Vec<&str> = same.filter_map(|authority| server(&authority.acme)).collect();
                let at_theirs = |url: &&String| server(url).is_some_and(|asked| servers.contains(&asked));
                theirs.extend(urls.iter().filter(at_theirs).map(|url| (number, url.clone())));
            }
        }
        theirs
    }

    /// Fetches the lists that would say more about who was seen, and calls `changed` after each that is news.
    pub(crate) async fn refresh_lists(&self, trust: &Trust, changed: impl Fn()) {
        let wanted = self.theirs(trust.take_wanted_lists_by_root());
        let turn = {
            let mut state = self.state();
            state.wanted.add(wanted);
            state.wanted.take(Instant::now())
        };
        if turn.is_empty() {
            return;
        }
        let take = |number: usize, url: &str, list: Vec<u8>| {
            if install(trust, url, &list) {
                self.state().lists.entry(number).or_default().keep(url, list);
                changed();
            }
        };
        let left = lists::fetch(turn, take).await;
        self.state().wanted.add(left);
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

    /// Foreigners with these policies, each at a server of its own: nothing of them is on a disk.
    fn foreigners(policies: impl IntoIterator<Item = (TrustPolicy, &'static str)>) -> Foreigners {
        let known = |(mut policy, server): (TrustPolicy, &str)| {
            policy.authorities[0].acme = format!("https://{server}/acme/directory");
            Known { policy, domains: vec!["example.net".to_owned()], kept: Kept::of(Path::new(""), "") }
        };
        let each = policies.into_iter().map(known).collect();
        Foreigners(Arc::new(Mutex::new(State { each, ..State::default() })))
    }

    #[test]
    fn a_list_is_fetched_from_the_server_of_the_authority_whose_certificate_names_it() {
        let [beta, gamma] = [2, 3].map(|seed| Authority::new(seed, NOON).policy());
        let [of_beta, of_gamma] = [&beta, &gamma].map(|policy| policy.authorities[0].root_digest().unwrap());
        let foreigners = foreigners([(beta, "ca.beta.example"), (gamma, "ca.gamma.example:8443")]);
        let theirs = |root: Fingerprint, urls: &[&str]| {
            let urls = urls.iter().map(|&url| url.to_owned()).collect();
            foreigners.theirs(BTreeMap::from([(root, urls)]))
        };
        let found = theirs(of_gamma, &["https://ca.gamma.example:8443/crl", "https://ca.beta.example/crl"]);
        assert_eq!(found, [(1, "https://ca.gamma.example:8443/crl".to_owned())]);
        assert_eq!(theirs(of_beta, &["https://ca.beta.example/a"]), [(0, "https://ca.beta.example/a".to_owned())]);
        for other in [
            "https://ca.gamma.example:8443/a00",
            "https://127.0.0.1/",
            "http://ca.beta.example/",
            "https://x@ca.beta.example/crl",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(theirs(of_beta, &[other]), [], "{other}");
        }
        assert_eq!(theirs(Fingerprint([9; 32]), &["https://ca.beta.example/a"]), [], "nobody's that is known here");
    }

    #[test]
    fn who_was_revoked_stays_so_while_their_server_is_away() {
        let now = UnixTime::now();
        let ago = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() - days * 86_400));
        let [own, theirs] = [1, 2].map(|seed| Authority::new(seed, ago(30)));
        let foreigners = foreigners([(theirs.policy(), "ca.beta.example")]);
        let (bob, _) = theirs.issue_person(&"bob@example.net".parse().unwrap(), ago(10));
        let serial = identity::certificate::Certificate::parse(&bob[0]).unwrap().tbs().serial().to_vec();
        let list = theirs.people_crl(1, ago(9), &[&serial]);
        foreigners.state().lists.entry(0).or_default().keep("https://ca.beta.example/crl", list);
        let trust = foreigners.trust(own.policy()).unwrap();
        assert_eq!(verify_person(&bob, &trust, now).unwrap_err().rule.id(), "REV-01");
    }
}
