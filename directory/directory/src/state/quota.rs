//! Rate limits: token buckets per person, and larger ones per network address.
//!
//! They must outlive a connection, or reconnecting would refill them. So that nothing remembers *who* was here, they are kept
//! under a hash with a key drawn at start, and only until they are full again.

use super::numbered::Numbered;
use crate::config::{Limits, Rate};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Used {
    Announcements,
    LookUps,
    Watches,
    Invites,
}

impl Used {
    const ALL: [Self; 4] = [Self::Announcements, Self::LookUps, Self::Watches, Self::Invites];

    fn rate(self, limits: &Limits) -> Rate {
        match self {
            Self::Announcements => limits.announcements,
            Self::LookUps => limits.look_ups,
            Self::Watches => limits.watches,
            Self::Invites => limits.invites,
        }
    }
}

/// One token bucket, stored as the time at which it will be full again: eight bytes, and nothing to refill.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes `count` tokens, or says how long to wait until they are there.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate, count: u32) -> Result<(), Duration> {
        *self = self.after(now, rate, count)?;
        Ok(())
    }

    /// Puts tokens back that bought nothing; a full bucket stays full.
    fn put_back(&mut self, rate: Rate, count: u32) {
        // Full for longer is full: a time that is over says no more than that.
        self.full_at = self.full_at.checked_sub(rate.every.saturating_mul(count)).unwrap_or(self.full_at);
    }

    /// The bucket without `count` tokens, or how long to wait until they are there.
    fn after(self, now: Instant, rate: Rate, count: u32) -> Result<Self, Duration> {
        let full_at = self.full_at.max(now) + rate.every.saturating_mul(count);
        // A bucket of `burst` tokens is empty when it needs `burst × every` to be full again.
        let earliest = now + rate.every.saturating_mul(rate.burst);
        if full_at > earliest {
            return Err(full_at - earliest);
        }
        Ok(Self { full_at })
    }
}

/// The numbers under which the buckets of a connection are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    /// Hers, whichever device it is.
    pub(crate) person: u64,
    /// Those of her network address.
    pub(crate) address: u64,
}

/// The buckets of every person and address that has used some of them.
#[derive(Default)]
pub(crate) struct Quotas {
    kept: Numbered<u64, Kept>,
    key: RandomState,
}

/// The buckets under one number.
struct Kept {
    buckets: [Bucket; Used::ALL.len()],
    /// A timer is running that will look whether they are full: one is enough, however often somebody comes and goes.
    recovering: bool,
}

impl Kept {
    fn full(now: Instant) -> Self {
        Self { buckets: [Bucket::full(now); Used::ALL.len()], recovering: false }
    }

    fn full_at(&self) -> Option<Instant> {
        self.buckets.iter().map(|bucket| bucket.full_at).max()
    }
}

impl Quotas {
    /// The number under which the buckets of a person or an address are kept.
    pub(crate) fn number(&self, whose: impl Hash) -> u64 {
        self.key.hash_one(whose)
    }

    /// Takes tokens of the buckets under these numbers, each of so many times the size of a person's: of all, or of none.
    pub(crate) fn take<const N: usize>(
        &mut self,
        now: Instant,
        shares: &[(u64, u32); N],
        what: Used,
        count: u32,
        limits: &Limits,
    ) -> Result<(), Duration> {
        for (number, bucket) in self.after(now, shares, what, count, limits)? {
            self.kept.entry(number).or_insert_with(|| Kept::full(now)).buckets[what as usize] = bucket;
        }
        Ok(())
    }

    /// Gives back what was taken for something that could not be done.
    pub(crate) fn give_back(&mut self, shares: &[(u64, u32)], what: Used, count: u32, limits: &Limits) {
        for (number, times) in shares {
            if let Some(kept) = self.kept.get_mut(number) {
                kept.buckets[what as usize].put_back(share(what.rate(limits), *times), count);
            }
        }
    }

    /// Whether [`take`](Self::take) would succeed.
    pub(crate) fn allows<const N: usize>(
        &self,
        now: Instant,
        shares: &[(u64, u32); N],
        what: Used,
        count: u32,
        limits: &Limits,
    ) -> Result<(), Duration> {
        self.after(now, shares, what, count, limits).map(drop)
    }

    fn after<const N: usize>(
        &self,
        now: Instant,
        shares: &[(u64, u32); N],
        what: Used,
        count: u32,
        limits: &Limits,
    ) -> Result<[(u64, Bucket); N], Duration> {
        let mut after = shares.map(|(number, _)| {
            let kept = self.kept.get(&number);
            (number, kept.map_or(Bucket::full(now), |kept| kept.buckets[what as usize]))
        });
        for ((_, bucket), (_, times)) in after.iter_mut().zip(shares) {
            bucket.take(now, share(what.rate(limits), *times), count)?;
        }
        Ok(after)
    }

    /// Whether there is something under this number that a timer should look after and none does yet.
    pub(crate) fn begin_recovery(&mut self, number: u64) -> bool {
        self.kept.get_mut(&number).is_some_and(|kept| !std::mem::replace(&mut kept.recovering, true))
    }

    /// Forgets these buckets if they are full, which is what somebody never seen has; otherwise says when they will be.
    pub(crate) fn forget_if_full(&mut self, now: Instant, number: u64) -> Option<Instant> {
        let full_at = self.kept.get(&number)?.full_at().filter(|at| *at > now);
        if full_at.is_none() {
            self.kept.remove(&number);
        }
        full_at
    }
}

/// The rate of so many people together.
fn share(Rate { burst, every }: Rate, times: u32) -> Rate {
    Rate { burst: burst.saturating_mul(times), every: every / times.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(3, Duration::from_secs(10));

    #[test]
    fn a_bucket_gives_its_burst_then_one_at_a_time() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        for _ in 0..3 {
            bucket.take(start, RATE, 1).unwrap();
        }
        assert_eq!(bucket.take(start, RATE, 1), Err(Duration::from_secs(10)));
        let later = start + Duration::from_secs(10);
        bucket.take(later, RATE, 1).unwrap();
        assert_eq!(bucket.take(later, RATE, 1), Err(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_put_back_can_be_taken_again_and_no_more() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        bucket.take(start, RATE, 3).unwrap();
        bucket.put_back(RATE, 2);
        bucket.take(start, RATE, 2).unwrap();
        assert!(bucket.take(start, RATE, 1).is_err());
        bucket.put_back(RATE, 1_000);
        bucket.take(start, RATE, 3).unwrap();
        assert!(bucket.take(start, RATE, 1).is_err());
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert!(bucket.take(start, RATE, 4).is_err());
        bucket.take(start, RATE, 3).unwrap();
    }
}
