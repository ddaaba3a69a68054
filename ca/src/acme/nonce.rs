//! Replay nonces (RFC 8555 section 6.5): single-use.
//!
//! **A front end that is alone** keeps them in memory whose size does not depend on how many are asked for. A nonce is a
//! counter and its MAC under a key made at start. Used ones are remembered as bits of a window over the newest million;
//! what is older, or from before a restart, is answered with `badNonce` and a new one, and clients try again.
//!
//! **Of several**, each takes the nonces of all: a nonce is the time of its end and a random number, with their MAC under a
//! key that comes from what all of them hold. Used ones stand in the database that they share.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::Clock;
use crate::random;
use crate::store::{Shared, StoreError};

/// Nonces that can be outstanding at a time where there is one front end. One bit each: 128 KiB.
const WINDOW: u64 = 1 << 20;
/// How long one is good where there are several, in seconds.
const LIFETIME_SECONDS: u64 = 600;
const MAC_BYTES: usize = 16;

pub(crate) struct Nonces {
    key: hmac::Key,
    used: Used,
}

/// Where it is remembered which were used.
enum Used {
    Here(Mutex<Window>),
    There { shared: Arc<dyn Shared>, clock: Clock },
}

struct Window {
    /// The next counter to give out.
    next: u64,
    /// Bit `counter % WINDOW` is set once that counter was used.
    used: Vec<u64>,
}

impl Nonces {
    /// Of a front end that is alone, under a key made for this start.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let words = usize::try_from(WINDOW / 64).expect("a window fits into memory");
        let window = Mutex::new(Window { next: 0, used: vec![0; words] });
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), used: Used::Here(window) }
    }

    /// Of one among several, under a key that comes from a secret that all of them hold.
    pub(crate) fn shared(secret: &[u8; 32], shared: Arc<dyn Shared>, clock: Clock) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = hmac::sign(&secret, b"inperson-nonce-key-v1");
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), used: Used::There { shared, clock } }
    }

    /// A fresh nonce.
    pub(crate) fn issue(&self) -> String {
        let mut out = match &self.used {
            Used::Here(window) => window.lock().unwrap_or_else(PoisonError::into_inner).give().to_be_bytes().to_vec(),
            Used::There { clock, .. } => {
                let mut out = (clock().as_secs() + LIFETIME_SECONDS).to_be_bytes().to_vec();
                out.extend_from_slice(&random::bytes::<16>());
                out
            }
        };
        let mac = hmac::sign(&self.key, &out);
        out.extend_from_slice(&mac.as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(out)
    }

    /// Whether `nonce` is one of ours and unused; from now on it is used.
    ///
    /// # Errors
    /// The front ends' database cannot say.
    pub(crate) async fn redeem(&self, nonce: &str) -> Result<bool, StoreError> {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return Ok(false) };
        let Some((content, mac)) = bytes.split_last_chunk::<MAC_BYTES>() else { return Ok(false) };
        let expected = hmac::sign(&self.key, content);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&mac[..], &expected.as_ref()[..MAC_BYTES])) {
            return Ok(false);
        }
        let Some((number, random)) = content.split_first_chunk::<8>() else { return Ok(false) };
        let number = u64::from_be_bytes(*number);
        match &self.used {
            Used::Here(window) => Ok(window.lock().unwrap_or_else(PoisonError::into_inner).spend(number)),
            Used::There { shared, clock } => match random.try_into() {
                Ok(random) if clock().as_secs() < number => shared.spend(random, number).await,
                _ => Ok(false),
            },
        }
    }
}

impl Window {
    fn give(&mut self) -> u64 {
        let counter = self.next;
        self.next += 1;
        let (word, bit) = place(counter);
        self.used[word] &= !bit;
        counter
    }

    fn spend(&mut self, counter: u64) -> bool {
        let (word, bit) = place(counter);
        if counter + WINDOW < self.next || self.used[word] & bit != 0 {
            return false;
        }
        self.used[word] |= bit;
        true
    }
}

fn place(counter: u64) -> (usize, u64) {
    let at = counter % WINDOW;
    (usize::try_from(at / 64).expect("a window fits into memory"), 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_nonce_works_once() {
        let nonces = Nonces::new([1; 32]);
        let (a, b) = (nonces.issue(), nonces.issue());
        assert_ne!(a, b);
        assert!(nonces.redeem(&b).await.unwrap());
        assert!(nonces.redeem(&a).await.unwrap());
        assert!(!nonces.redeem(&a).await.unwrap());
        assert!(!nonces.redeem(&b).await.unwrap());
    }

    #[tokio::test]
    async fn forged_foreign_and_odd_ones_do_not_work() {
        let nonces = Nonces::new([1; 32]);
        let mut forged = nonces.issue().into_bytes();
        forged[12] ^= 1;
        assert!(!nonces.redeem(&String::from_utf8(forged).unwrap()).await.unwrap());
        let foreign = Nonces::new([2; 32]).issue();
        for odd in [foreign.as_str(), "", "A", "AAAA", "💥", &"A".repeat(100_000)] {
            assert!(!nonces.redeem(odd).await.unwrap());
        }
    }

    #[tokio::test]
    async fn one_that_fell_out_of_the_window_does_not_work() {
        let nonces = Nonces::new([1; 32]);
        let (first, second) = (nonces.issue(), nonces.issue());
        for _ in 0..WINDOW - 1 {
            nonces.issue();
        }
        assert!(!nonces.redeem(&first).await.unwrap());
        assert!(nonces.redeem(&second).await.unwrap());
    }
}
