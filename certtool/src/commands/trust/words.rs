//! Logs, witnesses and quorum of a policy in words.

use std::time::Duration;

use identity::UnixTime;
use identity::trust::{TrustPolicy, Window};
use serde::Serialize;
use tlog_proof::{LogPolicy, Quorum, VerifierKey};

use crate::text;

/// A log or a witness.
#[derive(Debug, Serialize)]
pub(super) struct Key {
    name: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<u64>,
    /// Whether it counts now.
    in_use: bool,
    #[serde(skip)]
    pub(super) in_words: String,
}

impl Key {
    fn new(policy: &TrustPolicy, key: &VerifierKey, now: UnixTime, more: &str) -> Self {
        let window = policy.window(key);
        let in_use = window.is_none_or(|window| window.contains(now.as_secs()));
        let when = window.map(|window| format!(", {}", bounds(window, now))).unwrap_or_default();
        Self {
            name: key.name().to_owned(),
            key: key.to_string(),
            not_before: window.and_then(|window| window.not_before),
            not_after: window.and_then(|window| window.not_after),
            in_use,
            in_words: format!("{}{more}{when}", key.name()),
        }
    }
}

fn bounds(window: &Window, now: UnixTime) -> String {
    let time = |seconds| text::time(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
    let now = now.as_secs();
    let mut bounds = Vec::new();
    if let Some(first) = window.not_before {
        bounds.push(format!("{} {}", if first > now { "counts from" } else { "since" }, time(first)));
    }
    if let Some(last) = window.not_after {
        bounds.push(format!("{} {}", if last < now { "retired since" } else { "until" }, time(last)));
    }
    bounds.join(", ")
}

/// Without a log policy that parses there is no trust policy at all.
fn log_policy(policy: &TrustPolicy) -> Option<LogPolicy> {
    policy.log_policy().ok()
}

/// Every log of the policy.
pub(super) fn logs(policy: &TrustPolicy, now: UnixTime) -> Vec<Key> {
    let logs = log_policy(policy).map(|log| log.logs).unwrap_or_default();
    let at = |url: &Option<String>| url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    logs.iter().map(|log| Key::new(policy, &log.vkey, now, &at(&log.url))).collect()
}

/// Every witness, and whether it is the operator's own.
pub(super) fn witnesses(policy: &TrustPolicy, now: UnixTime) -> Vec<Key> {
    let witnesses = log_policy(policy).map(|log| log.witnesses).unwrap_or_default();
    let by = |key: &VerifierKey| match policy.operator_witnesses.iter().any(|name| name == key.name()) {
        true => ", run by the authority's own operator",
        false => ", independent",
    };
    witnesses.iter().map(|witness| Key::new(policy, &witness.vkey, now, by(&witness.vkey))).collect()
}

/// `w1`, `any of w1 and w2`, `2 of these 3: w1, w2, any of a and b`.
pub(super) fn quorum(policy: &TrustPolicy) -> String {
    match log_policy(policy) {
        Some(LogPolicy { quorum: Quorum::None, .. }) | None => "nobody".to_owned(),
        Some(log) => {
            let Quorum::Name(name) = &log.quorum else { return "nobody".to_owned() };
            named(&log, name, log.groups.len())
        }
    }
}

/// Groups name groups before them only, so that this ends.
fn named(log: &LogPolicy, name: &str, before: usize) -> String {
    if let Some(key) = log.witness_key(name) {
        return key.name().to_owned();
    }
    let Some(position) = log.groups[..before].iter().position(|group| group.name == name) else {
        return name.to_owned();
    };
    let group = &log.groups[position];
    let members: Vec<_> = group.members.iter().map(|member| named(log, member, position)).collect();
    let members = members.join(", ");
    match (group.threshold, group.members.len()) {
        (_, 1) => members,
        (1, _) => format!("one of ({members})"),
        (all, count) if all == count => format!("all of ({members})"),
        (some, count) => format!("{some} of these {count} ({members})"),
    }
}

#[cfg(test)]
mod tests {
    use identity::testing::{Authority, NOON};

    use super::*;

    #[test]
    fn a_quorum_reads_as_it_counts() {
        let policy = Authority::new(1, NOON).policy();
        assert_eq!(quorum(&policy), "witness.example.org/w1");
        let other = Authority::new(2, NOON).policy().tlog_policy;
        let second = other.lines().find(|line| line.starts_with("witness w1 ")).unwrap().replacen("w1", "w2", 1);
        for (groups, words) in [
            ("group g 1 w1 w2\nquorum g\n", "one of (witness.example.org/w1, witness.example.org/w1)"),
            ("group g all w1 w2\nquorum g\n", "all of (witness.example.org/w1, witness.example.org/w1)"),
            ("group g 1 w2\nquorum g\n", "witness.example.org/w1"),
        ] {
            let rest = format!("{second}\n{groups}");
            let changed =
                TrustPolicy { tlog_policy: policy.tlog_policy.replace("quorum w1\n", &rest), ..policy.clone() };
            assert_eq!(quorum(&changed), words);
        }
    }

    #[test]
    fn what_is_retired_is_said() {
        let mut policy = Authority::new(1, NOON).policy();
        let key = policy.log_policy().unwrap().witnesses[0].vkey.to_string();
        let noon = NOON.as_secs();
        policy.windows = vec![Window { key, not_before: Some(noon), not_after: Some(noon + 60) }];
        let at = |seconds| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let witness = witnesses(&policy, now).remove(0);
            (witness.in_use, witness.in_words)
        };
        let (in_use, words) = at(noon + 61);
        assert!(!in_use && words.contains("retired since 2026-11-23 12:01:00 UTC"), "{words}");
        assert!(at(noon).0 && !at(noon - 1).0);
    }
}
