//! Times, keys and fingerprints as people read them.

use std::time::Duration;

pub(crate) use device::words::{key_digits, short_key, time};
use identity::UnixTime;
use jiff::Timestamp;

/// `2026-11-23T14:55:29Z` (RFC 3339), for JSON.
pub(crate) fn rfc3339(at: UnixTime) -> String {
    timestamp(at).to_string()
}

/// `in 13 days`, `2 hours ago`, `now`.
pub(crate) fn relative(at: UnixTime, now: UnixTime) -> String {
    let (at, now) = (at.as_secs(), now.as_secs());
    match at.abs_diff(now) {
        0 => "now".to_owned(),
        distance if at > now => format!("in {}", span(distance)),
        distance => format!("{} ago", span(distance)),
    }
}

/// The largest unit that fits, rounded down: `13 days`, `1 hour`.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (size, name) = UNITS.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "second"));
    let count = seconds / size;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// Digits in groups.
pub(crate) fn groups(digits: &str, size: usize) -> String {
    let digits: Vec<char> = digits.chars().collect();
    digits.chunks(size).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it for one.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `1 entry`, `12 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// As a sentence begins.
pub(crate) fn upper_first(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// A time as it may be typed: RFC 3339, a date (its first second, UTC), or seconds since 1970.
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, String> {
    let seconds = if let Ok(seconds) = text.parse::<u64>() {
        Some(seconds)
    } else if let Ok(timestamp) = text.parse::<Timestamp>() {
        timestamp.as_second().try_into().ok()
    } else if let Ok(date) = text.parse::<jiff::civil::Date>() {
        date.to_zoned(jiff::tz::TimeZone::UTC).ok().and_then(|zoned| zoned.timestamp().as_second().try_into().ok())
    } else {
        None
    };
    seconds
        .map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        .ok_or_else(|| "expected a time like 2026-11-23T14:55:00Z or 2026-11-23".to_owned())
}

fn timestamp(at: UnixTime) -> Timestamp {
    i64::try_from(at.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}

/// friendlyName is a BMPString (RFC 2985 section 5.5.1), which has no characters beyond the first plane.
pub(crate) fn friendly(name: &str) -> String {
    name.chars().map(|c| if u32::from(c) > 0xffff { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(time(at(1_795_445_729)), "2026-11-23 14:55:29 UTC");
        assert_eq!(relative(at(1_000_000), at(0)), "in 11 days");
        assert_eq!(relative(at(0), at(3_700)), "1 hour ago");
        assert_eq!(relative(at(5), at(5)), "now");
        assert_eq!(time(at(u64::MAX)).len(), time(at(u64::MAX)).trim().len(), "no panic on any number");
    }

    #[test]
    fn times_can_be_typed_three_ways() {
        for text in ["2026-11-23T00:00:00Z", "2026-11-23", "1795392000"] {
            assert_eq!(parse_time(text).unwrap().as_secs(), 1_795_392_000, "{text}");
        }
        for text in ["", "yesterday", "1900-01-01", "-5"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shell_takes_a_quoted_word_for_one() {
        for (word, shown) in [("a@b.org", "a@b.org"), ("", "''"), ("a b", "'a b'"), ("a'b;$c", r"'a'\''b;$c'")] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn keys_are_shown_in_groups() {
        assert_eq!(short_key(&[0x5f; 32]), "5f5f 5f5f 5f5f 5f5f");
    }
}
