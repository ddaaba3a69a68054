//! Rate limits: a generic cell rate algorithm per key, in bounded memory.
//!
//! One number per key says when its bucket is full again. The keys that were idle longest are forgotten first; whoever
//! fills the memory with other keys wins back at most one burst.
//!
//! Several front ends keep those numbers in the database that they share, so that a limit is one limit. While it does not
//! answer, each keeps its own.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use identity::UnixTime;
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::config::{Limit, Limits, Overrides, Rate};
use crate::store::{Draw, Shared};

/// Keys remembered per limiter: 16 bytes of key, 8 of time, and the table around them, a few megabytes at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// All limits.
pub(crate) struct Limiters {
    limiters: [(Limit, Rate, Limiter); Limit::ALL.len()],
    overrides: Overrides,
    shared: Option<Arc<dyn Shared>>,
}

/// One too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    pub(crate) limit: Limit,
    pub(crate) rate: Rate,
    pub(crate) wait: Duration,
}

impl Limiters {
    pub(crate) fn new(limits: &Limits, shared: Option<Arc<dyn Shared>>) -> Self {
        let limiters = Limit::ALL.map(|limit| (limit, limits.rate(limit), Limiter::new()));
        Self { limiters, overrides: limits.overrides.clone(), shared }
    }

    /// Takes one out of a bucket. The first part of its key is what a rate of its own is looked up by.
    pub(crate) async fn take(&self, limit: Limit, key: &[&str], now: UnixTime) -> Result<(), Limited> {
        let rate = self.rate(limit, key);
        self.take_at(limit, rate, key, now).await
    }

    /// As [`Self::take`] for what somebody is sent, whoever asks: of that, those who ask from one network have half at
    /// most. So a stranger who asks in her name leaves her some, wherever else she asks from.
    pub(crate) async fn take_for(
        &self,
        limit: Limit,
        whom: &str,
        peer: Option<IpAddr>,
        now: UnixTime,
    ) -> Result<(), Limited> {
        if let Some(peer) = peer.filter(|peer| !peer.is_loopback()) {
            let rate = self.rate(limit, &[whom]);
            let half = Rate { burst: rate.burst.div_ceil(2), ..rate };
            self.take_at(limit, half, &[whom, &network(peer)], now).await?;
        }
        self.take(limit, &[whom], now).await
    }

    fn rate(&self, limit: Limit, key: &[&str]) -> Rate {
        let own = key.first().and_then(|whose| self.overrides.get(limit, whose));
        own.unwrap_or_else(|| self.limiter(limit).1)
    }

    fn limiter(&self, limit: Limit) -> &(Limit, Rate, Limiter) {
        self.limiters.iter().find(|(known, ..)| *known == limit).expect("there is a limiter for each limit")
    }

    async fn take_at(&self, limit: Limit, rate: Rate, key: &[&str], now: UnixTime) -> Result<(), Limited> {
        let (.., limiter) = self.limiter(limit);
        let limited = |wait| Limited { limit, rate, wait };
        let draw = draw(rate, now).map_err(limited)?;
        if let Some(shared) = &self.shared {
            let parts: Vec<&str> = std::iter::once(limit.name()).chain(key.iter().copied()).collect();
            match shared.take(digest(&parts), draw).await {
                Ok(0) => return Ok(()),
                Ok(wait) => return Err(limited(Duration::from_millis(wait))),
                Err(error) => tracing::warn!(%error, "the front ends' limits are not at hand; this one keeps its own"),
            }
        }
        limiter.take(draw, digest(key)).map_err(limited)
    }

    /// As [`Self::take`] for a limit by network. A proxy or a person on this machine is not limited: its address says
    /// nothing about who asks.
    pub(crate) async fn take_from(&self, limit: Limit, peer: Option<IpAddr>, now: UnixTime) -> Result<(), Limited> {
        match peer.filter(|peer| !peer.is_loopback()) {
            Some(peer) => self.take(limit, &[&network(peer)], now).await,
            None => Ok(()),
        }
    }
}

/// What one draw is; how long to wait, where none is ever allowed.
fn draw(rate: Rate, now: UnixTime) -> Result<Draw, Duration> {
    let period = u64::try_from(rate.period.as_millis()).unwrap_or(u64::MAX);
    let step = period.checked_div(u64::from(rate.burst)).ok_or(rate.period)?;
    Ok(Draw { now: now.as_secs().saturating_mul(1000), step, period })
}

/// What counts as one network: an IPv4 address, or an IPv6 /64.
pub(crate) fn network(peer: IpAddr) -> String {
    match peer.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments()[..4].iter().map(|s| format!("{s:x}:")).collect(),
    }
}

/// What counts as one network where few things are shared out at once: an IPv4 /24, or an IPv6 /48. Whoever has one /64 has
/// often thousands of them: of a rate each costs her an account's mails again, but with four she would have four quarters.
/// None of this machine's own, as in [`Limiters::take_from`].
pub(crate) fn wide_network(peer: Option<IpAddr>) -> Option<String> {
    let peer = peer.filter(|peer| !peer.is_loopback())?;
    Some(match peer.to_canonical() {
        IpAddr::V4(v4) => v4.octets()[..3].iter().map(|octet| format!("{octet}.")).collect(),
        IpAddr::V6(v6) => v6.segments()[..3].iter().map(|s| format!("{s:x}:")).collect(),
    })
}

/// One limit over many keys. Shared between tasks; never held over an await.
struct Limiter {
    /// Key digest → when the bucket is full again, in milliseconds since the epoch.
    full_again: Mutex<LruCache<[u8; 16], u64>>,
}

impl Limiter {
    fn new() -> Self {
        Self { full_again: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Takes one out of a bucket, or says how long to wait until there is one.
    fn take(&self, Draw { now, step, period }: Draw, bucket: [u8; 16]) -> Result<(), Duration> {
        let mut table = self.full_again.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let full_again = table.get(&bucket).copied().unwrap_or(0).max(now);
        let after = full_again.saturating_add(step);
        let horizon = now.saturating_add(period);
        if after > horizon {
            return Err(Duration::from_millis(after - horizon));
        }
        table.put(bucket, after);
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

    /// Of one limiter alone.
    fn take(limiter: &Limiter, rate: Rate, key: &[&str], now: UnixTime) -> Result<(), Duration> {
        limiter.take(draw(rate, now)?, digest(key))
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_burst_then_one_per_step() {
        let (limiter, rate) = (Limiter::new(), Rate::per_hour(5));
        for _ in 0..5 {
            take(&limiter, rate, &["a"], at(1000)).unwrap();
        }
        assert_eq!(take(&limiter, rate, &["a"], at(1000)), Err(Duration::from_secs(720)));
        assert_eq!(take(&limiter, rate, &["a"], at(1719)), Err(Duration::from_secs(1)));
        take(&limiter, rate, &["a"], at(1720)).unwrap();
        assert!(take(&limiter, rate, &["a"], at(1720)).is_err());
    }

    #[test]
    fn keys_do_not_disturb_each_other() {
        let (limiter, rate) = (Limiter::new(), Rate::per_hour(1));
        take(&limiter, rate, &["a", "bc"], at(0)).unwrap();
        take(&limiter, rate, &["ab", "c"], at(0)).unwrap();
        assert!(take(&limiter, rate, &["a", "bc"], at(0)).is_err());
    }

    #[test]
    fn a_burst_of_zero_refuses_everything() {
        assert_eq!(take(&Limiter::new(), Rate::per_hour(0), &["a"], at(0)), Err(Duration::from_secs(3600)));
    }

    #[tokio::test]
    async fn who_has_a_rate_of_her_own_is_counted_by_it_and_nobody_else_is() {
        let mut limits = Limits { orders_per_account: Rate::per_hour(1), ..Limits::default() };
        limits.overrides.set(Limit::OrdersPerAccount, "big", Rate::per_hour(3));
        let limiters = Limiters::new(&limits, None);
        let taken = async |whose| {
            let mut taken = 0;
            for _ in 0..5 {
                taken += usize::from(limiters.take(Limit::OrdersPerAccount, &[whose], at(0)).await.is_ok());
            }
            taken
        };
        assert_eq!((taken("big").await, taken("small").await), (3, 1));
        let refused = limiters.take(Limit::OrdersPerAccount, &["big"], at(0)).await.unwrap_err();
        assert_eq!((refused.rate, refused.wait), (Rate::per_hour(3), Duration::from_secs(1200)));
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_half_an_ipv6_one() {
        let of = |peer: &str| network(peer.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
    }
}
