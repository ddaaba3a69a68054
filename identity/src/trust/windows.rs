//! Validity windows: since when and until when the key of a log or a witness counts.
//!
//! A key that is retired in good order stays in the policy with an end, so that what it signed before still verifies. A
//! key that was compromised is taken out of the policy: it could sign any time it likes, and a window would not help.

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use tlog_proof::{LogPolicy, VerifierKey};

use super::{PolicyError, TrustPolicy};

/// Since when and until when a key counts. A key without a window counts always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The key of a log or a witness, as it stands in `tlog_policy`.
    pub key: String,
    /// The first second in which it counts, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// The last second in which it counts, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
}

impl Window {
    /// Whether the window contains this second.
    pub fn contains(&self, seconds: u64) -> bool {
        self.not_before.is_none_or(|first| first <= seconds) && self.not_after.is_none_or(|last| seconds <= last)
    }
}

/// The windows of a policy, for verification.
#[derive(Clone, Debug)]
pub(crate) struct Windows(Vec<(VerifierKey, Window)>);

impl Windows {
    /// Checks them: each is of a key in the policy, bounded on at least one side, and not empty; one for a key.
    pub(super) fn new(windows: &[Window], log: &LogPolicy) -> Result<Self, PolicyError> {
        let wrong = |expected: &str, found: &str| PolicyError::value("windows", expected, found);
        let mut checked: Vec<(VerifierKey, Window)> = Vec::new();
        for window in windows {
            let mut keys = log.logs.iter().map(|l| &l.vkey).chain(log.witnesses.iter().map(|w| &w.vkey));
            let known = keys.find(|key| key.to_string() == window.key);
            let key = known.ok_or_else(|| wrong("the key of a log or witness in tlog_policy", &window.key))?;
            if checked.iter().any(|(other, _)| other == key) {
                return Err(wrong("one window for a key", &window.key));
            }
            match (window.not_before, window.not_after) {
                (None, None) => return Err(wrong("not_before or not_after", "neither")),
                (Some(first), Some(last)) if first > last => {
                    return Err(wrong("a window that begins before it ends", &format!("{first} to {last}")));
                }
                (first, last) if first.max(last) > Some(super::policy::MAX_NUMBER) => {
                    return Err(wrong("seconds up to 2^53 − 1", "more"));
                }
                _ => checked.push((key.clone(), window.clone())),
            }
        }
        Ok(Self(checked))
    }

    /// Whether the key counts in this second.
    pub(crate) fn hold(&self, key: &VerifierKey, seconds: u64) -> bool {
        self.of(key).is_none_or(|window| window.contains(seconds))
    }

    /// The window of a key, if it has one.
    pub(crate) fn of(&self, key: &VerifierKey) -> Option<&Window> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, window)| window)
    }
}

impl TrustPolicy {
    /// The log policy as it holds at this time: without the logs and witnesses whose windows do not contain it.
    ///
    /// Groups keep their thresholds, so that a quorum is never easier to reach than the policy says. What a log shows
    /// now is judged by this one; a certificate is judged by the windows at the times of its cosignatures.
    pub fn log_policy_at(&self, time: UnixTime) -> Result<LogPolicy, PolicyError> {
        let mut log = self.log_policy()?;
        let windows = Windows::new(&self.windows, &log)?;
        log.logs.retain(|l| windows.hold(&l.vkey, time.as_secs()));
        log.witnesses.retain(|w| windows.hold(&w.vkey, time.as_secs()));
        Ok(log)
    }

    /// The window of the log or witness with this key, as it stands in `tlog_policy`.
    pub fn window(&self, key: &VerifierKey) -> Option<&Window> {
        let key = key.to_string();
        self.windows.iter().find(|window| window.key == key)
    }
}
