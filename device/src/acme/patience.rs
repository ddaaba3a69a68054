//! Coming back when one is told to (RFC 9110 section 10.2.3): an authority whose store or log is away for a moment, or whose
//! limit frees soon, says when to ask again, and so the same request is made then. What takes longer is for a person to
//! decide.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use super::AcmeError;

/// How long an authority is waited for in all, with one request.
const LONGEST: Duration = Duration::from_secs(60);
/// Nobody is asked again sooner.
const SHORTEST: Duration = Duration::from_secs(1);

/// What is left of the patience with one request.
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) const fn new() -> Self {
        Self(LONGEST)
    }

    /// How long to wait before the request is made once more; none if it is not to be.
    pub(super) fn grant(&mut self, error: &AcmeError) -> Option<Duration> {
        let AcmeError::Refused { status, retry_after: Some(told), .. } = error else { return None };
        if !matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        let wait = (*told).max(SHORTEST);
        self.0 = self.0.checked_sub(wait)?;
        Some(wait)
    }
}

/// How long the server asks to wait: seconds, or a date, which is read by the server's own clock.
pub(super) fn told(headers: &HeaderMap) -> Option<Duration> {
    let field = |name: HeaderName| headers.get(name)?.to_str().ok();
    let text = field(RETRY_AFTER)?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_second());
    let wait = date(text)?.saturating_sub(date(field(DATE)?)?);
    Some(Duration::from_secs(wait.try_into().unwrap_or(0)))
}

/// What a refusal adds for whoever is not waited for.
pub(super) fn come_back(status: StatusCode, told: Option<Duration>) -> String {
    match told {
        Some(wait) if status == StatusCode::SERVICE_UNAVAILABLE => {
            format!("; it asks to come back in {} s", wait.as_secs())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::Problem;
    use super::*;

    fn refused(status: StatusCode, retry_after: Option<u64>) -> AcmeError {
        let retry_after = retry_after.map(Duration::from_secs);
        AcmeError::Refused { url: "https://ca".into(), status, problem: Problem::default(), retry_after }
    }

    #[test]
    fn a_time_is_seconds_or_a_date_by_the_servers_clock() {
        let of = |fields: &[(HeaderName, &str)]| {
            told(&fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        assert_eq!(of(&[(RETRY_AFTER, "120")]), Some(Duration::from_secs(120)));
        let (at, then) = ("Fri, 31 Dec 1999 23:57:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT");
        assert_eq!(of(&[(RETRY_AFTER, then), (DATE, at)]), Some(Duration::from_secs(120)));
        assert_eq!(of(&[(RETRY_AFTER, at), (DATE, then)]), Some(Duration::ZERO), "it is over");
        for nothing in [vec![], vec![(RETRY_AFTER, "soon")], vec![(RETRY_AFTER, "-1")], vec![(RETRY_AFTER, then)]] {
            assert_eq!(of(&nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn patience_ends() {
        let mut patience = Patience::new();
        for _ in 0..2 {
            assert_eq!(patience.grant(&refused(StatusCode::SERVICE_UNAVAILABLE, Some(25))), Some(LONGEST * 5 / 12));
        }
        assert_eq!(
            patience.grant(&refused(StatusCode::TOO_MANY_REQUESTS, Some(25))),
            None,
            "there are ten seconds left"
        );
        assert_eq!(patience.grant(&refused(StatusCode::TOO_MANY_REQUESTS, Some(0))), Some(SHORTEST));
        let mut patience = Patience::new();
        for refused in [
            refused(StatusCode::SERVICE_UNAVAILABLE, None),
            refused(StatusCode::FORBIDDEN, Some(1)),
            refused(StatusCode::TOO_MANY_REQUESTS, Some(3600)),
            refused(StatusCode::TOO_MANY_REQUESTS, Some(u64::MAX)),
        ] {
            assert_eq!(patience.grant(&refused), None, "{refused}");
        }
    }
}
