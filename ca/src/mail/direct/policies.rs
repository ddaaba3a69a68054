//! The policies of MTA-STS that hold (RFC 8461): fetched over HTTPS, and kept on disk as long as they say, so that nobody
//! undoes one by keeping us from fetching it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use identity::UnixTime;
use reqwest::StatusCode;
use rustls::RootCertStore;
use serde::{Deserialize, Serialize};

use super::super::MailError;
use super::names::Names;
use super::sts::{self, Mode, Policy};
use crate::{files, web};

/// The file with what is known, in the folder of the authority.
pub const FILE: &str = "mta-sts.json";
/// Domains whose policies are kept; beyond them, those that end first go.
const MAX_DOMAINS: usize = 1024;
/// How long a policy may take to come (section 3.3 has a minute).
const PATIENCE: Duration = Duration::from_secs(60);
/// A policy that could not be had is not fetched again sooner (section 3.3).
const AGAIN: u64 = 300;
/// The longest time until a policy that has not changed is fetched again. Seconds.
const RENEWED: u64 = 24 * 3600;

/// What is kept of a domain's policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// As the domain's record had it when this was fetched.
    id: String,
    /// Seconds since 1970.
    until: u64,
    policy: Policy,
}

impl Kept {
    /// Whether it is time to fetch it again though nothing has changed: else it would end, and who keeps us from fetching
    /// it at that very moment would undo it (section 3.3 advises to do so daily).
    fn is_half_over(&self, now: u64) -> bool {
        let left = self.until.saturating_sub(now);
        self.policy.max_age.saturating_sub(left) >= (self.policy.max_age / 2).min(RENEWED)
    }
}

/// All that are kept.
pub(super) struct Policies {
    path: PathBuf,
    roots: Arc<RootCertStore>,
    port: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: BTreeMap<String, Kept>,
    /// When a policy was last tried in vain. Seconds since 1970; never more than are kept.
    failed: BTreeMap<String, u64>,
}

impl Policies {
    pub(super) fn open(folder: &Path, roots: Arc<RootCertStore>, port: u16) -> Result<Self, MailError> {
        let path = folder.join(FILE);
        let kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| MailError::Config {
                what: FILE,
                expected: "what this authority wrote (remove it, and the policies are fetched again)",
                found: error.to_string(),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(MailError::Outbox { folder: path, source }),
        };
        Ok(Self { path, roots, port, state: Mutex::new(State { kept, failed: BTreeMap::new() }) })
    }

    /// The policy that holds for a domain: the one it publishes now, or, if that cannot be had, the one that was had before
    /// and has not ended.
    pub(super) async fn of(&self, domain: &str, names: &Names, now: UnixTime) -> Option<Policy> {
        let known = self.known(domain, now.as_secs());
        let id = match names.texts(&format!("_mta-sts.{domain}")).await {
            Ok(records) => sts::id(&records),
            Err(_) => None,
        };
        // Section 5.1: a record that has gone ends no policy.
        let Some(id) = id else { return known.map(|kept| kept.policy) };
        let holds = known.as_ref().is_some_and(|kept| kept.id == id && !kept.is_half_over(now.as_secs()));
        if holds || self.tried(domain, now.as_secs()) {
            return known.map(|kept| kept.policy);
        }
        match self.fetch(domain, names).await {
            Ok(policy) => {
                let until = now.as_secs().saturating_add(policy.max_age);
                self.keep(domain, Kept { id, until, policy: policy.clone() }, now.as_secs());
                Some(policy).filter(|policy| policy.mode != Mode::None)
            }
            Err(reason) => {
                tracing::warn!(domain, reason, "the policy of a mail domain (MTA-STS) cannot be had");
                self.failed(domain, now.as_secs());
                known.map(|kept| kept.policy)
            }
        }
    }

    fn known(&self, domain: &str, now: u64) -> Option<Kept> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.kept.get(domain).filter(|kept| kept.until > now).cloned()
    }

    fn tried(&self, domain: &str, now: u64) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failed.get(domain).is_some_and(|at| now < at.saturating_add(AGAIN))
    }

    fn failed(&self, domain: &str, now: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failed.len() >= MAX_DOMAINS {
            state.failed.clear();
        }
        state.failed.insert(domain.to_owned(), now);
    }

    fn keep(&self, domain: &str, one: Kept, now: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failed.remove(domain);
        let kept = &mut state.kept;
        kept.retain(|_, kept| kept.until > now);
        kept.insert(domain.to_owned(), one);
        while kept.len() > MAX_DOMAINS
            && let Some(first) = kept.iter().min_by_key(|(_, kept)| kept.until).map(|(domain, _)| domain.clone())
        {
            kept.remove(&first);
        }
        let text = serde_json::to_vec(kept).expect("strings and numbers always serialise");
        if let Err(error) = files::write(&self.path, &text) {
            tracing::error!(path = %self.path.display(), %error, "a policy (MTA-STS) could not be kept");
        }
    }

    /// Section 3.3: from the well-known place, verified by the web's authorities, without any redirect; no more than 64 KiB
    /// are read of any answer ([`web::send`]).
    async fn fetch(&self, domain: &str, names: &Names) -> Result<Policy, String> {
        let host = format!("mta-sts.{domain}");
        let addresses = names.addresses(&host).await.map_err(|error| error.to_string())?;
        let client = web::client_to(&host, &addresses.list, self.port, &self.roots);
        let url = format!("https://{host}:{}/.well-known/mta-sts.txt", self.port);
        let answer = tokio::time::timeout(PATIENCE, web::send(client.get(url), &host)).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("expected the status 200, found {}", answer.status));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|_| "expected text, found other bytes".to_owned())?;
        Policy::parse(text).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(until: u64) -> Kept {
        let policy = Policy { mode: Mode::Enforce, mx: vec!["mx.example.org".into()], max_age: 10 };
        Kept { id: "1".into(), until, policy }
    }

    #[test]
    fn policies_outlive_a_restart_and_end_when_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Policies::open(folder.path(), Arc::new(RootCertStore::empty()), 443).unwrap();
        open().keep("example.org", kept(100), 50);
        assert_eq!(open().known("example.org", 99), Some(kept(100)));
        assert_eq!(open().known("example.org", 100), None);
        assert_eq!(open().known("example.net", 50), None);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Policies::open(folder.path(), Arc::new(RootCertStore::empty()), 443).is_err());
    }

    #[test]
    fn a_policy_is_fetched_again_long_before_it_ends() {
        let had = |max_age| {
            let policy = Policy { mode: Mode::Enforce, mx: vec!["mx.example.org".into()], max_age };
            Kept { id: "1".into(), until: 1000 + max_age, policy }
        };
        let (short, long) = (had(3600), had(31_557_600));
        assert!(!short.is_half_over(1000 + 1799) && short.is_half_over(1000 + 1800) && short.is_half_over(1_000_000));
        assert!(!long.is_half_over(1000 + RENEWED - 1) && long.is_half_over(1000 + RENEWED));
        // A clock that was set back.
        assert!(!short.is_half_over(500));
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::open(folder.path(), Arc::new(RootCertStore::empty()), 443).unwrap();
        for n in 0..MAX_DOMAINS as u64 {
            policies.state.lock().unwrap().kept.insert(format!("{n}.example"), kept(1000 + n));
        }
        policies.keep("example.org", kept(100_000), 50);
        assert_eq!((policies.known("0.example", 50), policies.state.lock().unwrap().kept.len()), (None, MAX_DOMAINS));
        assert!(policies.known("1.example", 50).is_some() && policies.known("example.org", 50).is_some());
    }

    #[test]
    fn what_failed_is_left_alone_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let policies = Policies::open(folder.path(), Arc::new(RootCertStore::empty()), 443).unwrap();
        policies.failed("example.org", 1000);
        assert!(policies.tried("example.org", 1299) && !policies.tried("example.org", 1300));
        policies.keep("example.org", kept(2000), 1000);
        assert!(!policies.tried("example.org", 1001));
    }
}
