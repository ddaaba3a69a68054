//! Trust policies and their updates.
#![no_main]

use identity::trust::{PolicyUpdate, Trust, TrustPolicy};
use libfuzzer_sys::fuzz_target;

#[path = "../vectors.rs"]
mod vectors;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = TrustPolicy::parse(bytes) {
        assert_eq!(policy.canonical(), bytes, "a policy has one spelling");
        let mut next = policy.clone();
        policy.withdraw_what_is_gone(&mut next);
        assert_eq!(next, policy, "nothing is gone");
        let _ = policy.changes_to(&vectors::TRUST.policies()[0]);
        Trust::new(vec![policy]).expect("what was read is in order");
    }
    if let Ok(update) = PolicyUpdate::parse(bytes) {
        assert_eq!(update.to_bytes(), bytes, "an update has one spelling");
        for current in &*vectors::POLICIES {
            if update.verify(current).is_ok() {
                // Cosignatures by unknown keys and a proof's extra data are passed over: it is the policy that counts.
                assert!(vectors::UPDATES.contains(&update.policy), "nobody forged an update");
            }
        }
    }
});
