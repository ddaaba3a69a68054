//! Replay nonces (RFC 8555 section 6.5): single-use, in memory whose size does not depend on how many are asked for.
//!
//! A nonce is a counter and its MAC under a key made at start. Used ones are remembered as bits of a window over the
//! newest million; what is older, or from before a restart, is answered with `badNonce` and a new one, and clients try
//! again.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Nonces that can be outstanding at a time. One bit each: 128 KiB.
const WINDOW: u64 = 1 << 20;
const MAC_BYTES: usize = 16;

pub(crate) struct Nonces {
    key: hmac::Key,
    window: Mutex<Window>,
}

struct Window {
    /// The next counter to give out.
    next: u64,
    /// Bit `counter % WINDOW` is set once that counter was used.
    used: Vec<u64>,
}

impl Nonces {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        let words = usize::try_from(WINDOW / 64).expect("a window fits into memory");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            window: Mutex::new(Window { next: 0, used: vec![0; words] }),
        }
    }

    /// A fresh nonce.
    pub(crate) fn issue(&self) -> String {
        let counter = {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            let counter = window.next;
            window.next += 1;
            let (word, bit) = place(counter);
            window.used[word] &= !bit;
            counter
        };
        let mut out = counter.to_be_bytes().to_vec();
        out.extend_from_slice(&hmac::sign(&self.key, &counter.to_be_bytes()).as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(out)
    }

    /// Whether `nonce` is one of ours and unused; from now on it is used.
    pub(crate) fn redeem(&self, nonce: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((counter, mac)) = bytes.split_first_chunk::<8>() else { return false };
        let expected = hmac::sign(&self.key, counter);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(mac, &expected.as_ref()[..MAC_BYTES])) {
            return false;
        }
        let counter = u64::from_be_bytes(*counter);
        let (word, bit) = place(counter);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if counter + WINDOW < window.next || window.used[word] & bit != 0 {
            return false;
        }
        window.used[word] |= bit;
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

    #[test]
    fn a_nonce_works_once() {
        let nonces = Nonces::new([1; 32]);
        let (a, b) = (nonces.issue(), nonces.issue());
        assert_ne!(a, b);
        assert!(nonces.redeem(&b));
        assert!(nonces.redeem(&a));
        assert!(!nonces.redeem(&a));
        assert!(!nonces.redeem(&b));
    }

    #[test]
    fn forged_foreign_and_odd_ones_do_not_work() {
        let nonces = Nonces::new([1; 32]);
        let mut forged = nonces.issue().into_bytes();
        forged[12] ^= 1;
        assert!(!nonces.redeem(&String::from_utf8(forged).unwrap()));
        let foreign = Nonces::new([2; 32]).issue();
        for odd in [foreign.as_str(), "", "A", "AAAA", "💥", &"A".repeat(100_000)] {
            assert!(!nonces.redeem(odd));
        }
    }

    #[test]
    fn one_that_fell_out_of_the_window_does_not_work() {
        let nonces = Nonces::new([1; 32]);
        let (first, second) = (nonces.issue(), nonces.issue());
        for _ in 0..WINDOW - 1 {
            nonces.issue();
        }
        assert!(!nonces.redeem(&first));
        assert!(nonces.redeem(&second));
    }
}
