//! Rate limits: a generic cell rate algorithm per key, in bounded memory.
//!
//! One number per key says when its bucket is full again. The keys that were idle longest are forgotten first; whoever
//! fills the memory with other keys wins back at most one burst.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Duration;

use identity::UnixTime;
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::config::Rate;

/// Keys remembered per limiter: 16 bytes of key, 8 of time, and the table around them, a few megabytes at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// One limit over many keys. Shared between tasks; never held over an await.
pub(crate) struct Limiter {
    rate: Rate,
    /// Key digest → when the bucket is full again, in milliseconds since the epoch.
    full_again: Mutex<LruCache<[u8; 16], u64>>,
}

impl Limiter {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, full_again: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Takes one out of `key`'s bucket, or says how long to wait until there is one.
    pub(crate) fn take(&self, key: &[&str], now: UnixTime) -> Result<(), Duration> {
        let period = u64::try_from(self.rate.period.as_millis()).unwrap_or(u64::MAX);
        let Some(step) = period.checked_div(u64::from(self.rate.burst)) else {
            return Err(self.rate.period);
        };
        let now = now.as_secs().saturating_mul(1000);
        let mut table = self.full_again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let digest = digest(key);
        let full_again = table.get(&digest).copied().unwrap_or(0).max(now);
        let after = full_again.saturating_add(step);
        let horizon = now.saturating_add(period);
        if after > horizon {
            return Err(Duration::from_millis(after - horizon));
        }
        table.put(digest, after);
        Ok(())
    }
}

/// A key's parts, length-prefixed so that no two lists run together, hashed so that no address lies about in memory.
fn digest(parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_burst_then_one_per_step() {
        let limiter = Limiter::new(Rate::per_hour(5));
        for _ in 0..5 {
            limiter.take(&["a"], at(1000)).unwrap();
        }
        assert_eq!(limiter.take(&["a"], at(1000)), Err(Duration::from_secs(720)));
        assert_eq!(limiter.take(&["a"], at(1719)), Err(Duration::from_secs(1)));
        limiter.take(&["a"], at(1720)).unwrap();
        assert!(limiter.take(&["a"], at(1720)).is_err());
    }

    #[test]
    fn keys_do_not_disturb_each_other() {
        let limiter = Limiter::new(Rate::per_hour(1));
        limiter.take(&["a", "bc"], at(0)).unwrap();
        limiter.take(&["ab", "c"], at(0)).unwrap();
        assert!(limiter.take(&["a", "bc"], at(0)).is_err());
    }

    #[test]
    fn a_burst_of_zero_refuses_everything() {
        let limiter = Limiter::new(Rate::per_hour(0));
        assert_eq!(limiter.take(&["a"], at(0)), Err(Duration::from_secs(3600)));
    }
}
