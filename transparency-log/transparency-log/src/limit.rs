//! Limits by the client's address: how often, in token buckets in bounded memory, and how many at a time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Clients that are remembered. Whoever is forgotten begins with a full bucket.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

/// Where a request came from, as a request extension. Whoever accepts connections puts it there; requests without it
/// share one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// The address that a request carries, or the unspecified one.
    pub fn of(extensions: &axum::http::Extensions) -> IpAddr {
        extensions.get::<Self>().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |client| client.0)
    }
}

/// So many requests a second for each client, and some more at once.
#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    burst: f64,
    buckets: Mutex<LruCache<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    /// `per_second` requests a second on average, `burst` at once.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let (per_second, burst) = (f64::from(per_second.get()), f64::from(burst.get()));
        Self { per_second, burst, buckets: Mutex::new(LruCache::new(CLIENTS)) }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait, when the client has asked too often.
    pub fn take(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { tokens: self.burst, filled: now };
        let bucket = buckets.get_or_insert_mut(network(client), || full);
        let since = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.per_second).min(self.burst);
        bucket.filled = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second))
    }
}

/// So many things at a time altogether, and for each client.
#[derive(Debug)]
pub struct Places {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of the [`Places`], until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

impl Places {
    /// `all` altogether, `each` for one client.
    pub fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// A place, if there is one for this client.
    pub fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let client = network(client);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.all || taken.get(&client).is_some_and(|own| *own >= self.each) {
            return None;
        }
        *taken.entry(client).or_default() += 1;
        Some(Place { places: Arc::clone(self), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = taken.entry(self.client) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// One household or server has a /64 of IPv6 addresses, not one.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> RateLimit {
        RateLimit::new(NonZeroU32::new(2).unwrap(), NonZeroU32::new(3).unwrap())
    }

    #[test]
    fn a_burst_then_a_steady_rate_for_each_client() {
        let (limit, start) = (limit(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        assert!((0..3).all(|_| limit.take(one, start).is_ok()));
        assert_eq!(limit.take(one, start), Err(Duration::from_millis(500)));
        limit.take(other, start).unwrap();
        limit.take(one, start + Duration::from_millis(500)).unwrap();
        limit.take(one, start + Duration::from_millis(500)).unwrap_err();
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..9).filter(|_| limit.take(one, later).is_ok()).count(), 3, "no more than a burst is saved up");
    }

    #[test]
    fn nobody_takes_all_places() {
        let places = Places::new(3, 2);
        let [one, other]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
        let (first, second) = (places.take(one).unwrap(), places.take(one).unwrap());
        assert!(places.take(one).is_none());
        let third = places.take(other).unwrap();
        assert!(places.take(other).is_none(), "all are taken");
        drop((first, second));
        let again = places.take(one).unwrap();
        drop((third, again));
        assert!(places.taken.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_version_6_is_one_client_and_memory_is_bounded() {
        let (limit, start) = (limit(), Instant::now());
        let addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"];
        let taken = addresses.map(|address| limit.take(address.parse().unwrap(), start).is_ok());
        assert_eq!(taken, [true, true, true, false]);
        limit.take("::ffff:192.0.2.1".parse().unwrap(), start).unwrap();
        for client in 0..40_000u32 {
            limit.take(IpAddr::V4(client.into()), start).unwrap();
        }
        assert!(limit.buckets.lock().unwrap().len() <= CLIENTS.get());
    }
}
