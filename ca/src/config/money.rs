//! Sums, as operators write them: `0.075`. In whose currency is theirs to know.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

const UNIT: u64 = 1_000_000;
const DIGITS: usize = 6;

/// A sum in millionths of the currency's unit: texts cost fractions of a cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Money(pub u64);

/// What is no sum.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a sum such as 50 or 0.075, with at most six digits after the point, found {0:?}")]
pub struct MoneyError(String);

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || MoneyError(text.chars().take(40).collect());
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 9) || !digits(part, DIGITS) {
            return Err(wrong());
        }
        let part: u64 = format!("{part:0<DIGITS$}").parse().map_err(|_| wrong())?;
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        Ok(Self(whole * UNIT + part))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % UNIT);
        match part.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / UNIT),
            part => write!(f, "{}.{part}", self.0 / UNIT),
        }
    }
}

impl TryFrom<String> for Money {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_and_written_alike() {
        for (text, millionths) in
            [("50", 50_000_000), ("0.075", 75_000), ("0.000001", 1), ("0", 0), ("12.5", 12_500_000)]
        {
            assert_eq!(text.parse(), Ok(Money(millionths)));
            assert_eq!(Money(millionths).to_string(), text);
        }
        for wrong in ["", ".", "1.", ".5", "-1", "1,5", "0.0000001", "9999999999", "1e3", "\u{0661}"] {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
    }
}
