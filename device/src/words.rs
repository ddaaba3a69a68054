//! Times and keys as people read them.

use identity::UnixTime;
use jiff::Timestamp;

/// `2026-11-23 14:55:29 UTC`.
pub fn time(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The first eight bytes in groups of four digits: `5f1c 09aa 1b2c 3d4e`. Enough to tell one's own keys apart.
pub fn short_key(key: &[u8]) -> String {
    let digits: Vec<String> = key[..key.len().min(8)].chunks(2).map(hex::encode).collect();
    digits.join(" ")
}
