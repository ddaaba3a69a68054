//! Rates, as operators write them: `5/h`, `10/30m`, `600/d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// So many, then one more each time `period / burst` has passed (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many at once. Zero refuses everything.
    pub burst: u32,
    /// The time in which a spent burst comes back whole.
    pub period: Duration,
}

/// What is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a rate such as 5/h, 10/30m or 600/d (units s, m, h, d), found {0:?}")]
pub struct RateError(String);

/// The units, the longest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

impl Rate {
    /// `burst` per hour.
    #[must_use]
    pub const fn per_hour(burst: u32) -> Self {
        Self { burst, period: Duration::from_secs(3600) }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.chars().take(40).collect());
        let (burst, period) = text.split_once('/').ok_or_else(wrong)?;
        let burst = burst.trim().parse().map_err(|_| wrong())?;
        let period = period.trim();
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| period.ends_with(*unit)).ok_or_else(wrong)?;
        let count = match period.strip_suffix(unit).unwrap_or_default() {
            "" => 1,
            count => count.parse::<u64>().ok().filter(|count| *count > 0).ok_or_else(wrong)?,
        };
        let seconds = count.checked_mul(seconds).filter(|seconds| *seconds <= 366 * 86_400).ok_or_else(wrong)?;
        Ok(Self { burst, period: Duration::from_secs(seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        let (unit, length) = UNITS.into_iter().find(|(_, length)| seconds.is_multiple_of(*length)).unwrap_or(('s', 1));
        match seconds / length {
            1 => write!(f, "{}/{unit}", self.burst),
            count => write!(f, "{}/{count}{unit}", self.burst),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_alike() {
        for (text, burst, seconds) in [("5/h", 5, 3600), ("10/30m", 10, 1800), ("0/s", 0, 1), ("600/7d", 600, 604_800)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate, Rate { burst, period: Duration::from_secs(seconds) });
            assert_eq!(rate.to_string(), text);
        }
        for wrong in ["", "5", "/h", "5/", "5/x", "-1/h", "5/0h", "5/99999999999999d", "5/hh", "5/ü", "5/1.5h"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
