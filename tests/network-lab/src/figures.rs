//! What many measurements of the same come to.

use std::time::Duration;

use serde::Serialize;

/// The median, and what 19 of 20 stay within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Half of them took at most so long.
    #[serde(rename = "p50_us", serialize_with = "micros")]
    pub p50: Duration,
    /// 95 of a hundred took at most so long.
    #[serde(rename = "p95_us", serialize_with = "micros")]
    pub p95: Duration,
    /// So many were measured.
    pub count: usize,
}

impl Figures {
    /// None without measurements.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        Some(Self { p50: rank(&times, 50)?, p95: rank(&times, 95)?, count: times.len() })
    }
}

/// The nearest rank: the smallest value that `percent` of a hundred do not exceed.
fn rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let place = (sorted.len() * percent).div_ceil(100);
    sorted.get(place.checked_sub(1)?).copied()
}

fn micros<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_one_of_the_values() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_secs).collect();
        let figures = Figures::of(times).unwrap();
        assert_eq!((figures.p50.as_secs(), figures.p95.as_secs(), figures.count), (10, 19, 20));
        let one = Figures::of(vec![Duration::from_secs(7)]).unwrap();
        assert_eq!((one.p50, one.p95), (Duration::from_secs(7), Duration::from_secs(7)));
        assert_eq!(Figures::of(Vec::new()), None);
    }
}
