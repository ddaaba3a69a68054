//! How old the newest state of the log may be.
//!
//! Every old checkpoint stays well signed for ever. A log that hides a certificate from its owner need not forge
//! anything: it is enough to go on showing her the state before that certificate, with the cosignatures of then.

use std::time::Duration;

use identity::UnixTime;
use identity::trust::LogWindow;
use tlog_proof::{Cosigned, LogPolicy, VerifierKey};

use super::Blindness;

/// The oldest cosignatures that say anything about now. An idle log has them renewed every ten minutes.
pub const MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// A witness's clock may be ahead of ours by this.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// Whether the policy's quorum has cosigned lately: within the last hour. A log that is closed cannot hide anything that
/// came later: of it, the last hour before its end is enough.
///
/// # Errors
///
/// [`Blindness::Stale`] if not.
pub fn check(policy: &LogPolicy, cosigned: &[Cosigned], window: &LogWindow, now: UnixTime) -> Result<(), Blindness> {
    let oldest = window.judged_at(now).as_secs().saturating_sub(MAX_AGE.as_secs());
    let newest = now.as_secs().saturating_add(AHEAD.as_secs());
    let lately: Vec<_> = cosigned.iter().filter(|c| (oldest..=newest).contains(&c.time)).collect();
    let by = |key: &VerifierKey| lately.iter().any(|c| c.name == key.name() && c.key_id == key.id());
    let keys: Vec<_> = policy.witnesses.iter().map(|witness| &witness.vkey).filter(|key| by(key)).collect();
    if policy.quorum_met(&keys) {
        return Ok(());
    }
    let last = cosigned.iter().map(|c| c.time).max().unwrap_or_default();
    Err(Blindness::Stale { cosigned: UnixTime::since_unix_epoch(Duration::from_secs(last)), now })
}

#[cfg(test)]
mod tests {
    use transparency_log::testing::MemoryLog;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn cosignatures_of_the_last_hour_count_and_no_others() {
        let log = MemoryLog::open("log.example.org/2026", transparency_log::system_clock()).await;
        let client = transparency_log::client::LogClient::new(log.source(), log.policy.clone());
        let now = client.checkpoint().await.unwrap().cosigned.remove(0);
        let cosigned = |time| {
            let mut cosigned = now.clone();
            cosigned.time = time;
            [cosigned]
        };
        let check_of = |window: LogWindow, time| check(&log.policy, &cosigned(time), &window, at(NOW));
        let check = |time| check_of(LogWindow::default(), time);
        assert_eq!(check(NOW - 3600), Ok(()));
        assert_eq!(check(NOW + 300), Ok(()));
        let stale = |time| Err(Blindness::Stale { cosigned: at(time), now: at(NOW) });
        assert_eq!(check(NOW - 3601), stale(NOW - 3601));
        assert_eq!(check(NOW + 301), stale(NOW + 301), "a witness that signs in advance says nothing about now");
        let closed = LogWindow { opens: None, closes: Some(NOW - 86_400) };
        assert_eq!(check_of(closed, NOW - 86_400 - 3600), Ok(()), "its last hour");
        assert_eq!(check_of(closed, NOW - 86_400 - 3601), stale(NOW - 86_400 - 3601));
    }
}
