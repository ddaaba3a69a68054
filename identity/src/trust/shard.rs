//! Shards: the numbered logs of one authority, one after the other, each with a log key and a label key of its own.
//!
//! When a shard takes certificates, and until when anybody needs its labels, follows from the window of its log's key
//! alone, so that an authority, an owner and an auditor never disagree about it:
//!
//! ```text
//! old:  ──────────────────────────── closes        retires: labels need no proof any more
//! new:            opens ┄ takes certificates ────────────────────────────
//!                       └ 5 minutes: a witness's clock may lag behind the authority's
//! ```

use std::time::Duration;

use rustls_pki_types::UnixTime;
use tlog_proof::{LogKey, LogPolicy, VerifierKey};

use super::{Authority, Base64Bytes, EarlierLog, PolicyError, TrustPolicy, Window, windows::Windows};
use crate::transparency::{PERIOD, VrfPublicKey, period_of, periods_back};

/// How far clocks may differ (seconds); WIT-03 allows as much.
const CLOCKS: u64 = 5 * 60;
/// A certificate may be logged so long after its beginning (seconds): WIT-03.
const LOGGING: u64 = 24 * 60 * 60;
/// What a closed log has on top of that before its key ends (seconds).
const SPARE: u64 = 60 * 60;
/// Labels are proven for so long after the last certificate that could stand under them has ended (seconds).
const LAST_PROOFS: u64 = 24 * 60 * 60;

/// Since when and until when a log's key counts, in seconds since 1970, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogWindow {
    /// The first second; always, if there is none.
    pub opens: Option<u64>,
    /// The last second; for ever, if there is none.
    pub closes: Option<u64>,
}

impl LogWindow {
    /// From when on certificates go into this log, unless a later one takes them already.
    pub fn takes_from(&self) -> UnixTime {
        at(self.opens.map_or(0, |opens| opens.saturating_add(CLOCKS)))
    }

    /// The periods, both included, in which a certificate can begin whose place in this log a verifier accepts: its
    /// quorum's latest cosignature lies in the window (TRUST-04), and not far from its beginning (WIT-03).
    pub fn periods(&self) -> (u32, u32) {
        let first = self.opens.map_or(0, |opens| period_of(at(opens.saturating_sub(LOGGING))));
        let last = self.closes.map_or(u32::MAX, |closes| period_of(at(closes.saturating_add(CLOCKS))));
        (first, last)
    }

    /// When the last owner's proofs are out: no certificate that could stand in this log is valid any more, so that no
    /// owner asks for a label in it. Then its label key has no use but to whoever steals it.
    pub fn retires(&self) -> Option<UnixTime> {
        self.closes?;
        let after = u64::from(self.periods().1) + u64::from(periods_back()) + 1;
        Some(at(after.saturating_mul(PERIOD.as_secs()).saturating_add(LAST_PROOFS)))
    }

    /// Whether the log has begun.
    pub fn has_begun(&self, now: UnixTime) -> bool {
        self.opens.is_none_or(|opens| opens <= now.as_secs())
    }

    /// The time by whose keys and witnesses the log's newest state is judged: now, or its end.
    pub fn judged_at(&self, now: UnixTime) -> UnixTime {
        self.closes.map_or(now, |closes| at(closes.min(now.as_secs())))
    }
}

/// One of an authority's logs.
#[derive(Clone, Debug)]
pub struct Shard {
    /// The log's origin.
    pub origin: String,
    /// The key of the authority's labels in it.
    pub vrf_key: VrfPublicKey,
    /// When it counts.
    pub window: LogWindow,
}

impl TrustPolicy {
    /// The logs of an authority of this policy, in the order in which they take certificates.
    ///
    /// # Errors
    /// The policy is not in order; one that was parsed is.
    pub fn shards(&self, authority: &Authority) -> Result<Vec<Shard>, PolicyError> {
        let policy = self.log_policy()?;
        let windows = Windows::new(&self.windows, &policy)?;
        let earlier = authority.earlier_logs.iter().map(|earlier| (&earlier.log, &earlier.vrf_key));
        let mut shards = Vec::new();
        for (origin, vrf_key) in earlier.chain([(&authority.log, &authority.vrf_key)]) {
            let bytes = <[u8; 32]>::try_from(&*vrf_key.0)
                .map_err(|_| PolicyError::value("vrf_key", "32 bytes", vrf_key.0.len()))?;
            let vrf_key = VrfPublicKey::from_bytes(&bytes)
                .map_err(|source| PolicyError::Vrf { authority: authority.name.clone(), source })?;
            let window = window_of(&policy, &windows, origin)?;
            shards.push(Shard { origin: origin.clone(), vrf_key, window });
        }
        shards.sort_by_key(|shard| shard.window.opens);
        Ok(shards)
    }

    /// The log policy by which the log called `origin` is judged at `time`: its keys, whatever their windows say, and the
    /// witnesses of that time. For a log that is closed, [`LogWindow::judged_at`] is the time to ask for.
    pub fn log_policy_of(&self, origin: &str, time: UnixTime) -> Result<LogPolicy, PolicyError> {
        let mut policy = self.log_policy()?;
        let windows = Windows::new(&self.windows, &policy)?;
        policy.logs.retain(|log| log.vkey.name() == origin);
        policy.witnesses.retain(|witness| windows.hold(&witness.vkey, time.as_secs()));
        Ok(policy)
    }

    /// The next version, in which the first authority's certificates go into another log from `begins` on. The present
    /// one closes as soon as all that began before must have been logged.
    ///
    /// # Errors
    /// A key of that log, or a log of that name, is there already; the present log does not take certificates before
    /// `begins`; or the policy is not in order.
    pub fn with_next_log(
        &self,
        key: &VerifierKey,
        url: &str,
        vrf_key: &VrfPublicKey,
        begins: UnixTime,
    ) -> Result<Self, PolicyError> {
        let mut next = Self { number: self.number + 1, previous: Some(self.fingerprint()), ..self.clone() };
        let mut policy = self.log_policy()?;
        let authority = next.authorities.first_mut().ok_or_else(|| PolicyError::value("authorities", "one", "none"))?;
        let present = window_of(&policy, &Windows::new(&self.windows, &policy)?, &authority.log)?;
        if present.takes_from() >= begins {
            let expected = format!("a time after {}", present.takes_from().as_secs());
            return Err(PolicyError::value("begins", &expected, begins.as_secs()));
        }
        if policy.logs.iter().any(|log| log.vkey.name() == key.name()) {
            return Err(PolicyError::value("log", "another origin than any log so far", key.name()));
        }
        let closes = begins.as_secs().saturating_add(LOGGING + SPARE);
        for old in policy.logs.iter().filter(|log| log.vkey.name() == authority.log) {
            end(&mut next.windows, &old.vkey, closes);
        }
        let not_before = Some(begins.as_secs().saturating_sub(CLOCKS));
        next.windows.push(Window { key: key.to_string(), not_before, not_after: None });
        policy.logs.push(LogKey { vkey: key.clone(), url: Some(url.to_owned()) });
        next.tlog_policy = policy.to_string();
        let vrf_key = Base64Bytes(vrf_key.to_bytes().to_vec());
        let left = EarlierLog {
            log: std::mem::replace(&mut authority.log, key.name().to_owned()),
            vrf_key: std::mem::replace(&mut authority.vrf_key, vrf_key),
        };
        authority.earlier_logs.push(left);
        // Whoever reads it will check the same.
        Self::parse(&next.canonical())
    }
}

/// Lets the key's window end at `closes`, if it does not end before.
fn end(windows: &mut Vec<Window>, key: &VerifierKey, closes: u64) {
    let key = key.to_string();
    match windows.iter_mut().find(|window| window.key == key) {
        Some(window) => window.not_after = Some(window.not_after.map_or(closes, |other| other.min(closes))),
        None => windows.push(Window { key, not_before: None, not_after: Some(closes) }),
    }
}

/// From the first to the last second in which any key of the log called `origin` counts.
fn window_of(policy: &LogPolicy, windows: &Windows, origin: &str) -> Result<LogWindow, PolicyError> {
    let mut found: Option<LogWindow> = None;
    for log in policy.logs.iter().filter(|log| log.vkey.name() == origin) {
        let one = windows.of(&log.vkey);
        let (opens, closes) = (one.and_then(|one| one.not_before), one.and_then(|one| one.not_after));
        found = Some(found.map_or(LogWindow { opens, closes }, |other| LogWindow {
            opens: other.opens.zip(opens).map(|(a, b)| a.min(b)),
            closes: other.closes.zip(closes).map(|(a, b)| a.max(b)),
        }));
    }
    found.ok_or_else(|| PolicyError::value("log", "the origin of a log in tlog_policy", origin))
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
