//! An authority as this computer reaches it: whether it answers, and what time it is there.

use std::sync::Arc;

use device::https::{self, FetchError};
use identity::UnixTime;
use identity::trust::Trust;

use super::{Finding, surroundings};
use crate::failure::{Exit, Failure};
use crate::text;

/// By so many seconds two clocks may differ: a server tells whole seconds, which grow old on their way.
const CLOCKS_AGREE: u64 = 3;
/// From so many seconds on certificates and proofs are refused that are good (`WIT-03`: five minutes).
const CLOCKS_DIFFER: u64 = 300;

/// Asks the authority at `acme`. The second says whether it could not be reached.
pub(crate) async fn look(
    name: &str,
    acme: &str,
    trust: &Arc<Trust>,
    now: impl Fn() -> UnixTime,
) -> (Vec<Finding>, bool) {
    match https::server_time(trust.clone(), acme).await {
        Ok(Some(theirs)) => (clock(name, theirs, now()).into_iter().collect(), false),
        Ok(None) => (Vec::new(), false),
        Err(error) => {
            let unreachable = matches!(error, FetchError::Unreachable { .. });
            (vec![unanswered(error, surroundings::proxy())], unreachable)
        }
    }
}

fn unanswered(error: FetchError, proxy: Option<&str>) -> Finding {
    let failure = Failure::from(error);
    match proxy.filter(|_| failure.exit == Exit::Unreachable) {
        Some(proxy) => Finding::wrong(
            "proxy",
            format!("{}; connections go through the proxy that {proxy} names", failure.what),
            format!("unset {proxy}, and try again; if there is no other way out, ask who runs the proxy"),
        ),
        None => Finding::failed("authority", failure),
    }
}

/// Whether this computer's clock agrees with the authority's, whose certificate counted by it.
fn clock(name: &str, theirs: UnixTime, now: UnixTime) -> Option<Finding> {
    let (theirs, ours) = (theirs.as_secs(), now.as_secs());
    let by = theirs.abs_diff(ours);
    if by <= CLOCKS_AGREE {
        return None;
    }
    let how = if ours > theirs { "ahead of" } else { "behind" };
    let what = format!("this computer's clock is {} {how} that of {name}", text::span(by));
    let mend = "sudo timedatectl set-ntp true";
    Some(if by >= CLOCKS_DIFFER { Finding::wrong("clock", what, mend) } else { Finding::note("clock", what, mend) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_clock_counts_as_wrong_from_where_proofs_are_refused() {
        let found = |ours: u64| clock("example", at(10_000), at(ours));
        assert_eq!((found(10_000), found(10_003)), (None, None));
        assert!(!found(10_060).unwrap().wrong);
        let behind = found(6_400).unwrap();
        assert!(behind.wrong && behind.what.contains("1 hour behind that of example"), "{behind:?}");
        assert!(found(13_600).unwrap().what.contains("1 hour ahead of"));
    }

    #[test]
    fn a_proxy_is_to_blame_only_where_nobody_answers() {
        let unreachable =
            || FetchError::Unreachable { url: "https://ca.example".to_owned(), reason: "refused".to_owned() };
        let found = unanswered(unreachable(), Some("https_proxy"));
        assert!(found.about == "proxy" && found.mend.starts_with("unset https_proxy"), "{found:?}");
        assert_eq!(unanswered(unreachable(), None).about, "authority");
        let refused = FetchError::Untrusted { url: "https://ca.example".to_owned(), reason: "CHAIN-04".to_owned() };
        assert_eq!(unanswered(refused, Some("https_proxy")).about, "authority");
    }
}
