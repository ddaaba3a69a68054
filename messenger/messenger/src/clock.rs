//! This computer's clock: what it says, how far it is from the home server's, and times as people read them.

use std::sync::Arc;
use std::time::Duration;

use identity::UnixTime;
use identity::trust::Trust;
use messenger_engine::Event;

/// How long the home server may take to say what time it is.
const SERVER: Duration = Duration::from_secs(10);
/// So far apart, and the two are told of it: witnesses' and logs' times are held against the clock with little more.
const TOO_FAR_S: i64 = 300;

/// A day as people here write it.
pub(crate) fn day(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%-d %b %Y").to_string()
}

/// What the clock says, for messages about time.
pub(crate) fn says(now: UnixTime) -> String {
    format!("this computer's clock says {}", device::words::time(now))
}

/// By how many seconds it is ahead of the home server's, by the Date of an answer over HTTPS (RFC 9110 section 6.6.1).
pub(crate) async fn ahead(trust: Arc<Trust>, server: &str) -> Option<i64> {
    let asking = device::https::server_time(trust, server);
    let theirs = tokio::time::timeout(SERVER, asking).await.ok()?.ok()??;
    let now = jiff::Timestamp::now().as_second();
    i64::try_from(theirs.as_secs()).ok().map(|theirs| now - theirs)
}

/// What is to be said of a clock that is so far ahead.
pub(crate) fn trouble(ahead_s: i64, now: UnixTime) -> Option<Event> {
    let direction = if ahead_s > 0 { "ahead of" } else { "behind" };
    (ahead_s.abs() > TOO_FAR_S).then(|| Event::Error {
        about: "clock".to_owned(),
        message: format!("{}, which is {} s {direction} the home server's", says(now), ahead_s.abs()),
        remedy: "set it: certificates and logs are judged by it, and by a wrong one they seem to have ended, or not to have begun"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_off_is_told() {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_795_445_729));
        assert_eq!(trouble(300, now), None);
        let Some(Event::Error { message, .. }) = trouble(-301, now) else { panic!("it is told") };
        assert_eq!(
            message,
            "this computer's clock says 2026-11-23 14:55:29 UTC, which is 301 s behind the home server's"
        );
    }
}
